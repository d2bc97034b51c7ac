"""
Rows in PostgreSQL, for several machines that share a database.

Each verb is one guarded statement, which the server runs whole or not at all; rows of one session are never locked
for longer. The steps are written once; ``PostgresTable`` and ``AsyncPostgresTable`` differ in how they take them.
"""

import asyncio
import os
import random
import selectors
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Generic, Literal, LiteralString, NamedTuple, TypeVar

from holdall._connections import PerLoop, PerProcess
from holdall._discreet import discreet
from holdall.clock import Clock, utc_now
from holdall.errors import ConfigurationError, StoreError
from holdall.steps import Steps, run, run_async
from holdall.tables._twins import AsyncTwin, SyncTwin
from holdall.tables.columns import SWEPT_AT_ONCE, SweepTurns, due_by, listed_of, row_of, seconds_of, text_of
from holdall.tables.contract import Listed, Replacement, Row
from holdall.tables.failures import cause_of, shown_address
from holdall.tables.urls import checked_name, split_options, timeout_of

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo
    from psycopg.rows import tuple_row
    from psycopg.types.numeric import Int8
    from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout
except ModuleNotFoundError as exc:
    msg = "PostgresTable needs psycopg and psycopg-pool. Install them with: pip install 'holdall[postgres]'"
    raise ModuleNotFoundError(msg, name=exc.name) from exc

from holdall.tables.psycopg import CONFLICTS, Selector, hang_up, limited

__all__ = ["SCHEMA", "AsyncPostgresTable", "PostgresTable", "SynchronousCommit"]

R = TypeVar("R")
Connection = TypeVar("Connection", bound="psycopg.BaseConnection[Any]")
Pool = TypeVar("Pool", bound="ConnectionPool[Any] | AsyncConnectionPool[Any]")

#: What PostgreSQL's setting of that name is to be: with ``"off"`` a crash of the server may lose its last moments.
SynchronousCommit = Literal["on", "off"]

_PATIENCE = timedelta(seconds=5)

# With these answers a server says that it did nothing, because it is not the one to ask, or the connection is not: it
# may only be read from, is shutting down, has crashed or is starting; or it has lost what the connection had prepared.
# Another may have taken its address, so that a new connection leads to the right one.
_ELSEWHERE = frozenset({"25006", "57P01", "57P02", "57P03", "26000"})
# How long the pool keeps an idle connection, and how long any connection.
_IDLE_SECONDS = 600
_LIFETIME_SECONDS = 3600

_UNDEFINED_TABLE = "42P01"
# Each of these means that another's statement has gone through, so that many of them in a row are unlikely.
_MOST_CONFLICTS = 20
_CONFLICT_SECONDS = 0.002

_LAYOUT = "holdall layout 2"

#: What ``create_schema`` does, for those who migrate by hand. Sealed data does not get smaller by compression, and
#: room in each page lets a row be rewritten beside itself, without a word to the indexes. Principals and devices are
#: bytes, for not every text is one to PostgreSQL.
SCHEMA: LiteralString = f"""
CREATE TABLE holdall_session (
    digest bytea PRIMARY KEY,
    data bytea NOT NULL,
    version bigint NOT NULL,
    expires bigint NOT NULL,
    created bigint NOT NULL,
    principal bytea,
    device bytea,
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
SELECT data, version, expires, created, principal, device, seen FROM holdall_session
WHERE digest = %(digest)s AND expires > %(now)s
"""
_INSERT: LiteralString = """
INSERT INTO holdall_session (digest, data, version, expires, created, principal, device, seen, due)
VALUES (%(digest)s, %(data)s, %(version)s, %(expires)s, %(created)s, %(principal)s, %(device)s, %(seen)s, %(due)s)
ON CONFLICT (digest) DO UPDATE
SET data = excluded.data, version = excluded.version, expires = excluded.expires, created = excluded.created,
    principal = excluded.principal, device = excluded.device, seen = excluded.seen, due = excluded.due
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
_DELETE: LiteralString = """
DELETE FROM holdall_session WHERE digest = %(digest)s AND version > 0 AND expires > %(now)s
RETURNING data, version, expires, created, principal, device, seen
"""
# The lock makes the row that is returned the very one that is buried.
_BURY: LiteralString = """
WITH live AS (
    SELECT digest, data, version, expires, created, principal, device, seen FROM holdall_session
    WHERE digest = %(digest)s AND version > 0 AND expires > %(now)s
    FOR UPDATE
)
UPDATE holdall_session SET data = '', version = 0, expires = %(expires)s, due = %(due)s, device = NULL, seen = NULL
FROM live WHERE holdall_session.digest = live.digest
RETURNING live.data, live.version, live.expires, live.created, live.principal, live.device, live.seen
"""
_FIND: LiteralString = """
SELECT digest, created, expires, device, seen, version FROM holdall_session
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


