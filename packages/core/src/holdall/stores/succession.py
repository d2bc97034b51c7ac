"""
The end of a session that is renewed at the same time.

A renewal removes the old row and inserts a new one, under an id that nobody else knows. Between the two stands a
signpost: a row under a digest made of the old one's, which only one of two can insert. The renewal does, to say where
the session goes, or who ends it, to say that it is over. The signpost comes before the new row, so that a renewed
session never lives where nobody can find it.

A login into a session that was nobody's has a signpost of another kind, for those who look on: none who ends the old
session ends that.
"""

import hashlib
from datetime import datetime

from holdall.steps import Steps
from holdall.stores.contract import Trail
from holdall.stores.verbs import Insert, Read, Remove
from holdall.tables.contract import Row

__all__ = ["end", "end_successor", "follow", "lead", "line_of", "succeed"]


def succeed(old: bytes, new: bytes, row: Row, until: datetime) -> Steps[bool]:
    """
    Put the *row* of a renewed session under *new*. If the session was ended meanwhile, put none and return ``False``.

    Until *until* whoever ends the *old* row, which is a tombstone by now, finds the new one.
    """
    if not (yield Insert(_signpost(old), Row(new, 0, until, row.created))):
        return False
    if not (yield Insert(new, row)):
        return False
    if (yield Read(old)) is None:
        # All rows were cleared while this one was on its way, or that took longer than any request of the browser's
        # that could need the tombstone. Had it been cleared only after this, so would be the new row.
        yield Remove(new, None)
        return False
    return True


def lead(old: bytes, new: bytes, row: Row, until: datetime) -> Steps[None]:
    """Lead whoever follows the *old* row, until *until*, to the *row* of a login, which is to be put under *new*."""
    yield Insert(_login(old), Row(new, 0, until, row.created))


def end(digest: bytes, passed: set[bytes] | None = None) -> Steps[bool]:
    """
    End the session of a row, wherever it has been renewed to. Return whether it has ended by that.

    Args:
        passed: Rows where to stop, for they have been seen to. Those that are met on the way join them.
    """
    passed = set() if passed is None else passed
    # A loop, for whoever renews a session often enough must not be able to make it too long a way to go.
    place: bytes | None = digest
    while place is not None and place not in passed:
        passed.add(place)
        if (yield Remove(place, None)) is not None:
            return True
        place = yield from _place_after(place)
    return False


def end_successor(old: bytes) -> Steps[bool]:
    """End what a row that is gone was renewed to, and return whether it has ended by that."""
    new = yield from _place_after(old)
    return new is not None and (yield from end(new))


def follow(trail: Trail) -> Steps[Trail | None]:
    """Return where a session is by now, having been renewed or not; ``None`` if it has ended or become another's."""
    digest = trail.digest
    while (row := (yield Read(digest))) is None or row.is_tombstone:
        onward = None if row is None else (yield from _onward(digest))
        if onward is None:
            # What a renewal leads to may be yet to come. When this is looked at again it is there, or never will be.
            is_sure = trail.in_doubt or (row is None and digest == trail.digest)
            return None if is_sure else trail._replace(in_doubt=True)
        digest = onward
    return Trail(digest)


def line_of(digest: bytes) -> Steps[set[bytes]]:
    """Return the digests of a row and of those that it was renewed to, those that are not there yet among them."""
    line = {digest}
    while (signpost := (yield Read(_signpost(digest)))) is not None and signpost.data:
        digest = signpost.data
        line.add(digest)
    return line


def _onward(old: bytes) -> Steps[bytes | None]:
    """Return where a row that is gone leads whoever follows it."""
    for place in (_signpost(old), _login(old)):
        signpost = yield Read(place)
        if signpost is not None and signpost.data:
            new: bytes = signpost.data
            return new
    return None


def _place_after(old: bytes) -> Steps[bytes | None]:
    """Return where a row that is gone was renewed to; if nothing is there yet, see to it that nothing ever will be."""
    row = yield Read(old)
    if row is None or not row.is_tombstone:
        return None
    if (yield Insert(_signpost(old), Row(b"", 0, row.expires, row.created))):
        # A renewal that is under way gives up when it meets this; a login goes on.
        return None
    signpost = yield Read(_signpost(old))
    if signpost is None or not signpost.data:
        return None
    new: bytes = signpost.data
    if (yield Insert(new, Row(b"", 0, signpost.expires, signpost.created))):
        # It was not there yet, and now never will be; or it had ended already.
        return None
    return new


def _signpost(digest: bytes) -> bytes:
    """Return what the signpost of a row stands under; it names the new row by its digest, which opens nothing."""
    return hashlib.sha256(b"holdall signpost" + digest).digest()


def _login(digest: bytes) -> bytes:
    """Return what the signpost of a login into a row's session stands under."""
    return hashlib.sha256(b"holdall login" + digest).digest()
