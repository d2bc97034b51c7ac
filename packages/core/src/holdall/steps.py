"""
One logic for sync and async.

A generator of steps decides; it yields what it wants done and is sent the answer. ``run`` and ``run_async`` differ by
one word, and a test can step several requests through every order of events.
"""

import inspect
from collections.abc import Coroutine, Generator
from typing import Any, NamedTuple, Protocol, TypeVar

from holdall import _loop

__all__ = ["Pause", "Step", "Steps", "is_awaited", "run", "run_async", "unbroken"]

R = TypeVar("R")


class Step(Protocol):
    """Something to be done by a *target*, a store or a table."""

    def on(self, target: Any, /) -> Any:
        """Do it: return the answer, or an awaitable of it where *target* is awaited."""
        ...


class Pause(NamedTuple):
    """Let about so many *seconds* pass. The answer is the time then."""

    seconds: float

    def on(self, target: Any) -> Any:
        return target.pause(self.seconds)


Steps = Generator[Step, Any, R]


def run(steps: Steps[R], target: object) -> R:
    """Take *steps* to their end on a *target* that answers at once."""
    answer: object = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as done:
            result: R = done.value
            return result
        answer = step.on(target)


async def run_async(steps: Steps[R], target: object) -> R:
    """Take *steps* to their end on a *target* that is awaited."""
    answer: object = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as done:
            result: R = done.value
            return result
        answer = await step.on(target)


async def unbroken(work: Coroutine[Any, Any, R]) -> R:
    """
    Take *work* to its end even if the request is cancelled meanwhile.

    A renewal ends one row and makes another: broken off between the two it would leave the visitor with neither.
    This holds off asyncio's cancellation; under another library an adapter has to hold off that library's.
    """
    if not _loop.is_running():
        return await work
    import asyncio

    # Only another task outlives a task's own cancel().
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def is_awaited(method: object) -> bool:
    """Say whether what *method* belongs to has to be awaited."""
    return inspect.iscoroutinefunction(method)
