"""A logout that races with a renewal or a login, in every order of the table's operations."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from commuting import every_order
from holdall import MemoryTable, ResponseStartedError, Session, Sessions, TableStore
from holdall._lifecycle import commit, fetch
from holdall._session import state_of
from holdall._settings import Lifetime
from holdall.steps import Steps
from holdall.stores._principals import owner
from holdall.testing import Browser, FakeClock


def _request(
    sessions: Sessions, clock: FakeClock, cookie: str, act: Callable[[Session], Any]
) -> Steps[tuple[str, ...]]:
    session = sessions.resume(cookie)
    state, now = state_of(session), int(clock().timestamp())
    state.take((yield from fetch((cookie,), state.backend, now=now)))
    act(session)
    headers = yield from commit(state, now=now)
    return tuple(map(str, headers.cookies))


class _Both:
    """Two requests with the cookie of a session that holds *begin*."""

    def __init__(self, begin: dict[str, Any], acts: list[Callable[[Session], Any]]) -> None:
        self.clock = clock = FakeClock()
        self.table = MemoryTable(clock=clock)
        self.sessions = Sessions(TableStore(self.table), key="sid", clock=clock, principal_key="user")
        session = self.sessions.fetch()
        session.update(begin)
        self.cookie = self.sessions.commit(session).cookie or ""
        self.requests = [_request(self.sessions, clock, self.cookie, act) for act in acts]
        self.answers: list[tuple[str, ...]] = []

    def seen_after(self, *arrivals: int) -> dict[str, Any]:
        """Return the data behind the browser's cookie when the responses have arrived in this order."""
        browser = Browser(clock=self.clock)
        browser.keep([f"sid={self.cookie}; path=/"])
        for number in arrivals:
            browser.keep(self.answers[number])
        return dict(self.sessions.resume(browser.get("sid")))


def _in_every_order(begin: dict[str, Any], acts: list[Callable[[Session], Any]]) -> Iterator[_Both]:
    both: _Both

    def make() -> list[Steps[Any]]:
        nonlocal both
        both = _Both(begin, acts)
        return both.requests

    count = 0
    for answers in every_order(make):
        both.answers, count = answers, count + 1
        yield both
    # Not only one after the other.
    assert count > 2


@pytest.mark.parametrize(
    "leave", [lambda session: session.configure(drop=True), lambda session: session.logout()], ids=["drop", "logout"]
)
def test_a_logout_during_a_renewal_ends_the_session_in_every_order(leave: Callable[[Session], Any]) -> None:
    renew = lambda session: session.configure(renew=True)  # noqa: E731
    for both in _in_every_order({"user": 7}, [leave, renew]):
        assert all(each.is_tombstone for each in both.table.find(owner("7", "", "sid")))
        assert both.seen_after(0, 1) == both.seen_after(1, 0) == {}


def test_a_logout_with_the_cookie_from_before_a_login_leaves_the_login_alone() -> None:
    leave = lambda session: session.configure(drop=True)  # noqa: E731
    for both in _in_every_order({"cart": 1}, [leave, lambda session: session.login(7)]):
        assert len(both.table.find(owner("7", "", "sid"))) == 1
        assert both.seen_after(0, 1).get("user") == 7


def test_each_response_of_two_concurrent_logins_logs_in() -> None:
    login = lambda session: session.login(7)  # noqa: E731
    for both in _in_every_order({"cart": 1}, [login, login]):
        assert both.seen_after(0)["user"] == both.seen_after(1)["user"] == 7
        assert both.seen_after(0, 1)["user"] == both.seen_after(1, 0)["user"] == 7
        assert dict(both.sessions.resume(both.cookie)) == {}


