"""Device-bound sessions: their options, other stores and formats, and the middleware around the endpoints."""

import tests.django_project  # noqa: F401  # sets Django up

# isort: split

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import flask
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path as route
from werkzeug.middleware.proxy_fix import ProxyFix

from holdall import ConfigurationError, CookieStore, Event, MemoryTable, Sessions, StoreError, TableStore, wsgi
from holdall._lifecycle.device import REFRESH_RULES, Found, Refresh, Shown
from holdall.adapters import EndpointRequest, SessionGroup
from holdall.asgi import SessionMiddleware
from holdall.device_bound import DeviceBound
from holdall.device_bound._paths import browser_path
from holdall.formats import FlaskFormat, NativeFormat, PlugFormat, Record
from holdall.sources.cookie import CookieSource
from holdall.stores import MigratingStore
from holdall.testing import Browser, Client, FakeClock, Request, Response, Visitor, as_async, asgi_client, wsgi_client
from holdall.testing._device_browser import DeviceBrowser, DeviceSession
from holdall.testing._device_keys import SoftwareKey
from holdall_django.engine import SessionStore
from holdall_flask import Holdall
from tests.adapters.mounts import django as django_mount
from tests.adapters.mounts import fastapi as fastapi_mount
from tests.adapters.mounts import flask as flask_mount

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"
OLD = "d47c1f0b93e64a2f8b5d7e1c2a9f3068"
PATH = "/device-bound-session"
MAX_AGE, LONG = timedelta(minutes=10), timedelta(hours=2)


@pytest.fixture
def events() -> list[Event]:
    return []


def owner_of(client: Client, clock: FakeClock) -> tuple[Visitor, DeviceBrowser]:
    """Return a visitor who has logged in with a browser that binds sessions."""
    visitor = Visitor(client, clock, DeviceBrowser(client, clock=clock))
    assert visitor.does(["login", 7], https=True).results == [None]
    browser = visitor.browser
    assert isinstance(browser, DeviceBrowser)
    return visitor, browser


def refused(events: list[Event]) -> list[str]:
    return [event.reason for event in events if event.name == "device_refused"]


def goes_on(visitor: Visitor, clock: FakeClock, *, rounds: int = 3) -> None:
    """Refresh a few times, and use the session in between."""
    for number in range(rounds):
        clock.advance(MAX_AGE)
        done = visitor.does(["ask", "device_bound"], ["get", "user_id"], ["put", "n", number], https=True)
        assert done.results == [True, 7, None]


# Stores and formats.

STORES: dict[str, Callable[[FakeClock], Any]] = {
    "sealed rows": lambda clock: TableStore(MemoryTable(clock=clock), encrypt=True, secret_key_base=SECRET),
    "migrating": lambda clock: MigratingStore(TableStore(MemoryTable(clock=clock)), [], clock=clock),
    "plug": lambda clock: CookieStore(PlugFormat(SECRET * 2, signing_salt="Jk7pxAMf")),
    "flask": lambda clock: CookieStore(FlaskFormat(SECRET, max_age=timedelta(days=31))),
    "signed": lambda clock: CookieStore(NativeFormat(SECRET, encrypt=False)),
}


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("absolute_timeout", [timedelta(days=30), None])
def test_every_store_and_format_of_ours_can_bind(
    store: str, absolute_timeout: timedelta | None, clock: FakeClock, events: list[Event]
) -> None:
    sessions = Sessions(
        STORES[store](clock),
        key="_shop",
        clock=clock,
        absolute_timeout=absolute_timeout,
        device_bound=True,
        on_event=events.append,
    )
    visitor, browser = owner_of(flask_mount.mount(sessions), clock)

    goes_on(visitor, clock)

    assert refused(events) == []
    thief = browser.thief()
    clock.advance(LONG)
    body = json.dumps({"actions": [["all"]]}).encode()
    stolen = thief.send(Request("POST", "/", [("Content-Type", "application/json")], body, https=True))
    assert json.loads(stolen.body)["results"] == [{}]
    assert refused(events) == ["no bound cookie"]


