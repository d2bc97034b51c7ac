"""
Clients of database engines: the driver alone, our stores, other libraries.

Each function takes a place (a URL or a file) and returns a function that makes clients; each client has one session
there, which it reads and writes.
"""

import asyncio
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import redis
import redis.asyncio
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.drivers import DRIVERS
from bench.samples import LIFETIME, SECRET, SMALL
from holdall import TableStore
from holdall.steps import run
from holdall.stores import Changes, StoredSession, Write
from holdall.tables import Table
from holdall.tables.postgres import PostgresTable
from holdall.tables.redis import RedisTable
from holdall.tables.sqlite import SQLiteTable

__all__ = ["BARE", "Client", "Clients", "drivers_alone", "sharing", "stores"]

# The stored bytes of a small session, encrypted. Two of them alternate, so that a database cannot see that nothing
# changes.
_SEALED = [os.urandom(169) for _ in range(2)]


class Client(NamedTuple):
    """Reads and writes its session."""

    get: Callable[[], object]
    put: Callable[[], object]


Clients = Callable[[], Client]


def _ours(table: Table) -> Clients:
    store = TableStore(table)
    return lambda: _client(store, _begin(store))


def sharing(place: str, make: str) -> tuple[Clients, Clients]:
    """Return functions that make clients of our store: each with its own session, and all with a shared one."""
    store = TableStore(_TABLES[make](place))
    shared = _begin(store)
    return lambda: _client(store, _begin(store)), lambda: _client(store, shared)


def _begin(store: TableStore) -> StoredSession:
    stored = run(store.put(None, _write(SMALL, {}), key="session"))
    if stored is None:
        msg = "the store stored nothing"
        raise RuntimeError(msg)
    return stored


def _client(store: TableStore, stored: StoredSession) -> Client:
    last = stored

    def put() -> None:
        nonlocal last
        written = run(store.put(last, _write(last.data, {"theme": "light"}), key="session"))
        if written is not None:
            last = written

    return Client(lambda: run(store.get(stored.cookie, key="session")), put)


def _write(data: dict[str, Any], put: dict[str, Any]) -> Write:
    now = int(time.time())
    return Write(data | put, Changes(put), now, now + int(LIFETIME.total_seconds()), now)


def _plain(place: str, engine: str) -> Clients:
    drivers = DRIVERS[engine](place)

    def make() -> Client:
        driver, key, sealed = drivers(), secrets.token_bytes(32), cycle(_SEALED)
        driver.begin(key, next(sealed))
        return Client(lambda: driver.get(key), lambda: driver.put(key, next(sealed)))

    return make


def _bare(place: str, engine: str) -> Clients:
    drivers = DRIVERS[engine](place)

    def make() -> Client:
        driver, key, sealed = drivers(), secrets.token_bytes(32), cycle(_SEALED)
        driver.begin(key, next(sealed))
        return Client(lambda: driver.read(key), lambda: driver.write(key, next(sealed)))

    return make


def _by_hand(place: str, engine: str) -> Clients:
    """Do what every store must do whose rows show neither IDs nor data: hash, derive, encrypt, encode JSON."""
    drivers = DRIVERS[engine](place)
    dumps = json.JSONEncoder(separators=(",", ":")).encode
    loads = json.JSONDecoder().decode

    def make() -> Client:
        driver, sid = drivers(), secrets.token_urlsafe(32)

        def of_sid() -> tuple[bytes, AESGCM]:
            secret = sid.encode()
            return hashlib.sha256(secret).digest(), AESGCM(hmac.digest(secret, b"row", "sha256"))

        def sealed(box: AESGCM) -> bytes:
            nonce = os.urandom(12)
            return nonce + box.encrypt(nonce, dumps(SMALL).encode(), None)

        def get() -> object:
            digest, box = of_sid()
            data = driver.read(digest)
            return loads(box.decrypt(data[:12], data[12:], None).decode())

        def put() -> None:
            digest, box = of_sid()
            driver.write(digest, sealed(box))

        digest, box = of_sid()
        driver.begin(digest, sealed(box))
        put()
        if get() != SMALL:
            msg = "the driver returned something else"
            raise RuntimeError(msg)
        return Client(get, put)

    return make


def _django_db(place: str) -> Clients:
    from bench.apps import django

    django.set_up(Path(place).parent)
    django.create_the_table()

    from django.contrib.sessions.backends.db import SessionStore

    def make() -> Client:
        begun = SessionStore()
        begun.update(SMALL)
        begun.save()

        def get() -> object:
            return SessionStore(begun.session_key).load()

        def put() -> None:
            begun["theme"] = "light"
            begun.save()

        return Client(get, put)

    return make


def _flask_session(place: str) -> Clients:
    import flask
    from flask_session.redis import RedisSessionInterface

    app = flask.Flask(__name__)
    app.secret_key = SECRET
    interface = RedisSessionInterface(app, redis.Redis.from_url(place))

    def make() -> Client:
        key = secrets.token_hex(32)
        session = interface.session_class(SMALL)
        interface._upsert_session(LIFETIME, session, key)
        return Client(
            lambda: interface._retrieve_session_data(key), lambda: interface._upsert_session(LIFETIME, session, key)
        )

    return make


def _starsessions(place: str) -> Clients:
    from starsessions.stores.redis import RedisStore

    lifetime = int(LIFETIME.total_seconds())

    def make() -> Client:
        # One loop per client, so that each can run in a thread.
        loop = asyncio.new_event_loop()
        store = RedisStore(connection=redis.asyncio.Redis.from_url(place))
        key = secrets.token_hex(32)

        def put() -> object:
            return loop.run_until_complete(store.write(key, json.dumps(SMALL).encode(), lifetime, lifetime))

        put()
        return Client(lambda: json.loads(loop.run_until_complete(store.read(key, lifetime))), put)

    return make


_TABLES: dict[str, Callable[[str], Table]] = {
    "SQLiteTable": SQLiteTable,
    "RedisTable": RedisTable,
    "PostgresTable": PostgresTable,
}

#: The baseline for an engine's other clients: its driver, with the same queries as our table, written by hand.
BARE = "the driver, asked the same"

_DRIVER_ALONE: dict[str, Callable[[str, str], Clients]] = {
    "the driver, a value by its key": _plain,
    BARE: _bare,
    "the same, encrypted by hand": _by_hand,
}
_STORES: dict[str, dict[str, Callable[[str], Clients]]] = {
    "SQLite": {
        "holdall, SQLiteTable": lambda place: _ours(SQLiteTable(place)),
        "Django, db": _django_db,
    },
    "Redis": {
        "holdall, RedisTable": lambda place: _ours(RedisTable(place)),
        "Flask-Session": _flask_session,
        "starsessions": _starsessions,
    },
    "PostgreSQL": {
        "holdall, PostgresTable": lambda place: _ours(PostgresTable(place)),
    },
}


def drivers_alone(engine: str, place: str) -> dict[str, Clients]:
    """Return functions that make clients of an engine's driver, by name."""
    return {name: make(place, engine) for name, make in _DRIVER_ALONE.items()}


def stores(engine: str, place: str) -> dict[str, Clients]:
    """Return functions that make clients of stores over an engine, by name, ours first."""
    return {name: make(place) for name, make in _STORES[engine].items()}
