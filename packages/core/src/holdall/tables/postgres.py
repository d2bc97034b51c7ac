"""
Rows in PostgreSQL, for several machines that share a database.

Each verb is one guarded statement, which the server runs whole or not at all; rows of one session are never locked
for longer. The steps are written once; ``PostgresTable`` and ``AsyncPostgresTable`` differ in how they take them.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, LiteralString, NamedTuple, TypeVar

from holdall._connections import PerLoop, PerProcess
from holdall._redacted import redacted
from holdall.clock import Clock, utc_now
from holdall.errors import ConfigurationError, StoreError
from holdall.tables._steps import Steps, run, run_async
from holdall.tables._twins import AsyncTwin, SyncTwin
from holdall.tables.columns import (
    SWEPT_AT_ONCE,
    SweepTurns,
    due_by,
    due_of,
    listed_of,
    row_of,
    seconds_of,
    utf8_or_none,
)
from holdall.tables.contract import Listed, Replacement, Row, Tombstone
from holdall.tables.failures import CONFLICTS, ELSEWHERE, MOST_CONFLICTS, cause_of, conflict_pause
from holdall.tables.urls import checked_name, checked_timeout, split_options, timeout_of

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo
    from psycopg.rows import tuple_row
    from psycopg.types.numeric import Int8
    from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout
except ModuleNotFoundError as exc:
    msg = "PostgresTable needs psycopg and psycopg-pool. Install them with: pip install 'holdall[postgres]'"
    raise ModuleNotFoundError(msg, name=exc.name) from exc

from holdall.tables._postgres_pools import AsyncOwnPool, GivenPool, OwnPool, Pool, SyncOwnPool
from holdall.tables.psycopg import hang_up, limited

__all__ = ["SCHEMA", "AsyncPostgresTable", "PostgresTable", "SynchronousCommit"]

R = TypeVar("R")
Connection = TypeVar("Connection", bound="psycopg.BaseConnection[Any]")

#: What PostgreSQL's setting of that name is to be: with ``"off"`` a crash of the server may lose its last moments.
SynchronousCommit = Literal["on", "off"]

_PATIENCE = timedelta(seconds=5)

# The connection has lost what it had prepared, or ``ELSEWHERE``: a new connection helps.
_NEW_CONNECTION_HELPS = ELSEWHERE | {"26000"}

_UNDEFINED_TABLE = "42P01"

_LAYOUT = "holdall layout 2"

#: What ``create_schema`` does, for those who migrate by hand. Sealed data does not get smaller by compression, and
#: room in each page lets a row be rewritten beside itself, without a word to the indexes. Principals and clients are
#: bytes, for not every text is one to PostgreSQL.
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

# All or nothing. Where another process is making it, this waits until that is done; which name it then meets first is
# chance.
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
# The lock makes the row that is returned the very one that is buried.
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
# In one order, so that two of them wait for one another and not each for the other.
_CLEAR: LiteralString = """
WITH begun AS MATERIALIZED (
    SELECT digest FROM holdall_session WHERE created <= %(began_by)s
    ORDER BY digest LIMIT %(limit)s
    FOR UPDATE
)
DELETE FROM holdall_session USING begun WHERE holdall_session.digest = begun.digest
RETURNING true
"""
# What another sweep or a write is at is left to it: nobody waits.
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
    """Have the server run a statement, and return its rows. One with values is prepared on each connection."""

    statement: LiteralString
    values: Mapping[str, object] | None = None

    def on(self, connections: Any) -> Any:
        return connections.execute(self)


class _Verbs:
    """What each verb of a table asks of the server."""

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

    def find(self, principal: str) -> Steps[Sequence[Listed]]:
        found = yield from self._execute(_FIND, principal=principal.encode(), now=self._now())
        return [listed_of(columns, text=bytes.decode) for columns in found]

    def clear(self, began_by: datetime, limit: int) -> Steps[int]:
        cleared = yield from self._execute(_CLEAR, began_by=_seconds(began_by), limit=Int8(limit))
        return len(cleared)

    def sweep(self, limit: int) -> Steps[int]:
        now = self._now()
        swept = yield from self._execute(_SWEEP, due=Int8(due_by(now)), now=now, limit=Int8(limit))
        return len(swept)

    def _sweep_now_and_then(self) -> Steps[None]:
        if self._turns.is_due():
            # Of the hours that are over, so that no row is looked at that has not expired.
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
                f"the comment on the table {self._table} is {comment!r}, and this holdall knows {_LAYOUT!r}: "
                "update holdall, or use another database or schema."
            )
            raise ConfigurationError(msg)

    def failure(self, exc: psycopg.Error, pool: Pool) -> StoreError:
        """Return the driver's error as ours, without its own words: they may show values."""
        if exc.sqlstate == _UNDEFINED_TABLE:
            # It was there, and somebody has dropped it.
            self._is_laid_out = False
        if isinstance(exc, PoolTimeout):
            # One of psycopg_pool's does not tell these from each other.
            causes = "the pool ran dry" if isinstance(pool, OwnPool) else "the pool ran dry, or the server is not there"
            return StoreError(f"PostgreSQL{pool.address} gave no connection in time: {causes}.")
        return StoreError(f"PostgreSQL{pool.address} failed: {cause_of(exc)}.")

    def _now(self) -> Int8:
        return _seconds(self._clock())


