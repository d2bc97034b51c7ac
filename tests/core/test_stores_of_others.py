"""Third-party stores that do not consist of steps: an event loop awaits them, or calls them in a thread."""

import asyncio
import secrets
import threading
from collections.abc import Callable, Iterable
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from holdall import ConfigurationError, Event, LostWriteError, MemoryTable, Sessions, StoreError, TableStore
from holdall.stores import ForeignSession, NotFound, RowRef, SessionRow, StoredSession, Write
from holdall.testing import FakeClock, as_async


class Shelf:
    """A store in a dict whose methods return their results directly, and which notes the thread of each call."""

    def __init__(self, clock: FakeClock, *, reads: bool = False, writes: bool = False) -> None:
        self.blocking_reads = reads
        self.blocking_writes = writes
        self.ran: dict[str, bool] = {}
        self._clock = clock
        self._lock = threading.Lock()
        self._rows: dict[str, StoredSession] = {}
        self._owners: dict[str, tuple[str, str | None]] = {}

    def get(self, cookie: str, *, key: str) -> StoredSession | NotFound:
        self._note("get")
        is_theirs = cookie in self._rows and self._owners[cookie][0] == key
        return _copy(self._rows[cookie]) if is_theirs else NotFound("unknown")

    def put(self, stored: StoredSession | None, write: Write, *, key: str) -> StoredSession | None:
        self._note("put")
        with self._lock:
            return self._put(stored, write, key)

    def update(
        self, stored: StoredSession, make_write: Callable[[StoredSession], Write], *, key: str
    ) -> StoredSession | None:
        self._note("update")
        with self._lock:
            last = self._rows.get(stored.cookie)
            return None if last is None else self._put(last, make_write(_copy(last)), key)

    def delete(self, stored: StoredSession, *, key: str, superseded_until: int | None = None) -> StoredSession | None:
        self._note("delete")
        return self._rows.pop(stored.cookie, None)

    def sweep(self, limit: int) -> int:
        self._note("sweep")
        now = self._clock().timestamp()
        return self._end([cookie for cookie, row in self._rows.items() if row.expires <= now][:limit])

    def list(self, principal: str, *, keys: Iterable[str], current: StoredSession | None) -> list[SessionRow]:
        self._note("list")
        return [
            SessionRow(
                row.log_id,
                row.created,
                row.expires,
                None,
                None,
                is_current=current is not None and cookie == current.cookie,
            )
            for cookie, row in self._rows.items()
            if self._owners[cookie] in [(key, principal) for key in keys]
        ]

    def revoke(self, principal: str, *, keys: Iterable[str], keep: StoredSession | None, handle: str | None) -> int:
        self._note("revoke")
        return self._end(
            cookie
            for cookie, row in self._rows.items()
            if self._owners[cookie] in [(key, principal) for key in keys]
            and handle in (None, row.log_id)
            and (keep is None or cookie != keep.cookie)
        )

    def revoke_all(self, began_by: int) -> int:
        self._note("revoke_all")
        return self._end(cookie for cookie, row in self._rows.items() if row.created <= began_by)

    def follow(self, place: StoredSession | RowRef) -> RowRef | None:
        self._note("follow")
        digest = place.digest if isinstance(place, RowRef) else place.cookie.encode()
        return RowRef(digest) if digest.decode() in self._rows else None

    def _note(self, verb: str) -> None:
        self.ran[verb] = threading.current_thread() is threading.main_thread()

    def _put(self, stored: StoredSession | None, write: Write, key: str) -> StoredSession | None:
        if stored is None:
            cookie = secrets.token_hex(16)
            row = StoredSession(cookie, write.data, write.created, write.expires, secrets.token_hex(4), 1)
        elif stored.cookie in self._rows:
            last = self._rows[stored.cookie]
            assert last.version is not None
            data = write.changes.over(last.data)
            row = last.changed(data=data, expires=write.expires, version=last.version + 1)
        else:
            return None
        self._rows[row.cookie] = _copy(row)
        self._owners[row.cookie] = key, write.principal
        return _copy(row)

    def _end(self, cookies: Any) -> int:
        return sum(self._rows.pop(cookie, None) is not None for cookie in tuple(cookies))


