"""Blocks that have one key of a session to themselves: ``with session.atomic(key)``."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

import pytest

from holdall import (
    AsyncTableStore,
    ConfigurationError,
    ContentionError,
    CookieStore,
    Event,
    LostWriteError,
    MemoryTable,
    ResponseStartedError,
    Session,
    SessionNotFetchedError,
    Sessions,
    StoreError,
    TableStore,
)
from holdall.formats import NativeFormat
from holdall.lifecycle import Get, Lease, enter
from holdall.session import Fetched
from holdall.steps import Pause
from holdall.tables import Replacement, Row
from holdall.testing import FakeClock, as_async
from holdall.typed import typed_session

AT_ONCE = timedelta(0)

typed = pytest.mark.skipif(not find_spec("msgspec"), reason="typed sessions need msgspec or pydantic")


class Table(MemoryTable):
    """A table in memory that does something else before a verb is carried out."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self.before: dict[str, Callable[[], object]] = {}

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        self.before.pop("replace", bool)()
        return super().replace(digest, row, version=version)

    def insert(self, digest: bytes, row: Row) -> bool:
        self.inserted = row
        return super().insert(digest, row)

    def read(self, digest: bytes) -> Row | None:
        self.before.pop("read", bool)()
        return super().read(digest)


@pytest.fixture
def table(clock: FakeClock) -> Table:
    return Table(clock)


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def sessions(table: Table, clock: FakeClock, events: list[Event]) -> Sessions:
    return Sessions(TableStore(table), key="sid", clock=clock, principal_key="user", on_event=events.append)


def begin(sessions: Sessions, **data: Any) -> str:
    session = sessions.fetch()
    session.update(data)
    cookie = sessions.commit(session).cookie
    assert cookie is not None
    return cookie


def put(sessions: Sessions, sid: str, **data: Any) -> None:
    """Let another request put *data*."""
    session = sessions.resume(sid)
    session.update(data)
    sessions.commit(session)


def count(session: Session) -> None:
    with session.atomic("n"):
        session["n"] = session.get("n", 0) + 1


def test_the_block_sees_what_was_written_since_the_session_was_read(sessions: Sessions) -> None:
    sid = begin(sessions, n=1)
    session = sessions.resume(sid)
    assert session["n"] == 1
    put(sessions, sid, n=7, other="another's")

    count(session)

    assert session == sessions.resume(sid) == {"n": 8, "other": "another's"}


def test_it_is_written_at_once_and_nothing_else_is(sessions: Sessions) -> None:
    sid = begin(sessions, n=1, cart=["apple"])
    session = sessions.resume(sid)
    session["cart"].append("pear")
    session["mine"] = True

    with session.atomic("n"):
        session["n"] += 1
        session["also"] = "mine"

    assert sessions.resume(sid) == {"n": 2, "cart": ["apple"]}
    sessions.commit(session)
    assert sessions.resume(sid) == {"n": 2, "cart": ["apple", "pear"], "mine": True, "also": "mine"}


def test_the_request_writes_nothing_more_if_it_has_changed_nothing_more(sessions: Sessions, table: Table) -> None:
    sid = begin(sessions, n=1)
    session = sessions.resume(sid)
    count(session)
    put(sessions, sid, n=7)

    assert not session.changed
    sessions.commit(session)

    assert sessions.resume(sid) == {"n": 7}


@pytest.mark.parametrize(
    ("act", "left"),
    [
        (lambda session: session["list"].append(2), [1, 2]),
        (lambda session: session.delete("list"), None),
        (lambda session: session.put("list", None), None),
        (lambda session: session.clear(), None),
        (lambda session: session.get("list"), [1]),
    ],
    ids=["in place", "deleted", "put", "cleared", "read"],
)
def test_whatever_becomes_of_the_key_is_written(sessions: Sessions, act: Callable[[Any], object], left: Any) -> None:
    sid = begin(sessions, list=[1])
    session = sessions.resume(sid)

    with session.atomic("list"):
        act(session)

    assert sessions.resume(sid).get("list") == session.get("list") == left


