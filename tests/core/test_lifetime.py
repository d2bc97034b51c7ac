"""Sessions whose lifetime a framework keeps in the session."""

import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from holdall import CookieStore, MemoryTable, Session, Sessions, TableStore
from holdall._session import state_of
from holdall._settings import Lifetime
from holdall.formats import NativeFormat
from holdall.testing import Browser, FakeClock

HOUR = timedelta(hours=1)


class UntilSession(Session):
    """A session that ends at the time under ``"until"``."""

    @staticmethod
    def _lifetime_of(data: Mapping[str, Any], usual: Lifetime) -> Lifetime:
        until = data.get("until")
        return usual._replace(ends=int(until.timestamp())) if until else usual


@pytest.fixture
def sessions(clock: FakeClock) -> Sessions:
    return Sessions(TableStore(MemoryTable(clock=clock)), key="sid", clock=clock)


@pytest.fixture
def begin(sessions: Sessions, clock: FakeClock) -> Callable[[timedelta], str]:
    def begin(after: timedelta) -> str:
        session = sessions.fetch(session_type=UntilSession)
        session["until"] = clock() + after
        (cookie,) = sessions.commit(session).cookies
        assert cookie.max_age == min(after, timedelta(days=30)).total_seconds()
        return f"sid={cookie.value}"

    return begin


def test_a_session_ends_at_its_time_however_it_is_used(
    sessions: Sessions, clock: FakeClock, begin: Callable[[timedelta], str]
) -> None:
    header = begin(2 * HOUR)

    for _ in range(2):
        session = sessions.fetch(header, session_type=UntilSession)
        assert "until" in session
        assert sessions.commit(session).cookies == ()
        clock.advance(HOUR)

    assert sessions.fetch(header, session_type=UntilSession).is_new


def test_a_fixed_time_does_not_outlast_the_absolute_timeout(
    sessions: Sessions, clock: FakeClock, begin: Callable[[timedelta], str]
) -> None:
    header = begin(timedelta(days=60))
    clock.advance(timedelta(days=30))

    assert sessions.fetch(header, session_type=UntilSession).is_new


@pytest.mark.parametrize(
    ("change", "left"),
    [({"path": "/"}, 2), ({"renew": True}, 2), ({"max_age": 60}, 60 / 24 / 3600), ({"max_age": timedelta(days=9)}, 2)],
    ids=str,
)
@pytest.mark.parametrize("store", ["cookie", "table"])
def test_a_cookie_does_not_outlast_the_absolute_timeout(
    clock: FakeClock, store: str, change: dict[str, Any], left: float
) -> None:
    in_cookie = store == "cookie"
    kept = CookieStore(NativeFormat(secrets.token_hex(32))) if in_cookie else TableStore(MemoryTable(clock=clock))
    sessions = Sessions(kept, key="sid", clock=clock, max_age=timedelta(days=7))
    session, days = sessions.fetch(), []
    session["n"] = 0
    for _ in range(8):
        (*_, cookie) = sessions.commit(session).cookies
        days.append(cookie.max_age / 24 / 3600)
        clock.advance(timedelta(days=4))
        session = sessions.fetch(f"{cookie.attributes.key}={cookie.value}")
        if len(days) == 7:
            session.configure(**change)
        session["n"] = session.get("n", 0) + 1

    # Used every four days; the last cookie is sent on the 28th day, two days before the end.
    assert days == [7, 7, 7, 7, 7, 7, 6, left]


def test_a_new_time_is_stored_and_sent_to_the_browser(
    sessions: Sessions, clock: FakeClock, begin: Callable[[timedelta], str]
) -> None:
    header = begin(HOUR)
    session = sessions.fetch(header, session_type=UntilSession)
    session["until"] = clock() + 3 * HOUR

    (cookie,) = sessions.commit(session).cookies

    assert cookie.max_age == 3 * 3600
    clock.advance(2 * HOUR)
    assert not sessions.fetch(header, session_type=UntilSession).is_new


def test_a_request_whose_write_was_lost_stays_late(sessions: Sessions, begin: Callable[[timedelta], str]) -> None:
    header = begin(HOUR)
    session = sessions.fetch(header, session_type=UntilSession)
    session["n"] = 1
    other = sessions.fetch(header, session_type=UntilSession)
    other.configure(drop=True)
    sessions.commit(other)

    sessions.commit(session)

    assert state_of(session).fetched.superseded


@pytest.mark.parametrize("max_age", [0, -1])
def test_a_cookie_that_expires_at_once_opens_nothing(clock: FakeClock, max_age: int) -> None:
    sessions = Sessions(TableStore(MemoryTable(clock=clock)), key="sid", max_age=max_age, clock=clock)
    session = sessions.fetch()
    session["n"] = 1

    (cookie,) = sessions.commit(session).cookies

    assert cookie.max_age == max_age
    assert sessions.resume(cookie.value).is_new


def test_an_age_in_the_far_past_ends_the_cookie(sessions: Sessions) -> None:
    session = sessions.fetch()
    session["n"] = 1
    session.configure(max_age=-(10**12))

    (cookie,) = sessions.commit(session).cookies

    assert "Max-Age=-34560000" in str(cookie)


def test_a_session_written_by_each_request_is_sent_again_as_often_as_one_that_is_read(clock: FakeClock) -> None:
    week = timedelta(days=7)
    sessions = Sessions(
        TableStore(MemoryTable(clock=clock)), key="sid", clock=clock, idle_timeout=week, max_age=7 * 24 * 3600
    )
    browser = Browser(clock=clock)

    for hour in range(10 * 24):
        session = sessions.fetch(browser.header())
        assert session.get("hours", 0) == hour
        session["hours"] = hour + 1
        browser.keep([str(cookie) for cookie in sessions.commit(session).cookies])
        clock.advance(HOUR)
