"""Sessions in cookies whose logins have a row: it is read once per request, and ends every copy of the session."""

import asyncio
import secrets
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from core.orders import (
    Act,
    Visitor,
    Watched,
    answer,
    drop,
    farewell,
    library_logout,
    login,
    logout,
    meetings,
    renew,
    switch,
    write,
)
from holdall import (
    ConfigurationError,
    CookieOverflowError,
    Event,
    MemoryTable,
    Session,
    Sessions,
    StoreError,
    TooManySessionsError,
)
from holdall._lifecycle import fetch
from holdall._session import state_of
from holdall.connections import Follower
from holdall.formats import FlaskFormat, NativeFormat
from holdall.steps import Steps
from holdall.stores._principals import owner
from holdall.testing import FakeClock, as_async

SECRET = secrets.token_hex(32)
KEY = "__Host-sid"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def table(clock: FakeClock) -> Watched:
    return Watched(clock)


def make(table: Any, clock: FakeClock, **options: Any) -> Sessions:
    given = {"key": KEY, "secret_key_base": SECRET, "secure": True, "principal_key": "user_id", "revocable": table}
    return Sessions("cookie", clock=clock, **{**given, **options})


def user_of(sessions: Sessions, header: str) -> str | None:
    return sessions.fetch(header, https=True).principal


# Calls to the table.


def test_a_logged_in_session_is_sealed_in_the_new_format_when_it_is_read(table: Watched, clock: FakeClock) -> None:
    former = secrets.token_hex(32)
    visitor = Visitor(make(table, clock, secret_key_base=former), clock)
    visitor.does(login)
    visitor.sessions = make(table, clock, also_read=[NativeFormat(former)], rewrite_on="read")
    sealed = NativeFormat(SECRET)

    assert visitor.does(dict) == {"user_id": 7}

    values = [value for _, _, value in (each.partition("=") for each in visitor.header.split("; "))]
    assert [value for value in values if sealed.open(value, key=KEY) is not None]
    assert visitor.does(dict) == {"user_id": 7}


def test_a_request_with_a_logged_in_session_reads_the_row_once(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(table, clock), clock)
    visitor.does(login)
    table.asked.clear()

    for act in (dict, write, lambda session: (session.get("n"), session.principal, write(session))):
        visitor.does(act)
        assert table.asked == {"read": 1}
        table.asked.clear()
    visitor.does(lambda session: None)

    assert table.asked == {}


def test_an_anonymous_session_does_not_call_the_table(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(table, clock), clock)

    for act in (write, dict, renew, write, farewell, write, logout, dict):
        visitor.does(act)

    assert table.asked == {}


@pytest.mark.parametrize(
    ("act", "asked"),
    [
        (renew, {"read": 2, "remove": 1, "insert": 1}),
        (switch, {"read": 1, "remove": 1, "insert": 1}),
        (logout, {"read": 1, "remove": 1}),
        (library_logout, {"read": 1, "remove": 1}),
    ],
)
def test_beginning_and_ending_a_session_take_as_few_calls_as_in_a_table(
    table: Watched, clock: FakeClock, act: Act, asked: dict[str, int]
) -> None:
    visitor = Visitor(make(table, clock), clock)
    visitor.does(login)
    table.asked.clear()
    visitor.does(act)

    assert table.asked == asked


def test_the_row_has_no_data_and_the_application_sees_no_id(table: Watched, clock: FakeClock) -> None:
    sessions = make(table, clock)
    visitor = Visitor(sessions, clock)
    visitor.does(login)
    visitor.does(write)

    assert visitor.does(dict) == {"user_id": 7, "n": 1}
    (listed,) = table.table.find(owner("7", "", KEY))
    row = table.table.read(listed.digest)
    assert row is not None
    assert (row.data, row.principal) == (f"{KEY}\0\0{{}}".encode(), owner("7", "", KEY))


