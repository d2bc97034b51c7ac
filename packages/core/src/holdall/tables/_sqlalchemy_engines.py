"""Connect through SQLAlchemy engines: the table's own, or one that an application passed in."""

import asyncio
import math
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import URL, Engine, NullPool, QueuePool, create_engine, event, make_url
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from holdall._connections import PerLoop, PerProcess
from holdall._errors import ConfigurationError, StoreError
from holdall.tables._sqlite_files import identity
from holdall.tables.failures import (
    CONFLICTS,
    ELSEWHERE,
    MOST_CONFLICTS,
    cause_of,
    conflict_pause,
    shown_address,
    sqlstate_of,
)

__all__ = [
    "Attempts",
    "Given",
    "Options",
    "Own",
    "OwnOfLoop",
    "failure",
    "limit_answers",
    "limit_of",
    "read_url",
    "serves",
]

_LIFETIME_SECONDS = 3600


class Options(NamedTuple):
    table: str
    max_size: int
    timeout: timedelta
    statement_timeout: timedelta


def read_url(text: str) -> URL:
    """
    Parse the *text* of a URL, and check it as far as possible without a server.

    Raises:
        ConfigurationError: The URL is invalid, its driver is not installed, or its database would be in memory.
    """
    try:
        url = make_url(text)
        url.get_dialect().import_dbapi()
    except (NoSuchModuleError, ImportError) as exc:
        msg = f"the driver for this table's URL is missing: {exc}. Install it, or name another one: database+driver://."
        raise ConfigurationError(msg) from None
    except (ArgumentError, ValueError):
        # The message would show the URL, and so its password.
        msg = "the URL cannot be parsed: write it as mysql+pymysql://user:password@host:port/database."
        raise ConfigurationError(msg) from None
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        msg = "each connection would have its own database in memory: name a file, or use memory://."
        raise ConfigurationError(msg)
    return url if _file_of(url) is None else url.set(database=_file_of(url))


def _file_of(url: URL) -> str | None:
    """Return the path of the file that an SQLite *url* names."""
    named = url.database or ""
    # Absolute, because a program that changes its current folder would otherwise create a second file.
    is_path = url.get_backend_name() == "sqlite" and not named.startswith("file:")
    return os.path.abspath(named) if is_path else None  # noqa: PTH100  # it is text that SQLAlchemy takes


def _leave_removed_file(engine: Engine, forget: Callable[[], None]) -> None:
    """Make an SQLite *engine* open the file now at its path, and call *forget* if that is a different one."""
    path = _file_of(engine.url)
    if path is None:
        return

    def opened(_: object, record: Any) -> None:
        record.info["file"] = identity(path)

    def taken(_: object, record: Any, __: object) -> None:
        if record.info["file"] != identity(path):
            forget()
            # The pool then opens a new connection.
            raise DisconnectionError

    event.listen(engine, "connect", opened)
    event.listen(engine, "checkout", taken)


def serves(url: URL, form: str) -> bool:
    """Return whether the driver of *url* supports this form, ``"sync"`` or ``"async"``; some support both."""
    dialect = url.get_dialect()
    return not dialect.is_async if form == "sync" else dialect.get_async_dialect_cls(url).is_async


class Own:
    """
    The table's own engine, one in each process.

    Args:
        forget: Called if an SQLite file was removed or replaced, so that its table is missing.
    """

    # With autocommit, each statement is its own transaction.
    needs_commit = False

    def __init__(self, url: URL, options: Options, forget: Callable[[], None]) -> None:
        settings = _settings(url, options)
        limit = options.statement_timeout

        def make() -> Engine:
            engine = create_engine(url, **settings, poolclass=QueuePool)
            event.listen(engine, "connect", lambda connection, _: limit_answers(connection, engine.driver, limit))
            _leave_removed_file(engine, forget)
            return engine

        self._engines = PerProcess(make)

    def get(self) -> Engine:
        return self._engines.get()

    def close(self) -> None:
        if (engine := self._engines.take_out()) is not None:
            engine.dispose()


class OwnOfLoop:
    """The table's own async engine, one in each event loop."""

    needs_commit = False

    def __init__(self, url: URL, options: Options, forget: Callable[[], None]) -> None:
        settings = _settings(url, options)
        limit = options.statement_timeout

        def make() -> AsyncEngine:
            engine = create_async_engine(url, **settings)
            # An outer timeout cancels a wait, and the cancellation itself must not take long.
            event.listen(
                engine.sync_engine,
                "connect",
                lambda connection, _: limit_answers(connection.driver_connection, engine.driver, limit),
            )
            _leave_removed_file(engine.sync_engine, forget)
            return engine

        self._engines = PerLoop(make, AsyncEngine.dispose)

    async def get(self) -> AsyncEngine:
        return await self._engines.get()

    async def close(self) -> None:
        await self._engines.close()


def _settings(url: URL, options: Options) -> dict[str, Any]:
    dialect = url.get_dialect()
    seconds = options.timeout.total_seconds()
    limits = LIMITS.get(dialect.driver)
    connect_args = limits(seconds, options.statement_timeout.total_seconds()) if limits else {}
    return {
        # Settings in the URL take precedence.
        "connect_args": {name: value for name, value in connect_args.items() if name not in url.query},
        "hide_parameters": True,
        "isolation_level": "AUTOCOMMIT",
        "skip_autocommit_rollback": dialect.detect_autocommit_setting is not DefaultDialect.detect_autocommit_setting,
        "pool_size": options.max_size,
        "max_overflow": 0,
        "pool_timeout": seconds,
        "pool_recycle": _LIFETIME_SECONDS,
        # A connection that the server closed while it was idle is replaced before a statement is sent on it.
        "pool_pre_ping": True,
        "pool_reset_on_return": None,
    }