def test_rows_in_a_file_are_bound_too(tmp_path: Path, clock: FakeClock) -> None:
    url = f"sqlite:///{tmp_path / 'sessions.db'}"
    with Sessions(url, key="sid", secret_key_base=SECRET, clock=clock, device_bound=True) as sessions:
        visitor, _ = owner_of(flask_mount.mount(sessions), clock)
        goes_on(visitor, clock)

        assert [info.device_bound for info in sessions.list(7)] == [True]
        visitor.does(["configure", "renew", True], https=True)
        assert [info.device_bound for info in sessions.list(7)] == [True]
        assert sessions.revoke(7) == 1
        clock.advance(MAX_AGE)
        assert visitor.does(["all"], https=True).results == [{}]


@pytest.mark.parametrize("mount", [fastapi_mount.mount, django_mount.mount_asgi], ids=["fastapi", "django"])
def test_an_async_table_raises_no_false_alarm(
    mount: Callable[[Sessions], Client], clock: FakeClock, events: list[Event]
) -> None:
    table = as_async(MemoryTable(clock=clock))
    sessions = Sessions(TableStore(table), key="_shop", clock=clock, device_bound=True, on_event=events.append)
    visitor, browser = owner_of(mount(sessions), clock)

    goes_on(visitor, clock)

    assert refused(events) == []
    assert [status for _, status in browser.trips] == [200, 403, 200, 200, 200]


def test_a_cookie_with_an_old_secret_or_name_is_bound_and_stays_bound(clock: FakeClock, events: list[Event]) -> None:
    def sessions(key: str, secret: str, *old: str, **options: Any) -> Sessions:
        store = CookieStore(NativeFormat(secret), also_read=[NativeFormat(each) for each in old])
        return Sessions(store, key=key, clock=clock, device_bound=True, on_event=events.append, **options)

    visitor, browser = owner_of(flask_mount.mount(sessions("_shop", OLD)), clock)
    later = Visitor(flask_mount.mount(sessions("_shop", SECRET, OLD)), clock, browser)

    assert later.does(["ask", "device_bound"], ["get", "user_id"], https=True).results == [True, 7]
    goes_on(later, clock)
    assert refused(events) == []
    assert visitor.browser is browser


@pytest.mark.parametrize("encrypt", [True, False])
def test_a_session_in_a_table_whose_cookie_is_renamed_stays_bound(
    clock: FakeClock, events: list[Event], encrypt: bool
) -> None:
    store = TableStore(MemoryTable(clock=clock), encrypt=encrypt)
    options: dict[str, Any] = {"clock": clock, "device_bound": True, "on_event": events.append}
    _, browser = owner_of(flask_mount.mount(Sessions(store, key="old", **options)), clock)
    renamed = Sessions(store, key="new", old_keys=["old"], **options)
    later = Visitor(flask_mount.mount(renamed), clock, browser)

    # The bound cookie's name changes too: the browser learns it at the next refresh.
    assert later.does(["put", "n", 1], ["ask", "device_bound"], https=True).results == [None, True]
    goes_on(later, clock)


def test_a_value_of_one_kind_does_not_pass_for_another(clock: FakeClock) -> None:
    """A format that ignores names seals them all alike."""
    sessions = Sessions(STORES["plug"](clock), key="_shop", clock=clock, device_bound=True)
    _, browser = owner_of(flask_mount.mount(sessions), clock)

    for name in ("_shop-bound", "_shop-device"):
        assert dict(sessions.resume(browser[name])) == {}


class ForgetfulFormat(NativeFormat):
    """A format that seals every cookie alike, whatever its name."""

    def seal(self, record: Any, *, key: str) -> str:
        return super().seal(record, key="")

    def open(self, cookie: str, *, key: str) -> Any:
        return super().open(cookie, key="")


def test_kinds_stay_distinct_even_in_a_format_that_breaks_its_contract(clock: FakeClock) -> None:
    sessions = Sessions(CookieStore(ForgetfulFormat(SECRET)), key="_shop", clock=clock, device_bound=True)
    _, browser = owner_of(flask_mount.mount(sessions), clock)

    for name in ("_shop-bound", "_shop-device"):
        assert dict(sessions.resume(browser[name])) == {}