def test_the_rows_expiry_is_moved_once_in_a_tenth_of_the_idle_timeout(table: Watched, clock: FakeClock) -> None:
    sessions = make(table, clock, idle_timeout=DAY)
    visitor = Visitor(sessions, clock)
    visitor.does(login)
    table.asked.clear()

    for _ in range(24):
        clock.advance(HOUR)
        visitor.does(write)

    assert table.asked == {"read": 24, "touch": 8}
    (info,) = sessions.list(7)
    assert (info.seen, info.expires) == (clock(), clock() + DAY)


def test_a_plain_read_moves_the_expiry_when_it_is_due(table: Watched, clock: FakeClock) -> None:
    sessions = make(table, clock, idle_timeout=DAY)
    visitor = Visitor(sessions, clock)
    visitor.does(login)

    for _ in range(24):
        clock.advance(HOUR * 3)
        assert visitor.does(dict) == {"user_id": 7}

    assert sessions.list(7)[0].expires == clock() + DAY


def test_the_row_and_the_cookie_expire_together(table: Watched, clock: FakeClock) -> None:
    sessions = make(table, clock, idle_timeout=DAY)
    visitor = Visitor(sessions, clock)
    visitor.does(login)
    clock.advance(HOUR)
    visitor.does(write)

    # The row was not touched by a write so soon after, and determines when the session ends.
    assert visitor.does(lambda session: session.expires) == sessions.list(7)[0].expires


def test_an_old_copy_of_the_cookie_expires_although_its_session_is_still_used(table: Watched, clock: FakeClock) -> None:
    sessions = make(table, clock, idle_timeout=DAY)
    visitor = Visitor(sessions, clock)
    visitor.does(login)
    copy = visitor.header
    for _ in range(3):
        clock.advance(8 * HOUR)
        visitor.does(write)

    assert visitor.does(dict) == {"user_id": 7, "n": 3}
    assert user_of(sessions, copy) is None


def test_another_lifetime_applies_to_the_row_too(table: Watched, clock: FakeClock) -> None:
    sessions = make(table, clock)
    visitor = Visitor(sessions, clock)
    visitor.does(login)

    def shorten(session: Session) -> None:
        state = state_of(session)
        state.lifetime_of = lambda data, usual: usual._replace(ends=data.get("ends"))
        session["ends"] = int((clock() + HOUR).timestamp())

    visitor.does(shorten)

    assert sessions.list(7)[0].expires == clock() + HOUR
    assert visitor.does(dict)["user_id"] == 7


# Ends.


@pytest.mark.parametrize("act", [logout, drop, farewell, library_logout, renew, switch])
def test_a_copy_of_the_cookie_ends_with_the_session(table: Watched, clock: FakeClock, act: Act) -> None:
    sessions = make(table, clock)
    visitor = Visitor(sessions, clock)
    visitor.does(login)
    copy = visitor.header
    assert user_of(sessions, copy) == "7"

    visitor.does(act)

    assert user_of(sessions, copy) is None


def test_sessions_are_listed_and_revoked(table: Watched, clock: FakeClock) -> None:
    sessions = make(table, clock, record_client=True)
    phone, laptop = Visitor(sessions, clock), Visitor(sessions, clock)
    for each, name in ((phone, "Phone/1"), (laptop, "Laptop/2")):
        session = sessions.fetch(each.header, https=True, client=lambda name=name: (name, "192.0.2.1"))
        session.login(7)
        each.browser.keep([str(cookie) for cookie in sessions.commit(session).cookies], https=True)
        clock.advance(HOUR)

    current = sessions.fetch(laptop.header, https=True)
    first, second = sessions.list(7, current=current)
    assert [(info.user_agent, info.is_current) for info in (first, second)] == [("Phone/1", False), ("Laptop/2", True)]
    assert sessions.revoke(7, keep=current) == 1

    assert (phone.does(dict), laptop.does(dict)) == ({}, {"user_id": 7})
    assert sessions.revoke(7, handle=second.handle) == 1
    assert laptop.does(dict) == {}


