"""
Which steps of two requests commute, so that of the orders that differ only in them, one is enough.

A test that tries all orders skips those in which a step of a later request comes right before one of an earlier request
and the two commute. Among equivalent orders, the alphabetically first has no such pair.
"""

from holdall.steps import Step
from holdall.stores._migration import ReadEntry
from holdall.stores._verbs import Find, Read

__all__ = ["commute"]

_READS = (Find, Read, ReadEntry)


def commute(one: Step, other: Step) -> bool:
    """Return whether two steps get the same answers, and leave the same rows, whichever comes first."""
    if one.target is not other.target or (isinstance(one, _READS) and isinstance(other, _READS)):
        return True
    # Steps on different rows do not affect each other. A list of rows is affected by all of them.
    rows = {getattr(one, "digest", None), getattr(other, "digest", None)}
    return len(rows) == 2 and None not in rows