class NotingTable(MemoryTable):
    """A table that notes which rows were inserted."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.inserted: list[bytes] = []

    def insert(self, digest: bytes, row: Any) -> bool:
        self.inserted.append(digest)
        return super().insert(digest, row)


def test_the_device_must_be_known(clock: FakeClock) -> None:
    """Without the cookie that holds its key, or its row, the binding has ended, and the session ends after a while."""
    table = NotingTable(clock=clock)
    for store in (CookieStore(NativeFormat(SECRET)), TableStore(table)):
        sessions = Sessions(store, key="_shop", clock=clock, device_bound=True)
        visitor, browser = owner_of(flask_mount.mount(sessions), clock)
        visitor.does(["put", "n", 1], https=True)
        browser.keep(["_shop-device=x; path=/; secure"], https=True)
        if isinstance(store, TableStore):
            # The session's own row, the device's, and the note for the list.
            assert len(table.inserted) == 3
            table.remove(table.inserted[1])
        clock.advance(MAX_AGE + timedelta(minutes=1))

        assert visitor.does(["all"], https=True).results == [{}]
        assert browser.sessions == []


@pytest.mark.parametrize("renews", [False, True])
@pytest.mark.parametrize("store", ["plain", "migrating"])
def test_anonymous_visitors_do_not_evict_the_rows_of_a_device(
    store: str, renews: bool, clock: FakeClock, events: list[Event]
) -> None:
    rows = TableStore(MemoryTable(max_rows=20, clock=clock))
    kept = rows if store == "plain" else MigratingStore(rows, [], clock=clock)
    sessions = Sessions(kept, key="_shop", clock=clock, device_bound=True, on_event=events.append)
    visitor, _ = owner_of(flask_mount.mount(sessions), clock)
    if renews:
        visitor.does(["configure", "renew", True], https=True)
    for number in range(40):
        session = sessions.fetch()
        session["n"] = number
        sessions.commit(session)

    goes_on(visitor, clock)

    assert refused(events) == []
    assert [info.device_bound for info in sessions.list(7)] == [True]
    assert sessions.revoke(7) == 1


def test_in_a_table_that_evicts_nothing_a_devices_rows_have_no_principal(tmp_path: Path, clock: FakeClock) -> None:
    url = f"sqlite:///{tmp_path / 'sessions.db'}"
    with Sessions(url, key="_shop", secret_key_base=SECRET, clock=clock, device_bound=True) as sessions:
        owner_of(flask_mount.mount(sessions), clock)
    with closing(sqlite3.connect(tmp_path / "sessions.db")) as database:
        principals = [principal for (principal,) in database.execute("SELECT principal FROM session")]

    assert sorted(principals, key=str) == ["\x1f_shop\x1f7", None, None]


def test_the_cookie_of_another_library_opens_no_session_that_was_bound_since(
    clock: FakeClock, events: list[Event]
) -> None:
    old, now = FlaskFormat(SECRET), int(clock().timestamp())
    cookie = old.seal(Record({"user_id": 7}, now, now + 10**6, "0" * 16), key="_shop")
    store = MigratingStore(TableStore(MemoryTable(clock=clock)), [CookieSource(old, key="_shop")], clock=clock)
    sessions = Sessions(store, key="_shop", clock=clock, device_bound=True, on_event=events.append)
    client = flask_mount.mount(sessions)
    browser, thief = DeviceBrowser(client, clock=clock), Browser(client, clock=clock)
    for each in (browser, thief):
        each.keep([f"_shop={cookie}; path=/"])
    visitor = Visitor(client, clock, browser)
    visitor.does(["put", "n", 1], https=True)

    # Until the first refresh, it opens the session as any copy does.
    stolen = Visitor(client, clock, thief)
    assert stolen.does(["all"], https=True).results == [{"user_id": 7, "n": 1}]
    thief.keep([f"_shop={cookie}; path=/"])
    goes_on(visitor, clock)

    assert stolen.does(["all"], https=True).results == [{}]
    assert refused(events) == ["no bound cookie"]
    sessions.revoke(7)
    assert stolen.does(["all"], https=True).results == [{}]


def test_an_update_of_a_value_keeps_the_binding(clock: FakeClock) -> None:
    sessions = Sessions(TableStore(MemoryTable(clock=clock)), key="_shop", clock=clock, device_bound=True)
    visitor, _ = owner_of(flask_mount.mount(sessions), clock)

    assert visitor.does(["count", "n"], ["ask", "device_bound"], https=True).results == [1, True]
    goes_on(visitor, clock)


def test_the_remains_of_a_logged_out_session_are_not_bound(clock: FakeClock) -> None:
    """A library logs a visitor out by removing its key."""
    for store in (CookieStore(NativeFormat(SECRET)), TableStore(MemoryTable(clock=clock))):
        sessions = Sessions(store, key="_shop", clock=clock, device_bound=True)
        visitor, _ = owner_of(flask_mount.mount(sessions), clock)
        visitor.does(["put", "n", 1], https=True)
        visitor.does(["delete", "user_id"], https=True)
        clock.advance(LONG)

        assert visitor.does(["ask", "device_bound"], ["get", "n"], https=True).results == [False, 1]


# Options.


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "device"}, "is not a path"),
        ({"path": "/device/"}, "is not a path"),
        ({"path": '/de"vice'}, "is not a path"),
        ({"cookie_max_age": 0}, "neither a timedelta nor a number of seconds"),
        ({"cookie_max_age": "600"}, "neither a timedelta nor a number of seconds"),
        ({"grace": timedelta(seconds=-1)}, "neither a timedelta nor a number of seconds"),
        ({"enforce": "none"}, "neither 'all' nor 'report'"),
        ({"exclude": "/static/"}, "pass a list"),
        ({"exclude": ["static"]}, "is not a path"),
        ({"origin": "http://shop.example"}, "is not an origin"),
        ({"origin": "shop.example"}, "is not an origin"),
        ({"include_site": True}, "needs origin="),
    ],
)
def test_an_invalid_option_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        DeviceBound(**options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device_bound": 1}, "not True, False"),
        ({"partitioned": True, "secure": True}, "partitioned"),
        ({"secure": False}, "needs HTTPS"),
        ({"cookie_options": lambda request: {}}, "leave cookie_options= out"),
        ({"domain": "shop.example"}, "domain= out"),
        ({"device_bound": DeviceBound(include_site=True, origin="https://shop.example")}, "set domain="),
        ({"principal_key": None}, "principal_key=None"),
        ({"store": object()}, "is not a store"),
    ],
)
def test_sessions_that_cannot_be_bound_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Sessions(**{"store": "table", "key": "sid", "table": "x", "device_bound": True, **options}).prepare("sync")


def test_a_third_party_store_is_refused() -> None:
    class Store:
        def get(self, cookie: str, *, key: str) -> None: ...

        put = delete = get

    sessions = Sessions(Store(), key="sid", device_bound=True)  # type: ignore[arg-type]  # the class is incomplete
    with pytest.raises(ConfigurationError, match="not a Store"):
        sessions.prepare("sync")


def test_a_site_with_subdomains_is_bound_as_a_whole(clock: FakeClock) -> None:
    site = DeviceBound(include_site=True, origin="https://shop.example", exclude=["/static/"])
    sessions = Sessions("table", key="sid", table="site", clock=clock, domain="shop.example", device_bound=site)
    client = flask_mount.mount(sessions)
    browser = DeviceBrowser(client, clock=clock, host="shop.example")
    browser.send(
        Request("POST", "/", [("Content-Type", "application/json")], b'{"actions": [["login", 7]]}', https=True)
    )

    (session,) = browser.sessions
    assert session.instructions["scope"] == {
        "origin": "https://shop.example",
        "include_site": True,
        "scope_specification": [{"type": "exclude", "domain": "shop.example", "path": "/static/"}],
    }
    assert "domain=shop.example" in session.instructions["credentials"][0]["attributes"]


# Several sessions.


def test_several_sessions_are_bound_separately(clock: FakeClock) -> None:
    shop = Sessions("table", key="shop", table="several-shop", clock=clock, device_bound=True)
    staff = Sessions("table", key="staff", table="several", clock=clock, device_bound=DeviceBound(path="/staff/device"))
    client = flask_mount.mount(shop, also=[staff])
    visitor = Visitor(client, clock, DeviceBrowser(client, clock=clock))
    browser = visitor.browser
    assert isinstance(browser, DeviceBrowser)
    visitor.does(["login", 7], https=True)
    body = b'{"actions": [["also", "staff", "login", 1]]}'
    browser.send(Request("POST", "/x/", [("Content-Type", "application/json")], body, https=True, root="/x"))

    assert browser.trips == [(f"{PATH}/register", 200), ("/x/staff/device/register", 200)]
    assert {session.cookie for session in browser.sessions} == {"shop-bound", "staff-bound"}


def test_two_bound_sessions_cannot_have_the_same_path(clock: FakeClock) -> None:
    shop, staff = (Sessions("table", key=key, table=f"same-{key}", device_bound=True) for key in ("shop", "staff"))

    with pytest.raises(ConfigurationError, match="two Sessions of one application use"):
        SessionGroup(shop, [staff], form="sync")


# Middleware around the endpoints.


def test_flask_answers_for_sessions_besides_those_of_its_settings() -> None:
    app = flask.Flask(__name__)
    app.secret_key = SECRET
    Holdall(app, also=[Sessions("table", table="bound-besides", key="__Host-staff", device_bound=True)])

    refresh = app.test_client().post("/device-bound-session/refresh", base_url="https://shop.example")

    assert refresh.status_code == 200


def test_a_check_for_csrf_and_a_wall_for_strangers_stand_behind_the_endpoints(clock: FakeClock) -> None:
    csrf = pytest.importorskip("flask_wtf.csrf")
    app = flask.Flask(__name__)
    app.secret_key = "8f7d02c6e1b94a35-5c30e97bd1f2a864"
    csrf.CSRFProtect(app)
    app.before_request(lambda: None if flask.request.method == "GET" else flask.abort(401))
    sessions = Sessions("table", key="sid", table="csrf", clock=clock, device_bound=True)
    Holdall(app, sessions)

    @app.get("/login")
    def login() -> str:
        flask.session["user_id"] = 7
        return ""

    browser = DeviceBrowser(wsgi_client(app), clock=clock)
    browser.send(Request("GET", "/login", https=True))
    clock.advance(MAX_AGE)
    browser.send(Request("GET", "/login", https=True))

    assert [status for _, status in browser.trips] == [200, 403, 200]
    assert len(browser.sessions) == 1


def _login(request: HttpRequest) -> HttpResponse:
    request.session["user_id"] = 7
    return HttpResponse()


urlpatterns = [route("login", _login)]


def test_the_endpoints_come_before_djangos_csrf_check_too(clock: FakeClock) -> None:
    settings: dict[str, Any] = {
        "ROOT_URLCONF": __name__,
        "MIDDLEWARE": ["holdall_django.SessionMiddleware", "django.middleware.csrf.CsrfViewMiddleware"],
        "HOLDALL": {"store": "table", "table": "django-csrf", "clock": clock, "device_bound": True},
        "ALLOWED_HOSTS": ["*"],
    }
    with override_settings(**settings):
        browser = DeviceBrowser(wsgi_client(WSGIHandler()), clock=clock)
        browser.send(Request("GET", "/login", https=True))
        clock.advance(MAX_AGE)
        browser.send(Request("GET", "/login", https=True))

    assert [status for _, status in browser.trips] == [200, 403, 200]


@pytest.mark.parametrize("store", ["sealed rows", "signed"])
def test_django_finds_a_bound_session_by_its_key_and_a_websocket_does_not(
    store: str, clock: FakeClock, events: list[Event]
) -> None:
    """Server code with a session's key is not a thief, but a visitor who opens a WebSocket through Channels may be."""
    sessions = Sessions(STORES[store](clock), key="_shop", clock=clock, device_bound=True, on_event=events.append)
    visitor, browser = owner_of(django_mount.mount(sessions), clock)
    visitor.does(["put", "n", 1], https=True)
    clock.advance(timedelta(minutes=2))
    cookie = browser["_shop"]

    async def find() -> tuple[bool, Any]:
        found = SessionStore(session_key=cookie)
        return await found.aexists(cookie), await found.aget("n")

    async def pass_on() -> tuple[Any, Any]:
        # As Channels makes it, which passes it no other cookie. One read is async, and the other is not.
        return await SessionStore(cookie).aget("n"), SessionStore(cookie).get("n")

    with override_settings(HOLDALL={"sessions": sessions}):
        assert SessionStore(session_key=cookie).load() == {"user_id": 7, "n": 1}
        assert SessionStore().exists(cookie)
        assert asyncio.run(find()) == (True, 1)
        assert refused(events) == []
        assert asyncio.run(pass_on()) == (None, None)
        assert refused(events) == ["no bound cookie"] * 2


