"""``session.atomic_update``: replaces a value by a function's result, as if there were no other requests."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from core.begun import InterruptedTable, begin
from holdall import ConfigurationError, ContentionError, Event, LostWriteError, MemoryTable, Sessions, TableStore
from holdall.tables import Replacement, Row
from holdall.testing import FakeClock, as_async

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"


@pytest.fixture
def table(clock: FakeClock) -> InterruptedTable:
    return InterruptedTable(clock=clock)


@pytest.fixture
def sessions(table: InterruptedTable, clock: FakeClock, events: list[Event]) -> Sessions:
    return Sessions(TableStore(table), key="sid", clock=clock, on_event=events.append)


def increment(count: int) -> int:
    return count + 1


def test_an_atomic_update_is_written_at_once_and_returned(sessions: Sessions) -> None:
    sid = begin(sessions, n=1)
    session = sessions.resume(sid)

    assert session.atomic_update("n", increment) == 2

    assert session["n"] == 2
    assert sessions.resume(sid) == {"n": 2}
    assert not session.modified


def test_an_absent_value_is_the_default(sessions: Sessions) -> None:
    session = sessions.resume(begin(sessions, m=1))

    assert session.atomic_update("n", increment, default=0) == 1
    assert session.atomic_update("other", lambda value: value) is None


def test_an_atomic_update_is_applied_again_after_another_requests_write(
    sessions: Sessions, table: InterruptedTable
) -> None:
    sid = begin(sessions, n=1)
    session = sessions.resume(sid)
    table.before = lambda: sessions.resume(sid).atomic_update("n", lambda n: n + 10)

    assert session.atomic_update("n", increment) == 12
    assert sessions.resume(sid) == {"n": 12}


def test_other_changes_wait_for_the_response(sessions: Sessions) -> None:
    sid = begin(sessions, n=1, cart=[1], old=1)
    session = sessions.resume(sid)
    session["m"] = 5
    session["cart"].append(2)
    del session["old"]

    session.atomic_update("n", increment)

    assert sessions.resume(sid) == {"n": 2, "cart": [1], "old": 1}
    assert session == {"n": 2, "cart": [1, 2], "m": 5}
    sessions.commit(session)
    assert sessions.resume(sid) == {"n": 2, "cart": [1, 2], "m": 5}


def test_an_atomic_update_supersedes_an_earlier_plain_write_of_the_same_key(sessions: Sessions) -> None:
    sid = begin(sessions, n=1)
    session = sessions.resume(sid)
    session["n"] = 100

    assert session.atomic_update("n", increment) == 2
    sessions.commit(session)

    assert sessions.resume(sid) == {"n": 2}


def test_an_updated_list_can_be_mutated_further(sessions: Sessions) -> None:
    sid = begin(sessions, log=["a"])
    session = sessions.resume(sid)

    assert session.atomic_update("log", lambda log: [*log, "b"]) == ["a", "b"]
    session["log"].append("c")
    sessions.commit(session)

    assert sessions.resume(sid) == {"log": ["a", "b", "c"]}


@pytest.mark.parametrize("end", [None, "drop", "ignore"])
def test_a_session_without_a_row_is_updated_with_the_response(sessions: Sessions, end: str | None) -> None:
    session = sessions.fetch() if end is None else sessions.resume(begin(sessions, n=1))
    if end is not None:
        session.configure(end)

    assert session.atomic_update("n", increment, default=1) == 2

    assert session["n"] == 2
    cookie = sessions.commit(session).cookie
    assert sessions.resume(cookie) == ({"n": 2} if end is None else {} if end == "drop" else {"n": 1})


def test_an_update_after_the_sessions_end_is_lost_and_reported(sessions: Sessions, events: list[Event]) -> None:
    sid = begin(sessions, n=1)
    session = sessions.resume(sid)
    assert session["n"] == 1
    other = sessions.resume(sid)
    other.configure(drop=True)
    sessions.commit(other)

    assert session.atomic_update("n", increment, default=0) == 0

    assert [event.reason for event in events if event.name == "lost_write"] == ["ended"]
    assert sessions.resume(sid) == {}


def test_a_lost_update_is_raised_if_so_configured(table: InterruptedTable, clock: FakeClock) -> None:
    sessions = Sessions(TableStore(table), key="sid", clock=clock, on_lost_write="raise")
    sid = begin(sessions, n=1)
    session = sessions.resume(sid)
    assert session["n"] == 1

    def end() -> None:
        other = sessions.resume(sid)
        other.configure(drop=True)
        sessions.commit(other)

    table.before = end
    with pytest.raises(LostWriteError):
        session.atomic_update("n", increment)


def test_the_principal_cannot_be_updated(sessions: Sessions) -> None:
    session = sessions.resume(begin(sessions, n=1))

    with pytest.raises(ConfigurationError, match=r"use login\(\)"):
        session.atomic_update("user_id", lambda user: 7)


@pytest.mark.parametrize("options", [{}, {"revocable": "memory://rows"}, {"overflow": "memory://overflow"}])
@pytest.mark.parametrize("begun", [False, True], ids=["the first request", "a later request"])
def test_a_session_in_its_cookie_cannot_be_updated(options: dict[str, str], begun: bool) -> None:
    sessions = Sessions("cookie", key="_shop", secret_key_base=SECRET, **options)
    session = sessions.resume(begin(sessions, n=1)) if begun else sessions.fetch()

    with pytest.raises(ConfigurationError, match="needs sessions in a table"):
        session.atomic_update("n", increment, default=0)
    assert not session.modified


def test_a_session_that_has_outgrown_its_cookie_cannot_be_updated(clock: FakeClock) -> None:
    sessions = Sessions("cookie", key="_shop", secret_key_base=SECRET, overflow="memory://outgrown", clock=clock)
    session = sessions.resume(begin(sessions, n=1, cart="x" * 5000))

    with pytest.raises(ConfigurationError, match="needs sessions in a table"):
        session.atomic_update("n", increment)


@pytest.mark.parametrize("key", [b"n", ("n",)])
def test_keys_must_be_text(sessions: Sessions, key: Any) -> None:
    with pytest.raises(TypeError, match="keys are strings"):
        sessions.fetch().atomic_update(key, increment)


def test_a_value_that_cannot_be_stored_changes_nothing(sessions: Sessions) -> None:
    sid = begin(sessions, n=1)

    with pytest.raises(TypeError, match="'n'"):
        sessions.resume(sid).atomic_update("n", lambda n: object())

    assert sessions.resume(sid) == {"n": 1}


def test_what_cannot_be_stored_is_refused_before_there_is_a_session(sessions: Sessions) -> None:
    session = sessions.fetch()

    with pytest.raises(TypeError, match="'n'"):
        session.atomic_update("n", lambda n: object())

    assert session == {}


def test_a_function_that_fails_changes_nothing(sessions: Sessions) -> None:
    sid = begin(sessions, n=1)

    with pytest.raises(ZeroDivisionError):
        sessions.resume(sid).atomic_update("n", lambda n: n / 0)

    assert sessions.resume(sid) == {"n": 1}


def test_endless_conflicts_are_an_error(clock: FakeClock) -> None:
    class Contended(MemoryTable):
        def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
            return Replacement.CONFLICT

    sessions = Sessions(TableStore(Contended(clock=clock)), key="sid", clock=clock)
    session = sessions.resume(begin(sessions, n=1))

    with pytest.raises(ContentionError, match="try again"):
        session.atomic_update("n", increment)


def test_after_the_headers_a_row_accepts_it_and_a_closed_session_does_not(sessions: Sessions) -> None:
    sid = begin(sessions, n=1)
    session = sessions.resume(sid)
    sessions.commit(session)

    assert session.atomic_update("n", increment) == 2
    sessions.finish(session, last=True)

    with pytest.raises(RuntimeError, match="after its request had ended"):
        session.atomic_update("n", increment)


def test_no_update_of_many_threads_is_lost(sessions: Sessions) -> None:
    sid = begin(sessions, n=0)

    def count(_: int) -> None:
        for _ in range(100):
            sessions.resume(sid).atomic_update("n", increment)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(8)))

    assert sessions.resume(sid) == {"n": 800}


@pytest.mark.parametrize("is_async", [False, True])
def test_in_an_event_loop_it_is_awaited_with_any_table(clock: FakeClock, is_async: bool) -> None:
    table = MemoryTable(clock=clock)
    sessions = Sessions(TableStore(as_async(table) if is_async else table), key="sid", clock=clock)

    async def requests() -> dict[str, Any]:
        session = await sessions.fetch_async()
        session["n"] = 0
        cookie = (await sessions.commit_async(session)).cookie

        async def count() -> None:
            mine = await sessions.fetch_async(f"sid={cookie}")
            await mine.atomic_update("n", increment)
            await sessions.commit_async(mine)

        await asyncio.gather(*(count() for _ in range(20)))
        return dict(await sessions.fetch_async(f"sid={cookie}"))

    assert asyncio.run(requests()) == {"n": 20}


def test_a_thread_next_to_the_event_loop_can_update_too(clock: FakeClock) -> None:
    sessions = Sessions(TableStore(as_async(MemoryTable(clock=clock))), key="sid", clock=clock)

    async def request() -> Any:
        session = await sessions.fetch_async()
        session["n"] = 1
        cookie = (await sessions.commit_async(session)).cookie
        session = await sessions.fetch_async(f"sid={cookie}")
        return await asyncio.to_thread(session.atomic_update, "n", increment)

    assert asyncio.run(request()) == 2


def test_in_the_event_loop_an_async_table_needs_await(clock: FakeClock) -> None:
    sessions = Sessions(TableStore(as_async(MemoryTable(clock=clock))), key="sid", clock=clock)

    with pytest.raises(ConfigurationError, match="is async, which this adapter cannot use"):
        sessions.fetch()