def test_what_the_block_gave_out_can_be_altered_after_it(sessions: Sessions) -> None:
    sid = begin(sessions, list=[1])
    session = sessions.resume(sid)
    with session.atomic("list"):
        held = session["list"]
        held.append(2)

    held.append(3)
    sessions.commit(session)

    assert sessions.resume(sid) == {"list": [1, 2, 3]}


def test_what_was_held_before_the_block_can_be_altered_after_it(sessions: Sessions) -> None:
    sid = begin(sessions, n=0, cart=["apple"])
    session = sessions.resume(sid)
    cart = session["cart"]
    count(session)

    cart.append("pear")
    sessions.commit(session)

    assert sessions.resume(sid) == {"n": 1, "cart": ["apple", "pear"]}


@pytest.mark.parametrize("in_place", [True, False])
def test_the_block_goes_on_from_what_this_request_had_put(sessions: Sessions, in_place: bool) -> None:
    sid = begin(sessions, list=[1])
    session = sessions.resume(sid)
    if in_place:
        session["list"].append(2)
    else:
        session["list"] = [1, 2]

    with session.atomic("list"):
        session["list"].append(3)

    assert sessions.resume(sid) == {"list": [1, 2, 3]}


def test_a_clear_before_the_block_does_not_take_what_it_wrote(sessions: Sessions) -> None:
    sid = begin(sessions, n=1, other=1)
    session = sessions.resume(sid)
    session.clear()
    count(session)
    sessions.commit(session)

    assert sessions.resume(sid) == {"n": 1}


@typed
def test_a_typed_value_is_the_latest_in_the_block(sessions: Sessions) -> None:
    sid = begin(sessions, list=[1], other=[1])
    session = sessions.resume(sid)
    typed_session(session, list[int], "list")
    other = typed_session(session, list[int], "other")
    put(sessions, sid, list=[1, 2])

    with session.atomic("list"):
        typed_session(session, list[int], "list").append(3)
        other.append(2)

    assert sessions.resume(sid) == {"list": [1, 2, 3], "other": [1]}
    sessions.commit(session)
    assert sessions.resume(sid) == {"list": [1, 2, 3], "other": [1, 2]}


@typed
def test_a_typed_value_altered_in_a_block_that_raises_is_not_written(sessions: Sessions) -> None:
    sid = begin(sessions, list=[1], other=[1])
    session = sessions.resume(sid)
    other = typed_session(session, list[int], "other")

    with suppress(ZeroDivisionError), session.atomic("list"):
        typed_session(session, list[int], "list").append(2)
        other.append(2)
        raise ZeroDivisionError

    sessions.commit(session)
    assert session == sessions.resume(sid) == {"list": [1], "other": [1]}


# A block that raises.


def test_a_block_that_raises_writes_nothing_and_leaves_all_as_it_was(sessions: Sessions) -> None:
    sid = begin(sessions, n=1, cart=["apple"], gone=1, read=[])
    session = sessions.resume(sid)
    cart, read = session["cart"], session["read"]
    cart.append("pear")
    session["mine"] = [1]
    session.delete("gone")
    put(sessions, sid, n=5)

    with suppress(ZeroDivisionError), session.atomic("n"):
        session["n"] += 1
        session["cart"].append("plum")
        session["mine"].append(2)
        session["gone"] = "back"
        session["more"] = session["n"] / 0

    assert session == {"n": 5, "cart": ["apple", "pear"], "mine": [1], "read": []}
    assert session["read"] is read
    read.append("still seen")
    sessions.commit(session)
    expected = {"n": 5, "cart": ["apple", "pear"], "mine": [1], "read": ["still seen"]}
    assert session == sessions.resume(sid) == expected


def test_a_block_of_a_new_session_that_raises_leaves_all_as_it_was(sessions: Sessions) -> None:
    session = sessions.fetch()
    session["mine"] = [1]

    with suppress(ZeroDivisionError), session.atomic("n"):
        session["mine"].append(2)
        session["n"] = 1 / 0

    assert session == {"mine": [1]}


