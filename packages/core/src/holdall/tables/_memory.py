"""
Keep rows in this process's memory: the table without dependencies, for one process with any number of threads.

The table is divided into parts, and a row's digest determines its part::

    digest ----> Part     rows      digest -> (data, version, expires, ..., place)
                          used      place  -> number of the row's last use
                          expiries  (expires, digest), the earliest first

    principal -> Owners   digests   principal -> digests, for ``find``

A write holds the lock of one part, replaces the old tuple with a new one, and may also remove a few expired rows. A
reader needs no lock, because it sees a row as it was before a write or as it is after it. It records the use of the row
separately from the row, where losing a record does no harm.
"""

import logging
import os
import threading
from collections.abc import Iterable, Sequence
from datetime import datetime

from holdall._clock import NEVER, Clock, utc_now
from holdall._errors import ConfigurationError, StoreError
from holdall._events import Event, Listener, report
from holdall._workers import several_workers
from holdall.tables._contract import Replacement, Row, RowInfo, Tombstone
from holdall.tables._parts import CREATED, EVICTED, EXPIRES, PLACE, VERSION, Kept, Owners, Part, row_of

__all__ = ["MemoryTable"]

_logger = logging.getLogger("holdall")

# When a dict outgrows its space, Python rebuilds it while all threads wait. So rows are spread over enough dicts to
# give each about this many, up to a number that costs little while they are empty. Both are powers of two.
_ROWS_PER_PART = 2048
_MOST_PARTS = 128
# Each write removes up to this many expired rows: more than it can add, so that the table does not fill up with them.
_SWEPT_PER_WRITE = 4
# A sweep holds the lock of a part for at most this many rows at a time.
_SWEPT_AT_ONCE = 64
# The memory that a row takes in addition to its data and texts, as measured: its tuple, times, digest, share of dicts.
_ROW_BYTES = 600
# Data is counted in blocks, so that most writes do not change the sums that all threads share: with these bits set, all
# lengths within a block are equal.
_BLOCK = 64 - 1

_INSTEAD = "use a table that all of them see, such as sqlite:///sessions.db"


