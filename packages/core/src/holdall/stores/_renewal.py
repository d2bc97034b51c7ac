"""
Give a session a new ID safely while another request may end it.

The new ID is drawn first. In one step the old row is removed and replaced by a tombstone that contains the new row's
digest; then the new row is inserted. So a request that ends the old session finds either its row or the tombstone,
follows that to the new row and removes it. If the new row does not exist yet, a tombstone of its own takes its place:
the renewal's insert fails, and the session is over.
"""

from typing import Any

from holdall.steps import Steps
from holdall.stores._contract import RowRef
from holdall.stores._verbs import Insert, Read, Remove
from holdall.tables._contract import Row

__all__ = ["end", "follow", "line_of", "succeed"]


def succeed(table: Any, old: bytes, new: bytes, row: Row) -> Steps[bool]:
    """Insert the *row* of a renewed session, whose tombstone leads to it; return ``False`` if it was ended first."""
    if not (yield Insert(table, new, row)):
        return False
    if (yield Read(table, old)) is None:
        # All rows were cleared while this one was being written. Had the clear run later, it would have removed this
        # row as well.
        yield Remove(table, new)
        return False
    return True


def end(table: Any, digest: bytes, passed: set[bytes] | None = None) -> Steps[bool]:
    """
    End the session of a row, following its renewals, and return whether this call ended it.

    Args:
        passed: Rows at which to stop, because they have been handled. Rows met on the way are added.
    """
    passed = set() if passed is None else passed
    # A loop instead of recursion, because a session may have been renewed often.
    place = digest
    while place not in passed:
        passed.add(place)
        if (yield Remove(table, place)) is not None:
            return True
        tombstone = yield Read(table, place)
        if tombstone is None or not tombstone.is_tombstone or not tombstone.data:
            return False
        place = tombstone.data
        # With the principal, because a table may evict rows without one.
        taken = Row(b"", 0, tombstone.expires, tombstone.created, tombstone.principal)
        if place not in passed and (yield Insert(table, place, taken)):
            # The new row did not exist yet and now never will; or it had already ended.
            return False
    return False


def follow(table: Any, place: RowRef) -> Steps[RowRef | None]:
    """Return a session's current location; ``None`` if it has ended or now belongs to another user."""
    digest = place.digest
    while (row := (yield Read(table, digest))) is None or row.is_tombstone:
        if row is None:
            # A tombstone may lead to a row that does not exist yet. By the next check it exists, or never will.
            is_sure = place.in_doubt or digest == place.digest
            return None if is_sure else RowRef(place.digest, in_doubt=True)
        if not row.data:
            return None
        digest = row.data
    return RowRef(digest)


def line_of(table: Any, digest: bytes) -> Steps[set[bytes]]:
    """Return the digests of a row and of all its renewals, including one that does not exist yet."""
    line = {digest}
    while (row := (yield Read(table, digest))) is not None and row.is_tombstone and row.data:
        digest = row.data
        line.add(digest)
    return line
