"""
A principal's sessions in a table, listed and ended: rows are found by whose they are, and not by a cookie.

A session that is being renewed stands in no row for a moment, but its tombstone is listed: who ends that reaches the
new row, there already or not (``holdall.stores.succession``). So each session that was there when the rows were listed
has ended when all of them were seen to, and one pass will do: a login that comes while it lasts is a new session's.
"""

from datetime import datetime

from holdall.devices import Device, facts_of
from holdall.steps import Steps
from holdall.stores.succession import end, line_of
from holdall.stores.verbs import Clear, Find
from holdall.tables.contract import Listed

__all__ = ["of", "revoke", "revoke_all"]


def of(principal: str, *, current: bytes | None = None) -> Steps[list[Device]]:
    """List a principal's sessions, oldest first. *current* is the digest of the one that the request has itself."""
    found = yield Find(principal)
    return [_device(each, current) for each in found if not each.is_tombstone]


def revoke(principal: str, *, spared: bytes | None = None, handle: str | None = None) -> Steps[int]:
    """
    End a principal's sessions, and return how many have ended by that.

    Args:
        spared: The digest of one that is to live on, and whatever it was renewed to.
        handle: End this one alone.
    """
    found = yield Find(principal)
    # Read after the list: a renewed row is listed only if its signpost stood before.
    # It may have been renewed itself a moment ago: what the tombstone of that leads to is not ended either.
    passed = set() if spared is None else (yield from line_of(spared))
    ended = 0
    # Tombstones first, which lead to others of the list.
    for each in sorted(found, key=lambda each: not each.is_tombstone):
        if handle in (None, each.handle):
            ended += yield from end(each.digest, passed)
    return ended


def revoke_all(began_by: datetime) -> Steps[int]:
    """
    Remove all rows that began by then, and return how many.

    A renewal under way finds its tombstone gone when it has inserted its row, and takes that out again; where it found
    the tombstone, the row was there before that went, and so goes too: after the last thing was removed, all are gone
    through once more.
    """
    cleared = 0
    while some := (yield Clear(began_by)):
        cleared += some
    return cleared


def _device(listed: Listed, current: bytes | None) -> Device:
    facts = facts_of(listed.device)
    return Device(listed.handle, listed.created, listed.expires, listed.seen, *facts, listed.digest == current)