class MemoryTable:
    """
    A table in memory.

    It stores encoded rows instead of live objects. Other processes cannot see it, and it ends with this one.

    Inserting into a full table evicts rows, with an event: first anonymous sessions, then rows of version 0 without a
    principal, which anonymous sessions left behind, then users' sessions, each time the least recently used row. A row
    of version 0 with a principal is never evicted, because a user's session that has ended could come back without it.
    If nothing may be evicted, the insert fails.

    Args:
        max_rows: The maximum number of rows. If it is more than a few thousand, the least recently used row is chosen
            within one part of the table.
        max_bytes: The approximate maximum amount of memory for its rows.
        name: The table's name in events and log lines.

    Raises:
        StoreError: The table is full of rows that must not be evicted, or the row is too large for it.
    """

    leaves_process = False
    evicts = True
    blocking_reads = False
    blocking_writes = False

    def __init__(
        self,
        *,
        max_rows: int = 1_000_000,
        max_bytes: int = 256 * 1024 * 1024,
        name: str = "memory",
        clock: Clock = utc_now,
    ) -> None:
        for option, value, least in (("max_rows", max_rows, 1), ("max_bytes", max_bytes, _size(b"", None, None))):
            if value < least:
                msg = f"{option}={value} leaves no room for a session: use {least} or more."
                raise ConfigurationError(msg)
        self.max_rows = max_rows
        self.max_bytes = max_bytes
        self.name = name
        self.clock = clock
        self._listeners: list[Listener] = []
        parts = 1
        while parts < _MOST_PARTS and parts * _ROWS_PER_PART < max_rows:
            parts *= 2
        self._mask = parts - 1
        self._parts = [Part() for _ in range(parts)]
        self._owners = [Owners() for _ in range(parts)]
        # Totals of all parts. This lock may be taken while a part's is held.
        self._totals_lock = threading.Lock()
        self._count = self._bytes = 0
        # Before this time no part has anything to sweep; after it, this part is the first to check.
        self._due = NEVER
        self._turn = 0
        self._pid = os.getpid()
        self._introduce()

    @classmethod
    def named(cls, name: str, *, clock: Clock = utc_now) -> "MemoryTable":
        """Return this process's table called *name*, the same one each time."""
        with _naming:
            table = _named.get(name)
            if table is None:
                table = _named[name] = cls(name=name, clock=clock)
        if table.clock is not clock:
            msg = f"the memory table {name!r} is in use with another clock: use one clock, or another name."
            raise ConfigurationError(msg)
        return table

    def listen(self, listener: Listener) -> None:
        """Report each eviction to *listener*, once even if it is added repeatedly by several stores."""
        if listener not in self._listeners:
            self._listeners.append(listener)

    def __len__(self) -> int:
        """Return the number of rows, including tombstones and expired rows that have not been swept."""
        return self._count

    def read(self, digest: bytes) -> Row | None:
        part = self._parts[hash(digest) & self._mask]
        kept = part.rows.get(digest)
        if kept is None or kept[EXPIRES] <= self.clock():
            return None
        # Two threads may record the same number. Which of their rows counts as used last is then random.
        part.uses = part.used[kept[PLACE]] = part.uses + 1
        return row_of(kept)

    def insert(self, digest: bytes, row: Row) -> bool:
        self._check_process()
        now, size = self.clock(), _size(row.data, row.principal, row.client)
        part = self._parts[hash(digest) & self._mask]
        while True:
            with part.lock:
                present = part.rows.get(digest)
                if present is not None and present[EXPIRES] > now:
                    return False
                if present is not None:
                    self._take_out(part, digest)
                if self._admit(1, size):
                    self._put_in(part, digest, row)
                    break
            self._make_room(size, rows=1, more=size, spared=digest)
        if self._due <= now:
            self._sweep_a_little(now)
        return True

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        now, new_data, new_expires = self.clock(), row.data, row.expires
        part = self._parts[hash(digest) & self._mask]
        while True:
            with part.lock:
                kept = part.rows.get(digest)
                if kept is None:
                    return Replacement.GONE
                data, latest, expires, created, principal, client, _, place = kept
                if latest == 0 or expires <= now:
                    return Replacement.GONE
                if latest != version:
                    return Replacement.CONFLICT
                more = (len(new_data) | _BLOCK) - (len(data) | _BLOCK)
                if more == 0 or self._admit(0, more):
                    new = (new_data, row.version, new_expires, created, principal, client, row.seen, place)
                    part.rows[digest] = new
                    part.uses = part.used[place] = part.uses + 1
                    if new_expires < expires:
                        part.note_expiry(new_expires, digest)
                        self._note_due(part)
                    break
            self._make_room(_size(new_data, principal, client), rows=0, more=more, spared=digest)
        if self._due <= now:
            self._sweep_a_little(now)
        return Replacement.REPLACED

    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        now = self.clock()
        part = self._parts[hash(digest) & self._mask]
        with part.lock:
            kept = part.rows.get(digest)
            if kept is None:
                return False
            data, version, before, created, principal, client, last, place = kept
            if version == 0 or before <= now:
                return False
            latest = seen if last is None else max(seen, last)
            part.rows[digest] = (data, version, max(expires, before), created, principal, client, latest, place)
            part.uses = part.used[place] = part.uses + 1
        if self._due <= now:
            self._sweep_a_little(now)
        return True

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        self._check_process()
        now = self.clock()
        part = self._parts[hash(digest) & self._mask]
        with part.lock:
            kept = part.rows.get(digest)
            row = None
            if kept is not None and kept[VERSION] > 0 and kept[EXPIRES] > now:
                row = row_of(kept)
                if tombstone is None:
                    self._take_out(part, digest)
                else:
                    pointer = tombstone.row_replacing(row)
                    part.leave_tombstone(digest, pointer)
                    self._note_due(part)
                    # Not checked for room, because a logout must work even if the table is full.
                    self._release(0, _size(row.data, None, row.client) - _size(pointer.data, None, None))
        if self._due <= now:
            self._sweep_a_little(now)
        return row

    def find(self, principal: str) -> Sequence[RowInfo]:
        now = self.clock()
        owners = self._owners[hash(principal) & self._mask]
        with owners.lock:
            before, kept = None, self._kept_of(owners.of(principal))
            # If two reads in a row give the same rows, they all existed at the same time.
            while before is None or any(kept[digest] is not before[digest] for digest in kept):
                before, kept = kept, self._kept_of(kept)
        rows = [(digest, row_of(each)) for digest, each in kept.items() if each is not None]
        listed = [
            RowInfo(digest, row.created, row.expires, row.client, row.seen, row.is_tombstone)
            for digest, row in rows
            if row.expires > now and row.principal == principal
        ]
        return sorted(listed, key=lambda each: each.created)

    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        cleared = 0
        for part in self._parts:
            with part.lock:
                begun = [digest for digest, kept in part.rows.items() if kept[CREATED] <= began_by][: limit - cleared]
                for digest in begun:
                    self._take_out(part, digest)
            cleared += len(begun)
        return cleared

    def sweep(self, limit: int = 1000) -> int:
        now, swept = self.clock(), 0
        for part in self._parts:
            while swept < limit and part.due <= now:
                with part.lock:
                    swept += self._sweep(part, now, min(_SWEPT_AT_ONCE, limit - swept))
        if swept < limit:
            self._look_when_due()
        return swept

    # Called with the part's lock held.

    def _put_in(self, part: Part, digest: bytes, row: Row) -> None:
        # The index first, so that a row that can be read can also be found.
        if row.principal is not None:
            self._owners[hash(row.principal) & self._mask].add(row.principal, digest)
        part.put_in(digest, row)
        self._note_due(part)

    def _take_out(self, part: Part, digest: bytes) -> None:
        row = part.take_out(digest)
        if row.principal is not None:
            self._owners[hash(row.principal) & self._mask].discard(row.principal, digest)
        self._release(1, _size(row.data, row.principal, row.client))

    def _sweep(self, part: Part, now: datetime, most: int) -> int:
        gone = part.expired(now, most)
        for digest in gone:
            self._take_out(part, digest)
        return len(gone)

    def _note_due(self, part: Part) -> None:
        # Another thread may set a later time at the same moment: then a sweep is late, which does no harm.
        self._due = min(self._due, part.due)

    # Called with or without the lock.

    def _kept_of(self, digests: Iterable[bytes]) -> dict[bytes, Kept | None]:
        return {digest: self._parts[hash(digest) & self._mask].rows.get(digest) for digest in digests}

    def _admit(self, rows: int, size: int) -> bool:
        """Count an addition if it fits. Removals always fit."""
        with self._totals_lock:
            if (rows > 0 and self._count + rows > self.max_rows) or (size > 0 and self._bytes + size > self.max_bytes):
                return False
            self._count += rows
            self._bytes += size
        return True

    def _release(self, rows: int, size: int) -> None:
        with self._totals_lock:
            self._count -= rows
            self._bytes -= size

    # Called without any lock.

    def _make_room(self, size: int, *, rows: int, more: int, spared: bytes) -> None:
        """
        Remove expired rows, and if necessary evict others, until *rows* extra rows and *more* extra bytes fit.

        *spared* is the row to make room for, which takes *size* bytes in total.
        """
        before, evicted = self._count, 0
        while self._count + rows > self.max_rows or self._bytes + more > self.max_bytes:
            if self._due <= self.clock() and self.sweep(_SWEPT_AT_ONCE) > 0:
                continue
            # Do not evict other rows for one that would not fit into an empty table.
            if size > self.max_bytes or not self._evict(spared):
                msg = (
                    f"the memory table {self.name!r} has no room for a row of {size:,} bytes, and no other row in it "
                    f"may be evicted: raise max_rows={self.max_rows} or max_bytes={self.max_bytes}."
                )
                raise StoreError(msg)
            evicted += 1
        if evicted:
            report(Event("evicted", self.name, reason=f"{evicted} of {before} rows"), *self._listeners)

    def _sweep_a_little(self, now: datetime) -> None:
        left = _SWEPT_PER_WRITE
        for _ in self._parts:
            part = self._parts[self._turn]
            if part.due <= now:
                with part.lock:
                    left -= max(self._sweep(part, now, left), 1)
                if left <= 0:
                    return
            self._turn = (self._turn + 1) & self._mask
        self._look_when_due()

    def _look_when_due(self) -> None:
        self._due = NEVER
        self._note_due(min(self._parts, key=lambda part: part.due))

    def _evict(self, spared: bytes) -> bool:
        first = hash(spared) & self._mask
        parts = self._parts[first:] + self._parts[:first]
        for kind in EVICTED:
            for part in parts:
                if part.counts[kind] > 0:
                    with part.lock:
                        digest = part.least_recent(kind, spared=spared)
                        if digest is not None:
                            self._take_out(part, digest)
                            return True
        return False

    def _introduce(self) -> None:
        _logger.info(
            "the memory table %r keeps sessions only in process %d, up to %d rows and %d bytes: they end with it",
            *(self.name, self._pid, self.max_rows, self.max_bytes),
        )
        workers = several_workers()
        if workers is not None:
            _logger.warning(
                "%s asks for several workers, and each has its own memory table %r, so visitors are logged "
                "out at random: %s",
                *(workers, self.name, _INSTEAD),
            )

    def _check_process(self) -> None:
        # Compares process IDs, because a fork need not run Python's fork hooks.
        pid = os.getpid()
        if pid != self._pid:  # pragma: no cover  # runs in a forked process, where coverage is not measured
            _logger.warning(
                "the memory table %r was created in process %d and is used in process %d: neither sees the other's "
                "sessions. If there are several: %s",
                *(self.name, self._pid, pid, _INSTEAD),
            )
            self._pid = pid


_named: dict[str, MemoryTable] = {}
_naming = threading.Lock()


def _size(data: bytes, principal: str | None, client: str | None) -> int:
    """Return the approximate amount of memory that a row takes, in bytes."""
    return _ROW_BYTES + (len(data) | _BLOCK) + len(principal or "") + len(client or "")