def test_revoke_all_ends_all_but_anonymous_sessions(table: Watched, clock: FakeClock) -> None:
    sessions = make(table, clock)
    somebody, nobody = Visitor(sessions, clock), Visitor(sessions, clock)
    somebody.does(login)
    nobody.does(write)

    assert sessions.revoke_all() == 1

    assert (somebody.does(dict), nobody.does(dict)) == ({}, {"n": 1})


def test_a_revoked_user_is_reported_and_can_log_in_again(table: Watched, clock: FakeClock) -> None:
    events: list[Event] = []
    sessions = make(table, clock, on_event=events.append)
    visitor = Visitor(sessions, clock)
    visitor.does(login)
    slow = sessions.fetch(visitor.header, https=True)
    slow["n"] = 1
    sessions.revoke(7)
    events.clear()

    visitor.does(write)
    visitor.does(login)
    # A later write of the ended session has another name than the new one, and does not outrank anything.
    visitor.browser.keep([str(cookie) for cookie in sessions.commit(slow).cookies], https=True)

    assert visitor.does(dict) == {"user_id": 7, "n": 1}
    assert [(event.name, event.reason) for event in events[:1]] == [("rejected", "unknown")]
    assert len(visitor.browser.jar) == 1


def test_a_late_write_of_an_ended_session_is_removed_from_the_browser(table: Watched, clock: FakeClock) -> None:
    sessions = make(table, clock)
    visitor = Visitor(sessions, clock)
    visitor.does(login)
    slow = sessions.fetch(visitor.header, https=True)
    write(slow)
    visitor.does(logout)

    visitor.browser.keep([str(cookie) for cookie in sessions.commit(slow).cookies], https=True)

    assert len(visitor.browser.jar) == 2
    assert visitor.does(dict) == {}
    assert len(visitor.browser.jar) == 1


def test_an_earlier_anonymous_cookie_does_not_come_back_with_the_end(table: Watched, clock: FakeClock) -> None:
    sessions = make(table, clock)
    visitor = Visitor(sessions, clock)
    visitor.does(write)
    late = sessions.fetch(visitor.header, https=True)
    late["n"] = 5
    visitor.does(login)
    visitor.browser.keep([str(cookie) for cookie in sessions.commit(late).cookies], https=True)
    sessions.revoke(7)

    assert visitor.does(dict) == {}
    visitor.does(login)
    assert visitor.does(dict) == {"user_id": 7}
    assert len(visitor.browser.jar) == 1


def test_a_logout_with_the_cookie_from_before_a_renewal_ends_the_renewed_session(
    table: Watched, clock: FakeClock
) -> None:
    sessions = make(table, clock)
    visitor = Visitor(sessions, clock)
    visitor.does(login)
    before = visitor.header
    visitor.does(renew)
    renewed = visitor.header
    session = sessions.fetch(before, https=True)
    session.logout()
    visitor.browser.keep([str(cookie) for cookie in sessions.commit(session).cookies], https=True)

    assert (user_of(sessions, renewed), visitor.does(dict), sessions.list(7)) == (None, {}, [])


def test_a_write_with_the_cookie_from_before_a_renewal_is_lost(table: Watched, clock: FakeClock) -> None:
    events: list[Event] = []
    sessions = make(table, clock, on_event=events.append)
    visitor = Visitor(sessions, clock)
    visitor.does(login)
    late = sessions.fetch(visitor.header, https=True)
    visitor.does(renew)
    write(late)

    assert sessions.commit(late).cookies == ()
    assert ("lost_write", "renewed") in [(event.name, event.reason) for event in events]


def test_a_login_with_the_cookie_from_before_a_renewal_counts(table: Watched, clock: FakeClock) -> None:
    sessions = make(table, clock)
    visitor = Visitor(sessions, clock)
    visitor.does(login)
    late = sessions.fetch(visitor.header, https=True)
    visitor.does(renew)
    late.login(8)
    visitor.browser.keep([str(cookie) for cookie in sessions.commit(late).cookies], https=True)

    assert visitor.does(dict) == {"user_id": 8}


