"""
Keep rows in an SQL database, with statements that every such database understands.

A verb is one guarded statement, or two, the second of which is guarded by the result of the first. No verb needs a
transaction, and each may be part of one. The verbs are written once, as steps; a subclass of ``SQLTable`` or
``AsyncSQLTable`` defines how a statement is executed.
"""

import hashlib
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from holdall._clock import Clock
from holdall._redacted import redacted
from holdall.tables._contract import Replacement, Row, RowInfo, Tombstone
from holdall.tables._steps import Steps, run, run_async
from holdall.tables._twins import AsyncTwin, SyncTwin
from holdall.tables.columns import (
    SWEPT_AT_ONCE,
    SweepTurns,
    due_by,
    due_of,
    row_info_of,
    row_of,
    seconds_of,
    seconds_or_none,
    utf8_or_none,
)

__all__ = ["COLUMNS", "STATEMENTS", "AsyncSQLTable", "SQLTable"]

R = TypeVar("R")

#: The columns of a row. The digests are 32 bytes; ``data``, ``principal`` and ``client`` are bytes, because not every
#: database accepts all text; the others are integers. All except ``principal``, ``principal_digest``, ``client`` and
#: ``seen`` are NOT NULL. ``digest`` is the primary key; ``due`` and ``principal_digest`` need an index.
COLUMNS = ("digest", "data", "version", "expires", "created", "principal", "principal_digest", "client", "seen", "due")

# Every database accepts this many values in one statement.
_MOST_DIGESTS = 500

#: The statements by name, with ``{table}`` for the table's name and a ``:name`` for each value.
STATEMENTS: Mapping[str, str] = {
    "read": """
SELECT data, version, expires, created, principal, client, seen FROM {table}
WHERE digest = :digest AND expires > :now
""",
    "read_live": """
SELECT data, version, expires, created, principal, client, seen FROM {table}
WHERE digest = :digest AND version > 0 AND expires > :now
""",
    "insert": """
INSERT INTO {table} (digest, data, version, expires, created, principal, principal_digest, client, seen, due)
VALUES (:digest, :data, :version, :expires, :created, :principal, :principal_digest, :client, :seen, :due)
""",
    "make_room": """
DELETE FROM {table} WHERE digest = :digest AND expires <= :now
""",
    "replace": """
UPDATE {table} SET data = :data, version = :version, expires = :expires, seen = :seen, due = :due
WHERE digest = :digest AND version = :old_version AND version > 0 AND expires > :now
""",
    "touch": """
UPDATE {table} SET
    expires = CASE WHEN expires < :expires THEN :expires ELSE expires END,
    due = CASE WHEN due < :due THEN :due ELSE due END,
    seen = CASE WHEN seen > :seen THEN seen ELSE :seen END
WHERE digest = :digest AND version > 0 AND expires > :now
""",
    # These two match a row only as it was read, so that the row that is returned is the one that was removed.
    "delete": """
DELETE FROM {table}
WHERE digest = :digest AND version = :version AND expires = :expires AND COALESCE(seen, -1) = :seen
""",
    "leave_tombstone": """
UPDATE {table} SET data = :successor, version = 0, expires = :until, due = :due, client = NULL, seen = NULL
WHERE digest = :digest AND version = :version AND expires = :expires AND COALESCE(seen, -1) = :seen
""",
    "find": """
SELECT digest, created, expires, client, seen, version FROM {table}
WHERE principal_digest = :principal_digest AND expires > :now ORDER BY created, digest
""",
}


@redacted
class _Ask(NamedTuple):
    """Call one of the methods that the table's subclass defines."""

    method: str
    values: tuple[Any, ...]

    def on(self, table: Any) -> Any:
        return getattr(table, self.method)(*self.values)


