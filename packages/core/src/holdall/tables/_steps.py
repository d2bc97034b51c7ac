"""An engine's statements as steps: each verb is written once, and a sync and an async table take its steps."""

import inspect
from collections.abc import Generator
from typing import Any, Protocol, TypeVar

__all__ = ["Step", "Steps", "is_async", "run", "run_async"]

R = TypeVar("R")


class Step(Protocol):
    """Something to be done by a *target*, such as a connection."""

    def on(self, target: Any, /) -> Any:
        """Do it: return the answer, or an awaitable of it where *target* is async."""
        ...


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
    """Take *steps* to their end on a *target* that is async."""
    answer: object = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as done:
            result: R = done.value
            return result
        answer = await step.on(target)


def is_async(method: object) -> bool:
    """Return whether what *method* belongs to has to be awaited."""
    return inspect.iscoroutinefunction(method)
