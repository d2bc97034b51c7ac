"""
Run concurrent tasks in asyncio and in trio, for connections that are closed while their handler runs.

Loaded only for such connections. Needs no library except the one that runs the event loop.
"""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from holdall._async import current_loop, finished, is_trios, shielded

__all__ = ["Interruptible", "current_time", "new_event", "new_lock", "run_alongside", "shielded", "sleep", "within"]

R = TypeVar("R")

Work = Callable[[], Coroutine[Any, Any, R]]


def new_event() -> Any:
    """Return an event of the running library."""
    return _library().Event()


def new_lock() -> Any:
    """Return a lock of the running library."""
    return _library().Lock()


async def sleep(seconds: float) -> None:
    """Sleep for *seconds* while other tasks run."""
    await _library().sleep(seconds)


def current_time() -> float:
    """Return the event loop's clock, in seconds."""
    loop = current_loop()
    now: float = _library().current_time() if is_trios(loop) else loop.time()  # type: ignore[union-attr]  # it runs now
    return now


async def run_alongside(work: Callable[[], Awaitable[None]], background: Work[None]) -> None:
    """Run *work*, and run *background* as a task that is cancelled when *work* ends."""
    if is_trios(current_loop()):
        import trio

        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(background)
            try:
                await work()
            except Exception as exc:  # noqa: BLE001  # raised again below
                # Caught here, because a nursery wraps the exceptions raised in it.
                failure = exc
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return
    import asyncio

    task = asyncio.ensure_future(background())
    try:
        await work()
    finally:
        task.cancel()
        await finished(task)
    if not task.cancelled():
        task.result()


async def within(seconds: float, work: Coroutine[Any, Any, None]) -> None:
    """Run *work*, but cancel it after *seconds*."""
    if is_trios(current_loop()):
        import trio

        with trio.move_on_after(seconds):
            await work
        return
    import asyncio

    with suppress(TimeoutError):
        await asyncio.wait_for(work, seconds)


class Interruptible:
    """Work that other tasks can interrupt."""

    def __init__(self) -> None:
        self._cancel: Callable[[], object] = bool

    async def run(self, work: Coroutine[Any, Any, R]) -> R | None:
        """Return the result of *work*, or ``None`` if it was interrupted."""
        if is_trios(current_loop()):
            import trio

            with trio.CancelScope() as scope:
                self._cancel = scope.cancel
                return await work
            return None
        import asyncio

        task = asyncio.ensure_future(work)
        self._cancel = task.cancel
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
        return None if task.cancelled() else task.result()

    def interrupt(self) -> None:
        """Stop the work if it is still running."""
        self._cancel()


def _library() -> Any:
    if is_trios(current_loop()):
        import trio

        return trio
    import asyncio

    return asyncio