def test_django_ends_a_bound_session_by_its_key(clock: FakeClock, events: list[Event]) -> None:
    store = TableStore(MemoryTable(clock=clock))
    sessions = Sessions(store, key="_shop", clock=clock, device_bound=True, on_event=events.append)
    ends: list[Callable[[str], Any]] = [
        lambda cookie: SessionStore().delete(cookie),
        lambda cookie: asyncio.run(SessionStore().adelete(cookie)),
    ]
    for end in ends:
        visitor, browser = owner_of(django_mount.mount(sessions), clock)
        clock.advance(timedelta(minutes=2))

        with override_settings(HOLDALL={"sessions": sessions}):
            end(browser["_shop"])

        assert visitor.does(["all"], https=True).results == [{}]
    assert refused(events) == []


def test_a_tls_proxy_is_trusted_if_the_framework_trusts_it(clock: FakeClock) -> None:
    sessions = Sessions("table", key="__Host-shop", table="proxy", clock=clock, device_bound=True)
    app = flask.Flask(__name__)
    Holdall(app, sessions)

    @app.get("/login")
    def login() -> str:
        flask.session["user_id"] = 7
        return ""

    app.wsgi_app = ProxyFix(app.wsgi_app, x_proto=1, x_prefix=1)  # type: ignore[method-assign]  # as in Flask's documentation
    inner = wsgi_client(app)

    def by_proxy(request: Request) -> Response:
        headers = [*request.headers, ("X-Forwarded-Proto", "https"), ("X-Forwarded-Prefix", "/shop")]
        return inner(replace(request, https=False, headers=headers, path=request.path.removeprefix("/shop")))

    browser = DeviceBrowser(by_proxy, clock=clock)
    browser.send(Request("GET", "/shop/login", https=True))
    clock.advance(MAX_AGE)
    browser.send(Request("GET", "/shop/login", https=True))

    assert browser.trips == [
        ("/shop/device-bound-session/register", 200),
        ("/shop/device-bound-session/refresh", 403),
        ("/shop/device-bound-session/refresh", 200),
    ]


