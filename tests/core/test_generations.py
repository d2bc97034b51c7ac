"""Logins and logouts in cookies: in whatever order responses arrive, a late one never undoes what came after it."""

import secrets
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import combinations_with_replacement
from typing import Any

import pytest

from core.orders import ACTS, Act, answer, faults, library_logout, login, logout, read, renew, visit, write
from holdall import ConfigurationError, CookieStore, MemoryTable, Sessions
from holdall._cookies import SUFFIXES
from holdall.adapters import SessionGroup
from holdall.formats import FlaskFormat, NativeFormat, Record
from holdall.stores import _generations as generations
from holdall.stores._cookie import SealedSession
from holdall.testing import Browser, FakeClock

SECRET = secrets.token_hex(32)
KEY = "__Host-sid"


def make(clock: FakeClock, store: Any = None, *, key: str = KEY, **options: Any) -> Sessions:
    store = store or CookieStore(NativeFormat(SECRET), clock=clock)
    return Sessions(store, key=key, clock=clock, principal_key="user_id", secure=True, **options)


def make_revocable(clock: FakeClock) -> Sessions:
    given: Any = {"secret_key_base": SECRET, "revocable": MemoryTable(clock=clock), "secure": True}
    return Sessions("cookie", key=KEY, principal_key="user_id", clock=clock, **given)


def found(generation: int | None, lines: bytes, *, created: int = 1000) -> SealedSession:
    return SealedSession("cookie", Record({}, created, 2000, secrets.token_hex(8), generation, lines))


def test_a_session_without_a_generation_outranks_none_and_is_outranked_by_none() -> None:
    sessions = [found(3, b"line"), found(None, b"")]

    assert generations.latest(sessions, 1000) == sessions


@pytest.mark.parametrize(("generation", "counts"), [(generations.LOGIN - 1, False), (generations.LOGIN, True)])
def test_on_a_first_visit_a_higher_generation_outranks_only_what_is_anonymous(generation: int, counts: bool) -> None:
    first, planted = found(generation, b"line"), found(generations.LOGIN + 1, b"else")

    assert (first in generations.latest([first, planted], 1000)) is counts


STARTS = (None, write, login)


@pytest.mark.parametrize("start", STARTS, ids=["nothing", "anonymous", "logged in"])
@pytest.mark.parametrize("make_sessions", [make, make_revocable], ids=["plain", "revocable"])
def test_no_order_of_two_requests_brings_a_login_back_or_loses_one(
    make_sessions: Callable[[FakeClock], Sessions], start: Act | None
) -> None:
    for acts in combinations_with_replacement(ACTS, 2):
        # As in a table, a request whose cookie was renewed before it was read sees an empty session, in which a library
        # finds no login to remove.
        sees_nothing = make_sessions is make_revocable and library_logout in acts and renew in acts
        assert (acts, faults(make_sessions, start, acts) - ({"login is back"} if sees_nothing else set())) == (
            acts,
            set(),
        )


@pytest.mark.parametrize("start", STARTS, ids=["nothing", "anonymous", "logged in"])
@pytest.mark.parametrize("make_sessions", [make, make_revocable], ids=["plain", "revocable"])
def test_no_order_of_three_requests_brings_a_login_back_or_loses_one(
    make_sessions: Callable[[FakeClock], Sessions], start: Act | None
) -> None:
    for acts in combinations_with_replacement((write, renew, login, logout), 3):
        # Two logins from different generations are duplicates: see below.
        if acts.count(login) < 2:
            assert (acts, faults(make_sessions, start, acts)) == (acts, set())


class Forgetful(NativeFormat):
    """A store without generations, as in earlier versions."""

    keeps_generations = False


def found_by(make_sessions: Callable[[FakeClock], Sessions], acts: Iterable[tuple[Act, ...]]) -> set[str]:
    return {fault for each in acts for start in STARTS for fault in faults(make_sessions, start, each)}


def test_the_orders_show_what_a_cookie_without_generations_loses() -> None:
    def forgetful(clock: FakeClock) -> Sessions:
        return make(clock, CookieStore(Forgetful(SECRET), clock=clock))

    assert found_by(forgetful, [(write, login), (write, logout)]) == {"login is back", "logged out"}


