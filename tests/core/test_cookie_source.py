"""Sessions in other libraries' cookies that move into a table."""

import asyncio
from base64 import urlsafe_b64encode
from datetime import timedelta
from os import urandom

import pytest

from holdall import CookieStore, Event, MemoryTable, Sessions, TableStore
from holdall._cookies import MAX_COOKIE_BYTES
from holdall.formats import FlaskFormat, NativeFormat
from holdall.sources import Entry, Refused
from holdall.sources.cookie import CookieSource
from holdall.stores._migration import MigratingStore
from holdall.tables import Row
from holdall.testing import FakeClock, as_async

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"
FORMAT = FlaskFormat(SECRET)


@pytest.fixture
def old(clock: FakeClock) -> str:
    """Return a cookie of another library, in which user 7 is logged in."""
    theirs = Sessions(CookieStore(FlaskFormat(SECRET, clock=clock)), key="sid", clock=clock)
    session = theirs.fetch()
    session["user"] = 7
    return str(theirs.commit(session).cookie)


def moved(cookie: str, sessions: Sessions) -> tuple[dict[str, object], str | None]:
    session = sessions.fetch(f"sid={cookie}")
    return dict(session), sessions.commit(session).cookie


def test_a_session_moves_when_it_is_first_used(old: str, clock: FakeClock) -> None:
    events: list[Event] = []
    store = MigratingStore(TableStore(MemoryTable(clock=clock)), [CookieSource(FORMAT, key="sid")], clock=clock)
    sessions = Sessions(store, key="sid", clock=clock, on_event=events.append)

    data, new = moved(old, sessions)

    assert data == {"user": 7}
    assert new != old
    assert moved(str(new), sessions) == (data, new)
    assert ("old_cookie", "flask") in [(event.name, event.reason) for event in events]


def test_a_session_moves_once_however_often_the_old_cookie_is_sent(old: str, clock: FakeClock) -> None:
    store = MigratingStore(TableStore(MemoryTable(clock=clock)), [CookieSource(FORMAT, key="sid")], clock=clock)
    sessions = Sessions(store, key="sid", clock=clock)
    _, new = moved(old, sessions)
    session = sessions.resume(new)
    session["n"] = 1
    sessions.commit(session)

    assert moved(old, sessions) == ({"user": 7, "n": 1}, new)

    session = sessions.resume(new)
    session.configure(drop=True)
    sessions.commit(session)
    assert moved(old, sessions) == ({}, None)


def test_a_moved_session_stays_ended_after_revoke_all(old: str, clock: FakeClock) -> None:
    store = MigratingStore(TableStore(MemoryTable(clock=clock)), [CookieSource(FORMAT, key="sid")], clock=clock)
    sessions = Sessions(store, key="sid", clock=clock)
    moved(old, sessions)

    assert sessions.revoke_all() == 1
    assert moved(old, sessions) == ({}, None)


def test_the_old_cookie_expires_at_its_own_time(old: str, clock: FakeClock) -> None:
    store = MigratingStore(TableStore(MemoryTable(clock=clock)), [CookieSource(FORMAT, key="sid")], clock=clock)
    clock.advance(timedelta(days=7))

    assert moved(old, Sessions(store, key="sid", clock=clock)) == ({}, None)


def test_a_session_moves_into_async_tables_too(old: str, clock: FakeClock) -> None:
    table = as_async(MemoryTable(clock=clock))
    store = MigratingStore(TableStore(table), [CookieSource(FORMAT, key="sid")], clock=clock)
    sessions = Sessions(store, key="sid", clock=clock)

    async def move(cookie: str) -> tuple[dict[str, object], str | None]:
        session = await sessions.fetch_async(f"sid={cookie}")
        return dict(session), (await sessions.commit_async(session)).cookie

    async def move_twice() -> None:
        data, new = await move(old)

        assert data == {"user": 7}
        assert await move(str(new)) == (data, new)

    asyncio.run(move_twice())


@pytest.mark.parametrize("cookie", ["", "rubbish", "x" * (MAX_COOKIE_BYTES + 1)], ids=["empty", "rubbish", "long"])
def test_other_cookies_contain_no_session(cookie: str, clock: FakeClock) -> None:
    store = MigratingStore(TableStore(MemoryTable(clock=clock)), [CookieSource(FORMAT, key="sid")], clock=clock)

    assert moved(cookie, Sessions(store, key="sid", clock=clock)) == ({}, None)


@pytest.mark.parametrize(("key", "opens"), [("_shop", True), ("sid", False)])
def test_our_own_cookies_open_under_their_original_name(key: str, opens: bool, clock: FakeClock) -> None:
    format = NativeFormat(SECRET)
    cookies = Sessions(CookieStore(format), key="_shop", clock=clock)
    session = cookies.fetch()
    session["user"] = 7
    old = cookies.commit(session).cookie
    store = MigratingStore(TableStore(MemoryTable(clock=clock)), [CookieSource(format, key=key)], clock=clock)
    sessions = Sessions(store, key="sid", old_keys=["_shop"], clock=clock)

    assert dict(sessions.fetch(f"_shop={old}")) == ({"user": 7} if opens else {})


class CountingTable(MemoryTable):
    """A table that counts its reads."""

    reads = 0

    def read(self, digest: bytes) -> Row | None:
        self.reads += 1
        return super().read(digest)


class CountingSource(CookieSource):
    """A source that claims any cookie, and counts its calls."""

    reads = 0

    def matches(self, cookie: str) -> bool:
        return True

    def read(self, cookie: str) -> Entry | Refused | None:
        self.reads += 1
        return super().read(cookie)


@pytest.mark.parametrize(
    ("sources", "number", "table_reads", "source_reads"),
    [(0, 4, 4, 0), (0, 5, 0, 0), (0, 1000, 0, 0), (1, 4, 8, 4), (2, 4, 8, 8), (2, 5, 0, 0), (2, 1000, 0, 0)],
)
def test_one_request_costs_few_reads_whatever_cookies_it_sends(
    sources: int, number: int, table_reads: int, source_reads: int, clock: FakeClock
) -> None:
    table = CountingTable(clock=clock)
    asked = [CountingSource(FORMAT, key="sid") for _ in range(sources)]
    sessions = Sessions(MigratingStore(TableStore(table), asked, clock=clock), key="sid", clock=clock)
    cookies = "; ".join(f"sid={urlsafe_b64encode(urandom(30)).decode().rstrip('=')}" for _ in range(number))

    assert dict(sessions.fetch(cookies)) == {}

    assert table.reads == table_reads
    assert sum(source.reads for source in asked) == source_reads
