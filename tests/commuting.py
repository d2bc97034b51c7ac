"""
Which steps of two requests can change places, so that of the orders that differ only in those one is enough.

Whoever tries all orders leaves out each in which a step of a later request comes right before one of an earlier request
and the two could change places: of the orders that come to the same, the first in the alphabet has none of these.
"""

from holdall.steps import Step
from holdall.stores._migration import ReadEntry
from holdall.stores._verbs import Find, Read

__all__ = ["commute"]

_READS = (Find, Read, ReadEntry)


def commute(one: Step, other: Step) -> bool:
    """Return whether two steps are told the same, and leave the same, whichever of them is first."""
    if one.target is not other.target or (isinstance(one, _READS) and isinstance(other, _READS)):
        return True
    # Of two rows, neither is told of the other. A list of rows is told of all.
    rows = {getattr(one, "digest", None), getattr(other, "digest", None)}
    return len(rows) == 2 and None not in rows
