"""Sessions in cookies with overflow: one that does not fit moves into a table, and moves back when it fits."""

import asyncio
import secrets
from base64 import urlsafe_b64encode
from bisect import bisect_left
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from itertools import combinations_with_replacement, product
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
    faults,
    library_logout,
    login,
    logout,
    meetings,
    read,
    renew,
    switch,
    write,
)
from holdall import ConfigurationError, CookieOverflowError, Event, MemoryTable, Session, Sessions, StoreError
from holdall._session import state_of
from holdall.adapters import SessionGroup
from holdall.formats import FlaskFormat, NativeFormat
from holdall.testing import FakeClock, as_async
from sizes import sized

SECRET = secrets.token_hex(32)
KEY = "__Host-sid"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def table(clock: FakeClock) -> Watched:
    return Watched(clock)


def make(table: Any, clock: FakeClock, **options: Any) -> Sessions:
    given = {"key": KEY, "secret_key_base": SECRET, "secure": True, "principal_key": "user_id", "overflow": table}
    return Sessions("cookie", clock=clock, **{**given, **options})


def make_plain(clock: FakeClock) -> Sessions:
    return make(MemoryTable(clock=clock), clock)


def make_revocable(clock: FakeClock) -> Sessions:
    table = MemoryTable(clock=clock)
    return make(table, clock, revocable=table)


KINDS = pytest.mark.parametrize("make_sessions", [make_plain, make_revocable], ids=["plain", "revocable"])
MakeSessions = Callable[[FakeClock], Sessions]


def grow(session: Session) -> None:
    session["cart"] = "a" * 4000


def grow_more(session: Session) -> None:
    session["wishes"] = "b" * 4000


def shrink(session: Session) -> None:
    session.pop("cart", None)
    session.pop("wishes", None)


def login_large(session: Session) -> None:
    session.login(7)
    grow(session)


def login_with_cart(session: Session) -> None:
    session.login(8)
    grow(session)


def login_again(session: Session) -> None:
    session.login(session["user_id"])


def write_more(session: Session) -> None:
    session["m"] = session.get("m", 0) + 1


# A move and the way back.


@KINDS
def test_a_session_that_does_not_fit_moves_to_the_table_and_back(make_sessions: MakeSessions, clock: FakeClock) -> None:
    events: list[Event] = []
    sessions = make_sessions(clock)
    sessions._on_event = events.append
    visitor = Visitor(sessions, clock)
    visitor.does(login, write)
    events.clear()

    assert visitor.does(grow, dict) == {"user_id": 7, "n": 1, "cart": "a" * 4000}
    assert len(visitor.header) < 400
    assert visitor.does(write, write_more, dict) == {"user_id": 7, "n": 2, "m": 1, "cart": "a" * 4000}
    assert visitor.does(shrink, dict) == {"user_id": 7, "n": 2, "m": 1}
    assert visitor.does(write, dict) == {"user_id": 7, "n": 3, "m": 1}
    assert [(event.name, event.reason) for event in events] == [("moved", "to the table"), ("moved", "to the cookie")]
    assert len({event.log_id for event in events}) == 1
    # Generations 5, 6 and 7.
    assert [kept.name for kept in visitor.browser.jar] == [f"{KEY}.g"]


def test_a_session_that_fits_calls_no_table_and_others_as_little_as_in_a_table(
    table: Watched, clock: FakeClock
) -> None:
    visitor = Visitor(make(table, clock), clock)
    visitor.does(write, login, write, renew, logout, login)
    assert table.take_asked() == {}

    visitor.browser.keep(answer(visitor.sessions, visitor.header, grow), https=True)
    assert table.take_asked() == {"insert": 1}
    for act, asked in ((read, {"read": 1}), (write, {"read": 1, "replace": 1}), (shrink, {"read": 1, "replace": 1})):
        answer_ = answer(visitor.sessions, visitor.header, act)
        assert table.take_asked() == asked
        visitor.browser.keep(answer_, https=True)
    # The row is removed once the browser has sent the new cookie, and none of its earlier requests is in flight.
    for asked in ({}, {"remove": 1}, {}):
        visitor.browser.keep(answer(visitor.sessions, visitor.header, write), https=True)
        assert table.take_asked() == asked
        clock.advance(timedelta(minutes=1))


def test_a_write_in_the_table_sends_no_cookie(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(table, clock), clock)
    visitor.does(grow)

    assert answer(visitor.sessions, visitor.header, write) == []
    assert visitor.does(dict)["n"] == 1


