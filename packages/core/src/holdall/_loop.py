"""
What asyncio does where ``Sessions`` are awaited and nothing else is given.

asyncio is imported where it runs, and by then it is there. To load it takes as long as to load all of us, and whoever
serves each request in a thread has no use for it.
"""

import sys
from collections.abc import Callable
from typing import Any

__all__ = ["is_running", "sleep", "to_thread"]


async def to_thread(call: Callable[[], Any]) -> Any:
    """Call a function in a thread."""
    import asyncio

    return await asyncio.to_thread(call)


async def sleep(seconds: float) -> None:
    """Let time pass."""
    import asyncio

    await asyncio.sleep(seconds)


def is_running() -> bool:
    """Say whether the caller is in an event loop of asyncio."""
    # Who is in one has imported it. A request that another library awaits is not to wait for that.
    if "asyncio" not in sys.modules:
        return False
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
