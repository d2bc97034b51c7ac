"""
Keep rows in Redis or Valkey, including clusters: one hash for each session.

Each guarded write is a script that runs on the server, on that one hash. The server's own expiry only replaces the
sweep: our clock decides whether a row is live. The steps are written once; ``RedisTable`` and ``AsyncRedisTable``
differ only in how they run them.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from holdall._clock import Clock, utc_now
from holdall._errors import ConfigurationError
from holdall._redacted import redacted
from holdall.tables._contract import Replacement, Row, RowInfo, Tombstone
from holdall.tables._redis_servers import TIMEOUT, AsyncServer, Server, answers_later
from holdall.tables._steps import Steps, run, run_async
from holdall.tables._twins import AsyncTwin, SyncTwin
from holdall.tables.columns import row_info_of, row_of, seconds_of
from holdall.tables.urls import checked_timeout, split_options

__all__ = ["AsyncRedisTable", "RedisTable"]

R = TypeVar("R")

# The server keeps a row this much longer than it lives, so that it does not end early if our clock is slow.
_MARGIN_SECONDS = 3600

_DAY_SECONDS = 24 * 3600
# An index lasts slightly longer than the 400 days of the longest cookie. Each login restarts this time, and so does
# each day on which a session is used.
_INDEX_SECONDS = 402 * _DAY_SECONDS
# An entry is added to the index before its row exists, so for this long it does not count as that of an ended row.
_SETTLED_SECONDS = 60
# With more entries than this, a login checks that many of them and removes those whose rows have ended.
_UNCHECKED_ENTRIES = 16

# The number of keys that a clear checks in one round trip.
_SCANNED = 1000

# A hash's fields: d(ata), v(ersion), e(xpires), c(reated), p(rincipal), f(rom which client), s(een).
_FIELDS = ("d", "v", "e", "c", "p", "f", "s")
_LISTED_FIELDS = ("p", "c", "e", "f", "s", "v")

_DAY = f"local function day(seen) return math.floor((tonumber(seen or '') or 0) / {_DAY_SECONDS}) end"

# Each uses only one key, so that clusters accept it too. ARGV[1] is the time by our clock, ARGV[2] how long the server
# should keep the key. A use on a different day than the last one returns the row's principal in a list.
_SCRIPTS = {
    "insert": """
local expires = redis.call('HGET', KEYS[1], 'e')
if expires then
  if tonumber(expires) > tonumber(ARGV[1]) then return 0 end
  redis.call('DEL', KEYS[1])
end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
""",
    "replace": f"""{_DAY}
local present = redis.call('HMGET', KEYS[1], 'v', 'e', 's', 'p')
if not present[1] or present[1] == '0' or tonumber(present[2]) <= tonumber(ARGV[1]) then return 'GONE' end
if present[1] ~= ARGV[3] then return 'CONFLICT' end
redis.call('HSET', KEYS[1], 'd', ARGV[4], 'v', ARGV[5], 'e', ARGV[6], 's', ARGV[7])
redis.call('EXPIRE', KEYS[1], ARGV[2])
if present[4] and day(present[3]) < day(ARGV[7]) then return {{present[4]}} end
return 'REPLACED'
""",
    "touch": f"""{_DAY}
local present = redis.call('HMGET', KEYS[1], 'v', 'e', 's', 'p')
if not present[1] or present[1] == '0' or tonumber(present[2]) <= tonumber(ARGV[1]) then return 0 end
local expires, seen = present[2], present[3]
local outlives = tonumber(ARGV[3]) > tonumber(expires)
if outlives then expires = ARGV[3] end
if tonumber(ARGV[4]) > (tonumber(seen or '') or 0) then seen = ARGV[4] end
redis.call('HSET', KEYS[1], 'e', expires, 's', seen)
if outlives then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
if present[4] and day(present[3]) < day(ARGV[4]) then return {{present[4]}} end
return 1
""",
    # The row is removed before its tombstone is written, because a full server lets a script that has removed
    # something write as well.
    "remove": """
