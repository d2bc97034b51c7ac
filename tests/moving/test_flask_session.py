"""The sessions that Flask-Session wrote to Redis."""

import asyncio
import pickle
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import flask
import pytest
import redis
from flask_session import Session as FlaskSession
from hypothesis import given, settings
from markupsafe import Markup

from formats.sessions_of import json_sessions
from holdall import ConfigurationError, Event, MemoryTable, Sessions, StoreError, TableStore
from holdall.sources import Entry, Refused
from holdall.sources.flask_session import FlaskSessionSource
from holdall.steps import run_async
from holdall.stores._migration import MigratingStore
from holdall.testing import Browser, FakeClock, Request, as_async, wsgi_client
from holdall_flask import Holdall, configured_sessions
from servers.processes import free_port, wait_until
from servers.redis import RedisServer
from sizes import EXAMPLES

SECRET = "9a4d17c0e8b35f62-d07c41e95ab8263f"
DATA = {"user_id": 7, "cart": ["apples", {"pears": 2}], "note": "é", "seen": True, "none": None}


@pytest.fixture(params=["valkey", "old_redis"])
def server(request: pytest.FixtureRequest) -> RedisServer:
    server: RedisServer = request.getfixturevalue(request.param)
    server.client.flushall()
    return server


def old_application(server: RedisServer, data: dict[str, Any], **config: Any) -> flask.Flask:
    """Return an application that keeps its sessions with Flask-Session, and puts *data* there at each request."""
    app = flask.Flask(__name__)
    app.config.update(SECRET_KEY=SECRET, SESSION_TYPE="redis", SESSION_REDIS=server.client, **config)
    with warnings.catch_warnings():
        # We know that the signer is deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        FlaskSession(app)

    @app.get("/")
    def begin() -> str:
        flask.session.update(data)
        return ""

    return app


def cookie_of(app: flask.Flask) -> str:
    """Return the cookie that the application sets."""
    browser = Browser(wsgi_client(app))
    browser.send(Request("GET", "/"))
    return browser["session"]


def sessions_of(source: Any, **options: Any) -> Sessions:
    return Sessions(MigratingStore(TableStore(MemoryTable()), [source]), key="session", **options)


@pytest.mark.parametrize("format", ["msgpack", "json"])
@pytest.mark.parametrize("signed", [False, True])
def test_a_session_from_either_serializer_is_moved(server: RedisServer, format: str, signed: bool) -> None:
    cookie = cookie_of(old_application(server, DATA, SESSION_SERIALIZATION_FORMAT=format, SESSION_USE_SIGNER=signed))
    source = FlaskSessionSource(server.client, secret_key=SECRET if signed else None)

    session = sessions_of(source).resume(cookie)

    assert session == {**DATA, "_permanent": True}
    assert server.client.keys() == []


def test_one_source_given_by_name_serves_sync_and_async_adapters(server: RedisServer) -> None:
    app = old_application(server, DATA)
    sessions = Sessions(
        "table", key="session", table=f"{server.url.removesuffix('0')}1", migrate_from=[FlaskSessionSource(server.url)]
    )

    first = sessions.resume(cookie_of(app))
    assert first["user_id"] == 7
    moved = sessions.commit(first).cookie

    async def request(cookie: str | None) -> Any:
        session = await sessions.fetch_async(f"session={cookie}")
        return dict(session)

    async def requests() -> Any:
        found = await request(moved), await request(cookie_of(app))
        await sessions.aclose()
        return found

    assert asyncio.run(requests()) == (first, first)


def test_a_flask_application_switches_over_without_visitors_noticing(server: RedisServer) -> None:
    browser = Browser(wsgi_client(old_application(server, DATA)))
    browser.send(Request("GET", "/"))
    old = browser["session"]

    app = flask.Flask(__name__)
    Holdall(app, sessions_of(FlaskSessionSource(server.client)))

    @app.get("/")
    def show() -> dict[str, Any]:
        return dict(flask.session)

    after = browser.at(wsgi_client(app))
    assert [after.send(Request("GET", "/")).status for _ in range(2)] == [200, 200]
    assert b'"user_id":7' in after.send(Request("GET", "/")).body
    assert browser["session"] != old


def moved_application(server: RedisServer, name: str, **options: Any) -> flask.Flask:
    """Return an application as docs/moving.md shows it, which adds to the session at each request."""
    app = flask.Flask(__name__)
    app.secret_key = SECRET
    Holdall(app, store="table", table=name, migrate_from=[FlaskSessionSource(server.client)], **options)

    @app.get("/")
    def show() -> dict[str, Any]:
        flask.session["seen"] = True
        return {key: value for key, value in flask.session.items() if key != "_permanent"}

    return app


