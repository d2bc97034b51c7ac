"""
Clients of engines: through our stores, through the bare driver, and through other libraries.

Each function takes a place (a URL or a file) and returns what makes clients; a client has one session there, which it
reads and writes.
"""

import asyncio
import json
import os
import secrets
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import redis
import redis.asyncio

from bench.samples import LIFETIME, SECRET, SMALL
from holdall import TableStore
from holdall.stores import Changes, Draft, Stored
from holdall.tables import Table
from holdall.tables.postgres import PostgresTable
from holdall.tables.redis import RedisTable
from holdall.tables.sqlite import SQLiteTable

__all__ = ["CLIENTS", "Client", "sharing"]

# What is kept of a small session, sealed: by turns, for a database may notice that nothing changes.
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
    """Return what makes clients of our store with sessions of their own, and with one that all of them share."""
    store = TableStore(_TABLES[make](place))
    shared = _begin(store)
    return lambda: _client(store, _begin(store)), lambda: _client(store, shared)


def _begin(store: TableStore) -> Stored:
    stored = store.put(None, _draft(SMALL, {}), key="session")
    if stored is None:
        msg = "the store has kept nothing"
        raise RuntimeError(msg)
    return stored


def _client(store: TableStore, stored: Stored) -> Client:
    last = stored

    def put() -> None:
        nonlocal last
        written = store.put(last, _draft(last.data, {"theme": "light"}), key="session")
        if written is not None:
            last = written

    return Client(lambda: store.get(stored.cookie, key="session"), put)


def _draft(data: dict[str, Any], put: dict[str, Any]) -> Draft:
    now = datetime.now(UTC).replace(microsecond=0)
    return Draft(data | put, Changes(put), now, now + LIFETIME, now)


def _sqlite(place: str) -> Clients:
    def make() -> Client:
        connection = sqlite3.connect(f"{place}.bare", isolation_level=None, check_same_thread=False, timeout=5)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS bare (digest BLOB PRIMARY KEY, data BLOB, version INTEGER, expires INTEGER) "
            "WITHOUT ROWID"
        )
        key = secrets.token_bytes(32)
        connection.execute("INSERT INTO bare VALUES (?, ?, 1, 1)", (key, _SEALED[0]))
        sealed = cycle(_SEALED)
        read, write = "SELECT * FROM bare WHERE digest = ?", "UPDATE bare SET data = ?, version = 2 WHERE digest = ?"
        return Client(
            lambda: connection.execute(read, (key,)).fetchone(), lambda: connection.execute(write, (next(sealed), key))
        )

    return make


def _redis(place: str) -> Clients:
    client = redis.Redis.from_url(place)

    def make() -> Client:
        key = secrets.token_hex(32)
        fields = {"d": _SEALED[0], "v": 1, "e": 1}
        client.hset(key, mapping=fields)
        return Client(lambda: client.hmget(key, ["d", "v", "e"]), lambda: client.hset(key, mapping=fields))

    return make


def _postgres(place: str) -> Clients:
    def make() -> Client:
        connection = psycopg.connect(place, autocommit=True)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS bare (digest bytea PRIMARY KEY, data bytea, version bigint, expires bigint)"
        )
        key = secrets.token_bytes(32)
        connection.execute("INSERT INTO bare VALUES (%s, %s, 1, 1)", (key, _SEALED[0]))
        sealed = cycle(_SEALED)
        read, write = "SELECT * FROM bare WHERE digest = %s", "UPDATE bare SET data = %s, version = 2 WHERE digest = %s"
        return Client(
            lambda: connection.execute(read, (key,), prepare=True, binary=True).fetchone(),
            lambda: connection.execute(write, (next(sealed), key), prepare=True, binary=True),
        )

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

    loop = asyncio.new_event_loop()
    store = RedisStore(connection=redis.asyncio.Redis.from_url(place))
    lifetime = int(LIFETIME.total_seconds())

    def make() -> Client:
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

#: What makes clients, by name; the bare driver is the one that the others of its engine are compared with.
CLIENTS: dict[str, dict[str, Callable[[str], Clients]]] = {
    "SQLite": {
        "sqlite3, bare": _sqlite,
        "holdall, SQLiteTable": lambda place: _ours(SQLiteTable(place)),
        "Django, db": _django_db,
    },
    "Redis": {
        "redis-py, bare": _redis,
        "holdall, RedisTable": lambda place: _ours(RedisTable(place)),
        "Flask-Session": _flask_session,
        "starsessions": _starsessions,
    },
    "PostgreSQL": {
        "psycopg, bare": _postgres,
        "holdall, PostgresTable": lambda place: _ours(PostgresTable(place)),
    },
}
