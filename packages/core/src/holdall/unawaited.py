"""
Find calls such as ``session.save()`` that an async handler makes and does not await, so that they do nothing.

Until the call is awaited, the session's state is of a class whose question at the end of a request raises. A request
that makes no such call is asked nothing more than before.
"""

from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from holdall._state import SessionState
from holdall.errors import SessionError

__all__ = ["to_be_awaited"]

R = TypeVar("R")


class _Waiting(SessionState):
    """The state of a session of which a call has not been awaited yet."""

    kind: type[SessionState]
    waiting: Mapping[Coroutine[Any, Any, Any], str] = MappingProxyType({})

    @property
    def is_as_stored(self) -> bool:
        calls, self.waiting = self.waiting, {}
        _stop_waiting(self, self.kind)
        for call in calls:
            # Python's own warning would repeat what the error says.
            call.close()
        name = next(iter(calls.values()))
        msg = f"session.{name}() was called without await, so it did nothing: write `await session.{name}(…)`."
        raise SessionError(msg)


def to_be_awaited(state: SessionState, name: str, call: Callable[[], Coroutine[Any, Any, R]]) -> Coroutine[Any, Any, R]:
    """
    Return the coroutine of *call*, the session's method *name*.

    If the request ends before it is awaited, a ``SessionError`` is raised there.
    """

    async def awaited() -> R:
        waiting.waiting = {call: name for call, name in waiting.waiting.items() if call is not coroutine}
        if not waiting.waiting:
            _stop_waiting(waiting, waiting.kind)
        return await call()

    waiting = _wait(state)
    coroutine = awaited()
    waiting.waiting = {**waiting.waiting, coroutine: name}
    return coroutine


def _wait(state: SessionState) -> _Waiting:
    if not isinstance(state, _Waiting):
        kind = type(state)
        found = _kinds.get(kind) or _kinds.setdefault(kind, type(kind.__name__, (_Waiting, kind), {"kind": kind}))
        state.__class__ = found
    assert isinstance(state, _Waiting)  # noqa: S101  # since the line above
    return state


def _stop_waiting(state: SessionState, kind: type[SessionState]) -> None:
    state.__class__ = kind


# For each class of states the one that waits.
_kinds: dict[type[SessionState], type[SessionState]] = {}
