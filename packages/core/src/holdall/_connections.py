"""
Keep a connection for each process, and for each event loop if it is async.

A forked process shares its parent's sockets, so it could read the answers to its parent's queries. Python can be forked
without running its fork hooks (uWSGI does so by default), so each use compares the process ID instead.
"""

import os
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Generic, NamedTuple, TypeVar

__all__ = ["Generations", "PerLoop", "PerProcess"]

T = TypeVar("T")


class PerProcess(Generic[T]):
    """A value that each process makes for itself on first use, by calling *make*."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        # A forked process keeps its parent's entry, because closing it could disturb the parent.
        # No lock: if another thread held it during a fork, it would stay locked in the forked process forever.
        self._made: dict[int, T] = {}

    def get(self) -> T:
        """Return the value of this process."""
        pid = os.getpid()
        made = self._made.get(pid)
        return self._made.setdefault(pid, self._make()) if made is None else made

    def take_out(self) -> T | None:
        """Remove and return the value of this process, if there is one, so that the caller can close it."""
        return self._made.pop(os.getpid(), None)


class Generations:
    """A record that tells connections made before a failover from later ones."""

    def __init__(self) -> None:
        self._present = 0
        self._known: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def renew(self) -> None:
        """Mark all connections made so far as outdated."""
        self._present += 1

    def note(self, connection: Any) -> None:
        """Mark *connection*, which was just opened, as current."""
        self._known[connection] = self._present

    def is_current(self, connection: Any) -> bool:
        """Return whether *connection* is current. One seen for the first time counts as current."""
        return self._known.setdefault(connection, self._present) == self._present


class _Held(NamedTuple):
    value: Any
    keeper: AsyncGenerator[None, None]


class PerLoop(Generic[T]):
    """
    A value that is made for each asyncio event loop on first use, and closed when the loop ends.

    A loop that ends with ``shutdown_asyncgens``, as in ``asyncio.run``, finishes its asynchronous generators. A
    generator can therefore close the value.
    """

    def __init__(self, make: Callable[[], T], close: Callable[[T], Awaitable[None]]) -> None:
        self._make = make
        self._close = close
        self._loops: PerProcess[dict[Any, _Held]] = PerProcess(dict)

    async def get(self) -> T:
        """Return the value of the running loop."""
        import asyncio

        loops, loop = self._loops.get(), asyncio.get_running_loop()
        held = loops.get(loop)
        if held is None:
            # A copy, because loops in other threads start and end at any time.
            for other in [each for each in list(loops) if each.is_closed()]:
                loops.pop(other, None)
            value = self._make()
            held = loops[loop] = _Held(value, self._keep(loops, loop, value))
            await anext(held.keeper)
        made: T = held.value
        return made

    async def close(self) -> None:
        """Close the value of the running loop, if there is one. Those of other loops are closed when they end."""
        import asyncio

        held = self._loops.get().get(asyncio.get_running_loop())
        if held is not None:
            await held.keeper.aclose()

    async def _keep(self, loops: dict[Any, _Held], loop: Any, value: T) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            loops.pop(loop, None)
            await self._close(value)
