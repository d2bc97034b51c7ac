"""Sessions that a table store finds in a source, and moves into its table once."""

import asyncio
import hashlib
import logging
import pickle
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from holdall import (
    ConfigurationError,
    Event,
    MemoryTable,
    Sessions,
    StoreError,
    TableStore,
)
from holdall.sources import Entry, Refused
from holdall.steps import run, run_async
from holdall.stores import Changes, ForeignSession, NotFound, StoredSession, Write
from holdall.stores._migration import MigratingStore
from holdall.stores._principals import owner
from holdall.tables import Row
from holdall.testing import FakeClock, as_async
from moving.kept import OLD_COOKIE, AsyncKept, Kept

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def kept(clock: FakeClock) -> Kept:
    return Kept(clock)


@pytest.fixture
def table(clock: FakeClock) -> MemoryTable:
    return MemoryTable(clock=clock)


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture(params=["sync", "async"])
def sessions(
    request: pytest.FixtureRequest, table: MemoryTable, kept: Kept, clock: FakeClock, events: list[Event]
) -> Sessions:
    """Return sessions over a store of either form; an async store gets a sync face, so that the tests are the same."""
    if request.param == "sync":
        store: Any = MigratingStore(TableStore(table, encrypt=True), [kept], clock=clock)
    else:
        store = SyncFace(MigratingStore(TableStore(as_async(table), encrypt=True), [AsyncKept(kept)], clock=clock))
    return Sessions(store, key="sid", clock=clock, principal_key="user_id", on_event=events.append)


class SyncFace:
    """An async store, for callers that cannot await it."""

    def __init__(self, store: MigratingStore) -> None:
        self._store = store
        self.check = store.check

    def get(self, cookie: str, *, key: str) -> Any:
        found = wait_for(self._store.get(cookie, key=key))
        move = getattr(found, "move", None)
        if isinstance(found, ForeignSession) and move is not None:
            found.move = lambda write, *, key: wait_for(move(write, key=key))
        return found

    def put(self, *args: Any, **options: Any) -> Any:
        return wait_for(self._store.put(*args, **options))

    def delete(self, *args: Any, **options: Any) -> Any:
        return wait_for(self._store.delete(*args, **options))

    def renew(self, *args: Any, **options: Any) -> Any:
        return wait_for(self._store.renew(*args, **options))


def wait_for(steps: Any) -> Any:
    return asyncio.run(run_async(steps))


@pytest.fixture
def visitor(visit: Callable[[Sessions], Any], sessions: Sessions) -> Any:
    return visit(sessions)


def come(visitor: Any, cookie: str = OLD_COOKIE) -> None:
    """Put the other library's cookie into the visitor's browser."""
    visitor.browser.keep([f"sid={cookie}; path=/"])


def test_a_session_is_found_under_its_old_cookie_and_gets_a_new_one(visitor: Any, kept: Kept) -> None:
    come(visitor, kept.put({"user_id": 7, "cart": ["apples"]}))

    assert visitor.look() == {"user_id": 7, "cart": ["apples"]}
    new = visitor.browser["sid"]
    assert new != OLD_COOKIE
    assert visitor.look() == {"user_id": 7, "cart": ["apples"]}
    assert visitor.set_cookies == []
    assert visitor.browser["sid"] == new


def test_a_moved_session_is_removed_from_the_source(visitor: Any, kept: Kept) -> None:
    come(visitor, kept.put({"cart": 1}))

    visitor.look()

    assert kept.entries == {}


def test_a_request_that_does_not_use_the_session_moves_nothing(sessions: Sessions, kept: Kept) -> None:
    sessions.commit(sessions.fetch(f"sid={kept.put({'cart': 1})}"))

    assert kept.entries.keys() == {OLD_COOKIE}
    assert kept.asked == []


def test_the_first_requests_change_is_saved(visitor: Any, kept: Kept) -> None:
    come(visitor, kept.put({"cart": 1}))

    with visitor.request() as session:
        session["cart"] += 1

    assert visitor.look() == {"cart": 2}


def test_a_moved_session_is_in_its_principals_index(
    sessions: Sessions, visitor: Any, table: MemoryTable, kept: Kept
) -> None:
    come(visitor, kept.put({"user_id": 7}))

    visitor.look()

    (listed,) = table.find(owner("7", "", "sid"))
    assert listed.digest == hashlib.sha256(visitor.browser["sid"].encode()).digest()


