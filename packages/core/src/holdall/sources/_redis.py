"""Read sessions of libraries that keep each one in Redis as a single value, under a key with its ID."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from holdall._clock import NEVER, Clock
from holdall._redacted import redacted
from holdall.sources._contract import AsyncSource, Entry, Refused, Source
from holdall.tables import Kind
from holdall.tables._redis_servers import AsyncServer, Server, answers_later
from holdall.tables._steps import Steps, run, run_async

__all__ = ["RedisValues"]

Answer = Entry | Refused | None


@redacted
class _Get(NamedTuple):
    """Get a value, and its remaining time in milliseconds."""

    key: str

    def on(self, server: Server | AsyncServer) -> Any:
        return server.ask(self._send)

    def _send(self, client: Any) -> Any:
        pipeline = client.pipeline(transaction=False)
        pipeline.get(self.key)
        pipeline.pttl(self.key)
        return pipeline.execute()


@redacted
class _Delete(NamedTuple):
    """Delete a value."""

    key: str

    def on(self, server: Server | AsyncServer) -> Any:
        return server.ask(lambda client: client.delete(self.key))


class RedisValues:
    """
    A source in Redis.

    Args:
        client: A URL, a redis-py client or pool, or one of ``redis.asyncio``.
        sid_of: Returns the ID in a cookie, or ``None`` if the cookie is not from this library.
        loads: Returns the session in a value with the given expiry, or the reason why it is refused.
    """

    def __init__(
        self,
        name: str,
        client: str | Any,
        *,
        prefix: str,
        sid_of: Callable[[str], str | None],
        loads: Callable[[bytes, datetime], Entry | Refused],
        clock: Clock,
    ) -> None:
        self.name = name
        self._given = client
        self._prefix = prefix
        self._sid_of = sid_of
        self._loads = loads
        self._clock = clock

    def opened(self, form: Kind) -> Source | AsyncSource:
        """Return the source in this *form* if it was given as a URL, otherwise in the form of its client."""
        if not isinstance(self._given, str):
            form = "async" if answers_later(self._given) else "sync"
        return _Values(self, Server(self._given)) if form == "sync" else _AsyncValues(self, AsyncServer(self._given))

    def matches(self, cookie: str) -> bool:
        return self._sid_of(cookie) is not None

    def reading(self, cookie: str) -> Steps[Answer]:
        """Return the steps that read the session for a cookie."""
        value, milliseconds = yield _Get(self._key(cookie))
        if value is None:
            return None
        # Redis returns -1 for a value that does not expire.
        expires = NEVER if milliseconds < 0 else self._clock() + timedelta(milliseconds=milliseconds)
        return self._loads(value, min(expires, NEVER))

    def deleting(self, cookie: str) -> Steps[None]:
        """Return the steps that remove the session for a cookie."""
        yield _Delete(self._key(cookie))

    def _key(self, cookie: str) -> str:
        return f"{self._prefix}{self._sid_of(cookie)}"


class _Values:
    """The source as a ``Source``."""

    blocking_reads = blocking_writes = True

    def __init__(self, values: RedisValues, server: Server) -> None:
        self.name = values.name
        self.matches = values.matches
        self._values = values
        self._server = server

    def read(self, cookie: str) -> Answer:
        return run(self._values.reading(cookie), self._server)

    def close(self) -> None:
        self._server.close()

    def delete(self, cookie: str) -> None:
        run(self._values.deleting(cookie), self._server)


class _AsyncValues:
    """The source as an ``AsyncSource``."""

    def __init__(self, values: RedisValues, server: AsyncServer) -> None:
        self.name = values.name
        self.matches = values.matches
        self._values = values
        self._server = server

    async def read(self, cookie: str) -> Answer:
        return await run_async(self._values.reading(cookie), self._server)

    async def aclose(self) -> None:
        await self._server.close()

    async def delete(self, cookie: str) -> None:
        await run_async(self._values.deleting(cookie), self._server)
