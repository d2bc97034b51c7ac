"""
Every order in which requests can meet, without those that come to the same as another.

Two steps can change places if each is told the same, and they leave the same, in either order. An order is left out
if in it a step of a later request comes right before one of an earlier request and the two could change places: of the
orders that come to the same, the first in the alphabet has none of these.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from holdall.steps import Step, Steps
from holdall.stores._migration import ReadEntry
from holdall.stores._verbs import Find, Read
from holdall.testing import Browser

__all__ = ["Keep", "Send", "commute", "every_order"]


class Send(Step):
    """A browser sends a request, with the cookies that it has then; *target* is the browser."""

    __slots__ = ()

    def take(self) -> str:
        header: str = self.target.header(https=True)
        return header


class Keep(Step):
    """A response arrives at a browser."""

    __slots__ = ("set_cookies",)

    def __init__(self, target: Browser, set_cookies: Sequence[str]) -> None:
        super().__init__(target)
        self.set_cookies = set_cookies

    def take(self) -> None:
        self.target.keep(self.set_cookies, https=True)


_READS = (Find, Read, ReadEntry, Send)


def commute(one: Step, other: Step) -> bool:
    """Return whether two steps get the same answers, and leave the same rows, whichever comes first."""
    if one.target is not other.target or (isinstance(one, _READS) and isinstance(other, _READS)):
        return True
    # Steps on different rows do not affect each other. A list of rows is affected by all of them.
    rows = {getattr(one, "digest", None), getattr(other, "digest", None)}
    return len(rows) == 2 and None not in rows


def every_order(begin: Callable[[], Sequence[Steps[Any]]]) -> Iterator[list[Any]]:
    """
    Take the steps of requests in every order, each time from the beginning, and yield what the requests return.

    Args:
        begin: Returns the requests. What they do before their first step must not depend on the others.
    """
    todo: list[tuple[int, ...]] = [()]
    while todo:
        results = _take(begin(), todo.pop(), todo)
        if results is not None:
            yield results


def _take(requests: Sequence[Steps[Any]], order: tuple[int, ...], todo: list[tuple[int, ...]]) -> list[Any] | None:
    """
    Take the steps in this *order*, then those of the first request, and add to *todo* what differs later.

    Return ``None`` if from some place on all orders come to the same as others.
    """
    waiting = {number: next(request) for number, request in enumerate(requests)}
    results: list[Any] = [None] * len(requests)
    taken: tuple[int, ...] = ()
    last, step = 0, waiting[0]
    while waiting:
        if len(taken) < len(order):
            last = order[len(taken)]
        else:
            free = [each for each in waiting if each >= last or not commute(step, waiting[each])]
            if not free:
                return None
            last = free[0]
            todo += [(*taken, other) for other in free[1:]]
        step, taken = waiting[last], (*taken, last)
        try:
            waiting[last] = requests[last].send(step.take())
        except StopIteration as done:
            del waiting[last]
            results[last] = done.value
    return results
