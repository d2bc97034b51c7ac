"""The events that sessions report."""

import contextlib
import logging
import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import Any, get_args

import pytest

from holdall import CookieOverflowError, Event, MemoryTable, Session, Sessions, TableStore
from holdall._events import EventName, report
from holdall._session import state_of
from holdall.testing import FakeClock

SECRET = "6f1d2c93a8e04b57bb0f1e6d7c5a49382f6b0e1d4c7a85930f2e6b1d8c4a7590"


def test_a_sessions_events_carry_its_log_id(
    clock: FakeClock, visit: Callable[[Sessions], Any], events: list[Event]
) -> None:
    store = TableStore(MemoryTable(clock=clock))
    visitor = visit(Sessions(store, key="sid", clock=clock, principal_key="user", on_event=events.append))
    with visitor.request() as session:
        session["cart"] = 1
    created = session.log_id
    with visitor.request() as session:
        session.login(7)
    renewed = session.log_id
    with visitor.request() as session:
        session.logout()
    visitor.browser.keep(["sid=tossed; path=/"])
    visitor.look()

    assert created != renewed
    assert events == [
        Event("created", "sid", "", created),
        Event("renewed", "sid", "", renewed),
        Event("ended", "sid", "", renewed),
        Event("rejected", "sid", "malformed", ""),
    ]


def test_only_events_distinguish_an_expired_cookie_from_a_forged_one(
    clock: FakeClock, visit: Callable[[Sessions], Any], events: list[Event]
) -> None:
    sessions = Sessions("cookie", key="_shop", secret_key_base=SECRET, clock=clock, on_event=events.append)
    visitor = visit(sessions)
    with visitor.request() as session:
        session["cart"] = 1
    clock.advance(timedelta(days=8))

    assert visitor.look() == sessions.resume("forged") == {}
    assert [(event.name, event.reason) for event in events[1:]] == [("expired", "expired"), ("rejected", "unreadable")]


def test_one_bad_cookie_is_one_event(events: list[Event]) -> None:
    sessions = Sessions("cookie", key="_shop", secret_key_base=SECRET, on_event=events.append)

    session = sessions.fetch("_shop=a; _shop=b; _shop=c")
    session.update(dict(session))
    sessions.commit(session)

    assert [event.name for event in events] == ["rejected"]


def test_each_event_is_also_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="holdall"):
        for name in get_args(EventName):
            report(Event(name, "_shop", "why", "0123456789abcdef"))

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", "session created (why): _shop 0123456789abcdef"),
        ("DEBUG", "session renewed (why): _shop 0123456789abcdef"),
        ("DEBUG", "session ended (why): _shop 0123456789abcdef"),
        ("DEBUG", "session old_cookie (why): _shop 0123456789abcdef"),
        ("DEBUG", "session expired (why): _shop 0123456789abcdef"),
        ("WARNING", "session rejected (why): _shop 0123456789abcdef"),
        ("WARNING", "session lost_write (why): _shop 0123456789abcdef"),
        ("WARNING", "session touch_failed (why): _shop 0123456789abcdef"),
        ("ERROR", "session unchecked (why): _shop 0123456789abcdef"),
        ("INFO", "session revoked (why): _shop 0123456789abcdef"),
        ("WARNING", "session evicted (why): _shop 0123456789abcdef"),
        ("ERROR", "session cookie_too_large (why): _shop 0123456789abcdef"),
        ("INFO", "session moved (why): _shop 0123456789abcdef"),
        ("WARNING", "session invalid_value (why): _shop 0123456789abcdef"),
        ("DEBUG", "session device_bound (why): _shop 0123456789abcdef"),
        ("WARNING", "session device_refused (why): _shop 0123456789abcdef"),
        ("INFO", "session device_skipped (why): _shop 0123456789abcdef"),
    ]


