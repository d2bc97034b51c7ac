"""Detect calls such as ``session.save()`` that an async handler does not await and that therefore do nothing."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from holdall._errors import SessionError
from holdall._state import SessionState

__all__ = ["refuse_unawaited", "to_be_awaited"]

R = TypeVar("R")


def to_be_awaited(state: SessionState, name: str, call: Callable[[], Coroutine[Any, Any, R]]) -> Coroutine[Any, Any, R]:
    """
    Return the coroutine of *call*, the session's method *name*.

    If the request ends before it is awaited, ``refuse_unawaited`` raises.
    """

    async def awaited() -> R:
        state.unawaited = {call: name for call, name in state.unawaited.items() if call is not coroutine}
        return await call()

    coroutine: Any = awaited()
    # Outside of requests, only Python's own warning reports it, and shows this name.
    coroutine.__qualname__ = f"session.{name}"
    state.unawaited = {**state.unawaited, coroutine: name}
    started: Coroutine[Any, Any, R] = coroutine
    return started


def refuse_unawaited(state: SessionState, status: int = 200) -> None:
    """
    End a request in which a call was not awaited.

    Args:
        status: The response's status: a failed request (5xx) should show its own error instead.

    Raises:
        SessionError: A call was not awaited; the message names the first one.
    """
    calls, state.unawaited = state.unawaited, {}
    if status >= 500:
        return
    for call in calls:
        # Closed, because Python's own warning would repeat the error.
        call.close()
    name = next(iter(calls.values()))
    msg = f"session.{name}() was called without await, so it did nothing: write `await session.{name}(…)`."
    raise SessionError(msg)