def test_a_write_that_moves_an_ended_sessions_expiry_is_lost(table: Watched, clock: FakeClock) -> None:
    events: list[Event] = []
    sessions = make(table, clock, on_event=events.append)
    visitor = Visitor(sessions, clock)
    visitor.does(login)
    clock.advance(DAY)
    session = sessions.fetch(visitor.header, https=True)
    write(session)
    sessions.revoke(7)

    assert sessions.commit(session).cookies == ()
    assert events[-1].name == "lost_write"


def test_a_librarys_logout_from_an_ended_session_keeps_nothing_of_it(
    table: Watched, clock: FakeClock, events: list[Event]
) -> None:
    sessions = make(table, clock, on_event=events.append)
    visitor = Visitor(sessions, clock)
    visitor.does(login, write)
    session = sessions.fetch(visitor.header, https=True)
    library_logout(session)
    sessions.revoke(7)

    assert sessions.commit(session).cookies == ()
    assert events[-1].name == "lost_write"
    assert visitor.does(dict) == {}


def test_a_failed_request_renews_the_browsers_own_session(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(table, clock), clock)
    visitor.does(login)

    visitor.does(lambda session: (renew(session), write(session)), status=500)

    assert visitor.does(dict) == {"user_id": 7}


@pytest.mark.parametrize("act", [login, renew, switch])
def test_a_session_that_does_not_fit_changes_no_row(table: Watched, clock: FakeClock, act: Act) -> None:
    sessions = make(table, clock)
    visitor = Visitor(sessions, clock)
    if act is not login:
        visitor.does(login)
    before, asked = sessions.list(7), dict(table.asked)

    with pytest.raises(CookieOverflowError):
        visitor.does(lambda session: (act(session), session.put("cart", "a" * 4000)))

    assert sessions.list(7) == before
    assert sum(table.asked.values()) - sum(asked.values()) <= 2
    assert visitor.does(dict) == ({} if act is login else {"user_id": 7})


def test_a_login_that_cannot_be_stored_leaves_no_row(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(table, clock), clock)

    def act(session: Session) -> None:
        session["list"] = []
        session.login(7)
        session["list"].append(object())

    with pytest.raises(TypeError):
        visitor.does(act)
    assert visitor.sessions.list(7) == []


def test_logins_are_limited(table: Watched, clock: FakeClock) -> None:
    sessions = make(table, clock, max_sessions=1)
    first, second = Visitor(sessions, clock), Visitor(sessions, clock)
    for each in (first, second):
        each.does(write)
        each.does(login)
        clock.advance(HOUR)

    assert (first.does(dict), second.does(dict)) == ({}, {"n": 1, "user_id": 7})
    # The next test begins where this one ends.
    first.does(login)
    assert (user_of(sessions, first.header), user_of(sessions, second.header)) == ("7", None)
    refusing = make(table, clock, max_sessions=1, when_full="refuse")
    with pytest.raises(TooManySessionsError):
        Visitor(refusing, clock).does(login)


def test_a_long_connection_sees_the_end(table: Watched, clock: FakeClock) -> None:
    sessions = make(table, clock)
    somebody, nobody = Visitor(sessions, clock), Visitor(sessions, clock)
    somebody.does(login)
    nobody.does(write)
    over = []
    for each in (somebody, nobody):
        session = sessions.fetch(each.header, https=True)
        assert session
        follower = Follower(state_of(session))
        for ends in (False, True):
            if ends:
                sessions.revoke_all()
            place = follower.last_seen()
            assert place is not None
            follower.update(sessions.follow(place))
            over.append(follower.is_over)

    assert over == [False, True, False, False]


# Every order in which the steps of two requests and their responses can interleave.


def made(clock: FakeClock) -> Sessions:
    return make(MemoryTable(clock=clock), clock)