local present = redis.call('HMGET', KEYS[1], 'd', 'v', 'e', 'c', 'p', 'f', 's')
if not present[2] or present[2] == '0' or tonumber(present[3]) <= tonumber(ARGV[1]) then return false end
redis.call('DEL', KEYS[1])
if ARGV[2] then
  redis.call('HSET', KEYS[1], 'd', ARGV[4], 'v', '0', 'e', ARGV[3], 'c', present[4])
  if present[5] then redis.call('HSET', KEYS[1], 'p', present[5]) end
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
return present
""",
    # Checks random entries, not the oldest, because a few long-lived sessions would hide all those that have ended.
    "list": """
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[2])
if redis.call('ZCARD', KEYS[1]) <= tonumber(ARGV[4]) then return {} end
return redis.call('ZRANDMEMBER', KEYS[1], ARGV[4], 'WITHSCORES')
""",
    # A script, because its result is the same in all versions of the protocol.
    "listed": "return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')",
}


# The hash by which Redis knows a script that it has already seen.
_DIGESTS = {name: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() for name, text in _SCRIPTS.items()}


@redacted
class Evaluate(NamedTuple):
    """Run one of our scripts on the server."""

    script: str
    key: str
    values: tuple[Any, ...] = ()

    def on(self, server: Server | AsyncServer) -> Any:
        # A server that is new or was restarted does not know the script; it caches it when it receives the source.
        return server.ask(
            lambda client: client.execute_command("EVALSHA", _DIGESTS[self.script], 1, self.key, *self.values),
            otherwise=lambda client: client.execute_command("EVAL", _SCRIPTS[self.script], 1, self.key, *self.values),
        )


@redacted
class Do(NamedTuple):
    """Run a command on the server."""

    command: str
    key: str | bytes
    values: tuple[Any, ...]

    def on(self, server: Server | AsyncServer) -> Any:
        return server.ask(lambda client: client.execute_command(self.command, self.key, *self.values))


@redacted
class DoAll(NamedTuple):
    """Run several commands on the server in one round trip."""

    commands: tuple[Do, ...]

    def on(self, server: Server | AsyncServer) -> Any:
        return server.ask(self._send)

    def _send(self, client: Any) -> Any:
        pipeline = client.pipeline(transaction=False)
        for each in self.commands:
            pipeline.execute_command(each.command, each.key, *each.values)
        return pipeline.execute()


class Keys:
    """List the server's keys that match a pattern, a few each time that this step is run."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._found: Any = None

    def on(self, server: Server | AsyncServer) -> Any:
        return server.ask(self._send)

    def _send(self, client: Any) -> Any:
        # Discarded after an error, because an iterator that has raised one then claims to be exhausted.
        found, self._found = self._found, None
        if found is None:
            # A cluster's client visits all nodes.
            found = client.scan_iter(match=self._pattern, count=_SCANNED)
        return self._take_async(found) if isinstance(found, AsyncIterator) else self._take(found)

    def _take(self, found: Iterator[bytes]) -> list[bytes]:
        some = list(islice(found, _SCANNED))
        self._found = found
        return some

    async def _take_async(self, found: AsyncIterator[bytes]) -> list[bytes]:
        some: list[bytes] = []
        async for key in found:
            some.append(key)
            if len(some) == _SCANNED:
                break
        self._found = found
        return some


