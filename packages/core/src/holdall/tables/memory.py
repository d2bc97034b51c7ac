"""
Rows in this process's memory: the table that needs nothing, for one process with any number of threads.

Reads take no lock. Writers share one, and each of them sweeps a few expired rows, so no thread or task runs for it.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from heapq import heappop, heappush
from itertools import islice
from typing import Any

from holdall.clock import NEVER, Clock, utc_now
from holdall.errors import ConfigurationError
from holdall.events import Event, Listener, report
from holdall.tables.contract import Listed, Replacement, Row

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
# A dict that grows past its room is built anew, and all threads wait meanwhile, so many rows lie in several.
_MANY_ROWS = 2**16
# Reads are noted for the order of eviction and sorted in when it matters. Past so many, the oldest notes fall off.
_NOTED_READS = 4096


_Rows = OrderedDict[bytes, tuple[Any, ...]]


class MemoryTable:
    """
    A table in memory.

    It keeps encoded rows and no live objects. Another process sees nothing of it, and it ends with this one.

    Args:
        max_rows: With so many rows an insert evicts the one that was used least recently, with an event; of a large
            table, the one of a 256th of its rows, drawn by chance.
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
        # By the first byte of the digest, each least recently used first. Readers only look up; whatever changes the
        # order holds the lock. Bare tuples, for Python's garbage collector looks at these but once: while it looks at
        # a million rows, all threads wait.
        self._parts = [_Rows() for _ in range(256 if max_rows > _MANY_ROWS else 1)]
        self._part_of = self._parts * (256 // len(self._parts))
        self._count = 0
        self._reads: deque[bytes] = deque(maxlen=_NOTED_READS)
        self._due: dict[int, set[bytes]] = {}
        # A heap of the buckets there are; one that was emptied stays until its time has come.
        self._buckets: list[int] = []
        # The end of the first one's minute: until then no write has anything to sweep.
        self._next_sweep = NEVER
        # A set only where there are several, for the same reason.
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
                    part = self._part_of[digest[0]] or max(self._parts, key=_Rows.__len__)
                    self._remove(next(iter(part)))
                    evicted += 1
            self._add(digest, row)
        if evicted:
            report(Event("evicted", self.name, reason=f"{evicted} of {self.max_rows} rows"), *self._listeners)
        return True

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        now = self.clock()
        rows = self._part_of[digest[0]]
        with self._lock:
            present = _live(rows, digest, now)
            if present is None:
                return Replacement.GONE
            _, latest, expires, created, principal, device, _ = present
            if latest != version:
                return Replacement.CONFLICT
            rows[digest] = (row.data, row.version, row.expires, created, principal, device, row.seen)
            rows.move_to_end(digest)
            if row.expires != expires:
                self._move_due(digest, expires, row.expires)
            self._sweep(now, _SWEPT_PER_WRITE)
        return Replacement.REPLACED

    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        now = self.clock()
        rows = self._part_of[digest[0]]
        with self._lock:
            present = _live(rows, digest, now)
            if present is None:
                return False
            row = _row(present)
            later = max(expires, row.expires)
            rows[digest] = tuple(row._replace(expires=later, seen=max(seen, row.seen or seen)))
            rows.move_to_end(digest)
            self._move_due(digest, row.expires, later)
            self._sweep(now, _SWEPT_PER_WRITE)
        return True

    def delete(self, digest: bytes, *, tombstone: datetime | None = None) -> Row | None:
        now = self.clock()
        with self._lock:
            present = _live(self._part_of[digest[0]], digest, now)
            row = None if present is None else _row(present)
            if row is not None:
                self._remove(digest)
                if tombstone is not None:
                    self._add(digest, Row(b"", 0, tombstone, row.created, row.principal))
            self._sweep(now, _SWEPT_PER_WRITE)
        return row

    def find(self, principal: str) -> Sequence[Listed]:
        now = self.clock()
        with self._lock:
            held = self._of.get(principal, ())
            digests = (held,) if isinstance(held, bytes) else held
            rows = [(digest, _row(self._part_of[digest[0]][digest])) for digest in digests]
        listed = [
            Listed(digest, row.created, row.expires, row.device, row.seen, row.is_tombstone)
            for digest, row in rows
            if row.expires > now
        ]
        return sorted(listed, key=lambda each: each.created)

    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        cleared = 0
        for rows in self._parts:
            with self._lock:
                begun = (digest for digest, kept in rows.items() if _row(kept).created <= began_by)
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
        kept = self._part_of[digest[0]].get(digest)
        return None if kept is None else _row(kept)

    # All below is called with the lock held.

    def _add(self, digest: bytes, row: Row) -> None:
        self._part_of[digest[0]][digest] = tuple(row)
        self._count += 1
        self._put_due(digest, _bucket(row.expires))
        if row.principal is not None:
            held = self._of.setdefault(row.principal, digest)
            if isinstance(held, set):
                held.add(digest)
            elif held is not digest:
                self._of[row.principal] = {held, digest}

    def _remove(self, digest: bytes) -> None:
        row = _row(self._part_of[digest[0]].pop(digest))
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
                self._part_of[digest[0]].move_to_end(digest)

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
        rows = ((digest, _row(self._part_of[digest[0]][digest])) for digest in digests)
        expired = list(islice((digest for digest, row in rows if row.expires <= now), limit))
        for digest in expired:
            self._remove(digest)
        return len(expired)


_named: dict[str, MemoryTable] = {}
_naming = threading.Lock()


# What is kept of a row is a tuple of the same values: to make a Row of each that is looked at would take as long as to
# find it.
_VERSION, _EXPIRES = Row._fields.index("version"), Row._fields.index("expires")
_row: Callable[[tuple[Any, ...]], Row] = partial(tuple.__new__, Row)


def _live(rows: _Rows, digest: bytes, now: datetime) -> tuple[Any, ...] | None:
    """Return what is kept of a row that is a session's and has not expired."""
    kept = rows.get(digest)
    return None if kept is None or kept[_EXPIRES] <= now or kept[_VERSION] == 0 else kept


def _bucket(expires: datetime) -> int:
    return int(expires.timestamp()) // _BUCKET_SECONDS
