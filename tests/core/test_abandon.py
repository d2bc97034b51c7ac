"""Test a session whose request sends none of our headers, and one that is used only after they were sent."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from holdall import Event, MemoryTable, ResponseStartedError, Session, Sessions, TableStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def table() -> MemoryTable:
    return MemoryTable(clock=lambda: NOON)


@pytest.fixture
def sessions(table: MemoryTable, events: list[Event]) -> Sessions:
    return Sessions(TableStore(table), key="sid", principal_key="user_id", clock=lambda: NOON, on_event=events.append)


@pytest.fixture
def cookie(sessions: Sessions) -> str:
    """Return the cookie of a session that is already stored, with user 7."""
    session = sessions.fetch()
    session.update(user_id=7, n=1)
    return f"sid={sessions.commit(session).cookie}"


ENDS: list[Callable[[Session], Any]] = [
    lambda session: session.configure(drop=True),
    lambda session: session.logout(),
    lambda session: session.pop("user_id"),
]


@pytest.mark.parametrize("end", ENDS, ids=["drop", "logout", "signed out by key"])
def test_a_dropped_session_ends_without_a_response(
    sessions: Sessions, table: MemoryTable, cookie: str, end: Callable[[Session], Any]
) -> None:
    session = sessions.fetch(cookie)
    end(session)

    sessions.abandon(session)

    assert len(table) == 0


def test_a_renewal_that_cannot_send_its_cookie_leaves_the_session_unchanged(
    sessions: Sessions, table: MemoryTable, cookie: str
) -> None:
    session = sessions.fetch(cookie)
    session["n"] = 2
    session.configure(renew=True)

    sessions.abandon(session)

    assert dict(sessions.fetch(cookie)) == {"user_id": 7, "n": 1}
    assert len(table) == 1


def test_a_login_that_cannot_send_its_cookie_leaves_no_row(sessions: Sessions, table: MemoryTable) -> None:
    session = sessions.fetch()
    session.login(7)

    sessions.abandon(session)

    assert len(table) == 0


def test_a_change_to_a_session_in_a_cookie_is_reported_as_lost(events: list[Event]) -> None:
    secret = "d0f6a1c94b7e3825f1b6c0a7e9d24853"
    sessions = Sessions("cookie", key="sid", secret_key_base=secret, on_event=events.append)
    session = sessions.fetch()
    session["n"] = 1
    session = sessions.fetch(f"sid={sessions.commit(session).cookie}")
    session["n"] = 2

    sessions.abandon(session, status=403)

    assert [event.name for event in events] == ["created", "lost_write"]


@pytest.mark.parametrize(("status", "n"), [(500, 1), (403, 2)])
def test_a_plain_change_is_saved_in_its_row_unless_the_request_failed(
    sessions: Sessions, cookie: str, status: int, n: int
) -> None:
    session = sessions.fetch(cookie)
    session["n"] = 2

    sessions.abandon(session, status=status)

    assert sessions.fetch(cookie)["n"] == n


def test_a_drop_during_the_body_is_carried_out_even_if_the_request_fails(
    sessions: Sessions, table: MemoryTable, cookie: str
) -> None:
    session = sessions.fetch(cookie)
    sessions.commit(session)
    session.configure(drop=True)

    sessions.abandon(session)

    assert len(table) == 0


def test_a_session_first_used_after_the_headers_is_changed_in_its_row(sessions: Sessions, cookie: str) -> None:
    session = sessions.fetch(cookie)
    sessions.commit(session)

    session["n"] = 2
    sessions.finish(session)

    assert sessions.fetch(cookie)["n"] == 2


def test_a_session_begun_after_the_headers_is_refused(sessions: Sessions) -> None:
    session = sessions.fetch()
    sessions.commit(session)

    with pytest.raises(ResponseStartedError):
        session["n"] = 2


def test_a_late_change_that_is_lost_is_reported_once(events: list[Event]) -> None:
    sessions = Sessions("cookie", key="k", secret_key_base="b7a1d0c4e9f25368-4f1c9a7be2d80356", on_event=events.append)
    session = sessions.fetch()
    session["cart"] = []
    sessions.commit(session)
    session["cart"].append(7)

    sessions.finish(session)
    sessions.finish(session)

    assert [event.name for event in events] == ["created", "lost_write"]
