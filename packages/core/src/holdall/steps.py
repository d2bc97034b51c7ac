"""
One logic for sync and async.

A generator decides. What has to be asked of a table it yields as a *step*, and it is sent the answer. ``run`` and
``run_async`` are the only places that know whether an answer is awaited or needs a thread, and a test can let the steps
of several requests meet in every order.
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
    A question for *target*: a table, a source of other libraries' sessions, or a store that is not made of steps.

    Attributes:
        waits: The attribute of *target* that says whether it blocks the thread; absent, it does not.
    """

    __slots__ = ("target",)

    waits: ClassVar[Literal["blocking_reads", "blocking_writes"]] = "blocking_writes"

    def __init__(self, target: Any) -> None:
        self.target = target

    @abstractmethod
    def take(self) -> Any:
        """Ask, and return the answer, or an awaitable of it where *target* is async."""


#: Work on a table as a generator: it yields a ``Step``, is sent the table's answer, and returns its result.
Steps = Generator[Step, Any, R]


def run(steps: Steps[R]) -> R:
    """Take *steps* to their end where every target answers at once."""
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
            except Exception as exc:  # noqa: BLE001  # the steps may have another way
                failure = exc
    except Exception as exc:
        # Error reports show the local variables of every call that failed.
        del answer, failure
        without_frames(exc)
        raise


async def run_async(steps: Steps[R]) -> R:
    """Take *steps* to their end in an event loop: await a target that is async, and ask one that blocks in a thread."""
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
            except Exception as exc:  # noqa: BLE001  # the steps may have another way
                failure = exc
    except Exception as exc:
        del answer, failure
        without_frames(exc)
        raise


def asked(answer: Any) -> Steps[Any]:
    """Return what a store answered: a store may be made of steps, or answer at once."""
    if type(answer) is GeneratorType:
        answer = yield from answer
    return answer