@pytest.mark.parametrize("reason", ["unknown", "renewed"])
def test_an_expired_session_is_not_a_warning(caplog: pytest.LogCaptureFixture, reason: str) -> None:
    with caplog.at_level(logging.INFO, logger="holdall"):
        report(Event("rejected", "_shop", reason))

    assert [record.levelname for record in caplog.records] == ["INFO"]


def test_a_log_record_has_its_events_parts_as_fields(caplog: pytest.LogCaptureFixture) -> None:
    report(Event("lost_write", "_shop", "ended", "0123456789abcdef"))

    fields = {name: value for name, value in vars(caplog.records[0]).items() if name.startswith("session_")}
    assert fields == {
        "session_event": "lost_write",
        "session_cookie": "_shop",
        "session_reason": "ended",
        "session_log_id": "0123456789abcdef",
    }


def test_a_disabled_level_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="holdall"):
        report(Event("created", "_shop"))

    assert caplog.records == []


def test_a_failing_listener_prevents_nothing(caplog: pytest.LogCaptureFixture, events: list[Event]) -> None:
    def failing(event: Event) -> None:
        raise ZeroDivisionError

    sessions = Sessions("cookie", key="_shop", secret_key_base=SECRET, on_event=failing)
    session = sessions.fetch()
    session["cart"] = 1

    assert sessions.commit(session).cookie
    assert [record.getMessage() for record in caplog.records] == ["on_event failed for created"]

    report(Event("created", "_shop"), failing, None, events.append)
    assert events == [Event("created", "_shop")]


# None of this is shown.


def test_cve_2023_20866_no_id_no_data_and_no_secret_is_ever_shown(
    clock: FakeClock,
    visit: Callable[[Sessions], Any],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    hidden = {"private note", SECRET, SECRET[:16]}
    events: list[Event] = []
    # Room for a session, and for the tombstone of its renewal, which is never evicted.
    table = MemoryTable(clock=clock, max_rows=4)
    for sessions in (
        Sessions("cookie", key="_shop", secret_key_base=SECRET, clock=clock, on_event=events.append),
        Sessions(TableStore(table, encrypt=True), key="_shop", clock=clock, on_event=events.append),
    ):
        visitor = visit(sessions)
        with visitor.request() as session:
            session["note"] = ["private note"]
            shown.append(repr(session))
        cookie = visitor.browser["_shop"]
        hidden |= {cookie, cookie[:20]}
        with visitor.request() as session:
            session["note"].append("private note")
            session.configure(renew=True)
            shown += [repr(session), repr(state_of(session).loaded().changes()), repr(state_of(session).fetched)]
        shown += [repr(visitor.answer), repr(visitor.answer.cookies), repr(sessions), repr(sessions.settings)]
        shown += [repr(vars(sessions))]
        hidden |= {visitor.browser["_shop"], visitor.browser["_shop"][:20]}
        for forged in (cookie[:-1], cookie + "A", cookie.swapcase()):
            assert sessions.resume(forged) == {}
        for value in (["private note", object()], ["private note", {object(): 1}]):
            session = sessions.fetch(f"_shop={visitor.browser['_shop']}")
            with pytest.raises(TypeError) as refused:
                store(sessions, session, value)
            shown += [repr(session), "".join(traceback.format_exception(refused.value))]
        with visitor.request() as session:
            session.configure(drop=True)
        begin_many(sessions)

    text = "\n".join([*shown, *map(repr, events), caplog.text, *capfd.readouterr()])
    assert {event.name for event in events} >= {
        "created",
        "renewed",
        "ended",
        "rejected",
        "evicted",
        "cookie_too_large",
    }
    assert "session created" in caplog.text
    assert [secret for secret in hidden if secret in text] == []


def store(sessions: Sessions, session: Session, value: object) -> None:
    session["note"] = value
    sessions.commit(session)


def begin_many(sessions: Sessions) -> None:
    for length in (1, 1, 1, 1000):
        with contextlib.suppress(CookieOverflowError):
            store(sessions, sessions.fetch(), "private note" * length)
