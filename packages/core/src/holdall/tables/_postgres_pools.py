"""Pool connections to PostgreSQL, in the table's own pool or one that an application passed in."""

import asyncio
import os
import selectors
import threading
import time
import weakref
from collections import deque
from contextlib import suppress
from datetime import timedelta
from typing import Any, Generic, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from holdall._connections import Generations
from holdall._errors import ConfigurationError
from holdall.tables.failures import shown_address
from holdall.tables.psycopg import Selector, hang_up

__all__ = ["AsyncOwnPool", "GivenPool", "OwnPool", "Pool", "SyncOwnPool"]

Connection = TypeVar("Connection", bound="psycopg.BaseConnection[Any]")
Given = TypeVar("Given", bound="ConnectionPool[Any] | AsyncConnectionPool[Any]")

# How long our own pool keeps an idle connection, and how long it keeps any connection at all.
_IDLE_SECONDS = 600
_LIFETIME_SECONDS = 3600


class Pool:
    """
    A pool that knows which of its connections may be used.

    Args:
        most_refusals: The number of connections in a row that may lead to the wrong server.
    """

    def __init__(self, *, most_refusals: int, address: str) -> None:
        self.most_refusals = most_refusals
        self.address = address
        self._generations = Generations()

    def renew(self) -> None:
        """Stop using the connections made so far. Those in use can finish first."""
        self._generations.renew()

    def is_usable(self, connection: Any) -> bool:
        """Return whether a connection still leads to the right server, as far as is known without a round trip."""
        return self._generations.is_current(connection) and not _was_closed_while_idle(connection)


class OwnPool(Pool):
    """
    A pool of connections that the table opens itself, up to a maximum at a time.

    It has no threads or tasks, because a pool with threads does not survive a fork, and a pool from psycopg_pool can
    delay the end of an event loop.
    """

    def __init__(self, conninfo: str, timeout: timedelta) -> None:
        # After the first refusal only new connections are used.
        super().__init__(most_refusals=1, address=_address(conninfo))
        self._conninfo = conninfo
        self._seconds = timeout.total_seconds()
        self._is_closed = False
        # Each connection with the time at which it became idle, the longest idle first.
        self._idle: deque[tuple[float, Any]] = deque()
        self._made: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()
        # The connections are closed with the table even if the application never closes it.
        weakref.finalize(self, _hang_up_all, self._idle, os.getpid())

    def close(self) -> None:
        """Close all connections; those in use are closed when they are returned."""
        self._is_closed = True
        _hang_up_all(self._idle, os.getpid())

    def _taken(self) -> Any:
        """Return the idle connection that was used last; ``None`` if there is none."""
        try:
            return self._idle.pop()[1]
        except IndexError:
            return None

    def _note(self, connection: Connection) -> Connection:
        self._generations.note(connection)
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
    # In a forked process, the connections belong to the parent.
    while idle and pid == os.getpid():
        hang_up(idle.pop()[1])


class SyncOwnPool(OwnPool):
    """A pool for sync calls."""

    def __init__(self, conninfo: str, timeout: timedelta, max_size: int) -> None:
        super().__init__(conninfo, timeout)
        self._free = threading.Semaphore(max_size)

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


class AsyncOwnPool(OwnPool):
    """A pool for async calls."""

    def __init__(self, conninfo: str, timeout: timedelta, max_size: int) -> None:
        super().__init__(conninfo, timeout)
        self._free = asyncio.Semaphore(max_size)

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


class GivenPool(Pool, Generic[Given]):
    """A pool that an application passed in. It belongs to one process, and to one event loop if it is async."""

    def __init__(self, kind: type[Given], pool: Any) -> None:
        if not isinstance(pool, kind):
            msg = (
                f"this table takes {kind.__name__}, not {type(pool).__name__}: "
                "pass one, or use the table's sync or async counterpart."
            )
            raise ConfigurationError(msg)
        # The table does not know when its connections were opened, so it may have to try each of them.
        super().__init__(most_refusals=pool.max_size, address=_address(pool.conninfo))
        self.getconn: Any = pool.getconn
        self.putconn: Any = pool.putconn
        # An open pool already has threads or tasks, which belong to this process.
        self._pid = None if pool.closed else os.getpid()
        self._loop: Any = None

    def check(self, loop: Any = None) -> None:
        """Raise ``ConfigurationError`` if the pool does not belong to this process, or to this event loop."""
        pid = os.getpid()
        self._pid, self._loop = self._pid or pid, self._loop or loop
        if self._pid != pid:  # pragma: no cover  # runs in a forked process, where coverage is not measured
            msg = (
                "this pool was opened before the process was forked, so its connections belong to the parent: "
                "open a pool in each process, or pass the table a URL."
            )
            raise ConfigurationError(msg)
        if self._loop is not loop:
            msg = "this pool belongs to another event loop: open a pool in each event loop, or pass the table a URL."
            raise ConfigurationError(msg)


def _address(conninfo: Any) -> str:
    try:
        parameters = conninfo_to_dict(conninfo if isinstance(conninfo, str) else "")
    except psycopg.ProgrammingError:
        return ""
    host = parameters.get("host") or parameters.get("hostaddr")
    return shown_address(host, parameters.get("port"), parameters.get("dbname"))


def _was_closed_while_idle(connection: "psycopg.BaseConnection[Any]") -> bool:
    """Check without a round trip whether the server has sent an unsolicited message, as it does when disconnecting."""
    with Selector() as selector:
        selector.register(connection.fileno(), selectors.EVENT_READ)
        return bool(selector.select(0))
