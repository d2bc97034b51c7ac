"""A user logs in again while the session is ended or renewed: by the same request, or by others in every order."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from core.orders import (
    Act,
    Meeting,
    Visitor,
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
from holdall import ConfigurationError, Event, MemoryTable, Session, Sessions, TableStore
from holdall._recorded_login import record_repeated_login
from holdall.testing import FakeClock

SECRET = "6f1d2c93a8e04b57bb0f1e6d7c5a49382f6b0e1d4c7a85930f2e6b1d8c4a7590"

MakeSessions = Callable[..., Sessions]


def _table(clock: FakeClock, **options: Any) -> Sessions:
    return Sessions(TableStore(MemoryTable(clock=clock)), key="__Host-sid", clock=clock, **options)


def _cookie(clock: FakeClock, **options: Any) -> Sessions:
    return Sessions("cookie", secret_key_base=SECRET, key="__Host-sid", clock=clock, **options)


def _revocable(clock: FakeClock, **options: Any) -> Sessions:
    return _cookie(clock, revocable=MemoryTable(clock=clock), **options)


def _overflow(clock: FakeClock, **options: Any) -> Sessions:
    return _cookie(clock, overflow=MemoryTable(clock=clock), **options)


def _both(clock: FakeClock, **options: Any) -> Sessions:
    table = MemoryTable(clock=clock)
    return _cookie(clock, revocable=table, overflow=table, **options)


def large_login(session: Session) -> None:
    session.update(cart="x" * 5000)
    session.login(7)


def small(session: Session) -> None:
    session["cart"] = 1


def large(session: Session) -> None:
    session["cart"] = "x" * 5000


#: Each store, and how its session is filled first.
STORES: dict[str, tuple[MakeSessions, Act]] = {
    "table": (_table, small),
    "revocable": (_revocable, small),
    "overflow, in the cookie": (_overflow, small),
    "overflow, in the table": (_overflow, large),
    "both, in the cookie": (_both, small),
    "both, in the table": (_both, large),
    "cookie": (_cookie, small),
}
WITH_ROWS = [name for name in STORES if name.startswith(("table", "revocable", "both"))]


def library_login(session: Session) -> None:
    session["user_id"] = 7
    record_repeated_login(session)


def confirm(session: Session) -> None:
    session.confirm_login()


AGAIN: dict[str, tuple[Act, dict[str, Any]]] = {
    "login": (login, {}),
    "a recorded login": (login, {"record_login": True}),
    "a library's login": (library_login, {}),
    "a library's recorded login": (library_login, {"record_login": True}),
    "confirm_login": (confirm, {"record_login": True}),
}


def begun(store: str, clock: FakeClock, **options: Any) -> Visitor:
    make, fill = STORES[store]
    visitor = Visitor(make(clock, **options), clock)
    visitor.does(login, fill)
    return visitor


# In one request.


@pytest.mark.parametrize("again", AGAIN)
@pytest.mark.parametrize("store", WITH_ROWS)
def test_a_login_after_revoke_begins_a_session_with_its_own_values(store: str, again: str, clock: FakeClock) -> None:
    act, options = AGAIN[again]
    visitor = begun(store, clock, **options)
    sessions, before = visitor.sessions, visitor.header

    def change_password(session: Session) -> None:
        assert session.principal == "7"
        assert sessions.revoke(7) == 1
        act(session)
        session["message"] = "changed"
        assert session.principal == "7"

    visitor.does(change_password)

    assert visitor.does(dict) == {"user_id": 7, "message": "changed"}
    assert dict(sessions.fetch(before, https=True)) == {}
    assert len(sessions.list(7)) == len(visitor.browser.jar) == 1
    if options:
        assert visitor.does(lambda session: session.authenticated_at) == clock()


@pytest.mark.parametrize("store", WITH_ROWS)
def test_a_login_after_revoke_all_begins_a_session(store: str, clock: FakeClock) -> None:
    visitor = begun(store, clock)

    visitor.does(lambda session: (session.principal, visitor.sessions.revoke_all(), login(session)))

    assert visitor.does(dict) == {"user_id": 7}


@pytest.mark.parametrize("store", WITH_ROWS)
@pytest.mark.parametrize("unread", [False, True], ids=["read", "unread"])
def test_a_login_takes_effect_with_the_response_and_so_after_a_revoke(
    store: str, unread: bool, clock: FakeClock
) -> None:
    visitor = begun(store, clock)

    visitor.does(lambda session: (unread or session.principal, login(session), visitor.sessions.revoke(7)))

    assert visitor.does(dict) == {"user_id": 7}
    assert len(visitor.sessions.list(7)) == 1


@pytest.mark.parametrize("store", WITH_ROWS)
@pytest.mark.parametrize(
    "act", [renew, write, lambda session: session.update(user_id=7)], ids=["renew", "write", "key"]
)
def test_nothing_but_a_login_brings_a_revoked_session_back(store: str, act: Act, clock: FakeClock) -> None:
    visitor = begun(store, clock)

    visitor.does(lambda session: (session.principal, visitor.sessions.revoke(7), act(session)))

    assert visitor.does(dict) == {}
    assert visitor.sessions.list(7) == []


@pytest.mark.parametrize("store", WITH_ROWS)
def test_a_login_as_another_user_after_revoke_takes_nothing_of_the_first(store: str, clock: FakeClock) -> None:
    visitor = begun(store, clock)

    def act(session: Session) -> None:
        session["username"] = "ada"
        visitor.sessions.revoke(7)
        switch(session)
        session["message"] = "hello"

    visitor.does(lambda session: session.update(username="ada"))
    visitor.does(act)

    assert visitor.does(dict) == {"user_id": 8, "username": "ada", "message": "hello"}


@pytest.mark.parametrize("store", WITH_ROWS)
def test_a_failed_request_does_not_log_in_again(store: str, clock: FakeClock) -> None:
    visitor = begun(store, clock)

    visitor.does(lambda session: (session.principal, visitor.sessions.revoke(7), login(session)), status=500)

    assert visitor.does(dict) == {}


@pytest.mark.parametrize("store", STORES)
def test_a_failed_login_of_the_same_user_changes_nothing(store: str, clock: FakeClock) -> None:
    visitor = begun(store, clock)
    before = visitor.header, visitor.does(dict)

    visitor.does(lambda session: (session.update(cart=0), login(session)), status=500)

    assert (visitor.header, visitor.does(dict)) == before


def test_a_login_that_was_saved_before_a_revoke_ends(clock: FakeClock) -> None:
    sessions = _table(clock)
    visitor = Visitor(sessions, clock)
    visitor.does(login)
    session = sessions.fetch(visitor.header, https=True)
    session.login(7)
    (cookie,) = sessions.commit(session).cookies
    assert not session.modified

    sessions.revoke(7)

    assert dict(sessions.fetch(f"{cookie.attributes.key}={cookie.value}", https=True)) == {}


@pytest.mark.parametrize(
    ("is_revoked", "log_in", "user"),
    [(True, login, 7), (True, switch, 8), (False, switch, 8)],
    ids=["again, revoked", "another, revoked", "another"],
)
def test_an_atomic_update_with_a_login_uses_no_value_of_the_session_before(
    is_revoked: bool, log_in: Act, user: int, clock: FakeClock
) -> None:
    visitor = begun("table", clock)
    visitor.does(lambda session: session.update(n=5, m=5))

    def act(session: Session) -> None:
        assert session.principal == "7"
        if is_revoked:
            visitor.sessions.revoke(7)
        log_in(session)
        session["m"] = 1
        assert session.atomic_update("n", lambda n: n + 1, default=0) == 1
        assert session.atomic_update("m", lambda m: m + 1, default=0) == 2

    visitor.does(act)

    assert visitor.does(dict) == {"user_id": user, "n": 1, "m": 2}


@pytest.mark.parametrize("log_in", [login, lambda session: session.update(user_id=7)], ids=["login", "key"])
def test_the_atomic_update_of_a_login_from_an_ended_anonymous_session_is_stored_with_it(
    log_in: Act, clock: FakeClock
) -> None:
    visitor = Visitor(_table(clock), clock)
    visitor.does(small)

    def act(session: Session) -> None:
        other = visitor.sessions.fetch(visitor.header, https=True)
        for each in (other, session):
            assert each["cart"] == 1
        drop(other)
        visitor.sessions.commit(other)
        log_in(session)
        assert session.atomic_update("n", lambda n: n + 1, default=0) == 1

    visitor.does(act)

    assert visitor.does(dict) == {"user_id": 7, "n": 1}


def test_the_atomic_update_of_a_user_who_logs_out_uses_the_data_that_stays(clock: FakeClock) -> None:
    visitor = begun("table", clock)
    visitor.does(lambda session: session.update(n=100))
    visitor.does(lambda session: (session.pop("user_id"), session.atomic_update("n", lambda n: n + 1)))

    assert visitor.does(dict) == {"cart": 1, "n": 101}


@pytest.mark.parametrize("store", WITH_ROWS)
@pytest.mark.parametrize("again", ["login", "a library's login"])
def test_two_logins_of_the_same_user_leave_one_session_with_its_data(store: str, again: str, clock: FakeClock) -> None:
    act, _ = AGAIN[again]
    visitor = begun(store, clock)
    first, second = (visitor.sessions.fetch(visitor.header, https=True) for _ in range(2))
    cart = second["cart"]
    for session in (first, second):
        act(session)
        visitor.browser.keep([str(each) for each in visitor.sessions.commit(session).cookies], https=True)

    assert visitor.does(dict) == {"user_id": 7, "cart": cart}
    assert len(visitor.sessions.list(7)) == 1


def test_a_login_after_a_lost_update_takes_nothing_of_the_ended_session(clock: FakeClock) -> None:
    for act, user in ((login, 7), (switch, 8)):
        visitor = begun("table", clock)

        def update(session: Session, visitor: Visitor = visitor, act: Act = act) -> None:
            visitor.sessions.revoke(session["user_id"])
            session.atomic_update("n", lambda n: n + 1, default=0)
            act(session)

        visitor.does(update)

        assert visitor.does(dict) == {"user_id": user}


def test_a_session_limit_counts_the_login_once(clock: FakeClock) -> None:
    visitor = begun("table", clock, max_sessions=1, when_full="refuse")

    visitor.does(lambda session: (session.principal, visitor.sessions.revoke(7), login(session)))

    assert visitor.does(dict) == {"user_id": 7}


def test_confirming_a_login_needs_the_option(clock: FakeClock) -> None:
    with pytest.raises(ConfigurationError, match="record_login"):
        begun("table", clock).does(confirm)


def test_the_ended_session_and_the_new_one_are_reported(clock: FakeClock) -> None:
    events: list[Event] = []
    visitor = begun("table", clock, on_event=events.append)
    events.clear()

    visitor.does(lambda session: (session.principal, visitor.sessions.revoke(7), login(session)))

    assert [event.name for event in events] == ["revoked", "created"]


# In every order with another request.

ENDS: tuple[Act | str, ...] = (logout, drop, farewell, library_logout, "revoke")


def _steps(meeting: Meeting, number: int) -> list[int]:
    """Return when the request took its steps, apart from its arrival and its response's."""
    return [at for at, (whose, step) in enumerate(meeting.taken) if whose == number and step not in ("Send", "Keep")]