@discreet
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
            principal=text_of(row.principal),
            device=text_of(row.device),
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

    def delete(self, digest: bytes, *, tombstone: datetime | None = None) -> Steps[Row | None]:
        if tombstone is None:
            deleted = yield from self._execute(_DELETE, digest=digest, now=self._now())
        else:
            deleted = yield from self._execute(
                _BURY, digest=digest, expires=_seconds(tombstone), due=_due(tombstone), now=self._now()
            )
        return _row(deleted)

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

    def failure(self, exc: psycopg.Error, pooled: "_Pooled") -> StoreError:
        """Return the driver's error as ours, without its own words: they may show values."""
        if exc.sqlstate == _UNDEFINED_TABLE:
            # It was there, and somebody has dropped it.
            self._is_laid_out = False
        if isinstance(exc, PoolTimeout):
            # One of psycopg_pool's does not tell these from each other.
            causes = "the pool ran dry" if isinstance(pooled, _Own) else "the pool ran dry, or the server is not there"
            return StoreError(f"PostgreSQL{pooled.address} gave no connection in time: {causes}.")
        return StoreError(f"PostgreSQL{pooled.address} failed: {cause_of(exc)}.")

    def _now(self) -> Int8:
        return _seconds(self._clock())


class _Pooled:
    """
    Connections, and which of them may be used.

    Args:
        refusals: How many connections in a row may turn out to lead to the wrong server.
    """

    def __init__(self, *, refusals: int, address: str) -> None:
        self.refusals = refusals
        self.address = address
        self._generation = 0
        self._generations: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def renew(self) -> None:
        """Stop using the connections made so far. Those in use are left to finish."""
        self._generation += 1

    def is_usable(self, connection: Any) -> bool:
        """Say whether a connection still leads to the server, as far as is known without asking there."""
        is_current = self._generations.setdefault(connection, self._generation) == self._generation
        return is_current and not _was_closed_while_idle(connection)


class _Own(_Pooled):
    """
    Connections that the table opens itself, so many at once at most.

    No thread and no task looks after them. A pool that has some cannot go along with a fork, and one of psycopg_pool's
    can hold up the end of an event loop.
    """

    def __init__(self, conninfo: str, options: "_Options") -> None:
        # After the first refusal only new connections are used.
        super().__init__(refusals=1, address=_address(conninfo))
        self._conninfo = conninfo
        self._seconds = options.timeout.total_seconds()
        self._is_closed = False
        # Each with the time since when it is idle, the longest first.
        self._idle: deque[tuple[float, Any]] = deque()
        self._made: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()
        # The connections end with the table even if the application never closes it.
        weakref.finalize(self, _hang_up_all, self._idle, os.getpid())

    def close(self) -> None:
        """Close all connections, those in use when they come back."""
        self._is_closed = True
        _hang_up_all(self._idle, os.getpid())

    def _taken(self) -> Any:
        """Return a connection that is idle, the one used last; ``None`` if there is none."""
        try:
            return self._idle.pop()[1]
        except IndexError:
            return None

    def _note(self, connection: Connection) -> Connection:
        self._generations[connection] = self._generation
        self._made[connection] = time.monotonic()
        return connection

    def _keep(self, connection: Any) -> None:
        now = time.monotonic()
        is_idle = connection.pgconn.transaction_status == psycopg.pq.TransactionStatus.IDLE
        if self._is_closed or not is_idle or self._made[connection] < now - _LIFETIME_SECONDS:
            hang_up(connection)
            return
        self._idle.append((now, connection))
        # Another thread may have taken the last one.
        with suppress(IndexError):
            while self._idle[0][0] < now - _IDLE_SECONDS:
                hang_up(self._idle.popleft()[1])