ENDS: tuple[Act | str, ...] = (logout, drop, farewell, library_logout, "revoke")


@pytest.mark.parametrize(("act", "end"), list(product((write, renew, *ENDS[:4]), ENDS)))
def test_in_no_order_does_a_session_or_a_copy_of_it_outlive_its_end(act: Act, end: Act | str) -> None:
    count = 0
    for meeting in meetings(made, (login,), act, end):
        count += 1
        if (act, end) == (renew, library_logout) and meeting.found[1] is None:
            # To a request whose cookie was renewed before it was read the session is empty, as in a table: a library
            # that removes its key finds none there.
            continue
        alive = [header for header in meeting.seen if user_of(meeting.sessions, header)]

        assert (alive, meeting.sessions.list(7)) == ([], [])
        assert "user_id" not in meeting.visitor.does(dict)
        meeting.visitor.does(login)
        assert meeting.visitor.does(dict)["user_id"] == 7
        assert len(meeting.visitor.browser.jar) == 1
    assert count > 1


@pytest.mark.parametrize("act", [write, renew, "revoke"])
def test_in_no_order_is_a_login_of_another_lost(act: Act | str) -> None:
    for meeting in meetings(made, (login,), act, switch):
        assert meeting.visitor.does(dict).get("user_id") == 8
        assert len(meeting.sessions.list(8)) == 1


@pytest.mark.parametrize("act", [write, renew])
def test_in_no_order_does_a_write_or_a_renewal_log_anyone_out(act: Act) -> None:
    for meeting in meetings(made, (login,), act, renew):
        assert meeting.visitor.does(dict).get("user_id") == 7
        assert len(meeting.sessions.list(7)) == 1


# Sessions from before the option.


def test_a_session_from_before_the_option_gets_one_row_for_all_its_copies(table: Watched, clock: FakeClock) -> None:
    before, events = make(None, clock), []
    visitor = Visitor(before, clock)
    visitor.does(login)
    copy = visitor.header
    visitor.does(write)
    sessions = visitor.sessions = make(table, clock, on_event=events.append)

    assert visitor.does(dict) == {"user_id": 7, "n": 1}
    assert [(event.name, event.reason) for event in events] == [("old_cookie", "unlisted")]
    assert len(sessions.list(7)) == 1
    table.asked.clear()
    assert visitor.does(dict) == {"user_id": 7, "n": 1}
    assert table.asked == {"read": 1}
    assert (user_of(sessions, copy), len(sessions.list(7))) == ("7", 1)
    visitor.does(logout)

    assert user_of(sessions, copy) is None
    clock.advance(6 * DAY)
    assert (user_of(sessions, copy), sessions.list(7)) == (None, [])


def test_two_requests_with_an_old_session_share_one_row(clock: FakeClock) -> None:
    table = MemoryTable(clock=clock)
    visitor = Visitor(make(None, clock), clock)
    visitor.does(login)
    sessions = visitor.sessions = make(table, clock)
    store, now = sessions.prepare("sync").store, int(clock().timestamp())

    def visit() -> Steps[Any]:
        state = state_of(sessions.fetch(visitor.header, https=True))
        return (yield from fetch(state.cookies, state.backend, now=now))

    going, answers, found = [visit(), visit()], [None, None], []
    while len(found) < 2:
        for number, steps in enumerate(going):
            try:
                answers[number] = steps.send(answers[number]).take()
            except StopIteration as done:
                found.append(done.value.stored)
                going[number] = iter(())  # type: ignore[call-overload]
            except AttributeError:
                continue

    assert found[0].row.cookie == found[1].row.cookie
    assert len(sessions.list(7)) == 1
    assert store.table is table


def test_an_old_session_that_was_renewed_takes_no_late_write_and_can_be_ended(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(None, clock), clock)
    visitor.does(login)
    before = visitor.header
    sessions = visitor.sessions = make(table, clock)
    visitor.does(renew)
    late = sessions.fetch(before, https=True)
    write(late)

    assert sessions.commit(late).cookies == ()
    session = sessions.fetch(before, https=True)
    session.logout()
    sessions.commit(session)
    assert sessions.list(7) == []