def test_a_session_at_the_limit_does_not_move_back_and_forth(table: Watched, clock: FakeClock) -> None:
    events: list[Event] = []
    visitor = Visitor(make(table, clock, on_event=events.append), clock)

    def fill(length: int) -> Act:
        return lambda session: session.put("text", "a" * length)

    limit = next(length for length in range(2000, 4000, 10) if visitor.does(fill(length), dict) and table.take_asked())
    for length in (limit - 10, limit, limit - 10, limit):
        visitor.does(fill(length))
    assert [event.reason for event in events if event.name == "moved"] == ["to the table"]
    visitor.does(fill(limit // 2))

    assert [event.reason for event in events if event.name == "moved"] == ["to the table", "to the cookie"]
    # Most of what a cookie can hold.
    assert limit > 2500


def test_a_session_that_just_fits_leaves_200_bytes_for_the_options_of_one_response(clock: FakeClock) -> None:
    sessions = make(MemoryTable(clock=clock), clock, max_age=DAY)

    def begin(length: int, **options: Any) -> int:
        session = sessions.fetch(https=True)
        session["text"] = "a" * length
        session.configure(**options)
        (cookie,) = sessions.commit(session).cookies
        return cookie.size

    limit = bisect_left(range(4000), True, key=lambda length: begin(length + 1) < 1000)

    # With the "; " in front of it.
    assert 3000 < begin(limit, extra="a" * 198) <= 4096


def test_a_session_may_begin_in_the_table(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(table, clock), clock)

    assert visitor.does(grow, dict) == {"cart": "a" * 4000}
    assert visitor.does(logout, grow, dict) == {"cart": "a" * 4000}
    assert visitor.does(lambda session: (farewell(session), grow(session)), dict)["message"] == "Goodbye"
    assert table.table.sweep(10) == 0
    clock.advance(8 * DAY)
    # With the previous session's tombstone.
    assert visitor.sessions.sweep() == 2


@KINDS
@pytest.mark.parametrize("is_large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("act", [login, switch, renew, login_with_cart, lambda s: (renew(s), grow(s))])
def test_a_renewal_or_a_login_may_use_either_place(
    make_sessions: MakeSessions, clock: FakeClock, is_large: bool, act: Act
) -> None:
    visitor = Visitor(make_sessions(clock), clock)
    before = visitor.does(write, *((grow,) if is_large else ()), dict)
    old = visitor.header

    after = visitor.does(act, dict)

    expected = dict(before)
    checked = visitor.sessions.fetch(https=True)
    checked.update(before)
    act(checked)
    expected = dict(checked)
    assert after == expected
    assert visitor.does(write, dict)["n"] == 2
    assert len(visitor.browser.jar) == 1
    if is_large:
        assert dict(visitor.sessions.fetch(old, https=True)) == {}
    assert visitor.does(shrink, write, dict)["n"] == 3


def test_a_renewal_reports_a_move(table: Watched, clock: FakeClock) -> None:
    events: list[Event] = []
    visitor = Visitor(make(table, clock, on_event=events.append), clock)

    visitor.does(write, lambda s: (renew(s), grow(s)), renew, lambda s: (renew(s), shrink(s)), renew)

    assert [event.reason for event in events if event.name == "moved"] == ["to the table", "to the cookie"]


@pytest.mark.parametrize("act", [logout, drop, farewell, library_logout])
@pytest.mark.parametrize("acts", [(login_large,), (login_large, shrink)], ids=["there", "back"])
def test_a_logout_deletes_the_row(table: Watched, clock: FakeClock, act: Act, acts: tuple[Act, ...]) -> None:
    visitor = Visitor(make(table, clock), clock)
    visitor.does(login_large)
    copy = visitor.header
    visitor.does(*acts[1:])
    assert visitor.sessions.fetch(copy, https=True).principal == "7"

    assert "user_id" not in visitor.does(act, dict)

    assert dict(visitor.sessions.fetch(copy, https=True)) == {}


@KINDS
@pytest.mark.parametrize("is_read", [False, True], ids=["read later", "read before"])
@pytest.mark.parametrize("act", [logout, drop, farewell])
def test_a_logout_with_the_cookie_from_before_a_renewal_leaves_no_row(
    make_sessions: MakeSessions, clock: FakeClock, act: Act, is_read: bool
) -> None:
    sessions = make_sessions(clock)
    visitor = Visitor(sessions, clock)
    visitor.does(login_large)
    session = sessions.fetch(visitor.header, https=True)
    if is_read:
        read(session)
    visitor.does(renew)
    renewed = visitor.header
    act(session)
    visitor.browser.keep([str(each) for each in sessions.commit(session).cookies], https=True)

    assert "user_id" not in visitor.does(dict)
    assert dict(sessions.fetch(renewed, https=True)) == {}
    # The tombstones have expired by now, and what is left would stay for a week.
    clock.advance(timedelta(minutes=2))
    sessions.sweep()
    assert len(sessions.prepare("sync").table) == 0


@KINDS
@pytest.mark.parametrize("act", [renew, lambda session: (renew(session), shrink(session))])
def test_a_write_with_the_cookie_from_before_a_renewal_is_lost(
    make_sessions: MakeSessions, clock: FakeClock, act: Act
) -> None:
    sessions = make_sessions(clock)
    visitor = Visitor(sessions, clock)
    visitor.does(login_large)
    before = visitor.header
    visitor.does(act)
    renewed = visitor.does(dict)

    assert answer(sessions, before, write) == []
    assert visitor.does(dict) == renewed


@KINDS
def test_a_move_back_keeps_what_another_request_has_written_to_the_row(
    make_sessions: MakeSessions, clock: FakeClock
) -> None:
    visitor = Visitor(make_sessions(clock), clock)
    visitor.does(login_large)
    slow = visitor.sessions.fetch(visitor.header, https=True)
    shrink(slow)
    visitor.does(write)
    visitor.browser.keep([str(each) for each in visitor.sessions.commit(slow).cookies], https=True)

    assert visitor.does(dict) == {"user_id": 7, "n": 1}


@KINDS
@pytest.mark.parametrize("shrinks", [False, True], ids=["in the table", "back in the cookie"])
@pytest.mark.parametrize("act", [renew, login_again])
def test_a_renewal_keeps_what_another_request_has_written_to_the_row(
    make_sessions: MakeSessions, clock: FakeClock, act: Act, shrinks: bool
) -> None:
    visitor = Visitor(make_sessions(clock), clock)
    visitor.does(login_large)
    slow = visitor.sessions.fetch(visitor.header, https=True)
    act(slow)
    if shrinks:
        shrink(slow)
    visitor.does(write)
    visitor.browser.keep([str(each) for each in visitor.sessions.commit(slow).cookies], https=True)

    assert visitor.does(dict) == {"user_id": 7, "n": 1, **({} if shrinks else {"cart": "a" * 4000})}


@KINDS
def test_a_login_carries_nothing_over_from_a_row_that_has_ended(make_sessions: MakeSessions, clock: FakeClock) -> None:
    visitor = Visitor(make_sessions(clock), clock)
    visitor.does(grow, write)
    slow = visitor.sessions.fetch(visitor.header, https=True)
    login(slow)
    visitor.does(drop)
    visitor.browser.keep([str(each) for each in visitor.sessions.commit(slow).cookies], https=True)

    assert visitor.does(dict) == {"user_id": 7}


@pytest.mark.parametrize("act", [renew, lambda session: (renew(session), shrink(session))])
def test_a_renewal_does_not_bring_back_a_row_that_has_ended(
    table: Watched, clock: FakeClock, events: list[Event], act: Act
) -> None:
    sessions = make(table, clock, on_event=events.append)
    visitor = Visitor(sessions, clock)
    visitor.does(grow, write)
    slow = sessions.fetch(visitor.header, https=True)
    act(slow)
    visitor.does(drop)

    assert sessions.commit(slow).cookies == ()
    assert events[-1].name == "lost_write"
    assert visitor.does(dict) == {}


def test_visitors_whose_sessions_have_ended_share_no_row(clock: FakeClock) -> None:
    sessions = make_revocable(clock)
    first, second = Visitor(sessions, clock), Visitor(sessions, clock)
    for each in (first, second):
        each.does(login)
    sessions.revoke(7)
    first.does(grow)
    second.does(grow_more)

    assert (first.does(dict), second.does(dict)) == ({"cart": "a" * 4000}, {"wishes": "b" * 4000})


def test_a_session_in_the_table_is_sealed_in_the_new_format_when_it_is_read(clock: FakeClock) -> None:
    table, former = MemoryTable(clock=clock), secrets.token_hex(32)
    session = make(table, clock, secret_key_base=former).fetch()
    grow(session)
    old = make(table, clock, secret_key_base=former).commit(session).cookie
    sessions = make(table, clock, also_read=[NativeFormat(former)], rewrite_on="read")
    session = sessions.resume(old)
    kept = dict(session)

    sent = sessions.commit(session).cookie

    assert sent is not None
    assert NativeFormat(SECRET).open(sent, key=KEY) is not None
    assert sessions.resume(sent) == kept != {}


def test_a_session_that_is_due_is_touched_and_its_cookie_sent_again(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(table, clock, idle_timeout=DAY, max_age=DAY), clock)
    visitor.does(grow)
    table.take_asked()
    sent = 0
    for act in (read,) * 24 + (write,) * 24:
        clock.advance(HOUR)
        sent += len(answer_ := answer(visitor.sessions, visitor.header, act))
        visitor.browser.keep(answer_, https=True)

    # A cookie that the browser keeps for a day is still there after two.
    assert visitor.does(dict)["n"] == 24
    assert sent == 16
    assert set(table.asked) == {"read", "replace", "touch"}


def test_a_shorter_lifetime_reaches_the_row_once(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(table, clock), clock)
    visitor.does(grow)
    visitor.sessions = make(table, clock, idle_timeout=HOUR)
    visitor.does(read)
    table.take_asked()

    assert visitor.does(dict) == {"cart": "a" * 4000}
    assert table.take_asked() == {"read": 1}
    clock.advance(HOUR)
    assert visitor.does(dict) == {}


def test_a_request_that_shortens_the_rows_life_undoes_no_write_of_another(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(table, clock), clock)
    visitor.does(grow, write, write_more)
    visitor.sessions = make(table, clock, idle_timeout=HOUR)
    slow = visitor.sessions.fetch(visitor.header, https=True)
    read(slow)
    visitor.does(write, lambda session: session.pop("m"))
    visitor.browser.keep([str(each) for each in visitor.sessions.commit(slow).cookies], https=True)

    assert visitor.does(dict) == {"cart": "a" * 4000, "n": 2}
    clock.advance(HOUR)
    assert visitor.does(dict) == {}


def test_the_application_sees_a_session_in_a_cookie_wherever_it_is(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(table, clock), clock)
    visitor.does(write)
    for act in (read, grow):
        visitor.does(act)
        session = visitor.sessions.fetch(visitor.header, https=True)
        with pytest.raises(ConfigurationError, match=r"session\.atomic_update needs sessions in a table"):
            session.atomic_update("n", lambda n: n + 1)
        with pytest.raises(ConfigurationError, match="keep them in a table"):
            visitor.sessions.list(7)


def test_the_row_shows_neither_data_nor_user_and_the_application_sees_no_pointer(
    tmp_path: Path, clock: FakeClock
) -> None:
    file = tmp_path / "room.db"
    with make(f"sqlite:///{file}", clock) as sessions:
        visitor = Visitor(sessions, clock)
        visitor.does(login, lambda session: session.put("cart", "pickled herring " * 400))
        assert set(visitor.does(dict)) == {"user_id", "cart"}
        assert b"herring" not in b"".join(each.read_bytes() for each in tmp_path.iterdir())
        assert sessions.prepare("sync").table.read(b"\0" * 32) is None
    # Closed, and opened again under another secret.
    with make(f"sqlite:///{file}", clock, fallbacks=[SECRET], secret_key_base=secrets.token_hex(32)) as sessions:
        visitor.sessions = sessions
        assert visitor.does(write, dict)["n"] == 1
    with make(f"sqlite:///{file}", clock, app_name="another") as sessions:
        assert dict(sessions.fetch(visitor.header, https=True)) == {}


# Lost responses and writes.


def test_a_lost_response_loses_no_session(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(table, clock), clock)
    visitor.does(login)
    answer(visitor.sessions, visitor.header, grow)
    # As where the response was lost, what was written is there, if the cookie does not fit once more.
    assert visitor.does(write, dict) == {"user_id": 7, "n": 1}
    visitor.does(grow)
    for _ in range(3):
        answer(visitor.sessions, visitor.header, shrink)

    assert visitor.does(dict) == {"user_id": 7, "n": 1}
    assert visitor.does(write, dict) == {"user_id": 7, "n": 2}


def test_data_only_in_the_cookie_is_not_replaced_by_an_older_row(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(table, clock), clock)
    visitor.does(login)
    answer(visitor.sessions, visitor.header, grow)
    visitor.does(write, write_more)

    assert visitor.does(grow_more, dict) == {"user_id": 7, "n": 1, "m": 1, "wishes": "b" * 4000}


def test_two_requests_that_do_not_fit_share_one_row(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(table, clock), clock)
    visitor.does(login)
    before = visitor.header

    visitor.does(grow)
    visitor.browser.keep(answer(visitor.sessions, before, grow_more), https=True)

    assert set(visitor.does(dict)) == {"user_id", "cart", "wishes"}
    assert len(visitor.browser.jar) == 1


@pytest.mark.parametrize("evicts", [True, False])
def test_the_row_is_where_the_formats_page_says(table: Watched, clock: FakeClock, evicts: bool) -> None:
    table.evicts = evicts
    visitor = Visitor(make(table, clock), clock)
    visitor.does(login)
    cookie = visitor.browser.jar[0].value
    visitor.does(grow)
    sid = urlsafe_b64encode(sha256(b"holdall overflow" + cookie.encode()).digest()[:30])

    row = table.table.read(sha256(sid).digest())

    assert row is not None
    assert row.principal == (f"\x1f{KEY} overflow\x1f7" if evicts else None)
    assert b'"cart":"aaaa' in row.data


@pytest.mark.parametrize("is_revocable", [False, True])
def test_anonymous_visitors_do_not_evict_a_users_row(is_revocable: bool, clock: FakeClock) -> None:
    table = MemoryTable(max_rows=10, clock=clock)
    sessions = make(table, clock, **({"revocable": table} if is_revocable else {}))
    visitor = Visitor(sessions, clock)
    # The row is inserted when the session outgrows its cookie, at a login and at a renewal.
    for act in (login, grow, login_with_cart, renew):
        visitor.does(act)
        for _ in range(20):
            Visitor(sessions, clock).does(grow)

    assert visitor.does(dict) == {"user_id": 8, "cart": "a" * 4000}
    if is_revocable:
        assert len(sessions.list(8)) == 1
        assert sessions.revoke(8) == 1
        assert visitor.does(dict) == {}


def test_a_late_request_finds_its_session_although_it_has_moved_back(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(table, clock), clock)
    visitor.does(login_large)
    before = visitor.header
    visitor.does(shrink)

    assert dict(visitor.sessions.fetch(before, https=True)) == {"user_id": 7}
    # Of plain writes in cookies the last response wins; this one knows the other's.
    visitor.browser.keep(answer(visitor.sessions, before, write), https=True)
    assert visitor.does(dict) == {"user_id": 7, "n": 1}
    assert len(visitor.browser.jar) == 1


def test_a_late_request_finds_its_session_although_it_moved_back_and_forth(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(table, clock), clock)
    visitor.does(login_large)
    before = visitor.header
    for acts in ((shrink, write), (grow,), (shrink, write), (write_more, grow_more)):
        expected = visitor.does(*acts, dict)
        assert visitor.sessions.fetch(before, https=True).principal == "7"

    assert expected == {"user_id": 7, "n": 2, "m": 1, "wishes": "b" * 4000}
    assert visitor.does(logout, dict) == {}
    clock.advance(8 * DAY)
    # The row that it left on the way.
    assert visitor.sessions.sweep() == 2


def test_a_write_after_the_row_was_removed_is_reported_as_lost(table: Watched, clock: FakeClock) -> None:
    events: list[Event] = []
    sessions = make(table, clock, on_event=events.append)
    visitor = Visitor(sessions, clock)
    visitor.does(login)
    in_cookie = sessions.fetch(visitor.header, https=True)
    visitor.does(grow)
    late = sessions.fetch(visitor.header, https=True)
    assert late.principal == in_cookie.principal == "7"
    before = visitor.header
    visitor.does(shrink)
    clock.advance(timedelta(minutes=1))
    visitor.does(write)
    events.clear()
    for session in (late, in_cookie):
        grow_more(session)
        assert sessions.commit(session).cookies == ()

    assert [(event.name, event.reason) for event in events] == [("lost_write", "ended")] * 2
    # The browser is still told about a logout with the old cookie.
    events.clear()
    session = sessions.fetch(before, https=True)
    session.logout()
    visitor.browser.keep([str(each) for each in sessions.commit(session).cookies], https=True)
    assert visitor.does(dict) == {}


def test_a_slow_logout_ends_a_session_that_has_moved_back(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(table, clock), clock)
    visitor.does(login_large)
    slow = visitor.sessions.fetch(visitor.header, https=True)
    slow.get("user_id")
    visitor.does(shrink)
    clock.advance(timedelta(minutes=1))
    visitor.does(write)
    slow.logout()
    visitor.browser.keep([str(each) for each in visitor.sessions.commit(slow).cookies], https=True)

    assert visitor.does(dict) == {}


def test_a_second_logout_reports_nothing(table: Watched, clock: FakeClock) -> None:
    events: list[Event] = []
    visitor = Visitor(make(table, clock, on_event=events.append), clock)
    visitor.does(login_large)
    slow = visitor.sessions.fetch(visitor.header, https=True)
    slow.get("user_id")
    visitor.does(logout)
    slow.logout()

    assert visitor.sessions.commit(slow).cookies == ()
    assert [event.name for event in events].count("ended") == 1


# Rows of other kinds, other names, and a table that is down.


def test_a_revoked_session_does_not_move_or_come_back(table: Watched, clock: FakeClock) -> None:
    sessions = make(table, clock, revocable=table)
    for before, act in ((login, grow), (login_large, shrink), (login_large, write)):
        visitor = Visitor(sessions, clock)
        visitor.does(before)
        # By then its row is due, and a write checks it.
        clock.advance(DAY)
        session = sessions.fetch(visitor.header, https=True)
        act(session)
        assert sessions.revoke(7) == 1

        assert sessions.commit(session).cookies == ()
        assert visitor.does(dict) == {}
    # What was shrunk is left until it expires.
    clock.advance(8 * DAY)
    assert sessions.sweep() <= 2


def test_a_renewal_of_a_revoked_session_leaves_no_row(table: Watched, clock: FakeClock) -> None:
    sessions = make(table, clock, revocable=table)
    visitor = Visitor(sessions, clock)
    visitor.does(login)
    session = sessions.fetch(visitor.header, https=True)
    renew(session)
    grow(session)
    sessions.revoke_all()
    table.take_asked()

    assert sessions.commit(session).cookies == ()
    assert table.take_asked()["insert"] == 1
    clock.advance(8 * DAY)
    assert sessions.sweep() == 0


def test_sessions_in_the_table_are_listed_once_followed_and_limited(table: Watched, clock: FakeClock) -> None:
    sessions = make(table, clock, revocable=table, max_sessions=2)
    first, second, third = (Visitor(sessions, clock) for _ in range(3))
    for each in (first, second, third):
        each.does(login_large, write)
        clock.advance(HOUR)

    assert (first.does(dict), second.does(dict)["n"], len(sessions.list(7))) == ({}, 1, 2)
    current = sessions.fetch(second.header, https=True)
    assert [info.is_current for info in sessions.list(7, current=current)] == [True, False]
    place = sessions.follow(state_of(current).stored)
    assert sessions.revoke(7, keep=current) == 1
    assert sessions.follow(place) is not None
    assert sessions.revoke_all() >= 1
    assert sessions.follow(place) is None


def test_a_session_in_the_table_from_before_revocable_gets_a_row_that_lists_it(
    table: Watched, clock: FakeClock
) -> None:
    visitor = Visitor(make(table, clock), clock)
    visitor.does(login_large)
    copy = visitor.header
    visitor.sessions = make(table, clock, revocable=table)

    assert visitor.does(write, dict)["n"] == 1
    assert len(visitor.sessions.list(7)) == 1
    assert visitor.does(logout, dict) == {}
    session = visitor.sessions.fetch(copy, https=True)
    assert dict(session) == {}


def test_a_session_in_the_table_follows_its_cookies_new_name(table: Watched, clock: FakeClock) -> None:
    visitor = Visitor(make(table, clock, key="__Host-old"), clock)
    visitor.does(login_large)
    before = visitor.header
    visitor.sessions = make(table, clock, old_keys=["__Host-old"])

    assert visitor.does(write, dict)["n"] == 1
    assert [kept.name for kept in visitor.browser.jar] == [f"{KEY}.e"]
    # A late request with the old name finds the row under the present one.
    assert dict(visitor.sessions.fetch(before, https=True))["n"] == 1


def test_without_the_table_a_session_that_fits_keeps_working(table: Watched, clock: FakeClock) -> None:
    large, small, back = (Visitor(make(table, clock), clock) for _ in range(3))
    large.does(grow)
    small.does(write)
    back.does(grow, shrink)
    clock.advance(timedelta(minutes=1))
    table.is_away = True

    with pytest.raises(StoreError, match="the table is down"):
        large.does(read)
    assert small.does(write, dict) == {"n": 2}
    with pytest.raises(StoreError, match="the table is down"):
        small.does(grow)
    # Its row is removed by a later write.
    assert back.does(write, write, dict) == {"n": 2}
    with pytest.raises(StoreError, match="the table is down"):
        back.does(grow)
    table.is_away = False
    table.take_asked()
    assert back.does(write, write, dict) == {"n": 4}
    assert table.take_asked() == {"remove": 1}
    assert large.does(dict) == {"cart": "a" * 4000}


def test_another_librarys_session_moves_too(table: Watched, clock: FakeClock) -> None:
    flask = Sessions("cookie", key=KEY, format="flask", secret_key_base=SECRET, secure=True, clock=clock)
    visitor = Visitor(flask, clock)
    visitor.does(login)
    visitor.sessions = make(table, clock, also_read=[FlaskFormat(SECRET, clock=clock)])

    assert visitor.does(grow, write, dict) == {"user_id": 7, "cart": "a" * 4000, "n": 1}
    assert visitor.does(renew, shrink, dict) == {"user_id": 7, "n": 1}


def test_a_session_in_a_header_can_overflow_too(table: Watched, clock: FakeClock) -> None:
    options: Any = {"secret_key_base": SECRET, "principal_key": "user_id", "overflow": table}
    sessions = Sessions("cookie", key="sid", transport="X-Session", clock=clock, **options)

    def request(value: str, act: Act) -> str:
        session = sessions.fetch(value)
        act(session)
        (sent,) = sessions.commit(session).cookies
        return str(sent)

    value = request(request("", login), grow)
    assert len(value) < 400
    assert dict(sessions.fetch(value)) == {"user_id": 7, "cart": "a" * 4000}
    assert dict(sessions.fetch(request(value, shrink))) == {"user_id": 7}


# Setup.


def test_an_async_table_is_awaited(clock: FakeClock) -> None:
    sessions = make(as_async(MemoryTable(clock=clock)), clock)

    async def request(header: str, act: Act) -> str:
        session = await sessions.fetch_async(header, https=True)
        act(session)
        (cookie,) = (await sessions.commit_async(session)).cookies[-1:]
        return f"{cookie.attributes.key}={cookie.value}"

    async def visits() -> list[dict[str, Any]]:
        header, found = "", []
        for act in (write, grow, shrink, write):
            header = await request(header, act)
            found.append(dict(await sessions.fetch_async(header, https=True)))
        return found

    assert asyncio.run(visits()) == [{"n": 1}, {"n": 1, "cart": "a" * 4000}, {"n": 1}, {"n": 2}]
    with pytest.raises(ConfigurationError, match="is async, which this adapter cannot use"):
        sessions.prepare("sync")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"generations": False}, "remove generations=False"),
        ({"format": "flask", "secure": True}, "use format='native'"),
        ({"revocable": "another"}, "share one table"),
        ({"device_bound": True}, "leave out overflow= and"),
        ({"max_sessions": 2}, "max_sessions needs sessions in a table, or revocable="),
        ({"on_lost_write": "raise"}, "written without checking for its end"),
    ],
)
def test_invalid_combinations_are_refused(options: dict[str, Any], words: str, clock: FakeClock) -> None:
    with pytest.raises(ConfigurationError, match=words):
        make(MemoryTable(clock=clock), clock, **options).prepare("sync")