@pytest.mark.parametrize("first", ["the shorter", "the other"])
def test_an_expiry_shortened_by_another_request_stays_short(clock: FakeClock, first: str) -> None:
    class Limited(Session):
        @staticmethod
        def _lifetime_of(data: Any, usual: Lifetime) -> Lifetime:
            return usual if "minutes" not in data else usual._replace(idle=usual.idle // 100)

    table = MemoryTable(clock=clock)
    sessions = Sessions(TableStore(table), key="sid", clock=clock)
    session = sessions.fetch(session_type=Limited)
    session["cart"] = 1
    cookie = sessions.commit(session).cookie

    shorter, other = (sessions.resume(cookie, session_type=Limited) for _ in range(2))
    shorter["minutes"] = 1
    other["cart"] = 2
    for each in (shorter, other) if first == "the shorter" else (other, shorter):
        sessions.commit(each)

    assert dict(sessions.resume(cookie)) == {"cart": 2, "minutes": 1}
    assert sessions.resume(cookie).expires == shorter.expires


def test_copies_of_one_cookie_are_one_session_and_the_newest_counts(clock: FakeClock) -> None:
    secret = "6f1d2c93a8e04b57bb0f1e6d7c5a49382f6b0e1d4c7a85930f2e6b1d8c4a7590"
    before = Sessions("cookie", key="_shop", secret_key_base=secret, clock=clock)
    now = Sessions("cookie", key="_shop", secret_key_base=secret, clock=clock, domain="example.org")
    session = before.fetch()
    session["user_id"] = 7
    (old,) = before.commit(session).cookies
    session = now.fetch(f"_shop.e={old.value}")
    session["cart"] = 1
    (new,) = now.commit(session).cookies

    session = now.fetch(f"_shop.e={old.value}; _shop.e={new.value}")
    assert dict(session) == {"user_id": 7, "cart": 1}
    session.logout()
    answer = [str(cookie) for cookie in now.commit(session).cookies]

    assert [cookie.split("; expires")[0] for cookie in answer[:-1]] == [
        "_shop.e=; path=/",
        "_shop.e=; path=/; domain=example.org",
    ]
    # The mark, so that no late response brings it back.
    assert answer[-1].startswith("_shop.h=")


def test_another_visitors_cookie_next_to_ours_opens_neither_session(clock: FakeClock) -> None:
    sessions = Sessions("table", table="beside", key="sid", clock=clock)
    cookies = []
    for user in (7, 8):
        session = sessions.fetch()
        session["user"] = user
        cookies.append(f"sid={sessions.commit(session).cookie}")

    assert dict(sessions.fetch("; ".join(cookies))) == {}


@pytest.mark.parametrize(("user", "stays"), [(None, {}), (8, {"user": 7, "cart": 1})])
def test_a_failed_request_keeps_only_the_logout(user: int | None, stays: dict[str, Any]) -> None:
    sessions = Sessions("table", table="failing", key="sid", principal_key="user")
    session = sessions.fetch()
    session.update(user=7, cart=1)
    cookie = sessions.commit(session).cookie

    failing = sessions.resume(cookie)
    if user is None:
        failing.clear()
    else:
        failing["user"] = user
    said = sessions.commit(failing, status=500)

    assert dict(sessions.resume(said.cookie)) == stays


def test_an_unread_session_makes_a_streaming_response_vary() -> None:
    sessions = Sessions("table", table="streaming", key="sid")

    assert not sessions.commit(sessions.fetch()).vary
    assert sessions.commit(sessions.fetch(), streams=True).vary


def test_a_limit_beyond_the_last_cookie_date_is_cut_to_it() -> None:
    secret = "6f1d2c93a8e04b57bb0f1e6d7c5a49382f6b0e1d4c7a85930f2e6b1d8c4a7590"
    years = 90 * 365 * 24 * 3600
    sessions = Sessions("cookie", key="_shop", secret_key_base=secret, idle_timeout=years, absolute_timeout=years)
    session = sessions.fetch()
    session["user"] = 7

    session = sessions.resume(sessions.commit(session).cookie)

    assert session["user"] == 7


def test_a_principal_that_is_not_text_is_refused_before_the_old_id_is_removed() -> None:
    sessions = Sessions("table", table="no-text", key="sid", principal_key="user")
    session = sessions.fetch()
    session["cart"] = 1
    cookie = sessions.commit(session).cookie

    login = sessions.resume(cookie)
    with pytest.raises(TypeError, match="'user'"):
        login.login("\ud800")
    # A mutation in place is noticed only now.
    login["user"] = names = ["ada"]
    names[0] = "7" * 3000
    with pytest.raises(TypeError, match="'user'"):
        sessions.commit(login)

    assert dict(sessions.resume(cookie)) == {"cart": 1}


def test_a_session_logged_out_during_the_body_takes_no_more_changes() -> None:
    sessions = Sessions("table", table="late-logout", key="sid")
    session = sessions.fetch()
    session["cart"] = 1
    cookie = sessions.commit(session).cookie
    session.logout()

    with pytest.raises(ResponseStartedError):
        session["cart"] = 2
    sessions.finish(session)

    assert dict(sessions.resume(cookie)) == {}