def test_the_orders_detect_equal_strides(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGIN", "LOGOUT"):
        monkeypatch.setattr(f"holdall.stores._cookie.{name}", 1)

    assert found_by(make, [(renew, login), (renew, logout)]) == {"login is back", "logged out"}


def test_the_orders_detect_too_few_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (
        "_cookies",
        "_cookie_header",
        "_lifecycle.actions",
        "_lifecycle.headers",
        "_sessions",
        "stores._generations",
    ):
        monkeypatch.setattr(f"holdall.{place}.SUFFIXES", SUFFIXES[:2])

    assert "logged out" in found_by(make, [(write, logout, login)])


def test_the_orders_detect_a_logout_without_a_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdall._lifecycle.actions.mark_of", lambda *args: ())

    assert found_by(make, [(write, logout)]) == {"login is back"}


def test_after_two_independent_logins_the_next_one_counts() -> None:
    clock = FakeClock()
    sessions, browser = make(clock), Browser(clock=clock)
    visit(browser, sessions, write)
    before = browser.header(https=True)
    visit(browser, sessions, renew)
    visit(browser, sessions, login)

    browser.keep(answer(sessions, before, login), https=True)

    assert visit(browser, sessions) == {}
    assert visit(browser, sessions, login)["user_id"] == 7
    assert len(browser.jar) == 1


def names(browser: Browser) -> list[str]:
    return [kept.name.removeprefix(KEY) for kept in browser.jar]


def test_the_names_alternate_and_usually_one_exists() -> None:
    clock = FakeClock()
    sessions, browser = make(clock), Browser(clock=clock)

    seen = []
    for act in (write, renew, login, write, logout, write, logout, login):
        visit(browser, sessions, act)
        seen += names(browser)

    # 0, 1, 6, 6, the mark 9, 9, the mark 12, 17
    assert seen == ["", ".a", ".f", ".f", ".i", ".i", "", ".e"]


def test_a_read_sends_nothing_but_removes_a_late_responses_cookie() -> None:
    clock = FakeClock()
    sessions, browser = make(clock), Browser(clock=clock)
    visit(browser, sessions, write)
    late = answer(sessions, browser.header(https=True), write)
    visit(browser, sessions, login)
    browser.keep(late, https=True)
    assert names(browser) == [".e", ""]

    (removed,) = answer(sessions, browser.header(https=True), read)
    browser.keep([removed], https=True)

    assert removed.startswith(f"{KEY}=; path=/; expires=Thu, 01 Jan 1970")
    assert answer(sessions, browser.header(https=True), read) == []


def test_the_mark_of_a_logout_lasts_as_long_as_a_late_cookie_could() -> None:
    clock = FakeClock()
    sessions, browser = make(clock, max_age=3600, idle_timeout=3600), Browser(clock=clock)
    visit(browser, sessions, login)
    header = browser.header(https=True)

    *_, mark = answer(sessions, header, logout)

    assert "Max-Age=7200" in mark
    assert "expires" not in answer(make(clock), header, logout)[-1]


def test_a_cookie_that_expires_at_once_leaves_no_mark() -> None:
    clock = FakeClock()
    sessions = make(clock)
    session = sessions.fetch(answer(sessions, "", login)[-1].partition(";")[0], https=True)
    session.logout()
    state = session._state
    state.lifetime_before = state.lifetime_before._replace(max_age=0)  # type: ignore[union-attr]

    assert [cookie.value for cookie in sessions.commit(session).cookies] == [None]


# What an attacker can plant.


def planted(browser: Browser, sessions: Sessions, acts: Iterable[Act]) -> tuple[Browser, list[str]]:
    """Return the attacker's browser after *acts*, and its cookies as a neighbouring host plants them."""
    attacker = Browser(clock=browser._clock)
    attacker.keep([f"{kept.name}={kept.value}; path=/; secure" for kept in browser.jar], https=True)
    for act in acts:
        visit(attacker, sessions, act)
    return attacker, [f"{kept.name}={kept.value}; path=/; secure; domain={attacker.host}" for kept in attacker.jar]


@pytest.mark.parametrize("known", [True, False], ids=["from a planted session", "from nothing"])
@pytest.mark.parametrize("acts", [(login,), (login, logout, login), (renew,) * 9, (renew,) * 9 + (login,)])
def test_a_planted_higher_generation_does_not_take_over_a_login(known: bool, acts: tuple[Act, ...]) -> None:
    clock = FakeClock()
    sessions, victim = make(clock, key="sid"), Browser(clock=clock)
    visit(victim, sessions, write)
    _, cookies = planted(victim if known else Browser(clock=clock), sessions, [write, *acts, write])
    session = sessions.fetch(victim.header(https=True), https=True)
    session.login(8)
    victim.keep([str(cookie) for cookie in sessions.commit(session).cookies], https=True)
    clock.advance(timedelta(minutes=10))

    victim.keep(cookies, https=True)

    # Either the victim's own or none, as with two cookies of one name.
    assert dict(sessions.fetch(victim.header(https=True), https=True)).get("user_id") in (8, None)


def test_a_planted_login_does_not_take_over_an_anonymous_session() -> None:
    clock = FakeClock()
    sessions, victim = make(clock, key="sid"), Browser(clock=clock)
    visit(victim, sessions, write)
    clock.advance(timedelta(minutes=10))
    _, cookies = planted(Browser(clock=clock), sessions, [login])

    victim.keep(cookies, https=True)

    assert visit(victim, sessions) == {}
    # A session that begins then does not give way to it either.
    assert visit(victim, sessions, write) == {}


def test_the_comparison_by_line_matters_against_planted_cookies(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_number(one: Any, other: Any, now: int) -> bool:
        return bool(one.generation > other.generation)

    monkeypatch.setattr(generations, "_outranks", by_number)

    with pytest.raises(AssertionError):
        test_a_planted_higher_generation_does_not_take_over_a_login(known=False, acts=(login, logout, login))


# Setup.


def test_sessions_whose_names_would_collide_are_refused() -> None:
    clock = FakeClock()
    one, other = make(clock), Sessions("cookie", key=f"{KEY}.c", secret_key_base=SECRET)

    with pytest.raises(ConfigurationError, match=r"read the cookie '__Host-sid\.c'"):
        SessionGroup(one, [other], form="sync")
    with pytest.raises(ConfigurationError, match=r"old_keys differ only by a suffix, '\.a' to '\.k'"):
        make(clock, old_keys=[f"{KEY}.a"])


def test_a_format_without_generations_uses_one_name() -> None:
    clock = FakeClock()
    sessions, browser = make(clock, CookieStore(FlaskFormat(SECRET))), Browser(clock=clock)
    for act in (write, login, write, renew):
        visit(browser, sessions, act)
        assert names(browser) == [""]

    visit(browser, sessions, logout)

    assert browser.jar == []


def test_a_cookie_can_be_limited_to_one_name() -> None:
    clock = FakeClock()
    browser = Browser(clock=clock)
    visit(browser, make(clock), login)
    sessions = Sessions("cookie", key=KEY, secret_key_base=SECRET, generations=False, clock=clock)

    assert visit(browser, sessions, write) == {"user_id": 7, "n": 1}
    assert names(browser) == [""]
    visit(browser, sessions, logout)

    assert browser.jar == []


def test_switching_generations_off_still_reads_each_name_once_more() -> None:
    clock = FakeClock()
    browser = Browser(clock=clock)
    visit(browser, make(clock), login)
    sessions = make(clock, CookieStore(FlaskFormat(SECRET), also_read=[NativeFormat(SECRET)]))

    assert visit(browser, sessions, write) == {"user_id": 7, "n": 1}
    assert names(browser) == [""]


def test_an_old_name_is_read_with_its_suffixes() -> None:
    clock = FakeClock()
    browser = Browser(clock=clock)
    before = Sessions("cookie", key="__Host-old", secret_key_base=SECRET, clock=clock)
    after = Sessions("cookie", key=KEY, old_keys=["__Host-old"], secret_key_base=SECRET, clock=clock)
    visit(browser, before, login)

    assert visit(browser, after, write) == {"user_id": 7, "n": 1}
    assert names(browser) == [".e"]
    visit(browser, after, logout)
    browser.keep(answer(before, "", login), https=True)

    # The marker under the current name takes precedence over anything under an old one.
    assert visit(browser, after) == {}