@pytest.mark.parametrize("is_user", [True, False])
def test_a_full_table_evicts_the_pointer_of_an_anonymous_session_but_not_that_of_a_users(
    kept: Kept, clock: FakeClock, is_user: bool
) -> None:
    table = MemoryTable(max_rows=10, clock=clock)
    sessions = Sessions(MigratingStore(TableStore(table), [kept], clock=clock), key="sid", clock=clock)
    _moved(sessions, kept.put({"user_id": 7} if is_user else {"cart": 1}))
    pointer = hashlib.sha256(b"holdall pointer" + OLD_COOKIE.encode()).digest()
    assert table.read(pointer) is not None

    for number in range(20):
        table.insert(number.to_bytes(32, "big"), Row(b"", 1, clock() + HOUR, clock(), "8"))

    assert (table.read(pointer) is not None) is is_user


@pytest.mark.parametrize("evicts", [True, False])
def test_a_pointer_has_a_principal_only_in_a_table_that_evicts(kept: Kept, clock: FakeClock, evicts: bool) -> None:
    table = Watched(clock)
    table.evicts = evicts
    sessions = Sessions(MigratingStore(TableStore(table), [kept], clock=clock), key="sid", clock=clock)

    _moved(sessions, kept.put({"user_id": 7}))

    principals = [row.principal for _, row in table.given]
    assert principals == ["\x1fsid\x1f7", "\x1fsid moved\x1f7" if evicts else None]


def test_a_later_save_by_the_old_application_does_not_bring_the_session_back(
    visitor: Any, sessions: Sessions, kept: Kept, table: MemoryTable
) -> None:
    come(visitor, kept.put({"cart": 1}))
    with visitor.request() as session:
        session["cart"] = 2
    kept.put({"cart": 1})

    assert sessions.resume(OLD_COOKIE) == {"cart": 2}
    assert kept.entries == {}
    with visitor.request() as session:
        session.logout()
    kept.put({"cart": 1})
    assert sessions.resume(OLD_COOKIE) == {}
    assert kept.entries == {}


def test_if_the_source_cannot_remove_a_session_the_old_cookie_still_leads_to_the_moved_one(
    table: MemoryTable, kept: Kept, clock: FakeClock
) -> None:
    kept.delete = lambda cookie: None  # type: ignore[method-assign]  # as for a cookie, which only the browser can remove
    sessions = Sessions(MigratingStore(TableStore(table), [kept], clock=clock), key="sid", clock=clock)
    new = _moved(sessions, kept.put({"cart": 1}))
    rows = len(table)

    assert [_moved(sessions, OLD_COOKIE) for _ in range(3)] == [new] * 3
    assert len(table) == rows
    leaving = sessions.resume(new)
    leaving.logout()
    sessions.commit(leaving)
    assert sessions.resume(OLD_COOKIE) == {}


def test_a_user_who_was_logged_in_can_log_out(visitor: Any, kept: Kept) -> None:
    come(visitor, kept.put({"user_id": 7}))

    with visitor.request() as session:
        session.logout()

    assert "sid" not in visitor.browser
    come(visitor)
    assert visitor.look() == {}


def test_a_login_keeps_the_data_and_the_old_cookie_does_not_lead_to_it(
    visitor: Any, kept: Kept, clock: FakeClock
) -> None:
    come(visitor, kept.put({"cart": 1}))
    with visitor.request() as session:
        session.login(7)
    assert visitor.look() == {"cart": 1, "user_id": 7}

    for later in (timedelta(), 2 * timedelta(minutes=1)):
        clock.advance(later)
        come(visitor)
        assert visitor.look() == {}


def test_a_late_request_with_the_old_cookie_sends_no_cookie_and_can_log_out(
    sessions: Sessions, visitor: Any, kept: Kept
) -> None:
    come(visitor, kept.put({"cart": 1}))
    with visitor.request() as session:
        session.configure(renew=True)
    renewed = visitor.browser["sid"]

    late = sessions.fetch(f"sid={OLD_COOKIE}")
    late["cart"] = 2
    assert sessions.commit(late).cookies == ()
    assert sessions.resume(renewed) == {"cart": 1}

    leaving = sessions.fetch(f"sid={OLD_COOKIE}")
    leaving.logout()
    sessions.commit(leaving)
    assert sessions.resume(renewed) == {}