def test_another_librarys_session_gets_a_row(table: Watched, clock: FakeClock) -> None:
    theirs = FlaskFormat(SECRET, clock=clock)
    flask = Sessions("cookie", key=KEY, format="flask", secret_key_base=SECRET, secure=True, clock=clock)
    visitor = Visitor(flask, clock)
    visitor.does(login)
    copy = visitor.header
    sessions = visitor.sessions = make(table, clock, also_read=[theirs])

    assert visitor.does(dict) == {"user_id": 7}
    assert len(sessions.list(7)) == 1
    assert user_of(sessions, copy) == "7"
    visitor.does(logout)
    assert user_of(sessions, copy) is None


def test_sessions_without_a_row_are_read_until_a_set_time(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(None, clock), clock)
    visitor.does(login)
    visitor.sessions = make(table, clock, read_old_until=clock() + HOUR)
    before = visitor.header
    assert visitor.does(dict) == {"user_id": 7}
    clock.advance(HOUR)

    assert visitor.does(dict) == {"user_id": 7}
    assert user_of(visitor.sessions, before) is None


def test_a_login_with_a_cookie_that_is_no_longer_read_replaces_it(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(None, clock), clock)
    visitor.does(login)
    slow = visitor.sessions.fetch(visitor.header, https=True)
    write(slow)
    late = [str(cookie) for cookie in visitor.sessions.commit(slow).cookies]
    visitor.sessions = make(table, clock, read_old_until=clock())

    visitor.does(switch)
    visitor.browser.keep(late, https=True)

    assert visitor.does(dict) == {"user_id": 8}
    assert len(visitor.browser.jar) == 1


def test_a_copy_that_an_old_server_keeps_in_use_ends_with_the_session(table: Watched, clock: FakeClock) -> None:
    """While a new release is rolled out, some servers do not yet give rows to sessions."""
    old, new = make(None, clock), make(table, clock)
    visitor = Visitor(old, clock)
    visitor.does(login)
    copy = visitor.header
    visitor.sessions = new
    visitor.does(write, logout)

    for _ in range(5):
        assert user_of(new, copy) is None
        clock.advance(5 * DAY)
        copy = answer(old, copy, write)[-1].partition(";")[0]
        assert user_of(old, copy) == "7"