def test_without_overflow_an_oversized_session_is_an_error_that_names_it(clock: FakeClock) -> None:
    visitor = Visitor(make(None, clock), clock)

    with pytest.raises(CookieOverflowError, match=r"'cart' \(about 4002 bytes\).*overflow="):
        visitor.does(grow)


def test_two_sessions_in_one_table_are_refused(clock: FakeClock) -> None:
    table = MemoryTable(clock=clock)

    with pytest.raises(ConfigurationError, match="are in one table"):
        SessionGroup(make(table, clock), [make(table, clock, key="__Host-cart")], form="sync")


# Every order in which responses arrive.

MOVES: tuple[Act, ...] = (write, grow, shrink)
STARTS = (login, login_large)


@pytest.mark.parametrize("start", STARTS, ids=["small", "large"])
@KINDS
def test_no_order_of_two_responses_brings_a_login_back_or_loses_one(make_sessions: MakeSessions, start: Act) -> None:
    for acts in combinations_with_replacement((*MOVES, renew, login, logout, farewell, library_logout), 2):
        # As in a table, a request whose cookie was renewed before it was read sees an empty session.
        sees_nothing = library_logout in acts and len(set(acts)) > 1
        found = faults(make_sessions, start, acts)
        assert (acts, found - ({"login is back"} if sees_nothing and renew in acts else set())) == (acts, set())


