"""
Rows in PostgreSQL, for several machines that share a database.

Each verb is one guarded statement, which the server runs whole or not at all; rows of one session are never locked
for longer. The steps are written once; ``PostgresTable`` and ``AsyncPostgresTable`` differ in how they take them.
"""

import itertools
import os
import selectors
import weakref
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, Literal, LiteralString, NamedTuple, TypeVar

from holdall._discreet import discreet
from holdall.clock import Clock, utc_now
from holdall.errors import ConfigurationError, StoreError
from holdall.steps import Steps, run, run_async
from holdall.tables.contract import Listed, Replacement, Row, Tombstone

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo
    from psycopg.rows import tuple_row
    from psycopg.types.numeric import Int8
    from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout
except ModuleNotFoundError as exc:
    msg = "PostgresTable needs psycopg and psycopg-pool. Install them with: pip install 'holdall[postgres]'"
    raise ModuleNotFoundError(msg, name=exc.name) from exc

__all__ = ["SCHEMA", "AsyncPostgresTable", "PostgresTable", "SynchronousCommit"]

R = TypeVar("R")
Pool = TypeVar("Pool", bound="ConnectionPool[Any] | AsyncConnectionPool[Any]")

#: What PostgreSQL's setting of that name is to be: with ``"off"`` a crash of the server may lose its last moments.
SynchronousCommit = Literal["on", "off"]

# Not the default one, which on Linux makes an object in the kernel for each use.
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)

