"""Create clients for Redis and Valkey, for all modules that store or find sessions there."""

import asyncio
import inspect
import os
import re
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from holdall._connections import Generations, PerLoop, PerProcess
from holdall._errors import ConfigurationError, StoreError
from holdall.tables._steps import is_async
from holdall.tables.failures import cause_of, shown_address
from holdall.tables.urls import refuse_unknown

try:
    import redis
    import redis.asyncio
    from redis.backoff import NoBackoff
    from redis.connection import parse_url
    from redis.exceptions import (
        BusyLoadingError,
        ClusterDownError,
        MasterDownError,
        NoScriptError,
        ReadOnlyError,
        RedisClusterException,
        RedisError,
    )
    from redis.retry import Retry
except ModuleNotFoundError as exc:
    msg = "RedisTable needs redis-py. Install it with: pip install 'holdall[redis]'"
    raise ModuleNotFoundError(msg, name=exc.name) from exc

__all__ = ["TIMEOUT", "AsyncServer", "Server", "answers_later"]

#: The timeout for each wait for the server, and for a free connection, unless a URL sets another.
TIMEOUT = timedelta(seconds=5)

# The default size of the driver's blocking pool.
_MOST_CONNECTIONS = 50

# Valkey's schemes, which the driver does not know, and the equivalent schemes that it does know.
_SCHEMES = {"valkey": "redis", "valkeys": "rediss"}

# The parameters of redis-py that an application is most likely to set.
_TIMEOUTS = ("timeout", "socket_timeout", "socket_connect_timeout")
_EXAMPLE = "redis://user:password@host:6379/0, with %40, %2F, %3F and %23 for @, /, ? and # in a password"

# These kinds stand for any further parameters.
_REST = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

_FAILURES = (RedisError, RedisClusterException)

# With these answers a server says that it did nothing because it is the wrong one to ask: it was demoted, is starting,
# or has lost its primary, its replicas or its cluster. Another server may have taken over its address, so a new
# connection may reach the right one.
_ELSEWHERE = (ReadOnlyError, BusyLoadingError, MasterDownError, ClusterDownError)
# The driver has no class for NOREPLICAS. Redis 6 wraps any error that a script receives in another message, and the
# driver does the same in a pipeline.
_ELSEWHERE_WORDS = re.compile(r"(?:^|-|caused error: )(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|NOREPLICAS) ")

Command = Callable[[Any], Any]