@pytest.mark.parametrize("start", STARTS, ids=["small", "large"])
def test_no_order_of_three_responses_brings_a_login_back_or_loses_one(start: Act) -> None:
    for acts in combinations_with_replacement((*MOVES, renew, login, logout), 3):
        if acts.count(login) < 2 and not set(acts).isdisjoint((grow, shrink)):
            assert (acts, faults(make_plain, start, acts)) == (acts, set())


# Every order in which the steps of requests and their responses can interleave.

PLACES = pytest.mark.parametrize(
    "starts",
    [(login,), (login_large,), (login_large, shrink)],
    ids=["in the cookie", "in the table", "back in the cookie"],
)


@PLACES
@KINDS
def test_in_no_order_does_a_move_hide_a_session_or_lose_a_login(
    make_sessions: MakeSessions, starts: tuple[Act, ...]
) -> None:
    count = 0
    for acts in combinations_with_replacement((write, grow, shrink), 2):
        for meeting in meetings(make_sessions, starts, *acts):
            count += 1
            assert (acts, meeting.found) == (acts, ["7", "7"])
            assert meeting.visitor.does(dict).get("user_id") == 7
            assert len(meeting.visitor.browser.jar) == 1
    assert count >= 6 * 4


@PLACES
def test_in_no_order_of_three_requests_does_a_move_lose_a_login(starts: tuple[Act, ...]) -> None:
    for acts in ((write, grow, shrink), (grow, shrink, shrink))[: sized(1, 2)]:
        for meeting in meetings(make_plain, starts, *acts):
            assert meeting.visitor.does(dict).get("user_id") == 7


