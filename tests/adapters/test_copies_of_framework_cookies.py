"""The browser sends a cookie that Flask or Starlette wrote and one of ours: the one that was written last counts."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import flask
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware as TheirMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdall import CookieStore, MemoryTable, Session, Sessions
from holdall._clock import utc_now
from holdall.formats import FlaskFormat, Format, NativeFormat, PlugFormat, StarletteFormat
from holdall.testing import FakeClock

TestClient = pytest.importorskip("starlette.testclient").TestClient

SECRET = "6f1d2c93a8e04b57bb0f1e6d7c5a49382f6b0e1d4c7a85930f2e6b1d8c4a7590"
OLD_SECRET = "d47c1f0b93e64a2f8b5d7e1c2a9f306854b1e07d9c3f8a62b5e4d1c0f7a69382"
PLACES = {"session": {"domain": "shop.example"}}


def of_flask() -> str:
    app = flask.Flask(__name__)
    app.secret_key = SECRET

    @app.get("/")
    def page() -> str:
        flask.session.update(cart=["hat"])
        return ""

    client = app.test_client()
    client.get("/")
    return f"session={client.get_cookie('session').value}"


def of_starlette() -> str:
    async def page(request: Request) -> Response:
        request.session["cart"] = ["hat"]
        return Response()

    app = Starlette(routes=[Route("/", page)], middleware=[Middleware(TheirMiddleware, secret_key=SECRET)])
    return TestClient(app).get("/").headers["set-cookie"].partition(";")[0]


LIBRARIES: dict[str, tuple[Callable[[], str], Format]] = {
    "Flask": (of_flask, FlaskFormat(SECRET)),
    "Starlette": (of_starlette, StarletteFormat(SECRET)),
}
KINDS: dict[str, dict[str, Any]] = {
    "cookie": {},
    "one name": {"generations": False},
    "in that format": {"format": "flask"},
    "revocable": {"revocable": MemoryTable},
    "overflow": {"overflow": MemoryTable},
}

Make = Callable[..., Sessions]


@pytest.fixture
def clock() -> FakeClock:
    # The libraries write the present time.
    return FakeClock(utc_now())


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> tuple[str, Format]:
    """Return a cookie that a library has just written, and the format that reads it."""
    write, format = LIBRARIES[request.param]
    return write(), format


@pytest.fixture
def make(clock: FakeClock, library: tuple[str, Format]) -> Make:
    def make(kind: str = "cookie", **options: Any) -> Sessions:
        given = {"key": "session", "secret_key_base": SECRET, "also_read": [library[1]], "clock": clock}
        tables = {name: table(clock=clock) for name, table in KINDS[kind].items() if table is MemoryTable}
        return Sessions("cookie", **{**given, **KINDS[kind], **tables, **options})

    return make


def answer(sessions: Sessions, header: str, act: Callable[[Session], object]) -> str:
    """Let *act* change the session, and return the Cookie header of the response's cookies."""
    session = sessions.fetch(header)
    act(session)
    return "; ".join(f"{each.attributes.key}={each.value}" for each in sessions.commit(session).cookies if each.value)