def _hang_up_all(idle: deque[tuple[float, Any]], pid: int) -> None:
    # In a forked process they are the parent's.
    while idle and pid == os.getpid():
        hang_up(idle.pop()[1])


class _OwnPool(_Own):
    """For calls that wait."""

    def __init__(self, conninfo: str, options: "_Options") -> None:
        super().__init__(conninfo, options)
        self._free = threading.Semaphore(options.max_size)

    def getconn(self) -> "psycopg.Connection[Any]":
        if not self._free.acquire(timeout=self._seconds):
            raise PoolTimeout
        try:
            taken: psycopg.Connection[Any] | None = self._taken()
            return taken or self._note(psycopg.connect(self._conninfo, autocommit=True))
        except BaseException:
            self._free.release()
            raise

    def putconn(self, connection: Any) -> None:
        self._keep(connection)
        self._free.release()


class _AsyncOwnPool(_Own):
    """For calls that are awaited."""

    def __init__(self, conninfo: str, options: "_Options") -> None:
        super().__init__(conninfo, options)
        self._free = asyncio.Semaphore(options.max_size)

    async def getconn(self) -> "psycopg.AsyncConnection[Any]":
        try:
            async with asyncio.timeout(self._seconds):
                await self._free.acquire()
        except TimeoutError:
            raise PoolTimeout from None
        try:
            taken: psycopg.AsyncConnection[Any] | None = self._taken()
            return taken or self._note(await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True))
        except BaseException:
            self._free.release()
            raise

    async def putconn(self, connection: Any) -> None:
        self._keep(connection)
        self._free.release()


class _GivenPool(_Pooled, Generic[Pool]):
    """A pool that an application gave. It belongs to one process, and if it is awaited to one event loop."""

    def __init__(self, kind: type[Pool], pool: Any) -> None:
        if not isinstance(pool, kind):
            msg = f"{type(pool).__name__} is not the pool for this table: give it a {kind.__name__}, or use its twin."
            raise ConfigurationError(msg)
        # When its connections were made is not known, so that each of them may be found out by itself.
        super().__init__(refusals=pool.max_size, address=_address(pool.conninfo))
        self.getconn: Any = pool.getconn
        self.putconn: Any = pool.putconn
        # An open pool has threads or tasks already.
        self._pid = None if pool.closed else os.getpid()
        self._loop: Any = None

    def check(self, loop: Any = None) -> None:
        """Raise ``ConfigurationError`` if it belongs to another process or event loop than the one that uses it now."""
        pid = os.getpid()
        self._pid, self._loop = self._pid or pid, self._loop or loop
        if self._pid != pid:  # pragma: no cover  # runs in a forked process, where coverage is not measured
            msg = (
                "this pool was opened before the process was forked, so its connections belong to the parent: "
                "open a pool in each process, or give the table a URL."
            )
            raise ConfigurationError(msg)
        if self._loop is not loop:
            msg = "this pool belongs to another event loop: open a pool in each event loop, or give the table a URL."
            raise ConfigurationError(msg)


class _Attempts:
    """Decides for one statement whether it is sent again after a failure."""

    def __init__(self, pooled: _Pooled) -> None:
        self._pooled = pooled
        self._conflicts = 0
        self._refusals = 0

    def again(self, exc: psycopg.Error, connection: Any, *, is_commit: bool) -> float | None:
        """Return after how many seconds the statement is sent again, or ``None``."""
        if exc.sqlstate in CONFLICTS and self._conflicts < _MOST_CONFLICTS:
            self._conflicts += 1
            return random.uniform(0, _CONFLICT_SECONDS * self._conflicts)  # noqa: S311  # it only spreads
        if exc.sqlstate in _ELSEWHERE and not is_commit:
            hang_up(connection)
            if self._refusals < self._pooled.refusals:
                self._refusals += 1
                self._pooled.renew()
                return 0
        return None