def test_in_no_order_is_a_write_lost_while_the_session_is_in_the_table() -> None:
    for meeting in meetings(make_plain, (login_large,), write, write_more, grow_more):
        assert set(meeting.visitor.does(dict)) == {"user_id", "cart", "n", "m", "wishes"}


@PLACES
@KINDS
@pytest.mark.parametrize(("move", "act"), list(product((grow, shrink), (logout, switch, renew))))
def test_in_no_order_does_a_move_undo_a_login_a_logout_or_a_renewal(
    make_sessions: MakeSessions, starts: tuple[Act, ...], move: Act, act: Act
) -> None:
    for meeting in meetings(make_sessions, starts, move, act):
        found = meeting.visitor.does(dict)
        assert found.get("user_id") == {logout: None, switch: 8, renew: 7}[act]
        assert meeting.visitor.does(login, dict)["user_id"] == 7
        assert len(meeting.visitor.browser.jar) == 1


@PLACES
@pytest.mark.parametrize("act", [library_logout, farewell])
def test_in_no_order_does_a_move_undo_a_logout_by_a_library(starts: tuple[Act, ...], act: Act) -> None:
    for move in (grow, shrink):
        for meeting in meetings(make_plain, starts, move, act):
            assert "user_id" not in meeting.visitor.does(dict)


