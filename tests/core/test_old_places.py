"""A cookie that had another domain, path or partition before: all visitors get in, and the old cookie is removed."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from holdall import ConfigurationError, CookieStore, Event, MemoryTable, Sessions, TableStore
from holdall.formats import NativeFormat
from holdall.testing import Browser, FakeClock

SECRET = "6f1d2c93a8e04b57bb0f1e6d7c5a49382f6b0e1d4c7a85930f2e6b1d8c4a7590"

# Whether a browser still sends the old cookie with each request depends on its path.
PLACES: dict[str, dict[str, Any]] = {
    "host": {},
    "domain": {"domain": "shop.example"},
    "the very host": {"domain": ".WWW.shop.example"},
    "path": {"path": "/shop"},
    "longer path": {"path": "/shop/cart"},
    "domain and path": {"domain": "shop.example", "path": "/shop"},
    "partitioned": {"partitioned": True, "same_site": "None"},
}
MOVES = [(old, new) for old, new in product(PLACES, PLACES) if old != new]
NOT_GIVEN = {"domain": None, "path": "/", "partitioned": False}

KINDS = ["cookie", "table"]
Make = Callable[..., Sessions]


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, clock: FakeClock, events: list[Event]) -> Make:
    """Make Sessions of one store, whose cookie is in some place."""
    store = CookieStore(NativeFormat(SECRET), clock=clock)
    if request.param == "table":
        store = TableStore(MemoryTable(clock=clock))

    def make(place: dict[str, Any], *old: dict[str, Any], **options: Any) -> Sessions:
        given = {"key": "_shop", "secure": True, "principal_key": "user", "clock": clock, "on_event": events.append}
        if old:
            given["old_keys"] = {"_shop": [NOT_GIVEN | each for each in old]}
        return Sessions(store, **{**given, **place, **options})

    return make


@pytest.fixture
def browser(clock: FakeClock) -> Browser:
    return Browser(clock=clock)


def visit(browser: Browser, sessions: Sessions, path: str = "/shop/cart/", **put: Any) -> dict[str, Any]:
    """Let the browser visit a page that writes to its session, and return the data."""
    session = sessions.fetch(browser.header(path, https=True), https=True)
    session.update(put)
    data = dict(session)
    browser.keep([str(cookie) for cookie in sessions.commit(session).cookies], path, https=True)
    return data


def log_in(browser: Browser, sessions: Sessions, user: int, path: str = "/shop/cart/") -> None:
    session = sessions.fetch(browser.header(path, https=True), https=True)
    session.login(user)
    browser.keep([str(cookie) for cookie in sessions.commit(session).cookies], path, https=True)


def log_out(browser: Browser, sessions: Sessions, path: str = "/shop/cart/") -> None:
    session = sessions.fetch(browser.header(path, https=True), https=True)
    session.logout()
    browser.keep([str(cookie) for cookie in sessions.commit(session).cookies], path, https=True)


def places_of(browser: Browser) -> Iterator[tuple[str, str, bool]]:
    return ((kept.domain, kept.path, kept.partitioned) for kept in browser.jar)


@pytest.mark.parametrize(("old", "new"), MOVES)
def test_a_session_moves_to_the_new_place(make: Make, browser: Browser, clock: FakeClock, old: str, new: str) -> None:
    before, after = make(PLACES[old]), make(PLACES[new], PLACES[old])
    visit(browser, before, n=1)

    assert visit(browser, after) == {"n": 1}
    assert visit(browser, after, m=2) == {"n": 1, "m": 2}
    log_in(browser, after, 7)

    assert len(browser.jar) == 1
    assert visit(browser, after) == {"n": 1, "m": 2, "user": 7}
    held = {kept.place for kept in browser.jar}
    log_out(browser, after)
    assert held.isdisjoint(kept.place for kept in browser.jar)
    assert visit(browser, after) == {}


@pytest.mark.parametrize(("old", "new"), MOVES)
@pytest.mark.parametrize("seconds", [0, 1, 10 * 24 * 3600])
def test_a_login_next_to_an_older_session_counts_and_the_old_cookie_is_removed(
    make: Make, browser: Browser, clock: FakeClock, old: str, new: str, seconds: int
) -> None:
    before, unaware, after = make(PLACES[old], idle_timeout=None), make(PLACES[new]), make(PLACES[new], PLACES[old])
    log_in(browser, before, 7)
    clock.advance(timedelta(seconds=seconds))
    # A login on a page that the old cookie is not sent to, or by a process that does not know about it.
    browser.keep([str(cookie) for cookie in fresh_login(unaware, 8)], "/shop/cart/", https=True)
    assert len(browser.jar) == 2

    log_in(browser, after, 9)

    assert len(browser.jar) == 1
    assert visit(browser, after)["user"] == 9


def fresh_login(sessions: Sessions, user: int) -> tuple[Any, ...]:
    session = sessions.fetch(https=True)
    session.login(user)
    return sessions.commit(session).cookies


@pytest.mark.parametrize(("old", "new"), MOVES)
def test_of_two_live_sessions_the_newest_counts_and_the_next_write_expires_the_other(
    make: Make, browser: Browser, clock: FakeClock, events: list[Event], old: str, new: str
) -> None:
    before, unaware, after = make(PLACES[old]), make(PLACES[new]), make(PLACES[new], PLACES[old])
    browser.keep([str(cookie) for cookie in fresh_login(before, 7)], https=True)
    clock.advance(timedelta(hours=1))
    browser.keep([str(cookie) for cookie in fresh_login(unaware, 8)], https=True)
    assert len(browser.jar) == 2

    assert visit(browser, after) == {"user": 8}
    assert len(browser.jar) == 2
    assert visit(browser, after, n=1) == {"user": 8, "n": 1}

    (kept,) = places_of(browser)
    assert visit(browser, unaware) == {"user": 8, "n": 1}
    assert kept in places_after(unaware)
    assert "rejected" not in [event.name for event in events]


def places_after(sessions: Sessions) -> Iterator[tuple[str, str, bool]]:
    browser = Browser()
    browser.keep([str(cookie) for cookie in fresh_login(sessions, 1)], https=True)
    return places_of(browser)


def test_a_newer_session_in_the_old_place_is_moved_to_the_new_one(
    make: Make, browser: Browser, clock: FakeClock
) -> None:
    before, after = make({"domain": "shop.example"}), make({}, {"domain": "shop.example"})
    browser.keep([str(cookie) for cookie in fresh_login(after, 7)], https=True)
    clock.advance(timedelta(hours=1))
    browser.keep([str(cookie) for cookie in fresh_login(before, 8)], https=True)

    assert visit(browser, after, n=1) == {"user": 8, "n": 1}

    assert [kept.host_only for kept in browser.jar] == [True]
    assert visit(browser, after) == {"user": 8, "n": 1}


def test_an_ended_session_in_the_old_place_hides_none_and_is_removed(
    make: Make, browser: Browser, clock: FakeClock
) -> None:
    before, after = make({"domain": "shop.example"}), make({}, {"domain": "shop.example"})
    browser.keep([str(cookie) for cookie in fresh_login(before, 7)], https=True)
    clock.advance(timedelta(days=8))
    browser.keep([str(cookie) for cookie in fresh_login(make({}), 8)], https=True)

    assert visit(browser, after, n=1) == {"user": 8, "n": 1}
    assert len(browser.jar) == 1


def test_more_sessions_than_places_are_ambiguous(make: Make, clock: FakeClock, events: list[Event]) -> None:
    after = make({}, {"domain": "shop.example"})
    cookies = [f"_shop={fresh_login(after, user)[0].value}" for user in (7, 8, 9)]
    events.clear()

    assert dict(after.fetch("; ".join(cookies))) == {}
    assert [(event.name, event.reason) for event in events] == [("rejected", "duplicate")]
    assert dict(after.fetch("; ".join(cookies[:2]))) == {"user": 8}


def test_of_sessions_without_limits_the_one_that_began_last_counts(make: Make, clock: FakeClock) -> None:
    after = make({}, {"path": "/shop"}, idle_timeout=None, absolute_timeout=None)
    older = f"_shop={fresh_login(after, 7)[-1].value}"
    clock.advance(timedelta(hours=1))
    newer = f"_shop={fresh_login(after, 8)[-1].value}"

    assert dict(after.fetch(f"{older}; {newer}")) == dict(after.fetch(f"{newer}; {older}")) == {"user": 8}


def test_an_added_domain_is_expired_once(make: Make, clock: FakeClock) -> None:
    after = make({"domain": "shop.example"}, {})
    cookies = [fresh_login(after, user)[0] for user in (7, 8)]
    session = after.fetch("; ".join(f"{each.attributes.key}={each.value}" for each in cookies), https=True)
    session.login(9)

    sent = after.commit(session).cookies

    assert [each.attributes.domain for each in sent if not each.value].count(None) == 1
    assert [each.attributes.domain for each in sent if each.value] == ["shop.example"]


def test_several_old_places_are_cleared_at_once(make: Make, browser: Browser) -> None:
    old = [PLACES["domain"], PLACES["path"], PLACES["longer path"]]
    for user, place in enumerate(old):
        browser.keep([str(cookie) for cookie in fresh_login(make(place), user)], https=True)
    after = make({}, *old)

    log_in(browser, after, 9)

    assert [kept.host_only for kept in browser.jar] == [True]
    assert visit(browser, after) == {"user": 9}


@pytest.mark.parametrize("old_key", ["_shop", "_old"])
@pytest.mark.parametrize("end", [log_out, lambda browser, sessions, path: log_in(browser, sessions, 8, path)])
def test_a_cookie_for_another_path_is_removed_although_it_was_not_sent(
    make: Make, browser: Browser, old_key: str, end: Callable[..., None]
) -> None:
    before = make({"path": "/shop"}, key=old_key)
    log_in(browser, before, 7)
    after = make({}, old_keys={old_key: {"path": "/shop"}})
    log_in(browser, make({}), 7, "/account")
    assert len(browser.jar) == 2

    end(browser, after, "/account")

    assert visit(browser, after, "/shop/").get("user") != 7
    assert all(kept.path == "/" for kept in browser.jar)


def test_a_first_login_expires_no_cookie_that_cannot_exist(make: Make) -> None:
    after = make({}, {"domain": "shop.example"})

    assert len(fresh_login(after, 7)) == 1


def test_after_read_old_until_an_old_place_makes_a_duplicate_again(
    make: Make, browser: Browser, clock: FakeClock, events: list[Event]
) -> None:
    end = clock() + timedelta(days=1)
    before, after = make({"domain": "shop.example"}), make({}, {"domain": "shop.example"}, read_old_until=end)
    browser.keep([str(cookie) for cookie in fresh_login(before, 7)], https=True)
    clock.advance(timedelta(hours=1))
    browser.keep([str(cookie) for cookie in fresh_login(make({}), 8)], https=True)
    assert visit(browser, after) == {"user": 8}

    clock.advance(timedelta(days=1))

    assert visit(browser, after) == {}
    assert events[-1].reason == "duplicate"
    log_in(browser, after, 9)
    assert visit(browser, after) == {"user": 9}


def test_an_added_domain_locks_no_user_out_even_unconfigured(make: Make, browser: Browser, clock: FakeClock) -> None:
    before, after = make({}), make({"domain": "shop.example"})
    browser.keep([str(cookie) for cookie in fresh_login(before, 7)], https=True)
    clock.advance(timedelta(hours=1))
    browser.keep([str(cookie) for cookie in fresh_login(after, 7)], https=True)

    log_in(browser, after, 8)

    assert visit(browser, after) == {"user": 8}
    assert len(browser.jar) == 1


@pytest.mark.parametrize("store", KINDS)
def test_without_its_old_places_another_session_of_ours_is_a_duplicate(store: str, clock: FakeClock) -> None:
    options = {"table": "places"} if store == "table" else {"secret_key_base": SECRET}
    sessions = Sessions(store, key="_shop", principal_key="user", clock=clock, **options)  # type: ignore[arg-type]
    cookies = "; ".join(f"_shop={fresh_login(sessions, user)[0].value}" for user in (7, 8))

    assert dict(sessions.fetch(cookies)) == {}


# Refused settings.

FAR = datetime(2027, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"old_keys": {"_shop": {}}}, "has the present key='_shop' in its present place"),
        ({"old_keys": {"_shop": {"secure": False}}}, "in its present place, where a browser replaces the cookie"),
        ({"old_keys": {"_shop": [{"path": "/a"}, {"same_site": "Strict"}]}}, "in its present place"),
        ({"old_keys": {"_shop": {"domain": ".A.example"}}, "domain": "a.example"}, "in its present place"),
        ({"old_keys": {"_shop": "shop.example"}}, r"old_keys\['_shop'\] is 'shop.example': pass the options"),
        ({"old_keys": {"_shop": [{"path": "no slash"}]}}, "a path begins with '/'"),
        ({"old_keys": {"_shop": [{"Path": "/"}]}}, "a cookie in old_keys does not take Path"),
        ({"key": "__Host-shop", "old_keys": {"__Host-shop": {"path": "/shop"}}}, "is only kept with path='/'"),
        ({"key": "__Host-shop", "old_keys": ["_shop"]}, "another host can set it for yours.*read_old_until="),
        ({"key": "__Host-shop", "old_keys": ["__Secure-shop"]}, "promises less than '__Host-shop'"),
        ({"key": "__Host-Http-shop", "old_keys": ["__Host-shop"]}, "promises less than '__Host-Http-shop'"),
        ({"key": "__Http-shop", "old_keys": ["__Host-shop"]}, "promises less than '__Http-shop'"),
        ({"key": "__Secure-shop", "old_keys": ["_shop"]}, "promises less than '__Secure-shop'"),
        ({"old_keys": ["_old"], "read_old_until": "2027-01-31"}, "read_old_until='2027-01-31' is not a datetime"),
        ({"read_old_until": FAR}, "a store passed as an object does not take read_old_until"),
    ],
)
def test_invalid_settings_are_refused_at_startup(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Sessions(TableStore(MemoryTable()), **{"key": "_shop", **options})


@pytest.mark.parametrize(
    "options",
    [
        {"old_keys": ["_old"]},
        {"old_keys": {"_shop": {"domain": "shop.example"}}},
        {"old_keys": {"_shop": []}},
        {"key": "_shop", "old_keys": ["__Host-shop"]},
        {"key": "__Secure-shop", "old_keys": ["__Host-shop"]},
        {"key": "__Host-shop", "old_keys": ["__Host-Http-shop"]},
        {"key": "__Secure-shop", "old_keys": ["__Http-shop"]},
        {"key": "__Host-shop", "old_keys": ["_shop"], "read_old_until": FAR},
        {"key": "__Host-shop", "old_keys": {"__Host-shop": {"partitioned": True}}},
    ],
)
def test_valid_settings_are_accepted(options: dict[str, Any]) -> None:
    assert Sessions(TableStore(MemoryTable()), **{"key": "_shop", **options})


@pytest.mark.parametrize("store", KINDS)
def test_a_store_given_by_name_stops_reading_old_names_at_the_same_time(store: str, clock: FakeClock) -> None:
    options = {"table": "ended"} if store == "table" else {"secret_key_base": SECRET}
    before = Sessions(store, key="_old", principal_key="user", clock=clock, **options)  # type: ignore[arg-type]
    after = Sessions(store, key="__Host-shop", old_keys=["_old"], read_old_until=clock() + timedelta(hours=1),
                     principal_key="user", clock=clock, **options)  # type: ignore[arg-type]  # fmt: skip
    header = f"_old={fresh_login(before, 7)[0].value}"

    assert dict(after.fetch(header)) == {"user": 7}
    clock.advance(timedelta(hours=1))

    session = after.fetch(header)
    assert dict(session) == {}
    session.login(8)
    # It is no longer read, but still removed.
    assert next(str(cookie) for cookie in after.commit(session).cookies).startswith("_old=;")
