"""
A session that gets a new ID while another request ends it.

The new ID is drawn first. The old row is removed, and in the same step a tombstone that holds the new row's digest
takes its place; then the new row is inserted. So whoever ends the old session finds either its row or the tombstone,
follows that to the new row and removes it. Where the new row is not there yet, a tombstone of its own occupies the
place: the renewal's insert fails, and the session is over.
"""

from typing import Any

from holdall.steps import Steps
from holdall.stores.contract import RowRef
from holdall.stores.verbs import Insert, Read, Remove
from holdall.tables.contract import Row

__all__ = ["end", "follow", "line_of", "succeed"]


def succeed(table: Any, old: bytes, new: bytes, row: Row) -> Steps[bool]:
    """Insert the *row* of a renewed session, whose tombstone leads to it; return ``False`` if it was ended first."""
    if not (yield Insert(table, new, row)):
        return False
    if (yield Read(table, old)) is None:
        # All rows were cleared while this one was on its way. Had the clear run later, it would have removed this row
        # as well.
        yield Remove(table, new)
        return False
    return True


def end(table: Any, digest: bytes, passed: set[bytes] | None = None) -> Steps[bool]:
    """
    End the session of a row, wherever it has been renewed to, and return whether this ended it.

    Args:
        passed: Rows at which to stop, because they have been seen to. Those met on the way are added.
    """
    passed = set() if passed is None else passed
    # A loop and no recursion, so that a session that was renewed often cannot lead too deep.
    place = digest
    while place not in passed:
        passed.add(place)
        if (yield Remove(table, place)) is not None:
            return True
        tombstone = yield Read(table, place)
        if tombstone is None or not tombstone.is_tombstone or not tombstone.data:
            return False
        place = tombstone.data
        if place not in passed and (yield Insert(table, place, Row(b"", 0, tombstone.expires, tombstone.created))):
            # The new row was not there yet, and now it never will be; or it had ended already.
            return False
    return False


def follow(table: Any, place: RowRef) -> Steps[RowRef | None]:
    """Return where a session is by now; ``None`` if it has ended or become another visitor's."""
    digest = place.digest
    while (row := (yield Read(table, digest))) is None or row.is_tombstone:
        if row is None:
            # A tombstone may lead to a row that is yet to come. At the next look it is there, or never will be.
            is_sure = place.in_doubt or digest == place.digest
            return None if is_sure else RowRef(place.digest, in_doubt=True)
        if not row.data:
            return None
        digest = row.data
    return RowRef(digest)


def line_of(table: Any, digest: bytes) -> Steps[set[bytes]]:
    """Return the digests of a row and of all that it was renewed to, including one that is not there yet."""
    line = {digest}
    while (row := (yield Read(table, digest))) is not None and row.is_tombstone and row.data:
        digest = row.data
        line.add(digest)
    return line
