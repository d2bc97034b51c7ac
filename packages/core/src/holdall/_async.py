"""
Run work in threads, shield it, or call it from other threads, with the async library in use: asyncio or trio.

Neither library is imported here: a program in an event loop has already imported its own, and importing asyncio takes
as long as importing all of this package.
"""

import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["Loop", "call_in", "current_loop", "finished", "is_trios", "shielded", "to_thread"]

R = TypeVar("R")

#: asyncio's event loop, or trio's token.
Loop = Any


def current_loop() -> Loop | None:
    """Return the running event loop, or ``None``."""
    if "asyncio" in sys.modules:
        import asyncio

        try:
            return asyncio.get_running_loop()
        except RuntimeError:
            pass
    if "trio" in sys.modules:
        import trio

        try:
            return trio.lowlevel.current_trio_token()
        except RuntimeError:
            pass
    return None


async def to_thread(call: Callable[[], R]) -> R:
    """Call a function in a thread of the running library."""
    if "anyio" in sys.modules:
        # Applications configure anyio's limit on threads, which is higher than asyncio's.
        from anyio.to_thread import run_sync

        return await run_sync(call)
    if is_trios(current_loop()):
        import trio

        return await trio.to_thread.run_sync(call)
    import asyncio

    return await asyncio.to_thread(call)


def call_in(loop: Loop | None, call: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """Run a coroutine function in *loop* from another thread and wait for it; ``None`` starts a loop of its own."""
    if is_trios(loop):
        import trio

        return trio.from_thread.run(call, trio_token=loop)
    import asyncio

    if loop is None or not loop.is_running():
        return asyncio.run(call())
    return asyncio.run_coroutine_threadsafe(call(), loop).result()


async def shielded(work: Coroutine[Any, Any, R]) -> R:
    """
    Finish *work* even if the request is cancelled, and deliver the cancellation afterwards.

    A renewal removes one row and inserts another: if interrupted in between, it would leave the visitor with neither.
    """
    if is_trios(current_loop()):
        import trio

        with trio.CancelScope(shield=True):
            answer = await work
        # Not returned inside the block: type checkers think that it may swallow exceptions, although it does not.
        return answer  # noqa: RET504
    import asyncio

    # Cancelling a task also cancels the coroutine that it runs, but not another task.
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await finished(task)
        # A failure of the work takes precedence over the cancellation, because it must be reported.
        task.result()
        raise


async def finished(task: Any) -> None:
    """Wait until an asyncio task has ended, even if the caller is cancelled while it waits."""
    import asyncio

    anyio = sys.modules.get("anyio")
    if anyio is not None:
        # A cancelled anyio scope cancels its task again in every iteration of the loop.
        with anyio.CancelScope(shield=True):
            await asyncio.wait([task])
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            continue


def is_trios(loop: Loop | None) -> bool:
    """Return whether *loop* belongs to trio."""
    return hasattr(loop, "run_sync_soon")