def test_an_invalid_principal_is_an_error_when_the_session_is_read(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(Sessions("cookie", key=KEY, secret_key_base=SECRET, principal_key=None, clock=clock), clock)
    visitor.does(lambda session: session.put("user_id", "x" * 2000))
    visitor.sessions = make(table, clock)

    with pytest.raises(TypeError, match="cannot identify the user"):
        visitor.does(dict)
    assert table.asked == {}


def test_a_session_follows_its_cookies_new_name(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(table, clock, key="__Host-old"), clock)
    visitor.does(login)
    before = visitor.header
    sessions = visitor.sessions = make(table, clock, old_keys=["__Host-old"])

    assert visitor.does(write, dict) == {"user_id": 7, "n": 1}
    assert "__Host-old" not in visitor.header
    # A late request with the old name finds the row under the present one.
    assert user_of(sessions, before) == "7"


# The table is down.


def test_a_session_that_cannot_be_checked_is_an_error(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(table, clock), clock)
    nobody = Visitor(visitor.sessions, clock)
    visitor.does(login)
    table.is_away = True

    with pytest.raises(StoreError, match="the table is down"):
        visitor.does(dict)
    nobody.does(write)
    assert nobody.does(dict) == {"n": 1}


def test_a_session_that_cannot_be_checked_is_valid_with_trust(table: Watched, clock: FakeClock) -> None:
    events: list[Event] = []
    sessions = make(table, clock, when_unreachable="trust", on_event=events.append)
    visitor = Visitor(sessions, clock)
    visitor.does(login)
    events.clear()
    table.is_away = True
    visitor.does(write)
    # Its row cannot be touched.
    clock.advance(DAY)
    visitor.does(write)

    assert visitor.does(dict) == {"user_id": 7, "n": 2}
    assert [(event.name, event.reason) for event in events] == [("unchecked", "StoreError")] * 3
    for act in (logout, renew, switch, library_logout):
        with pytest.raises(StoreError):
            visitor.does(act)
    table.is_away = False
    sessions.revoke(7)
    assert visitor.does(dict) == {}


def test_a_failure_to_move_the_expiry_is_an_error(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(table, clock), clock)
    visitor.does(login)
    clock.advance(DAY)

    def write_away(session: Session) -> None:
        write(session)
        table.is_away = True

    with pytest.raises(StoreError):
        visitor.does(write_away)


# Setup.


def test_a_table_is_named_by_its_url_and_closed(tmp_path: Path, clock: FakeClock) -> None:
    url = f"sqlite:///{tmp_path / 'sessions.db'}"
    with make(url, clock) as sessions:
        visitor = Visitor(sessions, clock)
        visitor.does(login)
        assert len(sessions.list(7)) == 1
        (listed,) = sessions.prepare("sync").table.find(owner("7", "", KEY))
        row = sessions.prepare("sync").table.read(listed.digest)
        # Encrypted with the cookies' secret.
        assert b"{}" not in row.data
    with make(url, clock, fallbacks=[SECRET], secret_key_base=secrets.token_hex(32)) as sessions:
        visitor.sessions = sessions
        assert visitor.does(dict) == {"user_id": 7}


def test_an_async_table_is_awaited(clock: FakeClock) -> None:
    table = as_async(MemoryTable(clock=clock))

    async def visits() -> list[Any]:
        sessions = make(table, clock)
        session = await sessions.fetch_async(https=True)
        session.login(7)
        (cookie,) = (await sessions.commit_async(session)).cookies
        header = f"{cookie.attributes.key}={cookie.value}"
        session = await sessions.fetch_async(header, https=True)
        found = [dict(session), len(await sessions.list_async(7, current=session))]
        session.logout()
        await sessions.commit_async(session)
        return [*found, dict(await sessions.fetch_async(header, https=True))]

    assert asyncio.run(visits()) == [{"user_id": 7}, 1, {}]
    with pytest.raises(ConfigurationError, match="is async, which this adapter cannot use"):
        make(table, clock).prepare("sync")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"when_unreachable": "ignore"}, "neither 'refuse' nor 'trust'"),
        ({"revocable": None, "when_unreachable": "trust"}, "set revocable= too"),
        ({"principal_key": None}, "leave out principal_key=None"),
        ({"device_bound": True}, "and revocable=, or keep sessions in a table"),
        ({"on_lost_write": "raise"}, "written without checking for its end"),
    ],
)
def test_invalid_combinations_are_refused(options: dict[str, Any], words: str) -> None:
    clock = FakeClock()

    with pytest.raises(ConfigurationError, match=words):
        make(MemoryTable(clock=clock), clock, **options).prepare("sync")


def test_other_formats_can_be_revoked_too(table: Watched, clock: FakeClock) -> None:
    sessions = make(table, clock, format="plug", signing_salt="Jk7pxAMf", encryption_salt="n2Q9vT4s")
    visitor = Visitor(sessions, clock)
    for act in (write, login, renew, write):
        visitor.does(act)
    copy = visitor.header
    assert visitor.does(dict) == {"n": 2, "user_id": 7}
    visitor.does(library_logout)

    assert (visitor.does(dict), user_of(sessions, copy), sessions.list(7)) == ({"n": 2}, None, [])


def test_expired_rows_are_swept(table: Watched, clock: FakeClock) -> None:
    sessions = make(table, clock)
    Visitor(sessions, clock).does(login)
    clock.advance(8 * DAY)

    assert sessions.sweep() == 1