def test_a_lost_response_logs_no_user_out(visitor: Any, sessions: Sessions, kept: Kept) -> None:
    come(visitor, kept.put({"cart": 1}))
    with visitor.request(status=500) as session:
        assert session["cart"] == 1
    assert visitor.set_cookies == []

    assert visitor.look() == {"cart": 1}
    assert visitor.browser["sid"] != OLD_COOKIE
    come(visitor)
    with visitor.request() as session:
        session["cart"] += 1
    assert visitor.look() == {"cart": 2}


def test_if_both_old_and_new_cookies_arrive_no_cookie_is_set(
    visitor: Any, sessions: Sessions, kept: Kept, events: list[Event]
) -> None:
    come(visitor, kept.put({"cart": 1}))
    visitor.look()
    new = visitor.browser["sid"]

    for header in (f"sid={OLD_COOKIE}; sid={new}", f"sid={new}; sid={OLD_COOKIE}"):
        session = sessions.fetch(header)
        assert session == {"cart": 1}
        assert sessions.commit(session).cookies == ()


def test_each_request_with_the_old_cookie_is_counted(visitor: Any, kept: Kept, events: list[Event]) -> None:
    come(visitor, kept.put({"cart": 1}))
    for _ in range(2):
        visitor.look()
        come(visitor)
    with visitor.request() as session:
        log_id = session.log_id

    assert events == [
        Event("old_cookie", "sid", "kept", log_id),
        Event("old_cookie", "sid", "moved", log_id),
        Event("old_cookie", "sid", "moved", log_id),
    ]


# Lifetime.


def test_a_moved_session_keeps_its_expiry_until_it_is_used_here(
    sessions: Sessions, kept: Kept, clock: FakeClock
) -> None:
    session = sessions.fetch(f"sid={kept.put({'cart': 1}, lives=2 * DAY)}")

    assert session.expires == clock() + 2 * DAY
    assert session.created == clock()

    cookie = sessions.commit(session).cookie or ""
    assert sessions.resume(cookie).expires == clock() + 7 * DAY


def test_a_moved_session_lives_no_longer_than_any_other(
    sessions: Sessions, visitor: Any, kept: Kept, clock: FakeClock
) -> None:
    come(visitor, kept.put({"cart": 1}, lives=90 * DAY))

    with visitor.request() as session:
        assert session.expires == clock() + 7 * DAY
    assert len(visitor.set_cookies) == 1


def test_if_a_sessions_beginning_is_known_the_absolute_limit_counts_from_it(
    sessions: Sessions, kept: Kept, clock: FakeClock, events: list[Event]
) -> None:
    kept.entries["old-1"] = Entry({"cart": 1}, clock() + 90 * DAY, clock() - 29 * DAY)
    kept.entries["old-2"] = Entry({"cart": 1}, clock() + 90 * DAY, clock() - 30 * DAY)

    assert sessions.fetch("sid=old-1").expires == clock() + DAY
    assert sessions.fetch("sid=old-2") == {}
    assert [(event.name, event.reason) for event in events] == [("old_cookie", "kept"), ("expired", "expired")]
    assert kept.entries.keys() == {"old-2"}


@pytest.mark.parametrize("entry", [Entry({}, datetime(2100, 1, 1, tzinfo=UTC)), Entry({"cart": 1}, FakeClock()())])
def test_an_empty_or_expired_entry_is_not_a_session(
    sessions: Sessions, kept: Kept, events: list[Event], table: MemoryTable, entry: Entry
) -> None:
    kept.entries[OLD_COOKIE] = entry

    assert sessions.fetch(f"sid={OLD_COOKIE}").is_new
    assert [(event.name, event.reason) for event in events] == [("rejected", "malformed")]
    assert len(table) == 0


def test_the_old_cookie_works_as_long_as_it_would_have_with_the_source(
    visitor: Any, kept: Kept, sessions: Sessions, clock: FakeClock
) -> None:
    come(visitor, kept.put({"cart": 1}, lives=HOUR))
    visitor.look()

    clock.advance(HOUR)
    assert sessions.resume(OLD_COOKIE) == {"cart": 1}
    clock.advance(timedelta(seconds=1))
    assert sessions.resume(OLD_COOKIE) == {}
    assert visitor.look() == {"cart": 1}


