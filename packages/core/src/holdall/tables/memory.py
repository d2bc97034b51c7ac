"""
Rows in this process's memory: the table that needs nothing, for one process with any number of threads.

Reads take no lock. Writers share one, and each of them sweeps a few expired rows, so no thread or task runs for it.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count, islice
from typing import Any

from holdall.clock import NEVER, Clock, utc_now
from holdall.errors import ConfigurationError
from holdall.events import Event, Listener, report
from holdall.tables.contract import Listed, Replacement, Row, Tombstone

__all__ = ["MemoryTable"]

# Rows due in the same minute lie in one bucket, so that finding expired ones looks at no other row.
_BUCKET_SECONDS = 60
# Each write removes up to so many expired rows: more than it can add, so that the table does not fill up with them.
_SWEPT_PER_WRITE = 4
# A sweep lets others go first after so many rows: a thread that waits would else have to wait for all of them.
_SWEPT_AT_ONCE = 64
_BREATH_SECONDS = 0.0001
# A sweep looks at so many rows of the minute that has begun; what else expires in it can wait for its end.
_LOOKED_AT = 1024
# A dict that grows past its room is built anew, and all threads wait meanwhile, so rows lie in several: as many as it
# takes to give each so many rows, up to a number that costs little while they are empty. Both are powers of two.
_ROWS_PER_PART = 2048
_MOST_PARTS = 512
_PART_BITS = _MOST_PARTS - 1
# Who evicts looks at all rows of a part for so many that were used least recently: the next evictions need not look.
_FOUND_AT_ONCE = 512
# Reads are noted for the order of eviction and sorted in when it matters. Past so many, the oldest notes fall off.
_NOTED_READS = 4096


class _Part:
    """
    Some of a table's rows, by digest.

    What is kept of a row is a bare tuple of its values, for Python's garbage collector looks at these but once: while
    it looks at a million rows, all threads wait. At the end stands when it was used, as a number that counts all uses.

    Attributes:
        oldest: Rows that had been used least recently when that was looked at, the oldest last.
        looked: How many uses had been counted by then: a row that was used since has a higher number.
    """

    __slots__ = ("looked", "oldest", "rows")

    def __init__(self) -> None:
        self.rows: dict[bytes, tuple[Any, ...]] = {}
        self.oldest: list[bytes] = []
        self.looked = 0

    def least_recent(self, uses: int) -> bytes:
        """Return the row that was used least recently. *uses* is how many there were by now."""
        while True:
            if not self.oldest:
                by_use = sorted((kept[_USED], digest) for digest, kept in self.rows.items())
                self.oldest = [digest for _, digest in by_use[_FOUND_AT_ONCE::-1]]
                self.looked = uses
            digest = self.oldest.pop()
            kept = self.rows.get(digest)
            if kept is not None and kept[_USED] < self.looked:
                return digest


class MemoryTable:
    """
    A table in memory.

    It keeps encoded rows and no live objects. Another process sees nothing of it, and it ends with this one.

    Args:
        max_rows: With so many rows an insert evicts the one that was used least recently, with an event; where there
            may be more than some thousands, of a part of that size, drawn by chance.
        name: Stands in the event.
    """

    leaves_process = False
    blocking_reads = False
    blocking_writes = False

    def __init__(self, *, max_rows: int = 1_000_000, name: str = "memory", clock: Clock = utc_now) -> None:
        if max_rows < 1:
            msg = f"max_rows={max_rows} leaves no room for a session: use 1 or more."
            raise ConfigurationError(msg)
        self.max_rows = max_rows
        self.name = name
        self.clock = clock
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()
        parts = 1
        while parts < _MOST_PARTS and parts * _ROWS_PER_PART < max_rows:
            parts *= 2
        # Readers only look up; whatever changes a part holds the lock.
        self._parts = [_Part() for _ in range(parts)]
        # By a digest's hash, without a division.
        self._rows_of = [part.rows for part in self._parts] * (_MOST_PARTS // parts)
        self._count = 0
        self._uses = count()
        self._reads: deque[bytes] = deque(maxlen=_NOTED_READS)
        self._due: dict[int, set[bytes]] = {}
        # A heap of the buckets there are; one that was emptied stays until its time has come.
        self._buckets: list[int] = []
        # The end of the first one's minute: until then no write has anything to sweep.
        self._next_sweep = NEVER
        # A set only where there are several: the garbage collector looks at each set each time.
        self._of: dict[str, bytes | set[bytes]] = {}

    @classmethod
    def named(cls, name: str, *, clock: Clock = utc_now) -> "MemoryTable":
        """Return this process's table of that name, the same one each time."""
        with _naming:
            table = _named.get(name)
            if table is None:
                table = _named[name] = cls(name=name, clock=clock)
        if table.clock is not clock:
            msg = f"the memory table {name!r} is in use with another clock: use one clock, or another name."
            raise ConfigurationError(msg)
        return table

    def listen(self, listener: Listener) -> None:
        """Tell *listener* of each eviction, once however often it asks: it may use the table through several stores."""
        if listener not in self._listeners:
            self._listeners.append(listener)

    def __len__(self) -> int:
        """Return how many rows there are, tombstones and expired rows not yet swept among them."""
        return self._count

    def read(self, digest: bytes) -> Row | None:
        row = self._get(digest)
        if row is None or row.expires <= self.clock():
            return None
        self._reads.append(digest)
        return row

    def insert(self, digest: bytes, row: Row) -> bool:
        now = self.clock()
        evicted = 0
        with self._lock:
            present = self._get(digest)
            if present is not None and present.expires > now:
                return False
            if present is not None:
                self._remove(digest)
            self._sweep(now, _SWEPT_PER_WRITE)
            if self._count >= self.max_rows:
                self._sort_in_reads()
                while self._count >= self.max_rows:
                    part = self._parts[hash(digest) % len(self._parts)]
                    if not part.rows:
                        part = max(self._parts, key=lambda each: len(each.rows))
                    self._remove(part.least_recent(next(self._uses)))
                    evicted += 1
            self._add(digest, row)
        if evicted:
            report(Event("evicted", self.name, reason=f"{evicted} of {self.max_rows} rows"), *self._listeners)
        return True

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        now = self.clock()
        rows = self._rows_of[hash(digest) & _PART_BITS]
        with self._lock:
            present = _live(rows, digest, now)
            if present is None:
                return Replacement.GONE
            _, latest, expires, created, principal, device, _, _ = present
            if latest != version:
                return Replacement.CONFLICT
            used = next(self._uses)
            rows[digest] = (row.data, row.version, row.expires, created, principal, device, row.seen, used)
            if row.expires != expires:
                self._move_due(digest, expires, row.expires)
            self._sweep(now, _SWEPT_PER_WRITE)
        return Replacement.REPLACED

    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        now = self.clock()
        rows = self._rows_of[hash(digest) & _PART_BITS]
        with self._lock:
            present = _live(rows, digest, now)
            if present is None:
                return False
            row = _row(present)
            later = max(expires, row.expires)
            rows[digest] = (*row._replace(expires=later, seen=max(seen, row.seen or seen)), next(self._uses))
            self._move_due(digest, row.expires, later)
            self._sweep(now, _SWEPT_PER_WRITE)
        return True

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        now = self.clock()
        with self._lock:
            present = _live(self._rows_of[hash(digest) & _PART_BITS], digest, now)
            row = None if present is None else _row(present)
            if row is not None:
                self._remove(digest)
                if tombstone is not None:
                    self._add(digest, tombstone.in_place_of(row))
            self._sweep(now, _SWEPT_PER_WRITE)
        return row

    def find(self, principal: str) -> Sequence[Listed]:
        now = self.clock()
        with self._lock:
            held = self._of.get(principal, ())
            digests = (held,) if isinstance(held, bytes) else held
            rows = [(digest, _row(self._rows_of[hash(digest) & _PART_BITS][digest])) for digest in digests]
        listed = [
            Listed(digest, row.created, row.expires, row.device, row.seen, row.is_tombstone)
            for digest, row in rows
            if row.expires > now
        ]
        return sorted(listed, key=lambda each: each.created)

    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        cleared = 0
        for part in self._parts:
            with self._lock:
                begun = (digest for digest, kept in part.rows.items() if _row(kept).created <= began_by)
                chosen = list(islice(begun, limit - cleared))
                for digest in chosen:
                    self._remove(digest)
            cleared += len(chosen)
        return cleared

    def sweep(self, limit: int = 1000) -> int:
        now = self.clock()
        swept = 0
        while swept < limit:
            portion = min(_SWEPT_AT_ONCE, limit - swept)
            with self._lock:
                gone = self._sweep(now, portion)
                gone += self._sweep_this_minute(now, portion - gone)
            swept += gone
            if gone < portion:
                break
            time.sleep(_BREATH_SECONDS)
        return swept

    def _get(self, digest: bytes) -> Row | None:
        kept = self._rows_of[hash(digest) & _PART_BITS].get(digest)
        return None if kept is None else _row(kept)

    # All below is called with the lock held.

    def _add(self, digest: bytes, row: Row) -> None:
        self._rows_of[hash(digest) & _PART_BITS][digest] = (*row, next(self._uses))
        self._count += 1
        self._put_due(digest, _bucket(row.expires))
        if row.principal is not None:
            held = self._of.setdefault(row.principal, digest)
            if isinstance(held, set):
                held.add(digest)
            elif held is not digest:
                self._of[row.principal] = {held, digest}

    def _remove(self, digest: bytes) -> None:
        row = _row(self._rows_of[hash(digest) & _PART_BITS].pop(digest))
        self._count -= 1
        self._due[_bucket(row.expires)].discard(digest)
        if row.principal is not None:
            held = self._of[row.principal]
            if isinstance(held, set) and len(held) > 1:
                held.discard(digest)
            else:
                del self._of[row.principal]

    def _move_due(self, digest: bytes, before: datetime, after: datetime) -> None:
        old, new = _bucket(before), _bucket(after)
        if old != new:
            self._due[old].discard(digest)
            self._put_due(digest, new)

    def _put_due(self, digest: bytes, bucket: int) -> None:
        digests = self._due.get(bucket)
        if digests is None:
            digests = self._due[bucket] = set()
            heappush(self._buckets, bucket)
            self._note_next_sweep()
        digests.add(digest)

    def _note_next_sweep(self) -> None:
        self._next_sweep = NEVER
        if self._buckets:
            self._next_sweep = datetime.fromtimestamp((self._buckets[0] + 1) * _BUCKET_SECONDS, UTC)

    def _sort_in_reads(self) -> None:
        for _ in range(len(self._reads)):
            # Gone meanwhile, or fallen off the notes.
            with suppress(KeyError, IndexError):
                digest = self._reads.popleft()
                rows = self._rows_of[hash(digest) & _PART_BITS]
                rows[digest] = (*rows[digest][:_USED], next(self._uses))

    def _sweep(self, now: datetime, limit: int) -> int:
        """Remove up to *limit* rows from the buckets whose whole minute has passed."""
        swept = 0
        while swept < limit and now >= self._next_sweep and self._buckets:
            digests = self._due[self._buckets[0]]
            if not digests:
                del self._due[heappop(self._buckets)]
                self._note_next_sweep()
                continue
            self._remove(digests.pop())
            swept += 1
        return swept

    def _sweep_this_minute(self, now: datetime, limit: int) -> int:
        """Do the same to the bucket of this minute, which holds rows that have expired and rows that have not."""
        digests = islice(self._due.get(_bucket(now), ()), _LOOKED_AT)
        rows = ((digest, _row(self._rows_of[hash(digest) & _PART_BITS][digest])) for digest in digests)
        expired = list(islice((digest for digest, row in rows if row.expires <= now), limit))
        for digest in expired:
            self._remove(digest)
        return len(expired)


_named: dict[str, MemoryTable] = {}
_naming = threading.Lock()


# Where in what is kept of a row: to make a Row of each that is looked at would take as long as to find it.
_VERSION, _EXPIRES, _USED = Row._fields.index("version"), Row._fields.index("expires"), len(Row._fields)


def _row(kept: tuple[Any, ...]) -> Row:
    row: Row = tuple.__new__(Row, kept[:_USED])
    return row


def _live(rows: Mapping[bytes, tuple[Any, ...]], digest: bytes, now: datetime) -> tuple[Any, ...] | None:
    """Return what is kept of a row that is a session's and has not expired."""
    kept = rows.get(digest)
    return None if kept is None or kept[_EXPIRES] <= now or kept[_VERSION] == 0 else kept


def _bucket(expires: datetime) -> int:
    return int(expires.timestamp()) // _BUCKET_SECONDS
