"""The sessions that starsessions wrote to Redis."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis.asyncio
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response
from starlette.routing import Route
from starsessions import SessionAutoloadMiddleware, SessionMiddleware
from starsessions.stores.redis import RedisStore

from holdall import Event, MemoryTable, Sessions, TableStore
from holdall.serializers import MAX_DEPTH
from holdall.sources import Entry
from holdall.sources.starsessions import StarsessionsSource
from holdall.stores._migration import MigratingStore
from holdall.testing import Browser, Request, asgi_client
from servers.redis import RedisServer

DATA = {"user_id": 7, "cart": ["apples", {"pears": 2}], "note": "é", "none": None}
SID = "0123456789abcdef" * 2


@pytest.fixture
def server(valkey: RedisServer) -> RedisServer:
    valkey.client.flushall()
    return valkey


def cookie_of(server: RedisServer, *, lifetime: int = 3600, **options: Any) -> str:
    """Return the cookie of a session that an application keeps with starsessions."""

    async def begin(request: StarletteRequest) -> Response:
        request.session.update(DATA)
        return Response()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        async with redis.asyncio.Redis(port=server.port) as connection:
            store = RedisStore(connection=connection, **options)
            middleware = [
                Middleware(SessionMiddleware, store=store, lifetime=lifetime, cookie_https_only=False),
                Middleware(SessionAutoloadMiddleware),
            ]
            await Starlette(routes=[Route("/", begin)], middleware=middleware)(scope, receive, send)

    browser = Browser(asgi_client(application))
    browser.send(Request("GET", "/"))
    return browser["session"]


@pytest.mark.parametrize("prefix", ["starsessions.", "shop:"])
def test_a_session_is_moved(server: RedisServer, prefix: str) -> None:
    cookie = cookie_of(server, prefix=prefix)
    source = StarsessionsSource(server.client, prefix=prefix)

    session = Sessions(MigratingStore(TableStore(MemoryTable()), [source]), key="session").resume(cookie)

    assert session == DATA
    assert server.client.keys() == []


def test_a_moved_session_keeps_its_beginning_and_end(server: RedisServer) -> None:
    before = datetime.now(UTC)
    cookie = cookie_of(server, lifetime=3600)
    source = StarsessionsSource(server.client).opened("sync")
    assert source is not None

    found = source.read(cookie)

    assert isinstance(found, Entry)
    assert found.created is not None
    assert before <= found.created <= datetime.now(UTC)
    assert timedelta(minutes=59) < found.expires - found.created <= timedelta(hours=1, seconds=2)


@pytest.mark.parametrize("metadata", [{}, {"created": "yesterday"}, {"created": -1}, {"created": 1e300}, [], 7])
def test_a_missing_or_invalid_beginning_is_unknown(server: RedisServer, metadata: Any) -> None:
    server.client.set(f"starsessions.{SID}", json.dumps({"cart": 1, "__metadata__": metadata}))
    source = StarsessionsSource(server.client).opened("sync")
    assert source is not None

    found = source.read(SID)

    assert isinstance(found, Entry)
    assert (found.data, found.created) == ({"cart": 1}, None)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\x80\x04}\x94.", "pickle"),
        (b"rubbish", "unreadable"),
        (b"[]", "unreadable"),
        (b'{"a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "session['a'] cannot be stored"),
    ],
    ids=["pickle", "rubbish", "list", "deep"],
)
def test_unsupported_values_are_refused(server: RedisServer, value: bytes, reason: str) -> None:
    server.client.set(f"starsessions.{SID}", value)
    events: list[Event] = []
    store = MigratingStore(TableStore(MemoryTable()), [StarsessionsSource(server.client)])
    sessions = Sessions(store, key="session", on_event=events.append)

    assert sessions.resume(SID).is_new
    assert events == [Event("rejected", "session", reason)]


@pytest.mark.parametrize("cookie", ["", "0" * 31, "0" * 33, "G" * 32, "é" * 32])
def test_only_its_own_ids_are_looked_up(cookie: str) -> None:
    assert not StarsessionsSource("redis://127.0.0.1:1/0").matches(cookie)


def test_an_async_adapter_awaits_the_source(server: RedisServer) -> None:
    cookie = cookie_of(server)
    # A source has its table's form: one in memory is sync, and one in Redis is async.
    url = f"{server.url.removesuffix('0')}1"
    sessions = Sessions("table", key="session", table=url, migrate_from=[StarsessionsSource(server.url)])

    async def request() -> Any:
        async with sessions:
            session = await sessions.fetch_async(f"session={cookie}")
            return dict(session), (await sessions.commit_async(session)).cookie != cookie

    assert asyncio.run(request()) == (DATA, True)
