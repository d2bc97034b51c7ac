"""
Run each verb of a table as a guarded PostgreSQL statement, which takes effect completely or not at all.

The steps are written once; a sync and an async table run them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg.types.numeric import Int8
from psycopg_pool import PoolTimeout

from holdall._clock import Clock
from holdall._errors import ConfigurationError, StoreError
from holdall._redacted import redacted
from holdall.tables._contract import Replacement, Row, RowInfo, Tombstone
from holdall.tables._postgres_pools import OwnPool, Pool
from holdall.tables._steps import Steps
from holdall.tables.columns import (
    SWEPT_AT_ONCE,
    SweepTurns,
    due_by,
    due_of,
    row_info_of,
    row_of,
    seconds_of,
    utf8_or_none,
)
from holdall.tables.failures import cause_of
from holdall.tables.urls import checked_name

__all__ = ["SCHEMA", "Execute", "Verbs"]

_UNDEFINED_TABLE = "42P01"

_LAYOUT = "holdall layout 2"

#: The statements of ``create_schema``, for manual migrations. Sealed data does not compress, and free space in each
#: page lets a row be updated in place without touching the indexes. Principals and clients are bytes, because
#: PostgreSQL does not accept every text.
SCHEMA: LiteralString = f"""
CREATE TABLE holdall_session (
    digest bytea PRIMARY KEY,
    data bytea NOT NULL,
    version bigint NOT NULL,
    expires bigint NOT NULL,
    created bigint NOT NULL,
    principal bytea,
    client bytea,
    seen bigint,
    due bigint NOT NULL
) WITH (fillfactor = 85);
ALTER TABLE holdall_session ALTER data SET STORAGE EXTERNAL;
CREATE INDEX holdall_session_due ON holdall_session (due);
CREATE INDEX holdall_session_principal ON holdall_session (principal) WHERE principal IS NOT NULL;
COMMENT ON TABLE holdall_session IS '{_LAYOUT}';
"""

# All or nothing. If another process is creating the table, this waits until that is done; any of the names may then be
# the first to conflict.
_CREATE: LiteralString = f"""
DO $$ BEGIN {SCHEMA} EXCEPTION WHEN duplicate_table OR duplicate_object OR unique_violation THEN NULL; END $$
"""
_DESCRIBE: LiteralString = """
SELECT obj_description(present, 'pg_class') FROM to_regclass('holdall_session') AS present WHERE present IS NOT NULL
"""

_READ: LiteralString = """
SELECT data, version, expires, created, principal, client, seen FROM holdall_session
WHERE digest = %(digest)s AND expires > %(now)s
"""
_INSERT: LiteralString = """
INSERT INTO holdall_session (digest, data, version, expires, created, principal, client, seen, due)
VALUES (%(digest)s, %(data)s, %(version)s, %(expires)s, %(created)s, %(principal)s, %(client)s, %(seen)s, %(due)s)
ON CONFLICT (digest) DO UPDATE
SET data = excluded.data, version = excluded.version, expires = excluded.expires, created = excluded.created,
    principal = excluded.principal, client = excluded.client, seen = excluded.seen, due = excluded.due
WHERE holdall_session.expires <= %(now)s
RETURNING true
"""
_REPLACE: LiteralString = """
UPDATE holdall_session
SET data = %(data)s, version = %(version)s, expires = %(expires)s, seen = %(seen)s, due = %(due)s
WHERE digest = %(digest)s AND version = %(old_version)s AND version > 0 AND expires > %(now)s
RETURNING true
"""
_IS_LIVE: LiteralString = """
SELECT true FROM holdall_session WHERE digest = %(digest)s AND version > 0 AND expires > %(now)s
"""
_TOUCH: LiteralString = """
UPDATE holdall_session
SET expires = greatest(expires, %(expires)s), due = greatest(due, %(due)s), seen = greatest(seen, %(seen)s)
WHERE digest = %(digest)s AND version > 0 AND expires > %(now)s
RETURNING true
"""
_REMOVE: LiteralString = """
DELETE FROM holdall_session WHERE digest = %(digest)s AND version > 0 AND expires > %(now)s
RETURNING data, version, expires, created, principal, client, seen
"""
# The lock ensures that the returned row is the one that becomes a tombstone.
_BURY: LiteralString = """
WITH live AS (
    SELECT digest, data, version, expires, created, principal, client, seen FROM holdall_session
    WHERE digest = %(digest)s AND version > 0 AND expires > %(now)s
    FOR UPDATE
)
UPDATE holdall_session SET
    data = %(successor)s, version = 0, expires = %(expires)s, due = %(due)s, client = NULL, seen = NULL