def test_a_block_that_raises_gives_its_lease_back(sessions: Sessions) -> None:
    sid = begin(sessions, n=1)
    session = sessions.resume(sid)
    with suppress(ZeroDivisionError), session.atomic("n"):
        session["n"] = 1 / 0

    with sessions.resume(sid).atomic("n", timeout=AT_ONCE):
        pass


def test_what_cannot_be_stored_is_told_at_the_end_of_the_block(sessions: Sessions) -> None:
    sid = begin(sessions, list=[1])
    session = sessions.resume(sid)

    with pytest.raises(TypeError, match="list"), session.atomic("list"):
        session["list"].append(object())

    assert session == sessions.resume(sid) == {"list": [1]}


# Blocks at once.


def test_many_blocks_of_threads_at_once_all_count(sessions: Sessions) -> None:
    sid = begin(sessions, n=0)

    def use(thread: int) -> None:
        for _ in range(50):
            count(sessions.resume(sid))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))

    assert sessions.resume(sid) == {"n": 400}


@pytest.mark.parametrize("kind", ["in memory", "blocking", "awaited"])
def test_many_blocks_of_tasks_at_once_all_count(table: Table, clock: FakeClock, kind: str) -> None:
    table.blocking_reads = table.blocking_writes = kind == "blocking"
    store = AsyncTableStore(as_async(table)) if kind == "awaited" else TableStore(table)
    sessions = Sessions(store, key="sid", clock=clock)

    async def use(sid: str) -> None:
        for _ in range(20):
            session = await sessions.fetch_async(f"sid={sid}")
            async with session.atomic("n"):
                seen = session.get("n", 0)
                await asyncio.sleep(0)
                session["n"] = seen + 1
            await sessions.commit_async(session)

    async def main() -> dict[str, Any]:
        session = await sessions.fetch_async()
        session["began"] = True
        sid = (await sessions.commit_async(session)).cookie
        assert sid is not None
        await asyncio.gather(*(use(sid) for _ in range(8)))
        return dict(await sessions.fetch_async(f"sid={sid}"))

    assert asyncio.run(main()) == {"began": True, "n": 160}


def test_who_waits_too_long_gets_an_error(sessions: Sessions) -> None:
    sid = begin(sessions, n=1)

    with sessions.resume(sid).atomic("n"):
        late = sessions.resume(sid)
        with (
            pytest.raises(ContentionError, match=r"session\['n'\] to themselves for 0.01 seconds"),
            late.atomic("n", timeout=timedelta(milliseconds=10)),
        ):
            pytest.fail("two have the key")
        with late.atomic("another", timeout=AT_ONCE):
            late["another"] = 1

    assert sessions.resume(sid) == {"n": 1, "another": 1}


def test_the_pauses_grow_and_end(sessions: Sessions, clock: FakeClock) -> None:
    session = sessions.resume(begin(sessions, n=1))
    steps = enter(session, sessions.policy, "n", timeout=timedelta(seconds=1), now=clock())
    pauses = []

    assert isinstance(next(steps), Lease)
    with pytest.raises(ContentionError):  # noqa: PT012  # of the block
        while True:
            pause = steps.send(None)
            assert isinstance(pause, Pause)
            pauses.append(pause.seconds)
            lease = steps.send(clock())
            assert isinstance(lease, Lease)

    assert pauses[:7] == [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.032]
    assert 1 <= sum(pauses) < 1.032


def test_a_lease_runs_from_the_time_that_it_was_taken_at(sessions: Sessions, clock: FakeClock) -> None:
    session = sessions.resume(begin(sessions, n=1))
    steps = enter(session, sessions.policy, "n", timeout=timedelta(seconds=60), now=clock())
    next(steps)
    steps.send(None)
    later = clock() + timedelta(seconds=30)

    step: Any = steps.send(later)

    assert step.until == later + timedelta(seconds=5)
    assert isinstance(steps.send(1), Get)


