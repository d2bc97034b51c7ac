"""
Run logic that is written once, for sync and async tables alike.

The logic is a generator. It yields each call to a table as a *step* and is sent the result. Only ``run`` and
``run_async`` know whether a result must be awaited or a call needs a thread. Tests can also interleave the steps of
several requests in every order.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator
from types import GeneratorType
from typing import Any, ClassVar, Literal, TypeVar

from holdall import _async
from holdall._redacted import Redacted, without_frames

__all__ = ["Step", "Steps", "asked", "run", "run_async"]

R = TypeVar("R")


class Step(Redacted, ABC):
    """
    A call to *target*: a table, a source of other libraries' sessions, or a store whose methods are not generators.

    Attributes:
        waits: The attribute of *target* that says whether it blocks the thread; if absent, it does not.
    """

    __slots__ = ("target",)

    waits: ClassVar[Literal["blocking_reads", "blocking_writes"]] = "blocking_writes"

    def __init__(self, target: Any) -> None:
        self.target = target

    @abstractmethod
    def take(self) -> Any:
        """Make the call and return its result, or an awaitable of it if *target* is async."""


#: A generator that works on a table: it yields each ``Step``, is sent the table's answer, and returns its own result.
Steps = Generator[Step, Any, R]


def run(steps: Steps[R]) -> R:
    """Run *steps* to completion when every target is sync."""
    answer: Any = None
    failure: Exception | None = None
    try:
        while True:
            try:
                step = steps.send(answer) if failure is None else steps.throw(failure)
            except StopIteration as done:
                result: R = done.value
                return result
            failure = None
            try:
                answer = step.take()
            except Exception as exc:  # noqa: BLE001  # the steps may handle it
                failure = exc
    except Exception as exc:
        # Error reports show the local variables of every call that failed.
        del answer, failure
        without_frames(exc)
        raise


async def run_async(steps: Steps[R]) -> R:
    """Run *steps* to completion in an event loop: await async targets, and call blocking ones in a thread."""
    answer: Any = None
    failure: Exception | None = None
    try:
        while True:
            try:
                step = steps.send(answer) if failure is None else steps.throw(failure)
            except StopIteration as done:
                result: R = done.value
                return result
            failure = None
            try:
                if getattr(step.target, step.waits, False):
                    in_thread = getattr(step.target, "in_thread", None) or _async.to_thread
                    answer = await in_thread(step.take)
                else:
                    answer = step.take()
                    if hasattr(type(answer), "__await__"):
                        answer = await answer
            except Exception as exc:  # noqa: BLE001  # the steps may handle it
                failure = exc
    except Exception as exc:
        del answer, failure
        without_frames(exc)
        raise


def asked(answer: Any) -> Steps[Any]:
    """Return a store's *answer*, running it as steps if the store's method is a generator."""
    if type(answer) is GeneratorType:
        answer = yield from answer
    return answer