class _Renewing:
    """A pool that can replace the connections it has made so far."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._generations = Generations()

    def renew(self) -> None:
        """Make every connection reconnect before its next use. Connections in use can finish first."""
        self._generations.renew()


class _Pool(_Renewing, redis.BlockingConnectionPool):
    def get_connection(self, *args: Any, **options: Any) -> Any:
        connection: Any = super().get_connection(*args, **options)  # type: ignore[no-untyped-call]  # by the driver
        if not self._generations.is_current(connection):
            try:
                connection.disconnect()
                connection.connect()
                self._generations.note(connection)
            except BaseException:
                self.release(connection)  # type: ignore[no-untyped-call]  # by the driver
                raise
        return connection


class _AsyncPool(_Renewing, redis.asyncio.BlockingConnectionPool):
    async def get_connection(self, *args: Any, **options: Any) -> Any:
        connection: Any = await super().get_connection(*args, **options)  # type: ignore[no-untyped-call]  # by the driver
        if not self._generations.is_current(connection):
            try:
                await connection.disconnect()
                await connection.connect()
                self._generations.note(connection)
            except BaseException:
                await self.release(connection)
                raise
        return connection


class _Attempts:
    """
    The attempts to run one command.

    Attributes:
        command: The command to send next.
    """

    def __init__(self, command: Command, otherwise: Command | None, clients: Any, address: str) -> None:
        self.command = command
        self._otherwise = otherwise
        self._clients = clients
        self._address = address
        self._has_renewed = False

    def failed(self, exc: Exception, client: Any) -> StoreError | None:
        """Return the error to raise after a failure, or ``None`` if ``command`` should be sent."""
        if self._otherwise is not None and isinstance(exc, NoScriptError):
            self.command, self._otherwise = self._otherwise, None
        elif not self._has_renewed and _is_elsewhere(exc):
            self._has_renewed = True
            _renew(client, self._clients)
        else:
            return _failure(exc, self._address)
        return None


class Server:
    """
    The server that a URL or a client points to.

    If an answer refuses a command because the server is the wrong one (``READONLY`` after a failover, for example),
    every connection reconnects, and the command is sent once more. If an answer is lost instead, the command is not
    sent again, because the server may have carried it out.

    Args:
        given: A URL, for which each process opens its own connections, or a client or a pool of redis-py.
        timeout: The limit of each wait, unless the URL itself sets one.
        ours: Parameters that we read from a URL ourselves, for error messages.

    Raises:
        ConfigurationError: The URL is invalid, or the client decodes responses.
    """

    def __init__(self, given: Any, *, timeout: timedelta = TIMEOUT, ours: Collection[str] = ()) -> None:
        # Created right away, so that an invalid URL fails now rather than with the first request.
        client, make = _client(redis, _Pool, given, timeout, ours)
        self._address = _address(client)
        self._clients = PerProcess(make) if isinstance(given, str) else _Given(client, PerProcess(make))

    @property
    def client(self) -> Any:
        """The client for this process."""
        return self._clients.get()

    def ask(self, command: Command, otherwise: Command | None = None) -> Any:
        """
        Return the answer to a *command*.

        Args:
            otherwise: The command to send if the server does not have the script that *command* refers to.

        Raises:
            StoreError: The server failed.
        """
        attempts, error = _Attempts(command, otherwise, self._clients, self._address), None
        while error is None:
            client = self._clients.get()
            try:
                return attempts.command(client)
            except _FAILURES as exc:
                error = attempts.failed(exc, client)
        # Outside the except block, because the driver's error has the command in its frames.
        raise error

    def close(self) -> None:
        """Close the connections that were opened here."""
        client = self._clients.take_out()
        if client is not None:
            client.close()


class AsyncServer:
    """The async version of ``Server``. With a URL, it opens its own connections in each event loop."""

    def __init__(self, given: Any, *, timeout: timedelta = TIMEOUT, ours: Collection[str] = ()) -> None:
        client, make = _client(redis.asyncio, _AsyncPool, given, timeout, ours)
        self._address = _address(client)
        copies = PerLoop(make, _aclose)
        self._clients = copies if isinstance(given, str) else _AsyncGiven(client, copies)

    async def client(self) -> Any:
        """Return the client of the running event loop."""
        return await self._clients.get()

    async def ask(self, command: Command, otherwise: Command | None = None) -> Any:
        attempts, error = _Attempts(command, otherwise, self._clients, self._address), None
        while error is None:
            client = await self._clients.get()
            try:
                return await attempts.command(client)
            except _FAILURES as exc:
                error = attempts.failed(exc, client)
        raise error

    async def close(self) -> None:
        await self._clients.close()


class _Given:
    """
    The client that an application passed in, until its connections lead to the wrong server.

    From then on the table uses a copy with connections of its own, because it must not close those of the
    application's client: other code may be using them. The driver itself notices a fork.
    """

    def __init__(self, given: Any, copies: PerProcess[Any]) -> None:
        self._given = given
        self._copies = copies
        self.is_left = False

    def get(self) -> Any:
        return self._copies.get() if self.is_left else self._given

    def take_out(self) -> Any:
        return self._copies.take_out()


class _AsyncGiven:
    """The async version. The client belongs to the event loop that uses it first; other loops get a copy at once."""

    def __init__(self, given: Any, copies: PerLoop[Any]) -> None:
        self._given = given
        self._copies = copies
        self._loop: Any = None
        self._pid = 0
        self.is_left = False

    async def get(self) -> Any:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop, self._pid = loop, os.getpid()
        is_own = self._loop is loop and self._pid == os.getpid()
        return self._given if is_own and not self.is_left else await self._copies.get()

    async def close(self) -> None:
        await self._copies.close()


def answers_later(given: Any) -> bool:
    """Return whether a redis-py client or pool is async."""
    return is_async(given.execute_command if hasattr(given, "execute_command") else given.disconnect)


def _client(
    module: Any, pool_class: Any, given: Any, timeout: timedelta, ours: Collection[str]
) -> tuple[Any, Callable[[], Any]]:
    """Return the *given* client, or one made from a URL, and a function that makes another like it."""
    if isinstance(given, str):

        def make() -> Any:
            return module.Redis.from_pool(_pool(pool_class, given, timeout.total_seconds(), ours))

        return make(), make
    client = given if hasattr(given, "execute_command") else module.Redis(connection_pool=given)
    if client.get_encoder().decode_responses:
        msg = "the client was made with decode_responses=True, but sessions are stored as bytes: pass one without it."
        raise ConfigurationError(msg)
    return client, lambda: _copy(module, pool_class, client)


def _pool(pool_class: Any, url: str, seconds: float, ours: Collection[str]) -> Any:
    scheme, separator, rest = url.partition("://")
    # Checked first, because the driver's message may contain part of the password.
    _check_values(url)
    try:
        parts = urlsplit(url)
        pool = pool_class.from_url(
            _SCHEMES.get(scheme, scheme) + separator + rest,
            timeout=seconds,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            # A command may have been carried out although its answer was lost, so the driver must not send it twice.
            # A connection that was closed since its last use is detected and reopened before the next one.
            retry=Retry(NoBackoff(), 0),
            # We have no use for the newer protocol, and it costs more for each new connection.
            protocol=2,
        )
    except ValueError:
        # As above.
        msg = f"the URL cannot be parsed: write {_EXAMPLE}."
        raise ConfigurationError(msg) from None
    # The driver would ignore these. Each is a mistake, or the rest of a password.
    if parts.fragment or (scheme != "unix" and not re.fullmatch(r"/?|/\d+", unquote(parts.path))):
        msg = f"the URL has a fragment (#), or its path is not the number of a database: write {_EXAMPLE}."
        raise ConfigurationError(msg)
    # The driver would refuse an unknown parameter with the first connection.
    refuse_unknown(url, (*ours, *_TIMEOUTS), _parameters(pool), driver="redis-py")
    return pool


def _check_values(url: str) -> None:
    """Refuse a parameter in *url* whose value the driver cannot parse."""
    for part in url.partition("?")[2].split("&"):
        name = part.partition("=")[0]
        try:
            parse_url(f"redis://localhost?{part}")  # type: ignore[no-untyped-call]  # by the driver
        except ValueError:
            # Only the driver's own parameters have a type, so this is not part of a password.
            msg = f"redis-py cannot parse the value of {name}= in the URL, for example because it must be a number."
            raise ConfigurationError(msg) from None


def _parameters(pool: Any) -> set[str]:
    """Return the parameters that a URL may set for the connections of *pool*."""
    kinds = [*pool.connection_class.__mro__, *type(pool).__mro__]
    signatures = [inspect.signature(kind.__init__) for kind in kinds if "__init__" in vars(kind)]
    names = {each.name for signature in signatures for each in signature.parameters.values() if each.kind not in _REST}
    # Sessions are stored as bytes.
    return names - {"self", "decode_responses", "legacy_responses"}


def _copy(module: Any, pool_class: Any, client: Any) -> Any:
    if not _can_be_copied(client):
        msg = (
            f"this {type(client).__name__} belongs to another event loop, and so do its connections: "
            "create a table in each event loop, or pass a URL."
        )
        raise ConfigurationError(msg)
    pool = client.connection_pool
    return module.Redis.from_pool(
        pool_class(
            connection_class=pool.connection_class,
            max_connections=min(pool.max_connections, _MOST_CONNECTIONS),
            timeout=getattr(pool, "timeout", TIMEOUT.total_seconds()),
            **pool.connection_kwargs,
        )
    )


def _can_be_copied(client: Any) -> bool:
    """Return whether a client's pool can be rebuilt from its arguments, unlike one of a sentinel or a cluster."""
    return type(getattr(client, "connection_pool", None)) in (
        redis.ConnectionPool,
        redis.BlockingConnectionPool,
        redis.asyncio.ConnectionPool,
        redis.asyncio.BlockingConnectionPool,
    )


async def _aclose(client: Any) -> None:
    await client.aclose()


def _is_elsewhere(exc: Exception) -> bool:
    return isinstance(exc, _ELSEWHERE) or _ELSEWHERE_WORDS.search(str(exc)) is not None


def _renew(client: Any, clients: Any) -> None:
    """Make every connection reconnect before it is used again. A cluster's client finds the right server by itself."""
    pool = getattr(client, "connection_pool", None)
    if isinstance(pool, _Renewing):
        pool.renew()
    elif _can_be_copied(client):
        clients.is_left = True


def _address(client: Any) -> str:
    options = getattr(getattr(client, "connection_pool", None), "connection_kwargs", {})
    port = None if "path" in options else options.get("port", 6379)
    host = options.get("path") or options.get("host")
    return shown_address(host, port, options.get("db", 0)) if host else ""


def _failure(exc: Exception, address: str = "") -> StoreError:
    """Convert the driver's error to ours, without its message, which may contain a key, an address or a password."""
    code = _ELSEWHERE_WORDS.search(str(exc))
    cause = f"{type(exc).__name__} ({code[1]})" if code else cause_of(exc)
    return StoreError(f"Redis{address} failed: {cause}.")
