"""Run statements as steps, so that each verb is written once for sync and async tables."""

import inspect
from collections.abc import Generator
from typing import Any, Protocol, TypeVar

__all__ = ["Step", "Steps", "is_async", "run", "run_async"]

R = TypeVar("R")


class Step(Protocol):
    """An operation on a *target*, such as a connection."""

    def on(self, target: Any, /) -> Any:
        """Run it, and return the result, or an awaitable of it if *target* is async."""
        ...


Steps = Generator[Step, Any, R]


def run(steps: Steps[R], target: object) -> R:
    """Run *steps* to completion on a sync *target*."""
    answer: object = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as done:
            result: R = done.value
            return result
        answer = step.on(target)


async def run_async(steps: Steps[R], target: object) -> R:
    """Run *steps* to completion on an async *target*."""
    answer: object = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as done:
            result: R = done.value
            return result
        answer = await step.on(target)


def is_async(method: object) -> bool:
    """Return whether the object that *method* belongs to is async."""
    return inspect.iscoroutinefunction(method)