def _copy(row: StoredSession) -> StoredSession:
    copied: StoredSession = row.changed(data=deepcopy(row.data))
    return copied


class MovingShelf(Shelf):
    """A shelf that finds the session of the cookie ``old`` elsewhere."""

    def get(self, cookie: str, *, key: str) -> StoredSession | NotFound:
        if cookie != "old":
            return super().get(cookie, key=key)
        now = int(self._clock().timestamp())
        return ForeignSession(StoredSession("old", {"n": 1}, now, now + 3600), "elsewhere", move=self.move)

    def move(self, write: Write, *, key: str) -> StoredSession | None:
        self._note("move")
        return self.put(None, write, key=key)


class AwaitedShelf:
    """A store with async methods, which let other requests run first."""

    def __init__(self, clock: FakeClock, shelf: Any = Shelf) -> None:
        self._shelf = shelf(clock)
        self.ran = self._shelf.ran

    def __getattr__(self, verb: str) -> Any:
        method = getattr(self._shelf, verb)

        async def call(*args: Any, **options: Any) -> Any:
            await asyncio.sleep(0)
            answer = method(*args, **options)
            if isinstance(answer, ForeignSession):
                answer.move = self.move
            return answer

        return call if callable(method) else method


KINDS: dict[str, Callable[[FakeClock], Any]] = {
    "awaited": AwaitedShelf,
    "blocks": lambda clock: Shelf(clock, reads=True, writes=True),
    "blocks to write": lambda clock: Shelf(clock, writes=True),
    "answers at once": Shelf,
}