@pytest.mark.parametrize("acts", [(renew, renew), (renew, logout), (renew, library_logout), (switch, renew)])
@KINDS
def test_renewals_in_the_table_meet_logins_and_logouts(make_sessions: MakeSessions, acts: tuple[Act, Act]) -> None:
    for meeting in meetings(make_sessions, (login_large,), *acts):
        user = meeting.visitor.does(dict).get("user_id")
        if acts == (renew, library_logout) and meeting.found[1] is None:
            # It saw an empty session, as in a table.
            continue
        assert user == {logout: None, library_logout: None, switch: 8}.get(acts[0] if acts[1] is renew else acts[1], 7)


def test_the_orders_detect_a_move_without_a_new_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdall.stores._overflow.MOVE", 0)

    lost = {bool(meeting.visitor.does(dict).get("cart")) for meeting in meetings(make_plain, (login,), write, grow)}
    assert lost == {True, False}


def test_the_orders_detect_a_row_that_is_removed_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    from holdall.stores._overflow import OverflowStore

    put_there = OverflowStore._put_there

    def and_remove(store: OverflowStore, stored: Any, write: Any, key: str) -> Any:
        written = yield from put_there(store, stored, write, key)
        if written is not None and not written.is_there:
            yield from store.rows.delete(written.row, key=key)
        return written

    monkeypatch.setattr(OverflowStore, "_put_there", and_remove)

    assert any(None in meeting.found for meeting in meetings(make_plain, (login_large,), write, shrink))
