"""
Keep rows in any database that SQLAlchemy supports, through a URL or an engine of the application.

``SQLAlchemyTable`` and ``AsyncSQLAlchemyTable`` differ in how they get a connection and wait for it. The operations on
a connection are the same, and so are the verbs (``holdall.tables.sql``).
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from holdall._clock import Clock, utc_now
from holdall._errors import ConfigurationError
from holdall.tables._contract import Kind
from holdall.tables.sql import AsyncSQLTable, SQLTable
from holdall.tables.urls import checked_timeout, split_options, timeout_of

try:
    from sqlalchemy import URL, Engine
    from sqlalchemy.exc import IntegrityError, SQLAlchemyError
    from sqlalchemy.ext.asyncio import AsyncEngine
except ModuleNotFoundError as exc:
    msg = "SQLAlchemyTable needs SQLAlchemy. Install it with: pip install 'holdall[sqlalchemy]'"
    raise ModuleNotFoundError(msg, name=exc.name) from exc

from holdall.tables._sqlalchemy_engines import (
    Attempts,
    Given,
    Options,
    Own,
    OwnOfLoop,
    failure,
    limit_of,
    read_url,
    serves,
)
from holdall.tables._sqlalchemy_schema import NAME, Schema, session_table

__all__ = ["AsyncSQLAlchemyTable", "SQLAlchemyTable", "open_table", "session_table"]

R = TypeVar("R")

_PATIENCE = timedelta(seconds=5)


class _InEngine:
    """The operations on a connection, which are the same for sync and async engines."""

    _schema: Schema
    _carry_out: Callable[..., Any]

    def _fetch(self, statement: str, values: Mapping[str, object]) -> Any:
        return self._carry_out(self._schema.fetch, statement, values)

    def _count(self, statement: str, values: Mapping[str, object]) -> Any:
        return self._carry_out(self._schema.count, statement, values)

    def _pick(self, bounds: Mapping[str, int], limit: int) -> Any:
        return self._carry_out(self._schema.pick, bounds, limit)

    def _drop(self, bounds: Mapping[str, int], digests: Sequence[bytes]) -> Any:
        return self._carry_out(self._schema.drop, bounds, digests)


class SQLAlchemyTable(_InEngine, SQLTable):
    """
    A table in a database that SQLAlchemy supports, ``holdall_session``.

    Each statement is a transaction of its own, so no row is locked for longer than a statement takes. After a deadlock
    or a serialization failure it is sent again; if the server refuses it because it was demoted or is shutting down,
    the pool's idle connections are replaced and it is sent once more. If a connection breaks during a statement, a
    ``StoreError`` is raised and the statement is not sent again, because the server may have executed it.

    With an SQLite URL, the next call opens another file if its own was removed or replaced, and a relative path starts
    from the current folder at the time the table is created.

    Args:
        engine: A URL (``mysql+pymysql://``), or an ``Engine``, which the application closes itself.
        table: The table's name, so that several applications can share a database; ``?table=`` in the URL.
        create: Create a missing table on first use. Otherwise call ``create_schema``.
        max_size: With a URL: the maximum number of open connections. There are none before the first use.
        timeout: With a URL: how long a request waits for a connection of the pool, and for a new one to open, before it
            raises ``StoreError``; ``?timeout=`` in the URL, in seconds.
        statement_timeout: With a URL: how long a request waits for a response; ``?statement_timeout=`` in the URL, in
            seconds. An engine has its own timeouts, unless the driver is psycopg.

    Raises:
        ConfigurationError: The URL is invalid, the driver is async or not installed, or the table belongs to another
            program or does not exist.
    """

    def __init__(
        self,
        engine: "str | Engine",
        *,
        table: str = NAME,
        create: bool = True,
        max_size: int = 10,
        timeout: timedelta | int = _PATIENCE,
        statement_timeout: timedelta | int = _PATIENCE,
        clock: Clock = utc_now,
    ) -> None:
        super().__init__(clock)
        given, options = _read(engine, "sync", table, max_size, timeout, statement_timeout)
        self._schema = Schema(options.table, create=create)
        self._engines: Own | Given = (
            Own(given, options, self._schema.forget) if isinstance(given, URL) else Given(given, Engine)
        )
        self._url: URL = given if isinstance(given, URL) else given.url
        # Our own engine already limits its connections.
        self._limit = None if isinstance(given, URL) else options.statement_timeout

    def create_schema(self) -> None:
        """Create the table and its indexes if they do not exist."""
        self._carry_out(self._schema.create)

    def close(self) -> None:
        """Close the connections if the engine is our own; the next call opens others."""
        if isinstance(self._engines, Own):
            self._engines.close()

    def _insert(self, values: Mapping[str, object]) -> bool:
        try:
            return bool(self._count("insert", values))
        except IntegrityError:
            return False

    def _carry_out(self, work: Callable[..., R], *values: Any) -> R:
        """Run *work* on a connection, and repeat it if that is safe and can help."""
        attempts = Attempts()
        while True:
            engine, is_commit = self._engines.get(), False
            try:
                with engine.connect() as connection, limit_of(connection, self._limit):
                    answer = work(connection, *values)
                    if self._engines.needs_commit:
                        is_commit = True
                        connection.commit()
                    return answer
            except IntegrityError:
                raise
            except (SQLAlchemyError, OSError) as exc:
                seconds = attempts.again(exc, engine.dialect.name, is_commit=is_commit)
                if seconds is None:
                    failed = failure(exc, self._url)
                    break
            if attempts.was_refused:
                engine.dispose()
            time.sleep(seconds)
        self._schema.forget()
        # Outside the except block, because the driver's error has values in its message and frames.
        raise failed


class AsyncSQLAlchemyTable(_InEngine, AsyncSQLTable):
    """
    The async version of ``SQLAlchemyTable``, for event loops of asyncio.

    With a URL (``mysql+asyncmy://``), each event loop has its own connections, which are closed when the loop ends.
    An ``AsyncEngine`` that is passed in belongs to one event loop. Both timeouts apply to it too.
    """

    def __init__(
        self,
        engine: "str | AsyncEngine",
        *,
        table: str = NAME,
        create: bool = True,
        max_size: int = 10,
        timeout: timedelta | int = _PATIENCE,
        statement_timeout: timedelta | int = _PATIENCE,
        clock: Clock = utc_now,
    ) -> None:
        super().__init__(clock)
        given, options = _read(engine, "async", table, max_size, timeout, statement_timeout)
        self._schema = Schema(options.table, create=create)
        self._engines: OwnOfLoop | Given = (
            OwnOfLoop(given, options, self._schema.forget) if isinstance(given, URL) else Given(given, AsyncEngine)
        )
        self._url: URL = given if isinstance(given, URL) else given.url
        self._seconds = options.timeout.total_seconds()
        self._answer_seconds = options.statement_timeout.total_seconds()
        self._limit = None if isinstance(given, URL) else options.statement_timeout

    async def create_schema(self) -> None:
        """Create the table and its indexes if they do not exist."""
        await self._carry_out(self._schema.create)

    async def aclose(self) -> None:
        """Close this event loop's connections if the engine is our own; the next call opens others."""
        if isinstance(self._engines, OwnOfLoop):
            await self._engines.close()

    async def _insert(self, values: Mapping[str, object]) -> bool:
        try:
            return bool(await self._count("insert", values))
        except IntegrityError:
            return False

    async def _carry_out(self, work: Callable[..., R], *values: Any) -> R:
        attempts, loop = Attempts(), asyncio.get_running_loop()
        while True:
            engine = self._engines.get(loop) if isinstance(self._engines, Given) else await self._engines.get()
            is_commit = False
            try:
                async with asyncio.timeout(self._seconds) as limit, engine.connect() as connection:
                    limit.reschedule(loop.time() + self._answer_seconds)
                    with limit_of(connection.sync_connection, self._limit):
                        answer = await connection.run_sync(work, *values)
                        if self._engines.needs_commit:
                            is_commit = True
                            await connection.commit()
                        return answer
            except IntegrityError:
                raise
            except (SQLAlchemyError, OSError) as exc:
                seconds = attempts.again(exc, engine.dialect.name, is_commit=is_commit)
                if seconds is None:
                    failed = failure(exc, self._url)
                    break
            if attempts.was_refused:
                await engine.dispose()
            await asyncio.sleep(seconds)
        self._schema.forget()
        raise failed


def open_table(url: str, form: Kind, clock: Clock, *, create: bool = True) -> SQLAlchemyTable | AsyncSQLAlchemyTable:
    """Return the table for *url*, async if both the adapter and the driver are."""
    if form == "async" and serves(read_url(url.partition("?")[0]), form):
        return AsyncSQLAlchemyTable(url, create=create, clock=clock)
    return SQLAlchemyTable(url, create=create, clock=clock)


def _read(
    given: Any, form: str, table: str, max_size: int, timeout: timedelta | int, statement_timeout: timedelta | int
) -> tuple[Any, Options]:
    """Return the *given* URL or engine, and the options, including those in the URL."""
    limits = checked_timeout("timeout", timeout), checked_timeout("statement_timeout", statement_timeout)
    options = Options(table, max_size, *limits)
    if not isinstance(given, str):
        return given, options
    known: dict[str, Callable[[str], Any]] = {"table": str, "timeout": timeout_of, "statement_timeout": timeout_of}
    address, stated = split_options(given, known)
    url = read_url(address)
    if not serves(url, form):
        msg = (
            f"{url.drivername}:// does not work for a table that is {form}: "
            "name another driver, or use the table's sync or async counterpart."
        )
        raise ConfigurationError(msg)
    return url, options._replace(**stated)