def flask_visitor() -> str:
    """Return a cookie of Flask's own sessions."""
    app = flask.Flask(__name__)
    app.secret_key = SECRET

    @app.get("/")
    def begin() -> str:
        flask.session["cart"] = ["plums"]
        return ""

    return cookie_of(app)


def test_cookies_of_flask_and_of_flask_session_are_moved_at_once(server: RedisServer) -> None:
    theirs = cookie_of(old_application(server, {"cart": ["apples"]}))
    app = moved_application(server, f"memory://both {server.port}", read_framework_cookies=True)
    carts = []
    for cookie in (theirs, flask_visitor()):
        client = app.test_client()
        client.set_cookie("session", cookie)
        client.get("/")
        carts.append(client.get("/").json)

    assert carts == [{"cart": ["apples"], "seen": True}, {"cart": ["plums"], "seen": True}]
    with app.app_context():
        assert configured_sessions().settings.idle_timeout == timedelta(days=31).total_seconds()


def test_a_login_under_a_key_of_the_applications_own_is_moved_as_a_login(server: RedisServer) -> None:
    cookie = cookie_of(old_application(server, {"member_id": 7}))
    app = moved_application(server, f"memory://member {server.port}", principal_key="member_id")
    client = app.test_client()
    client.set_cookie("session", cookie)

    assert client.get("/").json == {"member_id": 7, "seen": True}
    assert len(configured_sessions(app).list(7)) == 1


def test_a_moved_session_ends_when_it_would_have_ended(server: RedisServer, clock: FakeClock) -> None:
    app = old_application(server, DATA, PERMANENT_SESSION_LIFETIME=3600)
    source = FlaskSessionSource(server.client, clock=clock).opened("sync")
    assert source is not None

    found = source.read(cookie_of(app))

    assert isinstance(found, Entry)
    assert clock() + timedelta(minutes=59) < found.expires <= clock() + timedelta(hours=1)
    assert found.created is None


def test_a_session_without_an_expiry_has_none(server: RedisServer) -> None:
    server.client.set("session:" + "a" * 43, b'{"cart":1}')
    source = FlaskSessionSource(server.client).opened("sync")
    assert source is not None

    found = source.read("a" * 43)

    assert isinstance(found, Entry)
    assert found.expires > datetime(2100, 1, 1, tzinfo=UTC)


class Trap:
    """A class that detects being unpickled."""

    sprung = False

    def __reduce__(self) -> Any:
        return setattr, (Trap, "sprung", True)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_session_is_refused_and_never_unpickled(server: RedisServer, protocol: int) -> None:
    server.client.set("session:" + "a" * 43, pickle.dumps({"cart": 1, "trap": Trap()}, protocol))
    events: list[Event] = []

    assert sessions_of(FlaskSessionSource(server.client), on_event=events.append).resume("a" * 43).is_new

    assert events == [Event("rejected", "session", "pickle")]
    assert not Trap.sprung
    assert server.client.exists("session:" + "a" * 43)


@pytest.mark.parametrize("value", [b"", b"rubbish", b"[1]", b"{", b"\x93\x01\x02\x03", b"{" * 100_000])
def test_a_value_that_is_not_a_session_is_refused(server: RedisServer, value: bytes) -> None:
    server.client.set("session:" + "a" * 43, value)
    source = FlaskSessionSource(server.client).opened("sync")
    assert source is not None

    assert source.read("a" * 43) == Refused("unreadable")


@pytest.mark.parametrize("forged", ["{sid}", "{sid}.", "{sid}.AAAA", "{sid}.{signature}A", ".{signature}", "", "é.x"])
def test_with_a_signer_only_signed_cookies_are_looked_up(server: RedisServer, forged: str) -> None:
    sid, _, signature = cookie_of(old_application(server, DATA, SESSION_USE_SIGNER=True)).rpartition(".")
    sessions = sessions_of(FlaskSessionSource(server.client, secret_key=SECRET))

    assert sessions.resume(forged.format(sid=sid, signature=signature)) == {}
    assert sessions_of(FlaskSessionSource(server.client, secret_key=SECRET + "x")).resume(f"{sid}.{signature}") == {}
    assert len(server.client.keys()) == 1
    assert sessions.resume(f"{sid}.{signature}")["user_id"] == 7


def test_another_prefix_is_another_place(server: RedisServer) -> None:
    cookie = cookie_of(old_application(server, DATA, SESSION_KEY_PREFIX="shop:"))

    assert sessions_of(FlaskSessionSource(server.client)).resume(cookie) == {}
    assert sessions_of(FlaskSessionSource(server.client, prefix="shop:")).resume(cookie)["user_id"] == 7


