"""Sessions kept in the browser."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from holdall import ConfigurationError, CookieStore, Event, Sessions
from holdall.formats import FlaskFormat, Format, NativeFormat, Record
from holdall.stores import NotFound
from holdall.testing import FakeClock

SECRET = "6f1d2c93a8e04b57bb0f1e6d7c5a49382f6b0e1d4c7a85930f2e6b1d8c4a7590"
FORMER = "d47c1f0b93e64a2f8b5d7e1c2a9f306854b1e07d9c3f8a62b5e4d1c0f7a69382"
OLDEST = "0a9c4e7d1b2f38654f6e8d7c9b0a1f2e3d4c5b6a798f0e1d2c3b4a5968778695"

NEW, OLD, VERY_OLD = NativeFormat(SECRET), NativeFormat(FORMER), NativeFormat(OLDEST)


def cookie_of(visit: Callable[[Sessions], Any], format: Format, clock: FakeClock) -> str:
    """Return the cookie of a session that *format* sealed."""
    visitor = visit(Sessions(CookieStore(format), key="_shop", clock=clock))
    with visitor.request() as session:
        session["user"] = 7
    cookie: str = visitor.browser["_shop"]
    return cookie


@pytest.fixture
def rotated(clock: FakeClock) -> Sessions:
    return Sessions(CookieStore(NEW, also_read=[OLD, VERY_OLD]), key="_shop", clock=clock)


@pytest.mark.parametrize("format", [NEW, OLD, VERY_OLD])
def test_each_format_of_the_rotation_is_read_and_reading_sends_nothing(
    visit: Callable[[Sessions], Any], clock: FakeClock, format: Format
) -> None:
    visitor = visit(Sessions(CookieStore(NEW, also_read=[OLD, VERY_OLD]), key="_shop", clock=clock))
    visitor.browser.keep([f"_shop={cookie_of(visit, format, clock)}; path=/"])

    assert visitor.look() == {"user": 7}
    assert visitor.set_cookies == []


@pytest.mark.parametrize("format", [NEW, OLD, VERY_OLD])
def test_cve_2025_47278_a_write_is_sealed_with_the_newest_key(
    visit: Callable[[Sessions], Any], rotated: Sessions, clock: FakeClock, format: Format
) -> None:
    visitor = visit(rotated)
    visitor.browser.keep([f"_shop={cookie_of(visit, format, clock)}; path=/"])

    with visitor.request() as session:
        session["cart"] = 1

    opened = NEW.open(visitor.browser["_shop"], key="_shop")
    assert opened is not None
    assert opened.data == {"user": 7, "cart": 1}


def test_cve_2025_47278_a_new_session_is_sealed_with_the_newest_key(
    visit: Callable[[Sessions], Any], rotated: Sessions
) -> None:
    visitor = visit(rotated)
    with visitor.request() as session:
        session["cart"] = 1

    assert NEW.open(visitor.browser["_shop"], key="_shop") is not None


def test_another_librarys_session_whose_principal_is_not_text_is_rejected(clock: FakeClock) -> None:
    events: list[Event] = []
    theirs = FlaskFormat(FORMER, clock=clock)
    cookie = theirs.seal(record_of({"user": "ada\ud800"}), key="_shop")
    store = CookieStore(NEW, also_read=[theirs])
    sessions = Sessions(store, key="_shop", principal_key="user", clock=clock, on_event=events.append)

    assert sessions.resume(cookie) == {}
    assert events == [Event("rejected", "_shop", "its principal is not valid text")]


def test_a_session_of_a_format_without_generations_can_be_renewed(clock: FakeClock) -> None:
    theirs = FlaskFormat(FORMER, clock=clock)
    sessions = Sessions(CookieStore(NEW, also_read=[theirs]), key="_shop", clock=clock)
    now = int(clock().timestamp())
    session = sessions.resume(theirs.seal(Record({"cart": 1}, now, now + 3600, "0" * 16), key="_shop"))
    session.configure(renew=True)

    opened = NEW.open(sessions.commit(session).cookie or "", key="_shop")

    assert opened is not None
    assert (opened.data, opened.generation) == ({"cart": 1}, 1)


def test_rewrite_on_read_seals_it_again_at_once_and_keeps_its_name_and_age(
    visit: Callable[[Sessions], Any], clock: FakeClock
) -> None:
    visitor = visit(Sessions(CookieStore(NEW, also_read=[OLD], rewrite_on="read"), key="_shop", clock=clock))
    before = cookie_of(visit, OLD, clock)
    visitor.browser.keep([f"_shop={before}; path=/"])

    assert visitor.look() == {"user": 7}

    assert NEW.open(visitor.browser["_shop"], key="_shop") == OLD.open(before, key="_shop")
    assert visitor.look() == {"user": 7}
    assert visitor.set_cookies == []


def test_rewrite_is_on_write_or_on_read() -> None:
    with pytest.raises(ConfigurationError, match="rewrite_on='always' is neither 'write' nor 'read'"):
        CookieStore(NEW, rewrite_on="always")  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=30))])
def test_only_the_first_format_is_read_after_read_old_until(
    visit: Callable[[Sessions], Any], clock: FakeClock, zone: timezone
) -> None:
    until = (clock() + timedelta(hours=1)).astimezone(zone)
    store = CookieStore(NEW, also_read=[OLD], read_old_until=until, clock=clock)
    sessions = Sessions(store, key="_shop", clock=clock)
    old, new = cookie_of(visit, OLD, clock), cookie_of(visit, NEW, clock)

    clock.advance(timedelta(minutes=59, seconds=59))
    assert [sessions.resume(cookie) for cookie in (old, new)] == [{"user": 7}, {"user": 7}]

    clock.advance(timedelta(seconds=1))
    assert [sessions.resume(cookie) for cookie in (old, new)] == [{}, {"user": 7}]


def test_an_old_secret_is_read_until_a_set_time_too(visit: Callable[[Sessions], Any], clock: FakeClock) -> None:
    sessions = Sessions(
        "cookie",
        key="_shop",
        secret_key_base=SECRET,
        fallbacks=[FORMER],
        read_old_until=clock() + timedelta(hours=1),
        clock=clock,
    )
    old = cookie_of(visit, OLD, clock)

    assert sessions.resume(old) == {"user": 7}
    clock.advance(timedelta(hours=1))
    assert sessions.resume(old) == {}


@pytest.mark.parametrize("until", [datetime(2027, 1, 31), "2027-01-31", 1801353600])  # noqa: DTZ001  # on purpose
def test_a_time_without_its_zone_is_refused(until: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"read_old_until=.* is not a datetime with a time zone, such as datetime"
    ):
        CookieStore(NEW, also_read=[OLD], read_old_until=until)


@pytest.mark.parametrize(("format", "counted"), [(NEW, []), (OLD, ["native"]), (VERY_OLD, ["Nameless"])])
def test_each_request_that_needed_another_format_is_counted_once(
    visit: Callable[[Sessions], Any], clock: FakeClock, format: Format, counted: list[str]
) -> None:
    class Nameless:
        seal, open = VERY_OLD.seal, VERY_OLD.open

    events: list[Event] = []
    store = CookieStore(NEW, also_read=[OLD, Nameless()])
    visitor = visit(Sessions(store, key="_shop", clock=clock, on_event=events.append))
    visitor.browser.keep([f"_shop={cookie_of(visit, format, clock)}; path=/"])

    with visitor.request() as session:
        assert session == {"user": 7}
        session["cart"] = 1
        log_id = session.log_id
    visitor.look()

    assert [event for event in events if event.name == "old_cookie"] == [
        Event("old_cookie", "_shop", reason, log_id) for reason in counted
    ]


def test_a_leftover_copy_in_another_format_is_not_counted(visit: Callable[[Sessions], Any], clock: FakeClock) -> None:
    events: list[Event] = []
    sessions = Sessions(CookieStore(NEW, also_read=[OLD]), key="_shop", clock=clock, on_event=events.append)
    visitor = visit(sessions)
    visitor.browser.keep([f"_shop={cookie_of(visit, OLD, clock)}; path=/"])
    before = visitor.browser["_shop"]
    with visitor.request() as session:
        session["cart"] = 1
    events.clear()

    session = sessions.fetch(f"_shop={before}; _shop={visitor.browser['_shop']}")

    assert session == {"user": 7, "cart": 1}
    assert events == []


def test_cve_2026_39324_a_cookie_that_no_format_opens_is_never_read_unverified(rotated: Sessions) -> None:
    signed = NativeFormat(SECRET, encrypt=False)
    record = NEW.open(NEW.seal(record_of({"user": 7}), key="_shop"), key="_shop")
    assert record is not None

    for forged in (signed.seal(record, key="_shop"), "eyJ1c2VyIjo3fQ", '{"user":7}', "gAR9lC4"):
        assert rotated.resume(forged).is_new


def record_of(data: dict[str, Any]) -> Record:
    clock = FakeClock()
    return Record(data, int(clock().timestamp()), int(clock().timestamp()), "0" * 16)


def test_a_format_that_opens_nothing_leaves_no_session() -> None:
    assert CookieStore(NEW, also_read=[OLD]).get(VERY_OLD.seal(record_of({}), key="_shop"), key="_shop") == NotFound(
        "unreadable"
    )


def test_the_log_id_stays_across_writes_and_changes_with_a_renewal(
    visit: Callable[[Sessions], Any], rotated: Sessions
) -> None:
    visitor, names = visit(rotated), []
    for options in ({}, {}, {"renew": True}, {}):
        with visitor.request() as session:
            names.append(session.log_id)
            session["n"] = len(names)
            session.configure(**options)
    with visitor.request() as session:
        names.append(session.log_id)

    new, first, second, renewed, last = names
    assert new == ""
    assert first == second
    assert renewed == last != first
    assert all(re.fullmatch("[0-9a-f]{16}", name) for name in (first, last))


def test_a_failed_renewal_of_a_session_that_its_format_no_longer_reads_sends_nothing(clock: FakeClock) -> None:
    store = CookieStore(NEW, also_read=[OLD], read_old_until=clock() + timedelta(hours=1), clock=clock)
    events: list[Event] = []
    sessions = Sessions(store, key="_shop", clock=clock, on_event=events.append)
    old = Sessions(CookieStore(OLD), key="_shop", clock=clock)
    session = old.fetch()
    session["n"] = 1
    session = sessions.fetch(f"_shop={old.commit(session).cookie}")
    session["n"] = 2
    session.configure(renew=True)
    clock.advance(timedelta(hours=1))

    assert sessions.commit(session, status=500).cookies == ()
    # A failed request would not have saved its change anyway.
    assert [event.name for event in events] == ["old_cookie"]