@pytest.mark.parametrize(
    ("mounted_at", "path"),
    [
        ("", "/x"),
        ("/shop", "/shop/x"),
        ("/Straße 7", "/Stra%C3%9Fe%207/x"),
        ("/50%", "/50%25/x"),
        ('/a";path="b', "/a%22%3Bpath=%22b/x"),
        ("/a\r\nb: c", "/a%0D%0Ab:%20c/x"),
        # Not valid UTF-8.
        ("/\udcff", "/%FF/x"),
        # Not another host.
        ("//evil.example", "/%2Fevil.example/x"),
        ("/a//b", "/a//b/x"),
    ],
)
def test_the_mount_path_is_encoded(mounted_at: str, path: str) -> None:
    assert browser_path(mounted_at, "/x") == path


def test_no_mount_path_ends_a_quoted_text_or_a_header() -> None:
    path = browser_path("/" + "".join(map(chr, range(0x3000))), "/x")

    assert path.isascii()
    assert path.isprintable()
    assert not set(path) & set(' "\\;?#')


def test_a_wsgi_servers_mount_path_need_not_be_utf_8(clock: FakeClock) -> None:
    sessions = Sessions(TableStore(MemoryTable(clock=clock)), key="sid", clock=clock, device_bound=True)

    def login(environ: Any, start_response: Any) -> list[bytes]:
        wsgi.fetch_session(environ).login(7)
        start_response("200 OK", [])
        return [b""]

    browser = DeviceBrowser(wsgi_client(wsgi.SessionMiddleware(login, sessions)), clock=clock)
    browser.send(Request("GET", "/t/%FF/", https=True, root="/t/%FF"))

    assert browser.trips == [("/t/%FF/device-bound-session/register", 200)]


