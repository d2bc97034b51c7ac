"""How long a session lives in both stores, with a clock that the test moves."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from holdall import CookieStore, MemoryTable, Sessions, TableStore
from holdall.formats import NativeFormat
from holdall.testing import FakeClock

SECRET = "6f1d2c93a8e04b57bb0f1e6d7c5a49382f6b0e1d4c7a85930f2e6b1d8c4a7590"
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)

Made = Callable[..., Any]


@pytest.fixture(params=["encrypted", "signed", "table"])
def visitor(request: pytest.FixtureRequest, clock: FakeClock, visit: Callable[[Sessions], Any]) -> Made:
    def make(**options: Any) -> Any:
        store: Any = TableStore(MemoryTable(clock=clock))
        if request.param != "table":
            store = CookieStore(NativeFormat(SECRET, encrypt=request.param == "encrypted"))
        visitor = visit(Sessions(store, key="sid", clock=clock, **options))
        with visitor.request() as session:
            session["user"] = 7
        return visitor

    return make


def replay(visitor: Any, cookie: str) -> dict[str, Any]:
    """Return the session's data as a thief with a copy of the *cookie* would see it."""
    return dict(visitor.sessions.resume(cookie))


def test_cve_2018_1000814_a_cookie_replayed_after_the_idle_limit_is_empty(visitor: Made, clock: FakeClock) -> None:
    someone = visitor(idle_timeout=HOUR)
    cookie = someone.browser["sid"]

    clock.advance(HOUR - SECOND)
    assert replay(someone, cookie) == {"user": 7}
    clock.advance(SECOND)
    assert replay(someone, cookie) == {}


def test_cve_2025_46344_a_cookie_replayed_after_the_absolute_limit_is_empty(visitor: Made, clock: FakeClock) -> None:
    someone = visitor(idle_timeout=HOUR, absolute_timeout=5 * HOUR)

    for _ in range(9):
        clock.advance(HOUR / 2)
        assert someone.look() == {"user": 7}
    cookie = someone.browser["sid"]
    clock.advance(HOUR / 2 - SECOND)
    assert someone.look() == {"user": 7}
    clock.advance(SECOND)

    assert someone.look() == {}
    assert replay(someone, cookie) == {}


def test_use_keeps_a_session_alive(visitor: Made, clock: FakeClock) -> None:
    someone = visitor(idle_timeout=HOUR, absolute_timeout=None)

    for _ in range(100):
        clock.advance(HOUR - SECOND)
        assert someone.look() == {"user": 7}


def test_a_session_is_touched_at_most_every_tenth_of_the_idle_limit(visitor: Made, clock: FakeClock) -> None:
    someone = visitor(idle_timeout=HOUR)
    limits = []
    for _ in range(60):
        with someone.request() as session:
            limits.append(session.expires)
        clock.advance(timedelta(minutes=1))

    assert len(set(limits)) == 10
    assert limits == sorted(limits)


def test_a_write_moves_the_limit_even_if_no_touch_is_due(visitor: Made, clock: FakeClock) -> None:
    someone = visitor(idle_timeout=HOUR)
    clock.advance(timedelta(minutes=5))
    after = clock() + HOUR
    with someone.request() as session:
        session["cart"] = 1

    with someone.request() as session:
        assert session.expires == after


@pytest.mark.parametrize(
    "act",
    [
        len,
        lambda session: session.put("cart", 1),
        lambda session: session.configure(renew=True),
        lambda session: session.clear(),
    ],
    ids=["read", "write", "renew", "clear"],
)
def test_nothing_extends_the_absolute_limit(visitor: Made, clock: FakeClock, act: Callable[[Any], Any]) -> None:
    someone = visitor(idle_timeout=4 * HOUR, absolute_timeout=5 * HOUR, principal_key="user")
    end = clock() + 5 * HOUR
    clock.advance(3 * HOUR)
    with someone.request() as session:
        act(session)

    with someone.request() as session:
        assert session.expires == end
        assert session.created == end - 5 * HOUR


def test_a_login_restarts_the_absolute_limit(visitor: Made, clock: FakeClock) -> None:
    someone = visitor(idle_timeout=4 * HOUR, absolute_timeout=5 * HOUR, principal_key="user")
    clock.advance(3 * HOUR)
    with someone.request() as session:
        session.login(8)

    with someone.request() as session:
        assert session.expires == clock() + 4 * HOUR
        assert session.created == clock()


@pytest.mark.parametrize("idle_timeout", [None, timedelta(days=36_500)])
def test_without_limits_a_session_does_not_end(visitor: Made, clock: FakeClock, idle_timeout: timedelta | None) -> None:
    someone = visitor(idle_timeout=idle_timeout, absolute_timeout=None)
    clock.advance(timedelta(days=10_000))

    assert someone.look() == {"user": 7}


def test_a_shortened_absolute_limit_applies_to_existing_sessions(
    visit: Callable[[Sessions], Any], clock: FakeClock
) -> None:
    long = visit(Sessions("cookie", key="sid", secret_key_base=SECRET, clock=clock))
    short = visit(Sessions("cookie", key="sid", secret_key_base=SECRET, clock=clock, absolute_timeout=HOUR))
    with long.request() as session:
        session["user"] = 7
    clock.advance(HOUR)

    assert replay(short, long.browser["sid"]) == {}
    assert replay(long, long.browser["sid"]) == {"user": 7}


@pytest.mark.parametrize("idle_timeout", [1, 5, 9])
def test_a_short_idle_limit_counts_whole_seconds(visitor: Made, clock: FakeClock, idle_timeout: int) -> None:
    clock.advance(timedelta(microseconds=999_999))
    someone = visitor(idle_timeout=idle_timeout)

    clock.advance(timedelta(seconds=idle_timeout, microseconds=-999_999))
    assert replay(someone, someone.browser["sid"]) == {}
