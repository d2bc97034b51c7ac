"""What remains of a session when a request fails, is late, or its table fails."""

from datetime import timedelta
from typing import Any

import pytest

from core.begun import begin
from holdall import Event, LostWriteError, MemoryTable, Session, Sessions, StoreError, TableStore
from holdall.adapters import SessionGroup
from holdall.stores._table import digest_of
from holdall.tables import Replacement, Row
from holdall.testing import FakeClock

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"


class Table(MemoryTable):
    """A table that can fail, refuse, or damage rows."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.failing: set[str] = set()

    def touch(self, digest: bytes, *times: Any, **options: Any) -> bool:
        if "touch" in self.failing:
            reason = "the table is down"
            raise StoreError(reason)
        return super().touch(digest, *times, **options)

    def insert(self, digest: bytes, row: Row) -> bool:
        return "insert" not in self.failing and super().insert(digest, row)

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        if "update" in self.failing:
            reason = "the table is down"
            raise StoreError(reason)
        return Replacement.CONFLICT if "replace" in self.failing else super().replace(digest, row, version=version)

    def read(self, digest: bytes) -> Row | None:
        row = super().read(digest)
        return row._replace(data=b"{") if row is not None and "read" in self.failing else row


@pytest.fixture
def table(clock: FakeClock) -> Table:
    return Table(clock=clock)


@pytest.fixture
def sessions(table: Table, clock: FakeClock, events: list[Event]) -> Sessions:
    return Sessions(TableStore(table), key="sid", clock=clock, on_event=events.append)


def names(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.name, event.reason) for event in events]


def remove(session: Session) -> None:
    del session["user_id"]


def empty(session: Session) -> None:
    session["user_id"] = None


@pytest.mark.parametrize("store", ["cookie", "table"])
@pytest.mark.parametrize(
    ("log_out", "left"), [(remove, {"cart": 1}), (empty, {"cart": 1, "user_id": None}), (Session.clear, {})]
)
def test_a_failed_request_saves_a_librarys_logout_and_nothing_else(
    store: str, log_out: Any, left: dict[str, Any], clock: FakeClock
) -> None:
    kept: dict[str, Any] = {"secret_key_base": SECRET} if store == "cookie" else {"table": f"ends {log_out.__name__}"}
    sessions = Sessions(store, key="sid", clock=clock, **kept)
    before = begin(sessions, user_id=7, cart=1)

    session = sessions.resume(before)
    session["unsaved"] = 1
    log_out(session)
    after = sessions.commit(session, status=500).cookie

    assert after not in (None, before)
    assert sessions.resume(after) == left


def test_a_failure_to_move_the_expiry_does_not_fail_the_request(
    sessions: Sessions, table: Table, clock: FakeClock, events: list[Event]
) -> None:
    cookie = begin(sessions, user_id=7)
    clock.advance(timedelta(days=6))
    table.failing = {"touch"}

    session = sessions.resume(cookie)
    assert session["user_id"] == 7
    assert sessions.commit(session).cookie == cookie
    assert names(events)[-1] == ("touch_failed", "StoreError")
    assert events[-1].log_id == session.log_id != ""

    # A refused WebSocket has no headers.
    refused = sessions.resume(cookie)
    assert refused["user_id"] == 7
    sessions.abandon(refused, status=403)
    assert names(events)[-2:] == [("touch_failed", "StoreError")] * 2
    refused = sessions.resume(cookie)
    refused["n"] = 1
    table.failing = {"update"}
    with pytest.raises(StoreError):
        sessions.abandon(refused, status=403)

    # The next request tries again.
    table.failing = set()
    session = sessions.resume(cookie)
    assert session["user_id"] == 7
    sessions.commit(session)
    clock.advance(timedelta(days=6))
    assert sessions.resume(cookie) == {"user_id": 7}


def test_a_failed_write_is_an_error(sessions: Sessions, table: Table) -> None:
    session = sessions.fetch()
    session["n"] = 1
    table.failing = {"insert"}

    with pytest.raises(StoreError, match="refuses a row"):
        sessions.commit(session)


def test_a_late_logout_ends_the_renewed_session_and_keeps_later_writes(sessions: Sessions, events: list[Event]) -> None:
    old = begin(sessions, user_id=7)
    renewing = sessions.resume(old)
    renewing.configure(renew=True)
    new = sessions.commit(renewing).cookie

    late = sessions.resume(old)
    assert late == {}
    late.logout()
    late["message"] = "Good bye"
    after = sessions.commit(late).cookie

    assert after not in (None, old, new)
    assert sessions.resume(new) == {}
    assert sessions.resume(after) == {"message": "Good bye"}
    assert ("lost_write", "renewed") not in names(events)


def test_a_mutation_by_a_late_request_during_its_body_is_reported(sessions: Sessions, events: list[Event]) -> None:
    old = begin(sessions, n=1)
    renewing = sessions.resume(old)
    renewing.configure(renew=True)
    sessions.commit(renewing)

    late = sessions.resume(old)
    late["list"] = []
    sessions.commit(late)
    late["list"].append(1)
    sessions.finish(late)

    assert names(events)[-2:] == [("lost_write", "renewed"), ("lost_write", "renewed")]


def test_a_login_keeps_the_keys_in_carry(table: Table, clock: FakeClock) -> None:
    sessions = Sessions(TableStore(table), key="sid", clock=clock, carry=["cart"])
    session = sessions.resume(begin(sessions, cart=1, campaign="planted"))

    session["user_id"] = 7
    after = sessions.commit(session).cookie

    assert sessions.resume(after) == {"cart": 1, "user_id": 7}


def test_a_login_whose_row_the_table_refuses_is_an_error(sessions: Sessions, table: Table) -> None:
    session = sessions.resume(begin(sessions, cart=1))
    session["user_id"] = 7
    table.failing = {"insert"}

    with pytest.raises(StoreError, match="refuses a row"):
        sessions.commit(session)


def test_a_damaged_row_holds_no_session(sessions: Sessions, table: Table, events: list[Event]) -> None:
    cookie = begin(sessions, n=1)
    table.failing = {"read"}

    assert sessions.resume(cookie) == {}
    assert names(events)[-1] == ("rejected", "unreadable")


def test_an_update_of_a_damaged_row_is_a_lost_write(table: Table, clock: FakeClock) -> None:
    sessions = Sessions(TableStore(table), key="sid", clock=clock, on_lost_write="raise")
    session = sessions.resume(begin(sessions, n=1))

    def count(n: int) -> int:
        table.failing = {"replace", "read"}
        return n + 1

    with pytest.raises(LostWriteError):
        session.atomic_update("n", count)


def test_an_unused_session_can_be_committed_again(sessions: Sessions, table: Table) -> None:
    cookie = begin(sessions, n=1)
    exchange = SessionGroup(sessions, form="sync").begin(f"sid={cookie}")

    assert [exchange.headers().cookies, exchange.headers().cookies] == [(), ()]
    assert exchange.session == {"n": 1}
    assert table.read(digest_of(cookie)) is not None