def test_a_server_that_does_not_respond_is_an_error() -> None:
    url = f"redis://shop:hunter2@127.0.0.1:{free_port()}/0"
    sessions = sessions_of(FlaskSessionSource(url))
    in_async_table = MigratingStore(TableStore(as_async(MemoryTable())), [FlaskSessionSource(url)])

    with pytest.raises(StoreError) as refused:
        sessions.resume("a" * 43).get("cart")
    with pytest.raises(StoreError):
        asyncio.run(run_async(in_async_table.get("a" * 43, key="session")))
    assert "hunter2" not in str(refused.value)


@pytest.fixture
def async_client(server: RedisServer) -> Any:
    return redis.asyncio.Redis(port=server.port)


def test_an_async_client_serves_async_adapters_only(server: RedisServer, async_client: Any) -> None:
    cookie = cookie_of(old_application(server, DATA))

    with pytest.raises(ConfigurationError, match="'flask-session' is async but its table is not"):
        MigratingStore(TableStore(MemoryTable()), [FlaskSessionSource(async_client)])

    async def look() -> Any:
        store = MigratingStore(TableStore(as_async(MemoryTable())), [FlaskSessionSource(async_client)])
        session = await Sessions(store, key="session").fetch_async(f"session={cookie}")
        await store.sources[0].aclose()
        # The client must be closed by its owner.
        assert async_client.connection_pool._available_connections[0].is_connected
        await async_client.aclose()
        return session["user_id"]

    assert asyncio.run(look()) == 7


def test_a_sync_client_serves_async_adapters_too(server: RedisServer) -> None:
    cookie = cookie_of(old_application(server, DATA))
    store = MigratingStore(TableStore(as_async(MemoryTable())), [FlaskSessionSource(server.client)])

    session = asyncio.run(Sessions(store, key="session").fetch_async(f"session={cookie}"))

    assert session["user_id"] == 7


@pytest.mark.parametrize(("given", "opened"), [("url", 1), ("client", 0)])
def test_a_connection_opened_by_url_is_closed_and_a_client_passed_in_is_not(
    given: str, opened: int, server: RedisServer, clock: FakeClock
) -> None:
    source = FlaskSessionSource(getattr(server, given))
    cookie = cookie_of(old_application(server, DATA))
    before = connections(server)

    table = f"closed {given} {server.port}"
    with Sessions("table", key="session", table=table, migrate_from=[source], clock=clock) as sessions:
        assert sessions.resume(cookie)["user_id"] == 7
        assert len(connections(server) - before) == opened

    # The server notices it in its next cycle.
    wait_until("the end of the connection", lambda: connections(server) <= before)


def connections(server: RedisServer) -> set[str]:
    """Return the names of the open connections. Those of others may end at any time."""
    return {each["id"] for each in server.client.client_list()}


# What msgspec writes for the values that a session can hold, and what Flask-Session would read.


@pytest.mark.parametrize("format", ["msgpack", "json"])
def test_any_session_is_read_as_flask_session_would_read_it(format: str) -> None:
    from flask_session.base import MsgSpecSerializer

    from holdall.sources.flask_session import _entry

    serializer = MsgSpecSerializer(flask.Flask(__name__), format)
    until = datetime(2100, 1, 1, tzinfo=UTC)

    @settings(max_examples=EXAMPLES // 10)
    @given(json_sessions().filter(_msgspec_takes(serializer)))
    def is_read_alike(data: dict[str, Any]) -> None:
        written = serializer.encode(data)
        assert _entry(written, until) == Entry(serializer.decode(written), until)

    is_read_alike()


def _msgspec_takes(serializer: Any) -> Callable[[dict[str, Any]], bool]:
    """Return whether msgspec can write it: no integer over 64 bits, no lone surrogate."""

    def takes(data: dict[str, Any]) -> bool:
        try:
            serializer.app.logger.disabled = True
            serializer.encode(data)
        except (OverflowError, ValueError):
            return False
        return True

    return takes


def test_values_beyond_json_come_back_as_flask_session_returns_them(server: RedisServer) -> None:
    when = datetime(2026, 1, 31, 12, 30, 5, 123456, tzinfo=UTC)
    data = {"when": when, "pair": (1, 2), "raw": b"\x00\xff", "delta": timedelta(days=1), "html": str(Markup("<b>"))}
    app = old_application(server, data)

    @app.get("/show")
    def show() -> str:
        return repr(dict(flask.session))

    browser = Browser(wsgi_client(app))
    browser.send(Request("GET", "/"))
    seen = browser.send(Request("GET", "/show")).body.decode()

    session = sessions_of(FlaskSessionSource(server.client)).resume(browser["session"])

    assert repr(dict(session)) == seen
    assert session["when"] == when