# Rows fall due for the sweep on a grid of an hour, so that moving an expiry seldom moves anything in the index.
_GRID_SECONDS = 3600
# Every so many writes of a process one of them sweeps so many rows: about four for each that it can add.
_WRITES_PER_SWEEP = 64
_SWEPT_AT_ONCE = 256

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
_REMOVE: LiteralString = """
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
UPDATE holdall_session SET
    data = %(successor)s, version = 0, expires = %(expires)s, due = %(due)s, device = NULL, seen = NULL
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

    def __init__(self, clock: Clock, *, create: bool) -> None:
        self._clock = clock
        self._create = create
        self._is_laid_out = False
        self._writes = itertools.count(1)

    def create_schema(self) -> Steps[None]:
        described = yield Execute(_DESCRIBE)
        if not described:
            yield Execute(_CREATE)
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
            principal=_bytes(row.principal),
            device=_bytes(row.device),
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
        return [
            Listed(digest, _time(created), _time(expires), _text(device), _time_or_none(seen), version == 0)
            for digest, created, expires, device, seen, version in found
        ]

    def clear(self, began_by: datetime, limit: int) -> Steps[int]:
        cleared = yield from self._execute(_CLEAR, began_by=_seconds(began_by), limit=Int8(limit))
        return len(cleared)

    def sweep(self, limit: int) -> Steps[int]:
        now = self._now()
        swept = yield from self._execute(_SWEEP, due=Int8(_ceiling(now)), now=now, limit=Int8(limit))
        return len(swept)

    def _sweep_now_and_then(self) -> Steps[None]:
        if next(self._writes) % _WRITES_PER_SWEEP == 0:
            # Of the hours that are over, so that no row is looked at that has not expired.
            now = self._now()
            yield from self._execute(_SWEEP, due=now, now=now, limit=Int8(_SWEPT_AT_ONCE))

    def _execute(self, statement: LiteralString, **values: object) -> Steps[Sequence[Any]]:
        if not self._is_laid_out:
            yield from self.create_schema() if self._create else self._check_layout()
            self._is_laid_out = True
        rows: Sequence[Any] = yield Execute(statement, values)
        return rows

    def _check_layout(self) -> Steps[None]:
        described = yield Execute(_DESCRIBE)
        if not described:
            msg = "the database has no table holdall_session: call create_schema(), or run the SQL in docs/tables.md."
            raise ConfigurationError(msg)
        ((comment,),) = described
        if comment != _LAYOUT:
            msg = (
                f"the comment on the table holdall_session is {comment!r}, and this holdall knows {_LAYOUT!r}: "
                "update holdall, or use another database or schema."
            )
            raise ConfigurationError(msg)

    def _now(self) -> Int8:
        return _seconds(self._clock())


class _Pooled(Generic[Pool]):
    """A pool: one that was handed in, or one that is ours to open and to close."""

    def __init__(self, pool: Pool, make: Callable[[], Pool] | None) -> None:
        self.pool = pool
        self._make = make
        if make is not None:
            _ours.add(self)

    @property
    def is_to_be_opened(self) -> bool:
        return self._make is not None and self.pool.closed

    def take_out(self) -> Pool | None:
        """Return the pool to whoever closes it, and put a new one in its place; ``None`` if it is not ours."""
        pool = self.pool
        if self._make is None:
            return None
        self.pool = self._make()
        return pool


class _Connections(_Pooled[ConnectionPool[Any]]):
    """Connections as the target of steps."""

    def execute(self, execute: Execute) -> Sequence[Any]:
        if self.is_to_be_opened:
            self.pool.open()
        while True:
            # Not the pool's context manager, which looks for something to commit after each statement.
            connection = self.pool.getconn()
            try:
                if _was_closed_while_idle(connection):
                    connection.close()
                    continue
                with connection.cursor(row_factory=tuple_row) as cursor:
                    cursor.execute(*execute, prepare=execute.values is not None, binary=True)
                    rows: Sequence[Any] = cursor.fetchall() if cursor.rowcount > 0 else ()
                if not connection.autocommit:
                    connection.commit()
                return rows
            finally:
                self.pool.putconn(connection)


class _AsyncConnections(_Pooled[AsyncConnectionPool[Any]]):
    """The same, awaited."""

    async def execute(self, execute: Execute) -> Sequence[Any]:
        if self.is_to_be_opened:
            await self.pool.open()
        while True:
            connection = await self.pool.getconn()
            try:
                if _was_closed_while_idle(connection):
                    await connection.close()
                    continue
                async with connection.cursor(row_factory=tuple_row) as cursor:
                    await cursor.execute(*execute, prepare=execute.values is not None, binary=True)
                    rows: Sequence[Any] = await cursor.fetchall() if cursor.rowcount > 0 else ()
                if not connection.autocommit:
                    await connection.commit()
                return rows
            finally:
                await self.pool.putconn(connection)


class PostgresTable:
    """
    A table in a PostgreSQL database, version 13 or newer: ``holdall_session``, in the first schema of the search path.

    A connection that the server closed while it lay idle is replaced before anything is sent on it. One that breaks
    under a statement is a ``StoreError``, and the statement is not sent again: the server may have run it.

    Args:
        pool: A URL (``postgresql://``), or a ``ConnectionPool`` of psycopg_pool. A pool that is handed in is opened and
            closed by whoever made it; its connections should be made with ``autocommit=True``, which saves two round
            trips.
        create: Make the table on first use, where it is not there. Otherwise ``create_schema`` does.
        max_size: With a URL: how many connections are open at most. There are none before the first use.
        timeout: With a URL: how long a request waits for a connection, before it is a ``StoreError``.
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
        create: bool = True,
        max_size: int = 10,
        timeout: timedelta = timedelta(seconds=5),
        synchronous_commit: SynchronousCommit | None = None,
        clock: Clock = utc_now,
    ) -> None:
        made = _made(ConnectionPool, pool, max_size, timeout, synchronous_commit)
        self._connections = _Connections(*made)
        self._verbs = _Verbs(clock, create=create)

    def create_schema(self) -> None:
        """Make the table and its indexes, where they are not there."""
        self._run(self._verbs.create_schema())

    def read(self, digest: bytes) -> Row | None:
        return self._run(self._verbs.read(digest))

    def insert(self, digest: bytes, row: Row) -> bool:
        return self._run(self._verbs.insert(digest, row))

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        return self._run(self._verbs.replace(digest, row, version=version))

    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        return self._run(self._verbs.touch(digest, expires, seen=seen))

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        return self._run(self._verbs.remove(digest, tombstone=tombstone))

    def find(self, principal: str) -> Sequence[Listed]:
        return self._run(self._verbs.find(principal))

    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        return self._run(self._verbs.clear(began_by, limit))

    def sweep(self, limit: int = 1000) -> int:
        return self._run(self._verbs.sweep(limit))

    def close(self) -> None:
        """Close the connections, if the pool is our own; the next call opens others."""
        pool = self._connections.take_out()
        if pool is not None:
            pool.close()

    def _run(self, steps: Steps[R]) -> R:
        try:
            return run(steps, self._connections)
        except psycopg.Error as exc:
            raise _failure(exc) from exc


class AsyncPostgresTable:
    """
    The same as ``PostgresTable``, awaited, in one event loop of asyncio.

    A pool that is handed in is an ``AsyncConnectionPool``.
    """

    leaves_process = True

    def __init__(
        self,
        pool: "str | AsyncConnectionPool[Any]",
        *,
        create: bool = True,
        max_size: int = 10,
        timeout: timedelta = timedelta(seconds=5),
        synchronous_commit: SynchronousCommit | None = None,
        clock: Clock = utc_now,
    ) -> None:
        made = _made(AsyncConnectionPool, pool, max_size, timeout, synchronous_commit)
        self._connections = _AsyncConnections(*made)
        self._verbs = _Verbs(clock, create=create)

    async def create_schema(self) -> None:
        """Make the table and its indexes, where they are not there."""
        await self._run(self._verbs.create_schema())

    async def read(self, digest: bytes) -> Row | None:
        return await self._run(self._verbs.read(digest))

    async def insert(self, digest: bytes, row: Row) -> bool:
        return await self._run(self._verbs.insert(digest, row))

    async def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        return await self._run(self._verbs.replace(digest, row, version=version))

    async def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        return await self._run(self._verbs.touch(digest, expires, seen=seen))

    async def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        return await self._run(self._verbs.remove(digest, tombstone=tombstone))

    async def find(self, principal: str) -> Sequence[Listed]:
        return await self._run(self._verbs.find(principal))

    async def clear(self, began_by: datetime, limit: int = 1000) -> int:
        return await self._run(self._verbs.clear(began_by, limit))

    async def sweep(self, limit: int = 1000) -> int:
        return await self._run(self._verbs.sweep(limit))

    async def aclose(self) -> None:
        """Close the connections, if the pool is our own; the next call opens others."""
        pool = self._connections.take_out()
        if pool is not None:
            await pool.close()

    async def _run(self, steps: Steps[R]) -> R:
        try:
            return await run_async(steps, self._connections)
        except psycopg.Error as exc:
            raise _failure(exc) from exc