def test_a_crash_holds_up_others_only_for_the_time_of_a_lease(sessions: Sessions, clock: FakeClock) -> None:
    sid = begin(sessions, n=1)
    crashed = sessions.resume(sid).atomic("n")
    crashed.__enter__()
    clock.advance(timedelta(seconds=4))
    with pytest.raises(ContentionError), sessions.resume(sid).atomic("n", timeout=AT_ONCE):
        pytest.fail("the lease was taken away")
    clock.advance(timedelta(seconds=2))

    count(sessions.resume(sid))

    assert sessions.resume(sid) == {"n": 2}


def test_a_block_longer_than_its_lease_is_an_error_rather_than_a_lost_update(
    sessions: Sessions, clock: FakeClock
) -> None:
    sid = begin(sessions, n=1)
    slow = sessions.resume(sid)

    with pytest.raises(ContentionError, match="was changed by another"), slow.atomic("n"):  # noqa: PT012  # of the block
        slow["n"] += 1
        clock.advance(timedelta(seconds=6))
        count(sessions.resume(sid))

    assert slow == {"n": 1}
    assert sessions.resume(sid) == {"n": 2}


def test_a_block_longer_than_its_lease_does_not_give_back_anothers(sessions: Sessions, clock: FakeClock) -> None:
    sid = begin(sessions, n=1)
    slow, other = sessions.resume(sid), sessions.resume(sid)
    with slow.atomic("n"):
        clock.advance(timedelta(seconds=6))
        another = other.atomic("n")
        another.__enter__()

    with pytest.raises(ContentionError), sessions.resume(sid).atomic("n", timeout=AT_ONCE):
        pytest.fail("two have the key")
    another.__exit__(None, None, None)


@pytest.mark.parametrize(("write", "error"), [({"n": 5}, True), ({"m": 5}, False), ({"n": 1}, False)])
def test_only_a_plain_write_of_the_same_key_is_in_the_way(
    sessions: Sessions, write: dict[str, int], error: bool
) -> None:
    sid = begin(sessions, n=1)
    session = sessions.resume(sid)

    with suppress(ContentionError), session.atomic("n"):
        session["n"] += 1
        put(sessions, sid, **write)

    assert sessions.resume(sid) == (write if error else write | {"n": 2})


def test_a_key_that_another_has_deleted_is_changed(sessions: Sessions) -> None:
    sid = begin(sessions, n=None, m=1)
    session = sessions.resume(sid)

    with pytest.raises(ContentionError), session.atomic("n"):  # noqa: PT012  # of the block
        session["n"] = 1
        other = sessions.resume(sid)
        other.delete("n")
        sessions.commit(other)

    assert sessions.resume(sid) == {"m": 1}


def test_a_lease_that_cannot_be_given_back_runs_out(sessions: Sessions, table: Table, clock: FakeClock) -> None:
    sid = begin(sessions, n=1)
    session = sessions.resume(sid)

    def fail() -> None:
        raise StoreError

    with session.atomic("n"):
        table.before["replace"] = fail

    with pytest.raises(ContentionError), sessions.resume(sid).atomic("n", timeout=AT_ONCE):
        pytest.fail("it was given back")
    clock.advance(timedelta(seconds=6))
    count(sessions.resume(sid))


def test_nothing_of_the_key_can_be_seen_in_the_table(sessions: Sessions, table: Table) -> None:
    session = sessions.resume(begin(sessions, n=1))

    with session.atomic("a key of its own"):
        rows = repr([(digest, tuple(row)) for part in table._parts for digest, row in part.rows.items()])
        assert len(table) == 2

    assert "a key of its own" not in rows


# A session that ends meanwhile.


@pytest.mark.parametrize("end", [{"drop": True}, {"renew": True}])
@pytest.mark.parametrize("when", ["before", "within"])
def test_a_block_of_a_session_that_has_ended_is_a_lost_write(
    sessions: Sessions, events: list[Event], end: dict[str, bool], when: str
) -> None:
    sid = begin(sessions, n=1)
    session = sessions.resume(sid)
    assert session["n"] == 1
    other = sessions.resume(sid)
    other.configure(**end)
    if when == "before":
        sessions.commit(other)

    with session.atomic("n"):
        session["n"] += 1
        sessions.commit(other)

    assert session["n"] == 2
    assert sessions.commit(session).cookies == ()
    assert [event.name for event in events].count("lost_write") == 1
    assert sessions.resume(sid) == {}