def test_holdalls_own_options_are_enough(clock: FakeClock) -> None:
    app = flask.Flask(__name__)
    app.secret_key = SECRET
    Holdall(app, device_bound=True, clock=clock)

    @app.get("/")
    def login() -> str:
        flask.session["user_id"] = 7
        return ""

    browser = DeviceBrowser(wsgi_client(app), clock=clock)
    browser.send(Request("GET", "/", https=True))

    assert [status for _, status in browser.trips] == [200]


def _flask_within(sessions: Sessions) -> Any:
    app = flask.Flask("within")
    Holdall(app, sessions)

    @app.get("/login")
    def login() -> str:
        flask.session["user_id"] = 7
        return ""

    return app


@pytest.mark.parametrize("within", ["flask", "django"])
def test_the_outer_of_two_adapters_responds(within: str, clock: FakeClock) -> None:
    sessions = Sessions("table", key="sid", table=f"nested-{within}", clock=clock, device_bound=True)
    with override_settings(HOLDALL={"sessions": sessions}, ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"]):
        inner = _flask_within(sessions) if within == "flask" else WSGIHandler()
        outer = flask.Flask(__name__)
        Holdall(outer, sessions)

        @outer.get("/login")
        def pass_on() -> flask.Response:
            return flask.Response.from_app(inner, flask.request.environ)

        browser = DeviceBrowser(wsgi_client(outer), clock=clock)
        browser.send(Request("GET", "/login", https=True))
        clock.advance(MAX_AGE)
        browser.send(Request("GET", "/login", https=True))

    assert [status for _, status in browser.trips] == [200, 403, 200]


def test_an_inner_asgi_middleware_leaves_it_to_the_outer_one(clock: FakeClock) -> None:
    sessions = Sessions("table", key="sid", table="nested-asgi", clock=clock, device_bound=True)
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])
        if scope["type"] == "http":
            scope["session"]["user_id"] = 7
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    both = SessionMiddleware(SessionMiddleware(app, sessions), sessions)
    browser = DeviceBrowser(asgi_client(both), clock=clock)
    browser.send(Request("GET", "/", https=True))
    asyncio.run(both({"type": "lifespan"}, None, None))

    assert [status for _, status in browser.trips] == [200]
    assert seen == ["http", "lifespan"]