class _Verbs:
    """The server commands for each verb."""

    def __init__(self, prefix: str, clock: Clock) -> None:
        self._prefix = prefix
        self._clock = clock

    def read(self, digest: bytes) -> Steps[Row | None]:
        row = _row((yield Do("HMGET", self._key(digest), _FIELDS)))
        return row if row is not None and row.expires > self._clock() else None

    def insert(self, digest: bytes, row: Row) -> Steps[bool]:
        now = self._now()
        times = ("e", seconds_of(row.expires), "c", seconds_of(row.created))
        fields: list[Any] = ["d", row.data, "v", row.version, *times]
        if row.client is not None:
            fields += ["f", row.client]
        if row.seen is not None:
            fields += ["s", seconds_of(row.seen)]
        if row.principal is not None:
            fields += ["p", row.principal]
            # Before the row, so that the index lists every live session of its principal. Entries without a live row
            # are removed when the index is read.
            yield from self._note_in_index(row.principal, digest, now)
        inserted = yield Evaluate("insert", self._key(digest), (now, _time_to_live(row.expires, now), *fields))
        return bool(inserted)

    def replace(self, digest: bytes, row: Row, *, version: int) -> Steps[Replacement]:
        now, expires = self._now(), seconds_of(row.expires)
        seen = "" if row.seen is None else seconds_of(row.seen)
        values = (now, _time_to_live(row.expires, now), version, row.data, row.version, expires, seen)
        answer = yield Evaluate("replace", self._key(digest), values)
        if isinstance(answer, list):
            yield from self._note_in_index(answer[0].decode(), digest, now)
            return Replacement.REPLACED
        return Replacement[answer.decode()]

    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> Steps[bool]:
        now = self._now()
        values = (now, _time_to_live(expires, now), seconds_of(expires), seconds_of(seen))
        answer = yield Evaluate("touch", self._key(digest), values)
        if isinstance(answer, list):
            yield from self._note_in_index(answer[0].decode(), digest, now)
        return bool(answer)

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Steps[Row | None]:
        now = self._now()
        values: tuple[Any, ...] = (now,)
        if tombstone is not None:
            until = tombstone.until
            values += (_time_to_live(until, now), seconds_of(until), tombstone.successor)
        fields = yield Evaluate("remove", self._key(digest), values)
        return None if fields is None else _row(fields)

    def find(self, principal: str) -> Steps[Sequence[RowInfo]]:
        entries = yield Evaluate("listed", self._index(principal))
        living = yield from self._living(principal, entries)
        return sorted(living, key=lambda each: each.created)

    def clear(self, began_by: datetime, limit: int) -> Steps[int]:
        cleared = 0
        keys = Keys(self._key_pattern())
        while cleared < limit and (some := (yield keys)):
            created = yield DoAll(tuple(Do("HGET", key, ("c",)) for key in some))
            # All rows under one digest have the same creation time, so nothing can have changed in between.
            begun = [key for key, time in zip(some, created, strict=True) if time and int(time) <= seconds_of(began_by)]
            if begun:
                cleared += sum((yield DoAll(tuple(Do("UNLINK", key, ()) for key in begun[: limit - cleared]))))
        return cleared

    def sweep(self, limit: int) -> Steps[int]:
        """Return 0, because the server removes expired rows by itself; fails if the server is down."""
        yield Do("EXISTS", self._key(b""), ())
        return 0

    def _note_in_index(self, principal: str, digest: bytes, now: int) -> Steps[None]:
        """List a row under its principal for as long as its cookie can be sent."""
        values = (now, _INDEX_SECONDS, digest, _UNCHECKED_ENTRIES)
        yield from self._living(principal, (yield Evaluate("list", self._index(principal), values)))

    def _living(self, principal: str, entries: Sequence[bytes]) -> Steps[list[RowInfo]]:
        """Return the live rows for an index's *entries*, alternating digests and times, and remove the others."""
        if not entries:
            return []
        since = dict(zip(entries[::2], map(float, entries[1::2]), strict=True))
        rows = yield DoAll(tuple(Do("HMGET", self._key(digest), _LISTED_FIELDS) for digest in since))
        now = self._now()
        living = [
            row_info_of((digest, int(created), int(expires), client, _number(seen), int(version)), text=bytes.decode)
            for digest, (owner, created, expires, client, seen, version) in zip(since, rows, strict=True)
            if owner is not None and owner.decode() == principal and int(expires) > now
        ]
        # The row of a new entry may not exist yet.
        settled = {digest for digest in since if since[digest] < now - _SETTLED_SECONDS}
        ended = settled.difference(each.digest for each in living)
        if ended:
            yield Do("ZREM", self._index(principal), tuple(ended))
        return living

    def _now(self) -> int:
        return seconds_of(self._clock())

    def _key(self, digest: bytes) -> str:
        return f"{self._prefix}session:{digest.hex()}"

    def _key_pattern(self) -> str:
        # The exact length, because another prefix may begin with ours.
        return f"{_literal(self._prefix)}session:{'?' * 64}"

    def _index(self, principal: str) -> str:
        return f"{self._prefix}principal:{principal}"


