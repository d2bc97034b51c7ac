"""
Which steps of two requests can change places, so that of the orders that differ only in those one is enough.

Whoever tries all orders leaves out each in which a step of a later request comes right before one of an earlier request
and the two could change places: of the orders that come to the same, the first in the alphabet has none of these.
"""

from holdall.stores.verbs import Find, Read

__all__ = ["commute"]


def commute(one: object, other: object) -> bool:
    """Return whether two steps at a table are told the same, and leave the same, whichever of them is first."""
    if isinstance(one, Read | Find) and isinstance(other, Read | Find):
        return True
    # Of two rows, neither is told of the other. A list of rows is told of all.
    rows = {getattr(one, "digest", None), getattr(other, "digest", None)}
    return len(rows) == 2 and None not in rows