def test_a_lost_write_can_be_an_error_at_the_end_of_the_block(table: Table, clock: FakeClock) -> None:
    sessions = Sessions(TableStore(table), key="sid", clock=clock, on_lost_write="raise")
    sid = begin(sessions, n=1)
    session = sessions.resume(sid)

    with pytest.raises(LostWriteError, match="was ended"), session.atomic("n"):  # noqa: PT012  # of the block
        session["n"] += 1
        other = sessions.resume(sid)
        other.configure(drop=True)
        sessions.commit(other)

    assert session == {"n": 1}
    sessions.commit(session)


def test_a_login_takes_along_what_a_block_wrote(sessions: Sessions) -> None:
    sid = begin(sessions, n=1)
    session = sessions.resume(sid)
    session.login(7)
    count(session)

    renewed = sessions.commit(session).cookie

    assert renewed != sid
    assert sessions.resume(renewed) == {"n": 2, "user": 7}


@pytest.mark.parametrize("act", ["logout", "drop", "ignore"])
def test_what_is_put_after_the_session_was_given_up_does_not_reach_its_row(sessions: Sessions, act: str) -> None:
    sid = begin(sessions, n=1)
    session = sessions.resume(sid)
    if act == "logout":
        session.logout()
    else:
        session.configure(act)

    count(session)

    assert sessions.resume(sid) == {"n": 1}
    said = sessions.commit(session)
    assert sessions.resume(sid) == ({"n": 1} if act == "ignore" else {})
    # After a logout it is the beginning of another session.
    assert sessions.resume(said.cookie) == {"logout": {"n": 1}, "drop": {}, "ignore": {"n": 1}}[act]


def test_what_is_given_up_in_the_block_is_not_written(sessions: Sessions) -> None:
    sid = begin(sessions, n=1)
    session = sessions.resume(sid)

    with session.atomic("n"):
        session.configure(ignore=True)
        session["n"] = 7

    assert sessions.resume(sid) == {"n": 1}


# The rest of a request.


def test_the_expiry_is_moved_and_the_cookie_sent_again_as_without(table: Table, clock: FakeClock) -> None:
    week = timedelta(days=7)
    sessions = Sessions(TableStore(table), key="sid", clock=clock, idle_timeout=week, max_age=3600)
    sid = begin(sessions, n=1)
    clock.advance(week / 7)
    session = sessions.resume(sid)
    count(session)

    said = sessions.commit(session)

    assert len(said.cookies) == 1
    assert sessions.resume(sid).expires == clock() + week


def test_a_new_visitor_has_nobody_to_wait_for(sessions: Sessions, table: Table) -> None:
    session = sessions.fetch()
    count(session)
    assert len(table) == 0

    assert sessions.resume(sessions.commit(session).cookie) == {"n": 1}


def test_after_the_response_has_started_a_block_works_where_a_row_is(sessions: Sessions) -> None:
    sid = begin(sessions, n=1)
    session, new = sessions.resume(sid), sessions.fetch()
    for each in session, new:
        each.get("n")
        sessions.commit(each)

    count(session)
    with pytest.raises(ResponseStartedError):
        count(new)

    assert sessions.resume(sid) == {"n": 2}
    sessions.finish(session)
    assert sessions.resume(sid) == {"n": 2}


# One block in another.


def test_blocks_of_different_keys_go_into_each_other(sessions: Sessions) -> None:
    sid = begin(sessions, a=1, b=[1])
    session = sessions.resume(sid)

    with session.atomic("a"):
        session["a"] += 1
        put(sessions, sid, b=[1, 2])
        with session.atomic("b"):
            session["b"].append(3)
        assert sessions.resume(sid) == {"a": 1, "b": [1, 2, 3]}
        session["a"] += 1

    assert session == sessions.resume(sid) == {"a": 3, "b": [1, 2, 3]}