class _Connections:
    """Connections as the target of steps."""

    def __init__(self, given: "str | ConnectionPool[Any]", options: "_Options") -> None:
        self._limit = options.statement_timeout
        self._own: PerProcess[_OwnPool] | None = None
        if isinstance(given, str):
            conninfo = _conninfo(given, options)
            self._own = PerProcess(lambda: _OwnPool(conninfo, options))
        else:
            self._given = _GivenPool(ConnectionPool, given)

    def get(self) -> "_OwnPool | _GivenPool[ConnectionPool[Any]]":
        """Return the pool of this process."""
        if self._own is not None:
            return self._own.get()
        self._given.check()
        return self._given

    def execute(self, execute: Execute) -> Sequence[Any]:
        pooled = self.get()
        attempts = _Attempts(pooled)
        rows: Sequence[Any]
        while True:
            # Not the pool's context manager, which looks for something to commit after each statement.
            connection = pooled.getconn()
            is_commit = False
            try:
                if not pooled.is_usable(connection):
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
                pooled.putconn(connection)
            time.sleep(seconds)

    def close(self) -> None:
        if self._own is not None and (pooled := self._own.take_out()) is not None:
            pooled.close()


class _AsyncConnections:
    """The same, awaited. With a URL, each event loop has connections of its own."""

    def __init__(self, given: "str | AsyncConnectionPool[Any]", options: "_Options") -> None:
        self._limit = options.statement_timeout
        self._own: PerLoop[_AsyncOwnPool] | None = None
        if isinstance(given, str):
            conninfo = _conninfo(given, options)
            self._own = PerLoop(lambda: _AsyncOwnPool(conninfo, options), _close)
        else:
            self._given = _GivenPool(AsyncConnectionPool, given)

    async def get(self) -> "_AsyncOwnPool | _GivenPool[AsyncConnectionPool[Any]]":
        if self._own is not None:
            return await self._own.get()
        self._given.check(asyncio.get_running_loop())
        return self._given

    async def execute(self, execute: Execute) -> Sequence[Any]:
        pooled = await self.get()
        attempts = _Attempts(pooled)
        rows: Sequence[Any]
        while True:
            connection = await pooled.getconn()
            is_commit = False
            try:
                if not pooled.is_usable(connection):
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
                await pooled.putconn(connection)
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
        timeout: timedelta = _PATIENCE,
        statement_timeout: timedelta = _PATIENCE,
        synchronous_commit: SynchronousCommit | None = None,
        clock: Clock = utc_now,
    ) -> None:
        given, options = _read(pool, _Options(table, max_size, timeout, statement_timeout, synchronous_commit))
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
        timeout: timedelta = _PATIENCE,
        statement_timeout: timedelta = _PATIENCE,
        synchronous_commit: SynchronousCommit | None = None,
        clock: Clock = utc_now,
    ) -> None:
        given, options = _read(pool, _Options(table, max_size, timeout, statement_timeout, synchronous_commit))
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


def _read(given: Any, options: _Options) -> tuple[Any, _Options]:
    """Return the URL or the pool that was *given*, and the options, those in the URL among them."""
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


async def _close(pooled: _AsyncOwnPool) -> None:
    pooled.close()


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


def _address(conninfo: Any) -> str:
    try:
        parameters = conninfo_to_dict(conninfo if isinstance(conninfo, str) else "")
    except psycopg.ProgrammingError:
        return ""
    host = parameters.get("host") or parameters.get("hostaddr") or "localhost"
    return shown_address(host, parameters.get("port"), parameters.get("dbname"))


def _was_closed_while_idle(connection: "psycopg.BaseConnection[Any]") -> bool:
    """Look, without a round trip, whether the server said anything unasked: that is how it closes a connection."""
    with Selector() as selector:
        selector.register(connection.fileno(), selectors.EVENT_READ)
        return bool(selector.select(0))


def _row(found: Sequence[Any]) -> Row | None:
    return next((row_of(columns, text=bytes.decode) for columns in found), None)


def _seconds(time: datetime) -> Int8:
    # Of one size whatever its value, so that each statement is prepared once.
    return Int8(seconds_of(time))


def _seconds_or_none(time: datetime | None) -> Int8 | None:
    return None if time is None else _seconds(time)


def _due(expires: datetime) -> Int8:
    return Int8(due_by(seconds_of(expires)))
