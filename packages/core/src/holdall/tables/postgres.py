"""
Keep rows in PostgreSQL, for several machines that share a database.

No row is locked for longer than a statement takes. ``PostgresTable`` and ``AsyncPostgresTable`` differ only in how they
run the steps of the verbs.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Literal, NamedTuple, TypeVar

from holdall._clock import Clock, utc_now
from holdall._connections import PerLoop, PerProcess
from holdall._errors import ConfigurationError
from holdall.tables._steps import Steps, run, run_async
from holdall.tables._twins import AsyncTwin, SyncTwin
from holdall.tables.failures import CONFLICTS, ELSEWHERE, MOST_CONFLICTS, conflict_pause
from holdall.tables.urls import checked_timeout, refuse_unknown, split_options, timeout_of

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo
    from psycopg.rows import tuple_row
    from psycopg_pool import AsyncConnectionPool, ConnectionPool
except ModuleNotFoundError as exc:
    msg = "PostgresTable needs psycopg and psycopg-pool. Install them with: pip install 'holdall[postgres]'"
    raise ModuleNotFoundError(msg, name=exc.name) from exc

from holdall.tables._postgres_pools import AsyncOwnPool, GivenPool, Pool, SyncOwnPool
from holdall.tables._postgres_verbs import SCHEMA, Execute, Verbs
from holdall.tables.psycopg import hang_up, limited

__all__ = ["SCHEMA", "AsyncPostgresTable", "PostgresTable", "SynchronousCommit"]

R = TypeVar("R")
Connection = TypeVar("Connection", bound="psycopg.BaseConnection[Any]")

#: A value of PostgreSQL's setting ``synchronous_commit``: with ``"off"``, a server crash may lose the latest writes.
SynchronousCommit = Literal["on", "off"]

_PATIENCE = timedelta(seconds=5)

# The connection has lost its prepared statements, or ``ELSEWHERE``: a new connection helps.
_NEW_CONNECTION_HELPS = ELSEWHERE | {"26000"}


class _Attempts:
    """The attempts to run one statement."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._conflicts = 0
        self._refusals = 0

    def again(self, exc: psycopg.Error, connection: Any, *, is_commit: bool) -> float | None:
        """Return how many seconds to wait before sending the statement again; ``None`` if it must not be sent again."""
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
    """The connections on which steps run."""

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
            # Not the pool's context manager, because that checks for something to commit after each statement.
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
    """The async version. With a URL, each event loop has its own connections."""

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


class PostgresTable(SyncTwin[Verbs]):
    """
    A table in a PostgreSQL database, version 13 or newer: ``holdall_session``, in the first schema of the search path.

    A connection that the server closed while it was idle is replaced before anything is sent on it. If the server
    refuses a statement because it is not the one to write to (it was demoted, or is shutting down), all connections are
    replaced and the statement is sent once more; after a serialization failure or a deadlock it is sent again too. If a
    connection breaks during a statement, a ``StoreError`` is raised and the statement is not sent again, because the
    server may have run it.

    Args:
        pool: A URL (``postgresql://``), or a ``ConnectionPool`` of psycopg_pool. The application opens and
            closes its pool, in the process that uses it. Set the pool's ``autocommit=True``, which saves two round
            trips.
        table: The table's name, so that several applications can share a database; ``?table=`` in the URL.
        create: Create a missing table on first use. Otherwise call ``create_schema``.
        max_size: With a URL: the maximum number of open connections. There are none before the first use.
        timeout: With a URL: how long a request waits for a connection before it raises ``StoreError``; ``?timeout=`` in
            the URL, in seconds.
        statement_timeout: How long a request waits for the response to a statement before the statement is cancelled
            and ``StoreError`` is raised; ``?statement_timeout=`` in the URL, in seconds.
        synchronous_commit: With a URL: whether a write waits for the server's disk. ``"off"`` is faster, but may lose
            the latest writes if the server crashes; rows are never corrupted. By default the server's setting applies.

    Raises:
        ConfigurationError: The table belongs to another program, has a newer layout, or does not exist.
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
        self._verbs = Verbs(clock, options.table, create=create)

    def create_schema(self) -> None:
        """Create the table and its indexes if they do not exist."""
        self._run(self._verbs.create_schema())

    def close(self) -> None:
        """Close the connections if the pool is our own; the next call opens others."""
        self._connections.close()

    def _run(self, steps: Steps[R]) -> R:
        try:
            return run(steps, self._connections)
        except psycopg.Error as exc:
            failure = self._verbs.failure(exc, self._connections.get())
        # Outside the except block, because the driver's error has values in its message and frames.
        raise failure


class AsyncPostgresTable(AsyncTwin[Verbs]):
    """
    The async version of ``PostgresTable``, for event loops of asyncio.

    With a URL, each event loop has its own connections, which are closed when the loop ends. A pool that is passed in
    is an ``AsyncConnectionPool`` and belongs to one event loop.
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
        self._verbs = Verbs(clock, options.table, create=create)

    async def create_schema(self) -> None:
        """Create the table and its indexes if they do not exist."""
        await self._run(self._verbs.create_schema())

    async def aclose(self) -> None:
        """Close this event loop's connections if the pool is our own; the next call opens others."""
        await self._connections.close()

    async def _run(self, steps: Steps[R]) -> R:
        try:
            return await run_async(steps, self._connections)
        except psycopg.Error as exc:
            failure = self._verbs.failure(exc, await self._connections.get())
        raise failure


# Our parameters in a URL.
_IN_URLS: dict[str, Callable[[str], Any]] = {"table": str, "timeout": timeout_of, "statement_timeout": timeout_of}


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
    """Return the *given* URL or pool, and the options, including those in the URL."""
    limits = checked_timeout("timeout", timeout), checked_timeout("statement_timeout", statement_timeout)
    options = _Options(table, max_size, *limits, synchronous_commit)
    if isinstance(given, str):
        given, stated = split_options(given, _IN_URLS)
        options = options._replace(**stated)
    elif options.synchronous_commit is not None:
        msg = "synchronous_commit needs a URL: a pool that is passed in has its own setting."
        raise ConfigurationError(msg)
    if options.synchronous_commit not in (None, "on", "off"):
        msg = f"synchronous_commit={options.synchronous_commit!r} is neither 'on' nor 'off'."
        raise ConfigurationError(msg)
    return given, options


async def _close(pool: AsyncOwnPool) -> None:
    pool.close()


def _conninfo(url: str, options: _Options) -> str:
    parameters: dict[str, Any] | None = None
    with suppress(psycopg.ProgrammingError):
        parameters = conninfo_to_dict(url)
    if parameters is None:
        libpq_parameters = [option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()]
        refuse_unknown(url, _IN_URLS, libpq_parameters, driver="libpq")
        # The driver's message would show the URL, and so its password.
        msg = "the URL cannot be parsed: write it as postgresql://user:password@host:port/database."
        raise ConfigurationError(msg)
    parameters.setdefault("connect_timeout", max(2, round(options.timeout.total_seconds())))
    if options.synchronous_commit is not None:
        # Set when connecting, which costs no round trip.
        more = f"-c synchronous_commit={options.synchronous_commit}"
        parameters["options"] = f"{parameters.get('options') or ''} {more}".strip()
    return make_conninfo("", **parameters)