#: Whether reading and writing happen in the event loop's thread.
IN_THE_LOOP = {
    "awaited": (True, True),
    "blocks": (False, False),
    "blocks to write": (True, False),
    "answers at once": (True, True),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(kind: str, clock: FakeClock) -> Any:
    return KINDS[kind](clock)


@pytest.fixture
def sessions(store: Any, clock: FakeClock, events: list[Event]) -> Sessions:
    return Sessions(
        store,
        key="sid",
        principal_key="user",
        clock=clock,
        idle_timeout=60,
        on_event=events.append,
        on_lost_write="raise",
    )


async def visit(sessions: Sessions, cookie: str = "", **data: Any) -> tuple[dict[str, Any], str]:
    """Make a request that adds *data*; return the data that it saw and the cookie's value afterwards."""
    session = await sessions.fetch_async(f"sid={cookie}" if cookie else ())
    saw = dict(session)
    session.update(data)
    answer = await sessions.commit_async(session)
    await sessions.finish_async(session, last=True)
    return saw, answer.cookie or cookie


def increment(count: int) -> int:
    return count + 1


def test_a_session_begins_changes_logs_in_and_ends(sessions: Sessions, events: list[Event]) -> None:
    async def visits() -> None:
        saw, anonymous = await visit(sessions, cart=1)
        assert saw == {}
        assert await visit(sessions, anonymous, cart=2) == ({"cart": 1}, anonymous)
        saw, cookie = await visit(sessions, anonymous, user=7)
        assert saw == {"cart": 2}
        assert cookie != anonymous
        assert (await visit(sessions, anonymous))[0] == {}
        assert (await visit(sessions, cookie))[0] == {"cart": 2, "user": 7}
        session = await sessions.fetch_async(f"sid={cookie}")
        session.logout()
        await sessions.commit_async(session)
        assert (await visit(sessions, cookie))[0] == {}

    asyncio.run(visits())

    assert [event.name for event in events] == ["created", "renewed", "rejected", "ended", "rejected"]


def test_many_requests_lose_no_atomic_update(sessions: Sessions) -> None:
    async def requests() -> dict[str, Any]:
        _, cookie = await visit(sessions, n=0)

        async def count() -> None:
            session = await sessions.fetch_async(f"sid={cookie}")
            await session.atomic_update("n", increment)
            await sessions.commit_async(session)

        await asyncio.gather(*(count() for _ in range(20)))
        return (await visit(sessions, cookie))[0]

    assert asyncio.run(requests()) == {"n": 20}


def test_save_and_reload_reach_the_store_during_the_request(sessions: Sessions) -> None:
    async def requests() -> None:
        _, cookie = await visit(sessions, n=1)
        session = await sessions.fetch_async(f"sid={cookie}")
        session["n"] = 2
        await session.save()
        assert await visit(sessions, cookie, n=3) == ({"n": 2}, cookie)
        session["mine"] = True
        await session.reload()
        assert session == {"n": 3, "mine": True}

    asyncio.run(requests())


def test_a_write_after_the_sessions_end_is_lost_and_reported(sessions: Sessions, events: list[Event]) -> None:
    async def requests() -> None:
        for late in (lambda session: session.save(), lambda session: session.atomic_update("n", increment)):
            _, cookie = await visit(sessions, n=1, user=7)
            session = await sessions.fetch_async(f"sid={cookie}")
            session["n"] = 2
            assert await sessions.revoke_async(7) == 1
            with pytest.raises(LostWriteError):
                await late(session)
            assert (await visit(sessions, cookie))[0] == {}

    asyncio.run(requests())

    assert [event.reason for event in events if event.name == "lost_write"] == ["ended", "ended"]


def test_a_principals_sessions_are_listed_and_ended(sessions: Sessions) -> None:
    async def requests() -> None:
        mine, other, anothers = [(await visit(sessions, user=user))[1] for user in (7, 7, 8)]
        session = await sessions.fetch_async(f"sid={mine}")
        listed = await sessions.list_async(7, current=session)
        assert [each.is_current for each in listed] == [True, False]
        assert await sessions.revoke_async(8, handle=listed[1].handle) == 0
        assert await sessions.revoke_async(7, handle=listed[1].handle) == 1
        assert await sessions.revoke_async(7, keep=session) == 0
        assert [(await visit(sessions, each))[0] for each in (mine, other, anothers)] == [{"user": 7}, {}, {"user": 8}]
        assert await sessions.revoke_all_async() == 2

    asyncio.run(requests())


def test_a_session_is_followed_to_its_end_and_expired_ones_are_swept(sessions: Sessions, clock: FakeClock) -> None:
    async def requests() -> None:
        _, cookie = await visit(sessions, user=7)
        place = await sessions.follow_async(RowRef(cookie.encode()))
        assert place == RowRef(cookie.encode())
        clock.advance(timedelta(minutes=1))
        assert (await visit(sessions, cookie))[0] == {}
        assert [await sessions.sweep_async(), await sessions.sweep_async()] == [1, 0]
        assert await sessions.follow_async(place) is None

    asyncio.run(requests())


def test_only_blocking_calls_run_in_a_thread(sessions: Sessions, store: Any, kind: str) -> None:
    async def requests() -> None:
        _, cookie = await visit(sessions, n=1)
        _, cookie = await visit(sessions, cookie, user=7)
        session = await sessions.fetch_async(f"sid={cookie}")
        await session.atomic_update("n", increment)
        await sessions.list_async(7)
        await sessions.follow_async(RowRef(cookie.encode()))
        await sessions.revoke_async(7)
        await sessions.revoke_all_async()
        await sessions.sweep_async()

    asyncio.run(requests())

    reads, writes = IN_THE_LOOP[kind]
    assert store.ran == {
        "get": reads,
        "list": reads,
        "follow": reads,
        **dict.fromkeys(("put", "update", "delete", "revoke", "revoke_all", "sweep"), writes),
    }


def test_a_thread_next_to_the_event_loop_may_save_reload_and_update(sessions: Sessions) -> None:
    async def request() -> dict[str, Any]:
        _, cookie = await visit(sessions, n=1)
        session = await sessions.fetch_async(f"sid={cookie}")

        def handler() -> None:
            session["m"] = 5
            session.save()
            session.reload()
            assert session.atomic_update("n", increment) == 2

        await asyncio.to_thread(handler)
        return (await visit(sessions, cookie))[0]

    assert asyncio.run(request()) == {"n": 2, "m": 5}


def test_the_stores_exception_propagates_and_leaves_the_change_unsaved(sessions: Sessions, store: Any) -> None:
    def fails(*args: Any, **options: Any) -> Any:
        msg = "no answer"
        raise StoreError(msg)

    async def request() -> None:
        _, cookie = await visit(sessions, n=1)
        session = await sessions.fetch_async(f"sid={cookie}")
        session["n"] = 2
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(getattr(store, "_shelf", store), "put", fails)
            with pytest.raises(StoreError, match="no answer"):
                await session.save()
        assert session.modified
        await session.save()
        assert (await visit(sessions, cookie))[0] == {"n": 2}

    asyncio.run(request())


def test_a_cancelled_request_is_written_to_its_end(clock: FakeClock) -> None:
    sessions = Sessions(AwaitedShelf(clock), key="sid", clock=clock)

    async def requests() -> None:
        _, cookie = await visit(sessions, n=1)
        session = await sessions.fetch_async(f"sid={cookie}")
        session["n"] = 2
        commit = asyncio.ensure_future(sessions.commit_async(session))
        await asyncio.sleep(0)
        commit.cancel()
        with pytest.raises(asyncio.CancelledError):
            await commit
        assert (await visit(sessions, cookie))[0] == {"n": 2}

    asyncio.run(requests())


@pytest.mark.parametrize("kind", ["blocks", "blocks to write", "answers at once"], indirect=True)
def test_a_sync_store_serves_requests_in_threads_too(sessions: Sessions) -> None:
    session = sessions.fetch()
    session["n"] = 1
    cookie = sessions.commit(session).cookie
    session = sessions.resume(cookie)

    assert session.atomic_update("n", increment) == 2
    session["m"] = 5
    session.save()

    assert sessions.resume(cookie) == {"n": 2, "m": 5}


def test_an_async_store_is_reported_where_it_cannot_be_awaited(clock: FakeClock) -> None:
    sessions = Sessions(AwaitedShelf(clock), key="sid", clock=clock)

    with pytest.raises(ConfigurationError, match="AwaitedShelf is async, which this adapter cannot use"):
        sessions.fetch()

    async def handler() -> None:
        _, cookie = await visit(sessions, n=1)
        session = sessions.resume(cookie, form="async")
        with pytest.raises(ConfigurationError, match="this store is async: await the call, in an async handler"):
            session.get("n")

    asyncio.run(handler())


def test_two_sessions_whose_stores_have_one_table_share_its_rows(clock: FakeClock) -> None:
    table = MemoryTable(clock=clock)
    one, two = (Sessions(as_async(TableStore(table)), key=key, clock=clock) for key in ("sid", "cart"))
    apart = Sessions(as_async(TableStore(MemoryTable(clock=clock))), key="apart", clock=clock)

    assert one.shares_rows_with(two, "async")
    assert not one.shares_rows_with(apart, "async")


@pytest.mark.parametrize("kind", ["awaited", "blocks", "answers at once"])
def test_a_session_kept_elsewhere_is_moved_in_the_stores_own_form(kind: str, clock: FakeClock) -> None:
    shelf = {
        "awaited": lambda: AwaitedShelf(clock, MovingShelf),
        "blocks": lambda: MovingShelf(clock, reads=True, writes=True),
        "answers at once": lambda: MovingShelf(clock),
    }[kind]()
    sessions = Sessions(shelf, key="sid", clock=clock)

    async def visit() -> dict[str, Any]:
        session = await sessions.fetch_async("sid=old")
        session["m"] = 2
        headers = await sessions.commit_async(session)
        return dict(await sessions.fetch_async(f"sid={headers.cookie}"))

    assert asyncio.run(visit()) == {"n": 1, "m": 2}
    assert shelf.ran["move"] == IN_THE_LOOP[kind][1]