class Given:
    """
    An engine that an application passed in.

    The connections of its pool belong to one process, and to one event loop if they are async. After ``dispose()``, the
    new pool belongs to the process and the event loop that use it next.
    """

    needs_commit = True

    def __init__(self, engine: Any, kind: "type[Engine | AsyncEngine]") -> None:
        if not isinstance(engine, kind):
            msg = (
                f"this table takes {kind.__name__} or a URL, not {type(engine).__name__}: "
                "pass one, or use the table's sync or async counterpart."
            )
            raise ConfigurationError(msg)
        self._engine: Any = engine
        self._pool: object = engine.pool
        self._pid = os.getpid()
        self._loop: object = None

    def get(self, loop: object = None) -> Any:
        engine, pid = self._engine, os.getpid()
        if pid != self._pid:  # pragma: no cover  # runs in a forked process, where coverage is not measured
            if engine.pool is self._pool:
                # As SQLAlchemy advises, the parent's connections are left open for the parent.
                getattr(engine, "sync_engine", engine).dispose(close=False)
            self._pid = pid
        if engine.pool is not self._pool:
            self._pool, self._loop = engine.pool, None
        self._loop = self._loop or loop
        if self._loop is not loop and not isinstance(engine.pool, NullPool):
            msg = "this engine belongs to another event loop: create one in each, or pass the table a URL."
            raise ConfigurationError(msg)
        return engine


def limit_of(connection: Any, limit: timedelta | None) -> AbstractContextManager[None]:
    """Limit each wait for a response on a *connection* if its driver is psycopg 3; other drivers have an option."""
    if limit is not None and connection.dialect.driver == "psycopg":
        from holdall.tables.psycopg import limited

        return limited(connection.connection.driver_connection, limit)
    return nullcontext()


def limit_answers(connection: Any, driver: str, limit: timedelta) -> None:
    """Set how long a *connection* waits for a response, including pings, if its *driver* has no option for it."""
    if driver == "psycopg":
        from holdall.tables.psycopg import limit_waits

        limit_waits(connection, limit)
    if driver in _ATTRIBUTES:
        name, per_second = _ATTRIBUTES[driver]
        setattr(connection, name, math.ceil(limit.total_seconds() * per_second))


class Attempts:
    """The attempts to run one statement."""

    def __init__(self) -> None:
        self._conflicts = 0
        #: Whether only new connections may be used from now on.
        self.was_refused = False

    def again(self, exc: BaseException, database: str, *, is_commit: bool) -> float | None:
        """Return how many seconds to wait before sending the statement again; ``None`` if it must not be sent again."""
        code = sqlstate_of(exc.orig, database) if isinstance(exc, DBAPIError) else None
        if code in CONFLICTS and self._conflicts < MOST_CONFLICTS:
            self._conflicts += 1
            return conflict_pause(self._conflicts)
        # If a second server refuses it too, another attempt will not help.
        if code in ELSEWHERE and not is_commit and not self.was_refused:
            self.was_refused = True
            return 0
        return None


def failure(exc: BaseException, url: URL) -> StoreError:
    """Convert an error of SQLAlchemy or a driver to ours, without its message, which may show values."""
    is_file = url.get_backend_name() == "sqlite"
    where = url.get_backend_name() + ("" if is_file else shown_address(url.host, url.port, url.database))
    if isinstance(exc, PoolTimeout):
        return StoreError(f"{where} gave no connection in time: the pool is empty.")
    if isinstance(exc, asyncio.TimeoutError):
        return StoreError(f"{where} did not answer in time.")
    cause = exc.orig if isinstance(exc, DBAPIError) and exc.orig is not None else exc
    return StoreError(f"{where} failed: {cause_of(cause)}.")


def _of_mysql(connect: float, answer: float) -> dict[str, Any]:
    # Some drivers accept only whole seconds.
    seconds = math.ceil(answer)
    limits = {"connect_timeout": math.ceil(connect), "read_timeout": seconds, "write_timeout": seconds}
    return {**limits, **_of_mysql_awaited(connect, answer)}


def _of_mysql_awaited(connect: float, answer: float) -> dict[str, Any]:
    # Otherwise a statement waiting for a lock would keep waiting in the server after the client has left.
    return {"init_command": f"SET SESSION innodb_lock_wait_timeout = {max(1, int(answer))}"}


#: Functions that return a driver's timeout options, given how many seconds to wait to connect and for a response. An
#: outer timeout limits async drivers.
LIMITS: Mapping[str, Callable[[float, float], dict[str, Any]]] = {
    **dict.fromkeys(("pysqlite", "aiosqlite"), lambda connect, answer: {"timeout": answer}),
    **dict.fromkeys(("pymysql", "mysqldb", "mariadbconnector"), _of_mysql),
    **dict.fromkeys(("asyncmy", "aiomysql"), _of_mysql_awaited),
    "psycopg": lambda connect, answer: {"connect_timeout": max(2, round(connect))},
    "psycopg2": lambda connect, answer: {
        "connect_timeout": max(2, round(connect)),
        "options": f"-c statement_timeout={math.ceil(answer * 1000)}",
    },
    "pyodbc": lambda connect, answer: {"timeout": math.ceil(connect)},
    "pymssql": lambda connect, answer: {"login_timeout": math.ceil(connect), "timeout": math.ceil(answer)},
    "oracledb": lambda connect, answer: {"tcp_connect_timeout": connect},
}
# Attributes to set on a connection, and how many of their units make a second.
_ATTRIBUTES = {"pyodbc": ("timeout", 1), "oracledb": ("call_timeout", 1000)}