def test_the_source_is_not_called_after_read_old_until(table: MemoryTable, kept: Kept, clock: FakeClock) -> None:
    store = MigratingStore(TableStore(table), [kept], read_old_until=clock() + HOUR, clock=clock)
    sessions = Sessions(store, key="sid", clock=clock)
    kept.put({"cart": 1}), kept.put({"cart": 2}, cookie="old-2")

    assert sessions.resume(OLD_COOKIE) == {"cart": 1}
    clock.advance(HOUR)
    assert [sessions.resume(cookie) for cookie in (OLD_COOKIE, "old-2")] == [{}, {}]
    assert kept.asked == [OLD_COOKIE]


# Refused sessions.


def test_a_value_that_cannot_be_kept_unchanged_is_refused_by_name(
    sessions: Sessions, kept: Kept, events: list[Event], table: MemoryTable
) -> None:
    kept.put({"cart": 1, "orders": {"ada@shop.example": object()}})

    assert sessions.fetch(f"sid={OLD_COOKIE}").is_new
    assert events == [Event("rejected", "sid", "session['orders'] cannot be stored")]
    assert kept.entries.keys() == {OLD_COOKIE}
    assert len(table) == 0


@pytest.mark.parametrize("data", [{1: "hat"}, {"cart": 1, 1: "hat"}, {1: "hat", b"2": "scarf"}])
def test_a_session_with_keys_that_are_not_text_is_refused(
    data: Any, sessions: Sessions, kept: Kept, events: list[Event]
) -> None:
    kept.put(data)

    assert sessions.fetch(f"sid={OLD_COOKIE}").is_new

    (event,) = events
    assert (event.name, event.reason.partition(",")[2]) == ("rejected", " and keys must be strings")


def test_a_session_whose_principal_is_not_text_is_refused(
    sessions: Sessions, kept: Kept, events: list[Event], table: MemoryTable
) -> None:
    kept.put({"user_id": "ada\ud800"})

    assert sessions.fetch(f"sid={OLD_COOKIE}").is_new
    assert events == [Event("rejected", "sid", "its principal is not valid text")]
    assert kept.entries.keys() == {OLD_COOKIE}
    assert len(table) == 0


def test_a_source_that_refuses_gives_the_reason(sessions: Sessions, kept: Kept, events: list[Event]) -> None:
    kept.entries[OLD_COOKIE] = Refused("pickle")

    assert sessions.fetch(f"sid={OLD_COOKIE}").is_new
    assert events == [Event("rejected", "sid", "pickle", "")]
    assert kept.entries.keys() == {OLD_COOKIE}


@pytest.mark.parametrize("cookie", ["new-1", "A" * 43, "old-é", "old-\udce9"])
def test_a_cookie_that_no_source_matches_calls_none(sessions: Sessions, kept: Kept, cookie: str) -> None:
    assert sessions.resume(cookie) == {}
    assert kept.asked == []


def test_the_sources_are_tried_in_order_and_one_that_refuses_leaves_it_to_the_next(
    table: MemoryTable, clock: FakeClock
) -> None:
    first, second, third = (Kept(clock) for _ in range(3))
    first.entries[OLD_COOKIE] = Refused("pickle")
    second.put({"cart": 2}), third.put({"cart": 3})
    sessions = Sessions(MigratingStore(TableStore(table), [first, second, third], clock=clock), key="sid", clock=clock)

    assert sessions.resume(OLD_COOKIE) == {"cart": 2}
    # It is no longer in any of them, so it cannot come back from another.
    assert first.entries == second.entries == third.entries == {}


# The table's view, and interruptions.