class RedisTable(SyncTwin[_Verbs]):
    """
    A table in a Redis or Valkey server, or in a cluster of them.

    If a server was demoted in a failover, or is not ready yet, the table reconnects and sends the command once more. If
    a response is lost, the command is not sent again, and the request ends with a ``StoreError``.

    Args:
        client: A URL (``redis://``, ``rediss://``, ``unix://``; also ``valkey://`` and ``valkeys://``), or a redis-py
            client or pool, which you close yourself. A ``RedisCluster`` works too.
        prefix: Prepended to each key, so that several applications can share a server; ``?prefix=`` in the URL.
        timeout: With a URL: the limit of each wait to connect, for a response, and for a free connection.
            ``?socket_connect_timeout=``, ``?socket_timeout=`` and ``?timeout=`` in the URL limit one of them, in
            seconds. A client that you pass in has its own timeouts.

    The server must not evict these keys when its memory is full, because that ends sessions: set its
    ``maxmemory-policy`` to ``noeviction``. Your own client should not retry failed commands
    (``retry=Retry(NoBackoff(), 0)``): if only the response was lost, a repeated renewal finds that its session has
    ended.

    Raises:
        ConfigurationError: The URL is invalid, or the client is async or decodes responses.
    """

    leaves_process = True
    blocking_reads = True
    blocking_writes = True

    def __init__(
        self, client: str | Any, *, prefix: str = "holdall:", timeout: timedelta | int = TIMEOUT, clock: Clock = utc_now
    ) -> None:
        given, prefix = _read(client, prefix, awaited=False)
        self._server = Server(given, timeout=checked_timeout("timeout", timeout), ours=("prefix",))
        self._verbs = _Verbs(prefix, clock)

    def close(self) -> None:
        """Close the connections that the table has opened."""
        self._server.close()

    def _run(self, steps: Steps[R]) -> R:
        return run(steps, self._server)


class AsyncRedisTable(AsyncTwin[_Verbs]):
    """
    The async version of ``RedisTable``; a client or a pool is one of ``redis.asyncio``.

    Each event loop that uses it has its own connections, which are closed when the loop ends.
    """

    leaves_process = True

    def __init__(
        self, client: str | Any, *, prefix: str = "holdall:", timeout: timedelta | int = TIMEOUT, clock: Clock = utc_now
    ) -> None:
        given, prefix = _read(client, prefix, awaited=True)
        self._server = AsyncServer(given, timeout=checked_timeout("timeout", timeout), ours=("prefix",))
        self._verbs = _Verbs(prefix, clock)

    async def aclose(self) -> None:
        """Close the connections that the table has opened in this event loop."""
        await self._server.close()

    async def _run(self, steps: Steps[R]) -> R:
        return await run_async(steps, self._server)


def _read(given: Any, prefix: str, *, awaited: bool) -> tuple[Any, str]:
    """Return the *given* URL or client, checked, and the prefix."""
    if isinstance(given, str):
        url, options = split_options(given, {"prefix": str})
        return url, options.get("prefix", prefix)
    if answers_later(given) is not awaited:
        right, wrong = ("RedisTable", "AsyncRedisTable") if awaited else ("AsyncRedisTable", "RedisTable")
        msg = f"a {type(given).__name__} {'is not' if awaited else 'is'} async: pass it to {right}, not to {wrong}."
        raise ConfigurationError(msg)
    return given, prefix


def _row(fields: Sequence[Any]) -> Row | None:
    data, version, expires, created, principal, client, seen = fields
    if version is None:
        return None
    return row_of((data, int(version), int(expires), int(created), principal, client, _number(seen)), text=bytes.decode)


def _literal(text: str) -> str:
    """Return a pattern that matches only *text*."""
    return re.sub(r"([\\*?\[\]])", r"\\\1", text)


def _number(stored: bytes | None) -> int | None:
    return int(stored) if stored else None


def _time_to_live(expires: datetime, now: int) -> int:
    return max(seconds_of(expires) - now, 0) + _MARGIN_SECONDS