def _at(meeting: Meeting, number: int, step: str) -> int:
    return meeting.taken.index((number, step)) if (number, step) in meeting.taken else -1


def _wrote(meeting: Meeting, number: int) -> list[int]:
    return [at for at in _steps(meeting, number) if meeting.taken[at][1] not in ("Read", "Find")]


@pytest.mark.parametrize(
    ("store", "end"), [(store, end) for store, end in product(STORES, ENDS) if (store in WITH_ROWS or end != "revoke")]
)
def test_in_every_order_the_later_of_a_login_and_an_end_counts(store: str, end: Act | str) -> None:
    make, fill = STORES[store]
    outcomes = set()
    for meeting in meetings(make, (login, fill), login, end):
        user = meeting.visitor.does(dict).get("user_id")
        if store not in WITH_ROWS:
            # Cookies do not show which of two concurrent requests came first: then the login counts.
            outcomes.add(user)
            if _at(meeting, 0, "Keep") < _at(meeting, 1, "Send"):
                assert user is None
            elif store != "overflow, in the table":
                assert user == 7
            continue
        alive = len(meeting.sessions.list(7))
        outcomes.add(7 if alive else None)
        if _steps(meeting, 1)[-1] < _wrote(meeting, 0)[0]:
            assert alive == 1
        # A library that logs out with a cookie from before the login finds no key to remove.
        if _wrote(meeting, 0)[-1] < _steps(meeting, 1)[0] and end is not library_logout:
            assert not alive
        # In a table, the response that arrives last sets or deletes the only cookie.
        assert user == (7 if alive else None) or (store == "table" and user is None)
    assert outcomes == {7, None}


@pytest.mark.parametrize("act", [write, renew, login, switch, library_login])
@pytest.mark.parametrize("store", STORES)
def test_in_every_order_a_login_again_and_another_request_leave_the_visitor_logged_in(store: str, act: Act) -> None:
    make, fill = STORES[store]
    for meeting in meetings(make, (login, fill), login, act):
        user = meeting.visitor.does(dict).get("user_id")
        assert user in ({7, 8} if act is switch else {7})
        assert len(meeting.visitor.browser.jar) == 1
        meeting.visitor.does(logout)
        assert meeting.visitor.does(dict) == {}
