"""
The bare drivers, with the same queries as our tables, written by hand.

Each function takes a place (a URL or a file) and returns a function that makes drivers, each with its own connection if
the driver has no pool.
"""

import sqlite3
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import psycopg
import redis

from bench.samples import LIFETIME

__all__ = ["DRIVERS", "Driver", "Drivers"]

_LIFETIME = int(LIFETIME.total_seconds())


class Driver(NamedTuple):
    """
    The queries of a driver, each in one round trip.

    Attributes:
        begin: Insert a row with this data.
        get: Return a row's data by its key, the smallest possible query.
        put: The same for a write.
        read: Return all columns of a session's row that has not expired, as its data and the others.
        write: Replace data, version and times of a row that has not expired and still has the version that was read.
    """

    begin: Callable[[bytes, bytes], object]
    get: Callable[[bytes], bytes]
    put: Callable[[bytes, bytes], object]
    read: Callable[[bytes], bytes]
    write: Callable[[bytes, bytes], object]


Drivers = Callable[[], Driver]


def _sqlite(place: str) -> Drivers:
    def make() -> Driver:
        connection = sqlite3.connect(f"{place}.bare", isolation_level=None, check_same_thread=False, timeout=5)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS bare (digest BLOB PRIMARY KEY, data BLOB, version INTEGER, expires INTEGER, "
            "created INTEGER, principal TEXT, client TEXT, seen INTEGER) WITHOUT ROWID"
        )
        now = int(time.time())
        begin = "INSERT INTO bare VALUES (?, ?, 1, ?, ?, NULL, NULL, ?)"
        get, put = "SELECT data FROM bare WHERE digest = ?", "UPDATE bare SET data = ? WHERE digest = ?"
        read = (
            "SELECT data, version, expires, created, principal, client, seen FROM bare WHERE digest = ? AND expires > ?"
        )
        write = (
            "UPDATE bare SET data = ?, version = ?, expires = ?, seen = ? "
            "WHERE digest = ? AND version = ? AND version > 0 AND expires > ?"
        )
        execute = connection.execute
        return Driver(
            lambda key, data: execute(begin, (key, data, now + _LIFETIME, now, now)),
            lambda key: execute(get, (key,)).fetchone()[0],
            lambda key, data: execute(put, (data, key)),
            lambda key: execute(read, (key, now)).fetchone()[0],
            lambda key, data: execute(write, (data, 1, now + _LIFETIME, now, key, 1, now)),
        )

    return make


_FIELDS = ("d", "v", "e", "c", "p", "f", "s")
_WRITE = """
local present = redis.call('HMGET', KEYS[1], 'v', 'e')
if present[1] ~= ARGV[2] or tonumber(present[2]) <= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'd', ARGV[4], 'v', ARGV[2], 'e', ARGV[5], 's', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""


def _redis(place: str) -> Drivers:
    client: Any = redis.Redis.from_url(place)
    write = client.register_script(_WRITE)
    now = int(time.time())

    def make() -> Driver:
        def begin(key: bytes, data: bytes) -> None:
            client.set(key, data, ex=_LIFETIME)
            client.hset(key.hex(), mapping={"d": data, "v": 1, "e": now + _LIFETIME, "c": now, "s": now})

        return Driver(
            begin,
            client.get,
            lambda key, data: client.set(key, data, ex=_LIFETIME),
            lambda key: client.hmget(key.hex(), _FIELDS)[0],
            lambda key, data: write(keys=(key.hex(),), args=(now, 1, _LIFETIME, data, now + _LIFETIME)),
        )

    return make


def _postgres(place: str) -> Drivers:
    def make() -> Driver:
        connection = psycopg.connect(place, autocommit=True)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS bare (digest bytea PRIMARY KEY, data bytea, version bigint, expires bigint, "
            "created bigint, principal bytea, client bytea, seen bigint) WITH (fillfactor = 85)"
        )
        now = int(time.time())
        begin = "INSERT INTO bare VALUES (%s, %s, 1, %s, %s, NULL, NULL, %s)"
        get, put = "SELECT data FROM bare WHERE digest = %s", "UPDATE bare SET data = %s WHERE digest = %s"
        read = (
            "SELECT data, version, expires, created, principal, client, seen FROM bare "
            "WHERE digest = %s AND expires > %s"
        )
        write = (
            "UPDATE bare SET data = %s, version = %s, expires = %s, seen = %s "
            "WHERE digest = %s AND version = %s AND version > 0 AND expires > %s RETURNING true"
        )

        def execute(statement: str, values: tuple[object, ...]) -> Any:
            return connection.execute(statement.encode(), values, prepare=True, binary=True)

        def first(statement: str, values: tuple[object, ...]) -> bytes:
            found = execute(statement, values).fetchone()
            if found is None:
                msg = "there is no row"
                raise RuntimeError(msg)
            return bytes(found[0])

        return Driver(
            lambda key, data: execute(begin, (key, data, now + _LIFETIME, now, now)),
            lambda key: first(get, (key,)),
            lambda key, data: execute(put, (data, key)),
            lambda key: first(read, (key, now)),
            lambda key, data: first(write, (data, 1, now + _LIFETIME, now, key, 1, now)),
        )

    return make


#: Functions that make drivers, by engine.
DRIVERS: dict[str, Callable[[str], Drivers]] = {"SQLite": _sqlite, "Redis": _redis, "PostgreSQL": _postgres}