@pytest.mark.parametrize("clears", [True, False])
def test_what_a_block_in_a_block_has_written_stays_if_the_outer_one_raises(sessions: Sessions, clears: bool) -> None:
    sid = begin(sessions, a=1, b=[1], c=1)
    session = sessions.resume(sid)
    if clears:
        session.clear()
    session["b"] = [0]

    with suppress(ZeroDivisionError), session.atomic("a"):
        session["a"] = 5
        with session.atomic("b"):
            session["b"].append(2)
        session["a"] /= 0

    expected = {"b": [0, 2]} if clears else {"a": 1, "b": [0, 2], "c": 1}
    assert session == expected
    assert sessions.resume(sid) == {"a": 1, "b": [0, 2], "c": 1}
    sessions.commit(session)
    assert sessions.resume(sid) == expected


def test_a_key_deleted_in_a_block_stays_so_if_the_outer_one_raises(sessions: Sessions) -> None:
    sid = begin(sessions, a=1, b=1)
    session = sessions.resume(sid)

    with suppress(ZeroDivisionError), session.atomic("a"):
        with session.atomic("b"):
            del session["b"]
        session["a"] /= 0

    assert session == sessions.resume(sid) == {"a": 1}


def test_a_block_of_the_same_key_in_it_is_an_error_and_no_deadlock(sessions: Sessions) -> None:
    session = sessions.resume(begin(sessions, n=1))

    with session.atomic("n"), pytest.raises(ConfigurationError, match="stands in a block of the same key"):
        count(session)

    count(session)
    assert session["n"] == 2


# What it is not for.


@pytest.mark.parametrize(
    "act",
    [
        lambda session: session.put("user", 8),
        lambda session: session.delete("user"),
        lambda session: session.login(8),
        lambda session: session.clear(),
    ],
    ids=["put", "delete", "login", "clear"],
)
def test_whose_session_it_is_cannot_change_in_a_block(sessions: Sessions, act: Callable[[Session], None]) -> None:
    sid = begin(sessions, n=1, user=7)
    session = sessions.resume(sid)

    with pytest.raises(ConfigurationError, match="log in before or after"), session.atomic("n"):
        act(session)

    sessions.commit(session)
    assert sessions.resume(sid) == {"n": 1, "user": 7}


def test_whose_session_it_is_has_no_block(sessions: Sessions) -> None:
    session = sessions.resume(begin(sessions, user=7))

    with pytest.raises(ConfigurationError, match=r"use login\(\)"), session.atomic("user"):
        pytest.fail("it was entered")


def test_keys_are_strings(sessions: Sessions) -> None:
    with pytest.raises(TypeError, match="keys are strings"), sessions.fetch().atomic(7):  # type: ignore[arg-type]
        pytest.fail("it was entered")


def test_a_cookie_cannot_hold_off_others(clock: FakeClock) -> None:
    sessions = Sessions(CookieStore(NativeFormat("a secret of these tests, which nobody else has")), key="_shop")

    with pytest.raises(ConfigurationError, match="keep sessions in a table"), sessions.fetch().atomic("n"):
        pytest.fail("it was entered")


def test_a_session_that_is_in_its_cookie_for_now_cannot_either(table: Table, clock: FakeClock) -> None:
    class InItsCookie(TableStore):
        def get(self, cookie: str, *, key: str) -> Any:
            found = super().get(cookie, key=key)
            return found._replace(version=None)  # type: ignore[union-attr]

    sessions = Sessions(InItsCookie(table), key="sid", clock=clock)
    session = sessions.resume(begin(sessions, n=1))

    with pytest.raises(ConfigurationError, match="in its cookie"), session.atomic("n"):
        pytest.fail("it was entered")


def test_a_session_that_was_not_fetched_has_none(sessions: Sessions) -> None:
    with pytest.raises(SessionNotFetchedError):
        sessions.unfetched().atomic("n")