class SQLVerbs:
    """The statements for each verb."""

    def __init__(self, clock: Clock, may_sweep: Callable[[], bool]) -> None:
        self._clock = clock
        self._may_sweep = may_sweep
        self._turns = SweepTurns()

    def read(self, digest: bytes) -> Steps[Row | None]:
        found = yield _Ask("_fetch", ("read", {"digest": digest, "now": self._now()}))
        return _row(found)

    def insert(self, digest: bytes, row: Row) -> Steps[bool]:
        now = self._now()
        yield from self._sweep_now_and_then(now)
        values = {
            "digest": digest,
            "data": row.data,
            "version": row.version,
            "expires": seconds_of(row.expires),
            "created": seconds_of(row.created),
            "principal": utf8_or_none(row.principal),
            "principal_digest": None if row.principal is None else _principal_digest(row.principal),
            "client": utf8_or_none(row.client),
            "seen": seconds_or_none(row.seen),
            "due": due_of(row.expires),
        }
        if (yield _Ask("_insert", (values,))):
            return True
        # The existing row may have expired.
        yield _Ask("_count", ("make_room", {"digest": digest, "now": now}))
        inserted: bool = yield _Ask("_insert", (values,))
        return inserted

    def replace(self, digest: bytes, row: Row, *, version: int) -> Steps[Replacement]:
        now = self._now()
        yield from self._sweep_now_and_then(now)
        values = {
            "digest": digest,
            "now": now,
            "data": row.data,
            "version": row.version,
            "old_version": version,
            "expires": seconds_of(row.expires),
            "seen": seconds_or_none(row.seen),
            "due": due_of(row.expires),
        }
        if (yield _Ask("_count", ("replace", values))) == 1:
            return Replacement.REPLACED
        live = yield _Ask("_fetch", ("read_live", {"digest": digest, "now": now}))
        return Replacement.CONFLICT if live else Replacement.GONE

    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> Steps[bool]:
        times = {"now": self._now(), "expires": seconds_of(expires), "due": due_of(expires), "seen": seconds_of(seen)}
        touched: int = yield _Ask("_count", ("touch", {"digest": digest, **times}))
        return touched == 1

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Steps[Row | None]:
        # Each additional round means that another request's write succeeded, so the loop ends.
        while True:
            row = _row((yield _Ask("_fetch", ("read_live", {"digest": digest, "now": self._now()}))))
            if row is None:
                return None
            as_read = {"digest": digest, "version": row.version, "expires": seconds_of(row.expires)}
            as_read["seen"] = -1 if row.seen is None else seconds_of(row.seen)
            if tombstone is None:
                ended = yield _Ask("_count", ("delete", as_read))
            else:
                until = tombstone.until
                pointer = {"successor": tombstone.successor, "until": seconds_of(until), "due": due_of(until)}
                ended = yield _Ask("_count", ("leave_tombstone", as_read | pointer))
            if ended:
                return row

    def find(self, principal: str) -> Steps[Sequence[RowInfo]]:
        values = {"principal_digest": _principal_digest(principal), "now": self._now()}
        found = yield _Ask("_fetch", ("find", values))
        return [row_info_of((_bytes(digest), *columns), text=_text) for digest, *columns in found]

    def clear(self, began_by: datetime, limit: int) -> Steps[int]:
        return (yield from self._remove({"created": seconds_of(began_by)}, limit))

    def sweep(self, limit: int) -> Steps[int]:
        now = self._now()
        return (yield from self._remove({"due": due_by(now), "expires": now}, limit))

    def _sweep_now_and_then(self, now: int) -> Steps[None]:
        if self._turns.is_due() and self._may_sweep():
            # Only rows due in past hours, so that no live row is examined.
            yield from self._remove({"due": now}, SWEPT_AT_ONCE)

    def _remove(self, bounds: Mapping[str, int], limit: int) -> Steps[int]:
        """Remove up to *limit* rows whose columns are within *bounds*, and return how many were removed."""
        removed = 0
        while removed < limit:
            portion = min(limit - removed, _MOST_DIGESTS)
            digests: Sequence[bytes] = yield _Ask("_pick", (bounds, portion))
            if digests:
                removed += yield _Ask("_drop", (bounds, digests))
            if len(digests) < portion:
                break
        return removed

    def _now(self) -> int:
        return seconds_of(self._clock())


class SQLTable(SyncTwin[SQLVerbs]):
    """
    A ``Table`` in an SQL database, whose subclass defines five operations.

    ``_insert`` may return ``False`` only because of the primary key. Each operation is committed at once, unless it is
    part of a transaction of the application; it repeats statements that the database undoes because of a concurrent
    one.

    Args:
        may_sweep: Returns whether a write may also remove expired rows; called when it is due to.
    """

    leaves_process = True
    blocking_reads = True
    blocking_writes = True

    def __init__(self, clock: Clock, *, may_sweep: Callable[[], bool] = lambda: True) -> None:
        self._verbs = SQLVerbs(clock, may_sweep)

    def _run(self, steps: Steps[R]) -> R:
        return run(steps, self)

    @abstractmethod
    def _fetch(self, statement: str, values: Mapping[str, object]) -> Sequence[Sequence[Any]]:
        """Execute one of ``STATEMENTS``, and return the rows that it finds."""

    @abstractmethod
    def _count(self, statement: str, values: Mapping[str, object]) -> int:
        """Execute one of ``STATEMENTS``, and return how many rows it matched, changed or not."""

    @abstractmethod
    def _insert(self, values: Mapping[str, object]) -> bool:
        """Insert a row, and return whether it was inserted or one already existed."""

    @abstractmethod
    def _pick(self, bounds: Mapping[str, int], limit: int) -> Sequence[bytes]:
        """Return the digests of up to *limit* rows whose columns do not exceed *bounds*."""

    @abstractmethod
    def _drop(self, bounds: Mapping[str, int], digests: Sequence[bytes]) -> int:
        """Delete the rows of *digests* that are still within *bounds*, and return how many were deleted."""


class AsyncSQLTable(AsyncTwin[SQLVerbs]):
    """The async version of ``SQLTable``: an ``AsyncTable``."""

    leaves_process = True

    def __init__(self, clock: Clock, *, may_sweep: Callable[[], bool] = lambda: True) -> None:
        self._verbs = SQLVerbs(clock, may_sweep)

    async def _run(self, steps: Steps[R]) -> R:
        return await run_async(steps, self)

    @abstractmethod
    def _fetch(self, statement: str, values: Mapping[str, object]) -> Awaitable[Sequence[Sequence[Any]]]: ...

    @abstractmethod
    def _count(self, statement: str, values: Mapping[str, object]) -> Awaitable[int]: ...

    @abstractmethod
    def _insert(self, values: Mapping[str, object]) -> Awaitable[bool]: ...

    @abstractmethod
    def _pick(self, bounds: Mapping[str, int], limit: int) -> Awaitable[Sequence[bytes]]: ...

    @abstractmethod
    def _drop(self, bounds: Mapping[str, int], digests: Sequence[bytes]) -> Awaitable[int]: ...


def _row(found: Sequence[Sequence[Any]]) -> Row | None:
    for data, *columns in found:
        return row_of((_bytes(data), *columns), text=_text)
    return None


def _principal_digest(principal: str) -> bytes:
    return hashlib.sha256(principal.encode()).digest()


def _bytes(stored: Any) -> bytes:
    # Drivers differ: Oracle's returns large values as files, and None for empty ones.
    return bytes(stored.read() if hasattr(stored, "read") else stored or b"")


def _text(stored: Any) -> str:
    return _bytes(stored).decode()