class EmptyHandedTable(MemoryTable):
    """A table from which another request has removed each row a moment before."""

    def remove(self, digest: bytes, *, tombstone: Any = None) -> Any:
        super().remove(digest, tombstone=tombstone)


def test_an_alarm_after_the_sessions_end_ends_nothing(clock: FakeClock, events: list[Event]) -> None:
    table = EmptyHandedTable(clock=clock)
    sessions = Sessions(TableStore(table), key="_shop", clock=clock, device_bound=True, on_event=events.append)
    _, browser = owner_of(flask_mount.mount(sessions), clock)
    proof = SoftwareKey().proof("x", brings_key=False)
    headers = [("Sec-Secure-Session-Id", browser.sessions[0].id), ("Secure-Session-Response", proof)]

    assert browser.post(f"{PATH}/refresh", headers).status == 200
    assert refused(events) == ["a wrong signature"]
    assert "ended" not in [event.name for event in events]


def test_the_browser_gives_up_if_each_proof_is_answered_with_another_challenge(clock: FakeClock) -> None:
    challenges = iter(range(100))

    def client(request: Request) -> Response:
        headers = [("Secure-Session-Challenge", f'"{next(challenges)}";id="{name}"') for name in ("mine", "another")]
        return Response(403, headers)

    browser = DeviceBrowser(client, clock=clock)
    session = DeviceSession("mine", {"refresh_url": "/refresh"}, SoftwareKey())
    browser._device.sessions["mine"] = session

    assert browser.refresh(session) is False
    assert len(browser.trips) == 3


class AwayTable(MemoryTable):
    is_away = False

    def read(self, digest: bytes) -> Any:
        if self.is_away:
            raise StoreError
        return super().read(digest)


@pytest.mark.parametrize("mount", [flask_mount.mount, fastapi_mount.mount], ids=["flask", "fastapi"])
def test_a_table_that_is_down_ends_nothing(
    mount: Callable[[Sessions], Client], clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    table = AwayTable(clock=clock)
    visitor, browser = owner_of(mount(Sessions(TableStore(table), key="_shop", clock=clock, device_bound=True)), clock)
    table.is_away = True
    (session,) = browser.sessions

    assert browser.refresh(session) is False
    assert browser.trips[-1][1] == 503
    assert "responding with 503 to the browser's refresh" in caplog.text
    table.is_away = False
    goes_on(visitor, clock)


def test_no_repr_shows_a_secret_of_the_binding() -> None:
    request = EndpointRequest("POST", "/", "", "host", True, {"Cookie": "secret"}.get)

    assert repr(request) == "<EndpointRequest>"


def test_every_rule_of_a_refresh_has_an_effect() -> None:
    situations = [Refresh(found, bound, shown) for found in Found for bound in (True, False) for shown in Shown]
    first = {next(rule.name for rule in REFRESH_RULES if rule.applies(each)) for each in situations}

    assert first == {rule.name for rule in REFRESH_RULES}


def test_a_session_in_a_cookie_that_was_never_bound_ends(clock: FakeClock) -> None:
    sessions = Sessions("cookie", key="_shop", secret_key_base=SECRET, clock=clock, device_bound=True)
    session = sessions.fetch()
    session["n"] = 1
    cookie = sessions.commit(session).cookie

    session = sessions.resume(cookie)
    session.configure(drop=True)

    assert [each.value for each in sessions.commit(session).cookies][:1] == [None]