def test_a_session_that_sessions_did_not_make_has_none(sessions: Sessions) -> None:
    session = Session(policy=sessions.policy)
    session.use(lambda cookies: Fetched())

    with pytest.raises(ConfigurationError, match="that Sessions has made"):
        session.atomic("n")


# Sync and async.


def test_a_with_in_an_event_loop_says_what_to_write(sessions: Sessions) -> None:
    async def main() -> None:
        session = await sessions.fetch_async()
        with pytest.raises(ConfigurationError, match="async with session"):
            count(session)

    asyncio.run(main())


@pytest.mark.parametrize("awaited", [True, False])
def test_a_thread_of_an_async_application_takes_with(table: Table, clock: FakeClock, awaited: bool) -> None:
    store = AsyncTableStore(as_async(table)) if awaited else TableStore(table)
    sessions = Sessions(store, key="sid", clock=clock)

    async def main() -> tuple[int, int]:
        loop = asyncio.get_running_loop()
        in_loop = []

        def from_thread(call: Callable[[], Any]) -> Any:
            in_loop.append(threading.current_thread())
            return asyncio.run_coroutine_threadsafe(call(), loop).result()

        session = await sessions.fetch_async(from_thread=from_thread)
        session["n"] = 1
        sid = (await sessions.commit_async(session)).cookie
        session = await sessions.fetch_async(f"sid={sid}", from_thread=from_thread)
        await asyncio.to_thread(count, session)
        return (await sessions.fetch_async(f"sid={sid}"))["n"], len(in_loop)

    # One way in to enter, to leave, and to give the lease back, where the store is awaited.
    assert asyncio.run(main()) == (2, 3 if awaited else 0)


def test_a_thread_that_cannot_reach_an_awaited_store_says_what_to_write(table: Table, clock: FakeClock) -> None:
    sessions = Sessions(AsyncTableStore(as_async(table)), key="sid", clock=clock)

    async def main() -> None:
        session = await sessions.fetch_async()
        with pytest.raises(ConfigurationError, match="in an async handler"):
            await asyncio.to_thread(count, session)

    asyncio.run(main())


def test_an_async_with_works_where_nothing_is_awaited(sessions: Sessions) -> None:
    sid = begin(sessions, n=1)

    async def main() -> None:
        session = sessions.resume(sid)
        async with session.atomic("n"):
            session["n"] += 1

    asyncio.run(main())

    assert sessions.resume(sid) == {"n": 2}


def test_a_waiting_task_lets_others_on(sessions: Sessions) -> None:
    sid = begin(sessions, n=1)
    order: list[str] = []

    async def hold(entered: asyncio.Event) -> None:
        session = await sessions.fetch_async(f"sid={sid}")
        async with session.atomic("n"):
            entered.set()
            await asyncio.sleep(0.02)
            order.append("first")

    async def main() -> None:
        entered = asyncio.Event()
        holder = asyncio.create_task(hold(entered))
        await entered.wait()
        session = await sessions.fetch_async(f"sid={sid}")
        async with session.atomic("n"):
            order.append("second")
        await holder

    asyncio.run(main())

    assert order == ["first", "second"]


def test_a_cancelled_block_writes_nothing_and_gives_its_lease_back(sessions: Sessions) -> None:
    sid = begin(sessions, n=1)

    async def main() -> None:
        session = await sessions.fetch_async(f"sid={sid}")
        with pytest.raises(TimeoutError):  # noqa: PT012  # of the block
            async with asyncio.timeout(0.01), session.atomic("n"):
                session["n"] = 7
                await asyncio.sleep(10)

    asyncio.run(main())

    assert sessions.resume(sid) == {"n": 1}
    with sessions.resume(sid).atomic("n", timeout=AT_ONCE):
        pass


def test_a_lease_ends_in_whole_seconds(sessions: Sessions, clock: FakeClock, table: Table) -> None:
    session = sessions.resume(begin(sessions, n=1))
    clock.advance(timedelta(microseconds=700_000))

    with session.atomic("n"):
        pass

    assert table.inserted.expires == clock().replace(microsecond=0) + timedelta(seconds=5)