class Watched(MemoryTable):
    """A table that remembers its arguments."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self.given: list[tuple[bytes, Row]] = []

    def insert(self, digest: bytes, row: Row) -> bool:
        self.given.append((digest, row))
        return super().insert(digest, row)


def test_the_table_sees_neither_the_old_cookie_nor_the_new(kept: Kept, clock: FakeClock) -> None:
    table = Watched(clock)
    sessions = Sessions(MigratingStore(TableStore(table, encrypt=True), [kept], clock=clock), key="sid", clock=clock)

    new = _moved(sessions, kept.put({"note": "private"}))

    seen = pickle.dumps(table.given)
    assert len(table.given) == 2
    assert not any(secret in seen for secret in (OLD_COOKIE.encode(), new.encode(), b"private"))
    assert hashlib.sha256(OLD_COOKIE.encode()).digest() not in seen


def _moved(sessions: Sessions, cookie: str) -> str:
    session = sessions.fetch(f"{sessions.key}={cookie}")
    session.get("cart")
    return sessions.commit(session).cookie or ""


class BrokenOffError(Exception):
    """Raised in place of the end of the process."""


@pytest.mark.parametrize("taken", range(7))
def test_wherever_a_move_is_interrupted_the_next_request_finds_one_session(
    table: MemoryTable, kept: Kept, clock: FakeClock, taken: int
) -> None:
    store = MigratingStore(TableStore(table), [kept], clock=clock)
    sessions = Sessions(store, key="sid", clock=clock)
    kept.put({"cart": 1})
    left = iter(range(taken))

    def step(do: Callable[[], Any]) -> Any:
        if next(left, None) is None:
            raise BrokenOffError
        return do()

    try:
        found = _take(store.get(OLD_COOKIE, key="sid"), step)
        _take(found.move(_write_of(found), key="sid"), step)
    except BrokenOffError:
        pass

    new = _moved(sessions, OLD_COOKIE)
    assert sessions.resume(new) == sessions.resume(OLD_COOKIE) == {"cart": 1}
    assert _moved(sessions, OLD_COOKIE) == new
    ended = sessions.resume(new)
    ended.logout()
    sessions.commit(ended)
    assert sessions.resume(new) == sessions.resume(OLD_COOKIE) == {}


def _take(steps: Any, step: Callable[[Callable[[], Any]], Any]) -> Any:
    answer = None
    while True:
        try:
            each = steps.send(answer)
        except StopIteration as done:
            return done.value
        answer = step(each.take)


def _write_of(found: StoredSession) -> Write:
    return Write(found.data, Changes({}), found.created, found.expires, found.created)


def test_a_damaged_pointer_leads_nowhere(kept: Kept, clock: FakeClock) -> None:
    table = Watched(clock)
    store = MigratingStore(TableStore(table), [kept], clock=clock)
    sessions = Sessions(store, key="sid", clock=clock)
    _moved(sessions, kept.put({"cart": 1}))
    digest, pointer = table.given[-1]

    other = MemoryTable(clock=clock)
    other.insert(digest, pointer._replace(data=pointer.data[:-1] + b"\0"))

    found = run(MigratingStore(TableStore(other), [kept], clock=clock).get(OLD_COOKIE, key="sid"))
    assert isinstance(found, NotFound)
    assert found.reason == "unknown"


def test_a_failing_source_is_an_error_and_not_an_empty_session(sessions: Sessions, kept: Kept) -> None:
    def failing(cookie: str) -> None:
        msg = "it is down"
        raise StoreError(msg)

    kept.read = failing  # type: ignore[method-assign]  # on purpose

    with pytest.raises(StoreError):
        sessions.resume(OLD_COOKIE).get("cart")


def test_no_repr_shows_the_old_cookie(
    kept: Kept, clock: FakeClock, caplog: pytest.LogCaptureFixture, table: MemoryTable
) -> None:
    caplog.set_level(logging.DEBUG)
    store = MigratingStore(TableStore(table), [kept], clock=clock)
    cookie = kept.put({"note": "private"})
    found = run(store.get(cookie, key="sid"))
    steps = [*_all_steps(store, cookie)]
    entries = [*kept.entries.values()]
    session = StoredSession(cookie, {}, 0, 0)
    _moved(Sessions(store, key="sid", clock=clock), cookie)

    shown = repr((found, steps, entries, NotFound("renewed", superseded=True, stored=session))) + caplog.text
    assert "private" not in shown
    assert cookie not in shown


def _all_steps(store: MigratingStore, cookie: str) -> Any:
    steps, answer = store.get(cookie, key="sid"), None
    try:
        while True:
            step = steps.send(answer)
            yield step
            answer = step.take()
    except StopIteration:
        return


def test_a_cookie_can_be_renamed_while_its_session_moves(table: MemoryTable, kept: Kept, clock: FakeClock) -> None:
    store = MigratingStore(TableStore(table, encrypt=True), [kept], clock=clock)
    sessions = Sessions(store, key="sid", old_keys=["session"], clock=clock)
    kept.put({"cart": 1})

    # The second request did not get the response to the first.
    for _ in range(2):
        session = sessions.fetch(f"session={OLD_COOKIE}")
        assert session == {"cart": 1}
        cookies = sessions.commit(session).cookies

        assert [cookie.attributes.key for cookie in cookies] == ["session", "sid"]
        assert sessions.fetch(f"sid={cookies[1].value}") == {"cart": 1}


def test_a_cookie_can_be_renamed_after_a_move_too(table: MemoryTable, kept: Kept, clock: FakeClock) -> None:
    store = MigratingStore(TableStore(table, encrypt=True), [kept], clock=clock)
    _moved(Sessions(store, key="session", clock=clock), kept.put({"cart": 1}))
    sessions = Sessions(store, key="sid", old_keys=["session"], clock=clock)

    session = sessions.fetch(f"session={OLD_COOKIE}")
    assert session == {"cart": 1}
    new = sessions.commit(session).cookie
    assert sessions.fetch(f"sid={new}") == {"cart": 1}


# Setup.


def test_an_async_source_needs_an_async_table(kept: Kept, table: MemoryTable) -> None:
    with pytest.raises(ConfigurationError, match="'kept' is async but its table is not: pass its URL, or use"):
        MigratingStore(TableStore(table), [AsyncKept(kept)])


def test_a_sync_source_serves_an_async_table(kept: Kept, table: MemoryTable, clock: FakeClock) -> None:
    store = MigratingStore(TableStore(as_async(table)), [kept], clock=clock)
    sessions = Sessions(store, key="sid", clock=clock)

    session = asyncio.run(sessions.fetch_async(f"sid={kept.put({'cart': 1})}"))

    assert session == {"cart": 1}


def test_a_time_without_its_zone_is_refused(kept: Kept, table: MemoryTable) -> None:
    with pytest.raises(ConfigurationError, match="is not a datetime with a time zone"):
        MigratingStore(TableStore(table), [kept], read_old_until=datetime(2027, 1, 31))  # noqa: DTZ001  # on purpose


@pytest.mark.parametrize("blocks", [True, False])
def test_an_async_adapter_calls_a_blocking_source_in_a_thread(kept: Kept, clock: FakeClock, blocks: bool) -> None:
    asked_in = []
    read = kept.read

    def noted(cookie: str) -> Any:
        asked_in.append(threading.current_thread())
        return read(cookie)

    kept.read = noted  # type: ignore[method-assign]  # to observe the calls
    kept.blocking_reads = kept.blocking_writes = blocks
    sessions = Sessions("table", key="sid", table=f"moving {blocks}", migrate_from=[kept], clock=clock)
    cookie = kept.put({"cart": 1})

    async def request() -> Any:
        session = await sessions.fetch_async(f"sid={cookie}")
        assert session == {"cart": 1}
        return await sessions.commit_async(session)

    headers = asyncio.run(request())
    assert headers.cookie != cookie
    assert [thread is threading.main_thread() for thread in asked_in] == [not blocks]
    assert sessions.prepare("async").waits is blocks
    assert sessions.resume(headers.cookie) == {"cart": 1}


def test_without_a_source_a_table_in_memory_is_not_awaited(clock: FakeClock) -> None:
    sessions = Sessions("table", key="sid", table="moving nothing", migrate_from=[], clock=clock)

    assert not sessions.prepare("async").waits


def test_a_source_can_choose_the_threads_that_it_is_called_in(kept: Kept, clock: FakeClock) -> None:
    called = []

    async def in_thread(call: Callable[[], Any]) -> Any:
        called.append(call)
        return call()

    kept.blocking_reads = kept.blocking_writes = True
    kept.in_thread = in_thread  # type: ignore[attr-defined]  # as a framework's source has it
    sessions = Sessions("table", key="sid", table="moving in its own threads", migrate_from=[kept], clock=clock)

    session = asyncio.run(sessions.fetch_async(f"sid={kept.put({'cart': 1})}"))

    assert session == {"cart": 1}
    assert len(called) == 2