class _Attempts:
    """Decides for one statement whether it is sent again after a failure."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._conflicts = 0
        self._refusals = 0

    def again(self, exc: psycopg.Error, connection: Any, *, is_commit: bool) -> float | None:
        """Return after how many seconds the statement is sent again, or ``None``."""
        if exc.sqlstate in CONFLICTS and self._conflicts < MOST_CONFLICTS:
            self._conflicts += 1
            return conflict_pause(self._conflicts)
        if exc.sqlstate in _NEW_CONNECTION_HELPS and not is_commit:
            hang_up(connection)
            if self._refusals < self._pool.most_refusals:
                self._refusals += 1
                self._pool.renew()
                return 0
        return None


class _Connections:
    """Connections as the target of steps."""

    def __init__(self, given: "str | ConnectionPool[Any]", options: "_Options") -> None:
        self._limit = options.statement_timeout
        self._own: PerProcess[SyncOwnPool] | None = None
        if isinstance(given, str):
            conninfo = _conninfo(given, options)
            self._own = PerProcess(lambda: SyncOwnPool(conninfo, options.timeout, options.max_size))
        else:
            self._given = GivenPool(ConnectionPool, given)

    def get(self) -> "SyncOwnPool | GivenPool[ConnectionPool[Any]]":
        """Return the pool of this process."""
        if self._own is not None:
            return self._own.get()
        self._given.check()
        return self._given

    def execute(self, execute: Execute) -> Sequence[Any]:
        pool = self.get()
        attempts = _Attempts(pool)
        rows: Sequence[Any]
        while True:
            # Not the pool's context manager, which looks for something to commit after each statement.
            connection = pool.getconn()
            is_commit = False
            try:
                if not pool.is_usable(connection):
                    hang_up(connection)
                    continue
                with limited(connection, self._limit):
                    with connection.cursor(row_factory=tuple_row) as cursor:
                        cursor.execute(*execute, prepare=execute.values is not None, binary=True)
                        rows = cursor.fetchall() if cursor.rowcount > 0 else ()
                    if not connection.autocommit:
                        is_commit = True
                        connection.commit()
            except psycopg.Error as exc:
                seconds = attempts.again(exc, connection, is_commit=is_commit)
                if seconds is None:
                    raise
            else:
                return rows
            finally:
                pool.putconn(connection)
            time.sleep(seconds)

    def close(self) -> None:
        if self._own is not None and (pool := self._own.take_out()) is not None:
            pool.close()


class _AsyncConnections:
    """The same, awaited. With a URL, each event loop has connections of its own."""

    def __init__(self, given: "str | AsyncConnectionPool[Any]", options: "_Options") -> None:
        self._limit = options.statement_timeout
        self._own: PerLoop[AsyncOwnPool] | None = None
        if isinstance(given, str):
            conninfo = _conninfo(given, options)
            self._own = PerLoop(lambda: AsyncOwnPool(conninfo, options.timeout, options.max_size), _close)
        else:
            self._given = GivenPool(AsyncConnectionPool, given)

    async def get(self) -> "AsyncOwnPool | GivenPool[AsyncConnectionPool[Any]]":
        if self._own is not None:
            return await self._own.get()
        self._given.check(asyncio.get_running_loop())
        return self._given

    async def execute(self, execute: Execute) -> Sequence[Any]:
        pool = await self.get()
        attempts = _Attempts(pool)
        rows: Sequence[Any]
        while True:
            connection = await pool.getconn()
            is_commit = False
            try:
                if not pool.is_usable(connection):
                    hang_up(connection)
                    continue
                with limited(connection, self._limit):
                    async with connection.cursor(row_factory=tuple_row) as cursor:
                        await cursor.execute(*execute, prepare=execute.values is not None, binary=True)
                        rows = await cursor.fetchall() if cursor.rowcount > 0 else ()
                    if not connection.autocommit:
                        is_commit = True
                        await connection.commit()
            except psycopg.Error as exc:
                seconds = attempts.again(exc, connection, is_commit=is_commit)
                if seconds is None:
                    raise
            else:
                return rows
            finally:
                await pool.putconn(connection)
            await asyncio.sleep(seconds)

    async def close(self) -> None:
        if self._own is not None:
            await self._own.close()


class PostgresTable(SyncTwin[_Verbs]):
    """
    A table in a PostgreSQL database, version 13 or newer: ``holdall_session``, in the first schema of the search path.

    A connection that the server closed while it lay idle is replaced before anything is sent on it. If the server
    refuses a statement because it is not the one to write to (it was demoted, or is shutting down), all connections are
    replaced and the statement is sent once more; after a serialization failure or a deadlock it is sent again too. A
    connection that breaks under a statement is a ``StoreError``, and the statement is not sent again: the server may
    have run it.

    Args:
        pool: A URL (``postgresql://``), or a ``ConnectionPool`` of psycopg_pool. The application opens and
            closes its pool, in the process that uses it. Give the pool ``autocommit=True``, which saves two round
            trips.
        table: The table's name, so that several applications can share a database; ``?table=`` in the URL.
        create: Make the table on first use, where it is not there. Otherwise ``create_schema`` does.
        max_size: With a URL: how many connections are open at most. There are none before the first use.
        timeout: With a URL: how long a request waits for a connection, before it is a ``StoreError``; ``?timeout=`` in
            the URL, in seconds.
        statement_timeout: How long a request waits for the answer to a statement, before the statement is cancelled and
            a ``StoreError``; ``?statement_timeout=`` in the URL, in seconds.
        synchronous_commit: With a URL: whether a write waits until the server's disk has it. ``"off"`` is faster, and
            loses the last moments when the server crashes; the rows stay whole. Without, as the server is set up.

    Raises:
        ConfigurationError: The table is another program's, or of a newer layout, or is not there.
    """

    leaves_process = True
    blocking_reads = True
    blocking_writes = True

    def __init__(
        self,
        pool: "str | ConnectionPool[Any]",
        *,
        table: str = "holdall_session",
        create: bool = True,
        max_size: int = 10,
        timeout: timedelta | int = _PATIENCE,
        statement_timeout: timedelta | int = _PATIENCE,
        synchronous_commit: SynchronousCommit | None = None,
        clock: Clock = utc_now,
    ) -> None:
        given, options = _read(pool, table, max_size, timeout, statement_timeout, synchronous_commit)
        self._connections = _Connections(given, options)
        self._verbs = _Verbs(clock, options.table, create=create)

    def create_schema(self) -> None:
        """Make the table and its indexes, where they are not there."""
        self._run(self._verbs.create_schema())

    def close(self) -> None:
        """Close the connections, if the pool is our own; the next call opens others."""
        self._connections.close()

    def _run(self, steps: Steps[R]) -> R:
        try:
            return run(steps, self._connections)
        except psycopg.Error as exc:
            failure = self._verbs.failure(exc, self._connections.get())
        # Outside of the except block: the driver's error has values in its words and frames.
        raise failure


class AsyncPostgresTable(AsyncTwin[_Verbs]):
    """
    The same as ``PostgresTable``, awaited, in event loops of asyncio.

    With a URL, each event loop has connections of its own, which are closed when the loop ends. A pool that is handed
    in is an ``AsyncConnectionPool``, and belongs to one event loop.
    """

    leaves_process = True

    def __init__(
        self,
        pool: "str | AsyncConnectionPool[Any]",
        *,
        table: str = "holdall_session",
        create: bool = True,
        max_size: int = 10,
        timeout: timedelta | int = _PATIENCE,
        statement_timeout: timedelta | int = _PATIENCE,
        synchronous_commit: SynchronousCommit | None = None,
        clock: Clock = utc_now,
    ) -> None:
        given, options = _read(pool, table, max_size, timeout, statement_timeout, synchronous_commit)
        self._connections = _AsyncConnections(given, options)
        self._verbs = _Verbs(clock, options.table, create=create)

    async def create_schema(self) -> None:
        """Make the table and its indexes, where they are not there."""
        await self._run(self._verbs.create_schema())

    async def aclose(self) -> None:
        """Close this event loop's connections, if the pool is our own; the next call opens others."""
        await self._connections.close()

    async def _run(self, steps: Steps[R]) -> R:
        try:
            return await run_async(steps, self._connections)
        except psycopg.Error as exc:
            failure = self._verbs.failure(exc, await self._connections.get())
        raise failure


class _Options(NamedTuple):
    table: str
    max_size: int
    timeout: timedelta
    statement_timeout: timedelta
    synchronous_commit: SynchronousCommit | None


def _read(
    given: Any,
    table: str,
    max_size: int,
    timeout: timedelta | int,
    statement_timeout: timedelta | int,
    synchronous_commit: SynchronousCommit | None,
) -> tuple[Any, _Options]:
    """Return the URL or the pool that was *given*, and the options, those in the URL among them."""
    limits = checked_timeout("timeout", timeout), checked_timeout("statement_timeout", statement_timeout)
    options = _Options(table, max_size, *limits, synchronous_commit)
    if isinstance(given, str):
        known: dict[str, Callable[[str], Any]] = {"table": str, "timeout": timeout_of, "statement_timeout": timeout_of}
        given, stated = split_options(given, known)
        options = options._replace(**stated)
    elif options.synchronous_commit is not None:
        msg = "synchronous_commit goes with a URL: a pool that is handed in has made that choice for itself."
        raise ConfigurationError(msg)
    if options.synchronous_commit not in (None, "on", "off"):
        msg = f"synchronous_commit={options.synchronous_commit!r} is neither 'on' nor 'off'."
        raise ConfigurationError(msg)
    return given, options


async def _close(pool: AsyncOwnPool) -> None:
    pool.close()


def _conninfo(url: str, options: _Options) -> str:
    try:
        parameters = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # It would show the URL, and so its password.
        msg = "the URL cannot be read: write it as postgresql://user:password@host:port/database."
        raise ConfigurationError(msg) from None
    parameters.setdefault("connect_timeout", max(2, round(options.timeout.total_seconds())))
    if options.synchronous_commit is not None:
        # With the connection, which costs no round trip.
        more = f"-c synchronous_commit={options.synchronous_commit}"
        parameters["options"] = f"{parameters.get('options') or ''} {more}".strip()
    return make_conninfo("", **parameters)


def _row(found: Sequence[Any]) -> Row | None:
    return next((row_of(columns, text=bytes.decode) for columns in found), None)


def _seconds(time: datetime) -> Int8:
    # Of one size whatever its value, so that each statement is prepared once.
    return Int8(seconds_of(time))


def _seconds_or_none(time: datetime | None) -> Int8 | None:
    return None if time is None else _seconds(time)


def _due(expires: datetime) -> Int8:
    return Int8(due_of(expires))