_ours: "weakref.WeakSet[_Pooled[Any]]" = weakref.WeakSet()
_left_to_the_parent: list[Any] = []


def _leave_to_the_parent() -> None:  # pragma: no cover  # it runs in a forked process, where nobody counts
    # A forked process has the sockets of its parent's connections, and none of its pool's threads.
    _left_to_the_parent.extend(each.take_out() for each in _ours)


if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows does not fork
    os.register_at_fork(after_in_child=_leave_to_the_parent)


def _made(
    kind: type[Pool],
    pool: str | Pool,
    max_size: int,
    timeout: timedelta,
    synchronous_commit: SynchronousCommit | None,
) -> tuple[Pool, Callable[[], Pool] | None]:
    """Return *pool* as it is, or one for the URL that it is and what makes another such."""
    if not isinstance(pool, str):
        if not isinstance(pool, kind):
            msg = f"{type(pool).__name__} is not the pool for this table: give it a {kind.__name__}, or use its twin."
            raise ConfigurationError(msg)
        if synchronous_commit is not None:
            msg = "synchronous_commit goes with a URL: a pool that is handed in has made that choice for itself."
            raise ConfigurationError(msg)
        return pool, None
    seconds = timeout.total_seconds()
    conninfo = _conninfo(pool, seconds, synchronous_commit)

    def make() -> Pool:
        return kind(
            conninfo,
            kwargs={"autocommit": True},
            min_size=0,
            max_size=max_size,
            timeout=seconds,
            reconnect_timeout=seconds,
            open=False,
        )

    return make(), make


def _conninfo(url: str, seconds: float, synchronous_commit: SynchronousCommit | None) -> str:
    if synchronous_commit not in (None, "on", "off"):
        msg = f"synchronous_commit={synchronous_commit!r} is neither 'on' nor 'off'."
        raise ConfigurationError(msg)
    try:
        parameters = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # It would show the URL, and so its password.
        msg = "the URL cannot be read: write it as postgresql://user:password@host:port/database."
        raise ConfigurationError(msg) from None
    parameters.setdefault("connect_timeout", max(2, round(seconds)))
    if synchronous_commit is not None:
        # With the connection, which costs no round trip.
        options = parameters.get("options") or ""
        parameters["options"] = f"{options} -c synchronous_commit={synchronous_commit}".strip()
    return make_conninfo("", **parameters)


def _was_closed_while_idle(connection: "psycopg.BaseConnection[Any]") -> bool:
    """Look, without a round trip, whether the server said anything unasked: that is how it closes a connection."""
    with _Selector() as selector:
        selector.register(connection.fileno(), selectors.EVENT_READ)
        return bool(selector.select(0))


def _failure(exc: psycopg.Error) -> StoreError:
    if isinstance(exc, PoolTimeout):
        return StoreError("PostgreSQL gave no connection in time: the pool ran dry, or the server is not there.")
    # The server's own words alone: the driver's may hold the address that was asked for.
    return StoreError(f"PostgreSQL failed: {exc.diag.message_primary or type(exc).__name__}.")


def _row(found: Sequence[Any]) -> Row | None:
    for data, version, expires, created, principal, device, seen in found:
        last = _time_or_none(seen)
        return Row(data, version, _time(expires), _time(created), _text(principal), _text(device), last)
    return None


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def _text(stored: bytes | None) -> str | None:
    return None if stored is None else stored.decode()


def _seconds(time: datetime) -> Int8:
    # Of one size whatever its value, so that each statement is prepared once.
    return Int8(int(time.timestamp()))


def _seconds_or_none(time: datetime | None) -> Int8 | None:
    return None if time is None else _seconds(time)


def _time_or_none(seconds: int | None) -> datetime | None:
    return None if seconds is None else _time(seconds)


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _due(expires: datetime) -> Int8:
    return Int8(_ceiling(_seconds(expires)))


def _ceiling(seconds: int) -> int:
    return -(-seconds // _GRID_SECONDS) * _GRID_SECONDS
