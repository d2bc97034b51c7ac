"""
Store a table in memory in two kinds of components: parts hold the rows, and owners map principals to rows.

``holdall.tables._memory`` has a diagram.
"""

import threading
from array import array
from datetime import datetime
from heapq import heapify, heappop, heappush
from typing import Any

from holdall._clock import NEVER
from holdall.tables._contract import Row

__all__ = ["CREATED", "EVICTED", "EXPIRES", "PLACE", "VERSION", "Kept", "Owners", "Part", "row_of"]

# Finding the least recently used rows requires scanning a part, so this many are remembered for later evictions.
_FOUND_AT_ONCE = 512

#: A row as it is stored: its values and its place. It is a plain tuple, because Python's garbage collector visits
#: a tuple only once. It visits other objects in every full collection, and all threads wait while it visits a million.
Kept = tuple[Any, ...]
VERSION, EXPIRES, CREATED, _PRINCIPAL = map(Row._fields.index, ("version", "expires", "created", "principal"))
PLACE = len(Row._fields)

# The kinds of rows. A note is a row that is not a session, such as a tombstone.
_ANONYMOUS, _ANONYMOUS_NOTE, _USERS, _USERS_NOTE = _KINDS = range(4)
#: The kinds that may be evicted, in this order. Not a user's note, because without it the session could come back.
EVICTED = (_ANONYMOUS, _ANONYMOUS_NOTE, _USERS)


class Part:
    """
    A part of a table's rows. Readers look up rows and record their use; everything else needs the lock.

    Attributes:
        rows: The rows by digest. A row is never modified, only replaced.
        used: For each place, the number of the row's last use. Later uses have higher numbers.
        free: The unused places.
        uses: The number of uses recorded so far.
        expiries: A heap. A row whose expiry moves forward stays here at its old expiry until then; a removed row
            leaves its entry behind.
        due: The earliest of ``expiries``. May be read without the lock.
        counts: The number of rows of each kind.
        oldest: For each kind, the least recently used rows at the last scan, the oldest last, with the number of their
            last use. A row whose number is different now has been used since.
    """

    __slots__ = ("counts", "due", "expiries", "free", "lock", "oldest", "rows", "used", "uses")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.rows: dict[bytes, Kept] = {}
        self.used = array("Q")
        self.free: list[int] = []
        self.uses = 0
        self.expiries: list[tuple[datetime, bytes]] = []
        self.due = NEVER
        self.counts = [0 for _ in _KINDS]
        self.oldest: dict[int, list[tuple[int, bytes]]] = {kind: [] for kind in EVICTED}

    def put_in(self, digest: bytes, row: Row) -> None:
        place = self._new_place()
        self.uses = self.used[place] = self.uses + 1
        self.rows[digest] = (*row, place)
        self.note_expiry(row.expires, digest)
        self.counts[_kind_of(row)] += 1

    def take_out(self, digest: bytes) -> Row:
        kept = self.rows.pop(digest)
        self.free.append(kept[PLACE])
        row = row_of(kept)
        self.counts[_kind_of(row)] -= 1
        return row

    def leave_tombstone(self, digest: bytes, tombstone: Row) -> None:
        """Replace a session's row with a tombstone in one step, so that readers always find one of them."""
        kept = self.rows[digest]
        self.rows[digest] = (*tombstone, kept[PLACE])
        kind = _kind_of(tombstone)
        # It has the row's principal.
        self.counts[kind - 1] -= 1
        self.counts[kind] += 1
        self.note_expiry(tombstone.expires, digest)

    def note_expiry(self, expires: datetime, digest: bytes) -> None:
        if len(self.expiries) > 2 * len(self.rows) + 16:
            # Most entries belong to removed rows.
            self.expiries = [(kept[EXPIRES], each) for each, kept in self.rows.items()]
            heapify(self.expiries)
        heappush(self.expiries, (expires, digest))
        self.due = self.expiries[0][0]

    def expired(self, now: datetime, most: int) -> set[bytes]:
        """Check up to *most* rows that are due, and return those that have expired."""
        gone = set()
        while self.due <= now and most > 0:
            most -= 1
            _, digest = heappop(self.expiries)
            kept = self.rows.get(digest)
            if kept is not None and kept[EXPIRES] <= now:
                gone.add(digest)
            elif kept is not None:
                heappush(self.expiries, (kept[EXPIRES], digest))
            self.due = self.expiries[0][0] if self.expiries else NEVER
        return gone

    def least_recent(self, kind: int, *, spared: bytes) -> bytes | None:
        """Return the row of this *kind*, other than *spared*, that was used least recently."""
        oldest = self.oldest[kind]
        for looks_anew in (False, True):
            if looks_anew:
                by_use = sorted(
                    (self.used[kept[PLACE]], digest) for digest, kept in self.rows.items() if _kind_of(kept) == kind
                )
                oldest[:] = reversed(by_use[:_FOUND_AT_ONCE])
            while oldest:
                use, digest = oldest.pop()
                kept = self.rows.get(digest)
                is_same = kept is not None and self.used[kept[PLACE]] == use and _kind_of(kept) == kind
                if is_same and digest != spared:
                    return digest
        return None

    def _new_place(self) -> int:
        if not self.free:
            places = len(self.used)
            # A new array, because a reader may be about to write to this one.
            self.used = self.used + array("Q", bytes(8 * (places + 8)))
            self.free.extend(range(len(self.used) - 1, places - 1, -1))
        return self.free.pop()


class Owners:
    """The digests of some principals' rows. A part's lock may be held when this one is taken, but not vice versa."""

    __slots__ = ("digests", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        # A set only if there are several, because the garbage collector visits each set each time.
        self.digests: dict[str, bytes | set[bytes]] = {}

    def of(self, principal: str) -> tuple[bytes, ...]:
        held = self.digests.get(principal, ())
        return (held,) if isinstance(held, bytes) else tuple(held)

    def add(self, principal: str, digest: bytes) -> None:
        with self.lock:
            held = self.digests.setdefault(principal, digest)
            if isinstance(held, set):
                held.add(digest)
            elif held != digest:
                self.digests[principal] = {held, digest}

    def discard(self, principal: str, digest: bytes) -> None:
        with self.lock:
            held = self.digests[principal]
            if isinstance(held, set) and len(held) > 1:
                held.discard(digest)
            else:
                del self.digests[principal]


def _kind_of(row: Kept) -> int:
    kind: int = 2 * (row[_PRINCIPAL] is not None) + (row[VERSION] == 0)
    return kind


def row_of(kept: Kept) -> Row:
    row: Row = tuple.__new__(Row, kept[:PLACE])
    return row