def both_orders(sessions: Sessions, one: str, other: str) -> list[dict[str, Any]]:
    return [dict(sessions.fetch(header)) for header in (f"{one}; {other}", f"{other}; {one}")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("days", [0, 13], ids=["at once", "later"])
def test_the_moved_session_counts_and_not_the_cookie_that_it_was_moved_from(
    make: Make, library: tuple[str, Format], clock: FakeClock, kind: str, days: int
) -> None:
    # The library's cookie expires after 31 or 14 days: at first later than ours, in the end earlier.
    old, _ = library
    sessions = make(kind, idle_timeout=timedelta(days=5))
    clock.advance(timedelta(days=days))
    new = answer(sessions, old, lambda session: session.put("n", 1))

    assert both_orders(sessions, old, new) == [{"cart": ["hat"], "n": 1}] * 2
    clock.advance(timedelta(seconds=5))
    newer = answer(sessions, f"{old}; {new}", lambda session: session.put("n", 2))
    assert both_orders(sessions, old, newer) == [{"cart": ["hat"], "n": 2}] * 2


@pytest.mark.parametrize("kind", ["cookie", "revocable", "overflow"])
def test_a_login_and_a_logout_after_the_move_count(
    make: Make, library: tuple[str, Format], clock: FakeClock, kind: str
) -> None:
    old, _ = library
    sessions = make(kind)
    moved = answer(sessions, old, lambda session: session.put("n", 1))
    renewed = answer(sessions, f"{moved}; {old}", lambda session: session.configure(renew=True))
    assert both_orders(sessions, old, renewed) == [{"cart": ["hat"], "n": 1}] * 2

    login = answer(sessions, f"{old}; {renewed}", lambda session: session.login(7))
    assert both_orders(sessions, old, login) == [{"cart": ["hat"], "n": 1, "user_id": 7}] * 2

    logout = answer(sessions, f"{login}; {old}", lambda session: session.logout())
    assert both_orders(sessions, old, logout) == [{}] * 2

    again = answer(sessions, f"{old}; {logout}", lambda session: session.login(8))
    assert both_orders(sessions, old, again) == [{"user_id": 8}] * 2


def test_two_sessions_are_still_duplicates(make: Make, library: tuple[str, Format]) -> None:
    old, _ = library
    sessions = make()
    other = answer(sessions, "", lambda session: session.put("n", 1))

    assert both_orders(sessions, old, other) == [{}] * 2


@pytest.mark.parametrize("kind", ["cookie", "one name", "in that format"])
def test_of_two_sessions_in_two_places_the_one_written_last_counts(
    make: Make, library: tuple[str, Format], clock: FakeClock, kind: str
) -> None:
    theirs, _ = library
    sessions = make(kind, old_keys=PLACES)
    clock.advance(timedelta(hours=-1))
    before = answer(sessions, "", lambda session: session.put("n", 1))
    clock.advance(timedelta(hours=2))
    after = answer(sessions, "", lambda session: session.put("n", 2))

    assert both_orders(sessions, theirs, before) == [{"cart": ["hat"]}] * 2
    assert both_orders(sessions, theirs, after) == [{"n": 2}] * 2


def test_the_library_may_still_write_cookies_while_a_move_is_rolled_out(make: Make, clock: FakeClock) -> None:
    # One server keeps Flask's format, which a server that has moved on can read, and the other way round.
    here = make(also_read=[FlaskFormat(SECRET, clock=clock)], old_keys=PLACES)
    there = Sessions(
        CookieStore(FlaskFormat(SECRET, clock=clock), also_read=[NativeFormat(SECRET)], clock=clock),
        key="session",
        clock=clock,
    )
    cookie = other = answer(there, of_flask(), lambda session: session.put("n", 0))
    for n in range(1, 7):
        clock.advance(timedelta(seconds=5))
        cookie, other = answer((here, there)[n % 2], cookie, lambda session, n=n: session.put("n", n)), cookie
        assert both_orders(here, cookie, other) == [{"cart": ["hat"], "n": n}] * 2


@pytest.mark.parametrize("write", [SECRET, OLD_SECRET], ids=["the new secret", "the old secret"])
def test_of_copies_with_an_old_secret_the_one_written_last_counts(clock: FakeClock, write: str) -> None:
    def writing(first: str, other: str) -> Sessions:
        store = CookieStore(NativeFormat(first), also_read=[NativeFormat(other)], clock=clock)
        return Sessions(store, key="session", clock=clock)

    old, new = writing(OLD_SECRET, SECRET), writing(SECRET, OLD_SECRET)
    first, last = (old, new) if write == SECRET else (new, old)
    before = answer(first, "", lambda session: session.put("n", 1))
    clock.advance(timedelta(seconds=5))
    after = answer(last, before, lambda session: session.put("n", 2))

    for sessions in (old, new):
        assert both_orders(sessions, before, after) == [{"n": 2}] * 2


def test_a_cookie_without_any_time_does_not_count_either_once_it_was_moved(clock: FakeClock) -> None:
    plug = PlugFormat(SECRET, signing_salt="Jk7pxAMf")
    theirs = Sessions(CookieStore(plug, clock=clock), key="session", idle_timeout=None, absolute_timeout=None)
    old = answer(theirs, "", lambda session: session.put("cart", ["hat"]))
    sessions = Sessions("cookie", key="session", secret_key_base=SECRET, also_read=[plug], clock=clock)
    new = answer(sessions, old, lambda session: session.put("n", 1))

    assert both_orders(sessions, old, new) == [{"cart": ["hat"], "n": 1}] * 2