FROM live WHERE holdall_session.digest = live.digest
RETURNING live.data, live.version, live.expires, live.created, live.principal, live.client, live.seen
"""
_FIND: LiteralString = """
SELECT digest, created, expires, client, seen, version FROM holdall_session
WHERE principal = %(principal)s AND expires > %(now)s
ORDER BY created, digest
"""
# Locks rows in a fixed order, so that two of these statements cannot deadlock.
_CLEAR: LiteralString = """
WITH begun AS MATERIALIZED (
    SELECT digest FROM holdall_session WHERE created <= %(began_by)s
    ORDER BY digest LIMIT %(limit)s
    FOR UPDATE
)
DELETE FROM holdall_session USING begun WHERE holdall_session.digest = begun.digest
RETURNING true
"""
# Rows locked by another sweep or a write are skipped without waiting.
_SWEEP: LiteralString = """
WITH expired AS MATERIALIZED (
    SELECT digest FROM holdall_session WHERE due <= %(due)s AND expires <= %(now)s
    ORDER BY due LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
DELETE FROM holdall_session USING expired WHERE holdall_session.digest = expired.digest
RETURNING true
"""


@redacted
class Execute(NamedTuple):
    """Run a statement on the server, and return its rows. One with values is prepared on each connection."""

    statement: LiteralString
    values: Mapping[str, object] | None = None

    def on(self, connections: Any) -> Any:
        return connections.execute(self)


class Verbs:
    """The statements for each verb."""

    def __init__(self, clock: Clock, table: str, *, create: bool) -> None:
        self._clock = clock
        self._table: Any = checked_name(table)
        self._create = create
        self._is_laid_out = False
        self._turns = SweepTurns()

    def create_schema(self) -> Steps[None]:
        described = yield self._statement(_DESCRIBE)
        if not described:
            yield self._statement(_CREATE)
        yield from self._check_layout()

    def read(self, digest: bytes) -> Steps[Row | None]:
        found = yield from self._execute(_READ, digest=digest, now=self._now())
        return _row(found)

    def insert(self, digest: bytes, row: Row) -> Steps[bool]:
        yield from self._sweep_now_and_then()
        inserted = yield from self._execute(
            _INSERT,
            digest=digest,
            data=row.data,
            version=Int8(row.version),
            expires=_seconds(row.expires),
            created=_seconds(row.created),
            principal=utf8_or_none(row.principal),
            client=utf8_or_none(row.client),
            seen=_seconds_or_none(row.seen),
            due=_due(row.expires),
            now=self._now(),
        )
        return bool(inserted)

    def replace(self, digest: bytes, row: Row, *, version: int) -> Steps[Replacement]:
        yield from self._sweep_now_and_then()
        now = self._now()
        replaced = yield from self._execute(
            _REPLACE,
            digest=digest,
            data=row.data,
            version=Int8(row.version),
            old_version=Int8(version),
            expires=_seconds(row.expires),
            seen=_seconds_or_none(row.seen),
            due=_due(row.expires),
            now=now,
        )
        if replaced:
            return Replacement.REPLACED
        live = yield from self._execute(_IS_LIVE, digest=digest, now=now)
        return Replacement.CONFLICT if live else Replacement.GONE

    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> Steps[bool]:
        touched = yield from self._execute(
            _TOUCH,
            digest=digest,
            expires=_seconds(expires),
            due=_due(expires),
            seen=_seconds(seen),
            now=self._now(),
        )
        return bool(touched)

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Steps[Row | None]:
        if tombstone is None:
            removed = yield from self._execute(_REMOVE, digest=digest, now=self._now())
        else:
            removed = yield from self._execute(
                _BURY,
                digest=digest,
                successor=tombstone.successor,
                expires=_seconds(tombstone.until),
                due=_due(tombstone.until),
                now=self._now(),
            )
        return _row(removed)

    def find(self, principal: str) -> Steps[Sequence[RowInfo]]:
        found = yield from self._execute(_FIND, principal=principal.encode(), now=self._now())
        return [row_info_of(columns, text=bytes.decode) for columns in found]

    def clear(self, began_by: datetime, limit: int) -> Steps[int]:
        cleared = yield from self._execute(_CLEAR, began_by=_seconds(began_by), limit=Int8(limit))
        return len(cleared)

    def sweep(self, limit: int) -> Steps[int]:
        now = self._now()
        swept = yield from self._execute(_SWEEP, due=Int8(due_by(now)), now=now, limit=Int8(limit))
        return len(swept)

    def _sweep_now_and_then(self) -> Steps[None]:
        if self._turns.is_due():
            # Only rows due in past hours, so that no live row is examined.
            now = self._now()
            yield from self._execute(_SWEEP, due=now, now=now, limit=Int8(SWEPT_AT_ONCE))

    def _execute(self, statement: LiteralString, **values: object) -> Steps[Sequence[Any]]:
        if not self._is_laid_out:
            yield from self.create_schema() if self._create else self._check_layout()
            self._is_laid_out = True
        rows: Sequence[Any] = yield self._statement(statement, values)
        return rows

    def _statement(self, statement: LiteralString, values: Mapping[str, object] | None = None) -> Execute:
        named: Any = statement.replace("holdall_session", self._table)
        return Execute(named, values)

    def _check_layout(self) -> Steps[None]:
        described = yield self._statement(_DESCRIBE)
        if not described:
            msg = f"the database has no table {self._table}: call create_schema(), or run the SQL in docs/tables.md."
            raise ConfigurationError(msg)
        ((comment,),) = described
        if comment != _LAYOUT:
            msg = (
                f"the comment on the table {self._table} is {comment!r}, but this holdall supports {_LAYOUT!r}: "
                "update holdall, or use another database or schema."
            )
            raise ConfigurationError(msg)

    def failure(self, exc: psycopg.Error, pool: Pool) -> StoreError:
        """Convert the driver's error to ours, without its message, which may show values."""
        if exc.sqlstate == _UNDEFINED_TABLE:
            # The table existed before, so it has been dropped.
            self._is_laid_out = False
        if isinstance(exc, PoolTimeout):
            # psycopg_pool's error does not tell these apart.
            causes = "the pool is empty" if isinstance(pool, OwnPool) else "the pool is empty, or the server is down"
            return StoreError(f"PostgreSQL{pool.address} gave no connection in time: {causes}.")
        return StoreError(f"PostgreSQL{pool.address} failed: {cause_of(exc)}.")

    def _now(self) -> Int8:
        return _seconds(self._clock())


def _row(found: Sequence[Any]) -> Row | None:
    return next((row_of(columns, text=bytes.decode) for columns in found), None)


def _seconds(time: datetime) -> Int8:
    # Of one type whatever its size, so that each statement is prepared only once.
    return Int8(seconds_of(time))


def _seconds_or_none(time: datetime | None) -> Int8 | None:
    return None if time is None else _seconds(time)


def _due(expires: datetime) -> Int8:
    return Int8(due_of(expires))
