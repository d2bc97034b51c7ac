"""Test that closing sessions closes everything that they opened: connections, files and threads."""

import asyncio
import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from holdall import ConfigurationError, MemoryTable, Sessions, TableStore, tables
from holdall.tables.sqlite import SQLiteTable

SECRET = "a secret of these tests, which no application has"


@pytest.fixture(params=["memory", "sqlite", "valkey", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return an engine's URL, as an application names it."""
    match request.param:
        case "memory":
            return f"memory://{tmp_path}"
        case "sqlite":
            return f"sqlite:///{tmp_path / 'sessions.db'}"
        case "valkey":
            return request.getfixturevalue("valkey").url
        case _:
            return request.getfixturevalue("postgres").new_url()


@pytest.fixture
def left_open() -> Callable[[], set[Any]]:
    """Return what is open now and was not when the test began."""
    # Otherwise each call would look through everything that earlier tests have left.
    gc.collect()
    gc.freeze()
    before = _open()
    return lambda: _open() - before


def _open() -> set[Any]:
    gc.collect()
    process = psutil.Process()
    sockets = {(each.laddr, each.raddr) for each in process.net_connections("inet") if each.status == "ESTABLISHED"}
    return sockets | {each.path for each in process.open_files()} | set(threading.enumerate())


def use(sessions: Sessions, cookie: str | None = None) -> str | None:
    session = sessions.resume(cookie)
    session["n"] = session.get("n", 0) + 1
    return sessions.commit(session).cookie


async def use_async(sessions: Sessions, cookie: str | None = None) -> str | None:
    session = await sessions.fetch_async(f"sid={cookie}" if cookie else ())
    session["n"] = session.get("n", 0) + 1
    return (await sessions.commit_async(session)).cookie


def test_closing_leaves_nothing_open_and_later_use_opens_it_again(url: str, left_open: Callable[[], set[Any]]) -> None:
    sessions = Sessions("table", table=url, key="sid")
    cookie = use(sessions)
    sessions.close()
    assert left_open() == set()

    use(sessions, cookie)
    assert bool(left_open()) is not url.startswith("memory")
    sessions.close()
    sessions.close()

    assert left_open() == set()
    with sessions:
        assert sessions.resume(cookie)["n"] == 2
    assert left_open() == set()


def test_closing_an_async_form_leaves_nothing_open(url: str, left_open: Callable[[], set[Any]]) -> None:
    sessions = Sessions("table", table=url, key="sid")

    async def main() -> None:
        before = left_open()
        async with sessions:
            cookie = await use_async(sessions)
        async with sessions:
            assert await use_async(sessions, cookie) == cookie
            await asyncio.gather(*(use_async(sessions, cookie) for _ in range(5)))
        after = left_open() - before
        # SQLite's writes use the threads of the loop's executor, which the loop ends.
        assert {each for each in after if not isinstance(each, threading.Thread)} == set()

    asyncio.run(main())

    assert left_open() == set()


def test_closing_closes_both_forms(url: str, left_open: Callable[[], set[Any]]) -> None:
    sessions = Sessions("table", table=url, key="sid")

    async def main() -> None:
        cookie = await use_async(sessions)
        use(sessions, cookie)
        await sessions.aclose()

    asyncio.run(main())

    assert left_open() == set()


def test_an_async_form_cannot_be_closed_without_await(valkey: Any) -> None:
    sessions = Sessions("table", table=valkey.url, key="sid")

    async def main() -> None:
        await use_async(sessions)
        with pytest.raises(ConfigurationError, match=r"await sessions\.aclose"):
            sessions.close()
        await sessions.aclose()

    asyncio.run(main())


def test_unused_sessions_have_opened_nothing(url: str, left_open: Callable[[], set[Any]]) -> None:
    with Sessions("table", table=url, key="sid"):
        pass

    assert left_open() == set()


def test_other_threads_connections_are_closed_too(tmp_path: Path, left_open: Callable[[], set[Any]]) -> None:
    sessions = Sessions("table", table=f"sqlite:///{tmp_path / 'sessions.db'}", key="sid")
    cookie = use(sessions)
    barrier = threading.Barrier(3)

    def use_at_once(thread: int) -> None:
        barrier.wait()
        use(sessions, cookie)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(use_at_once, range(3)))
        sessions.close()
        assert {each for each in left_open() if not isinstance(each, threading.Thread)} == set()

        list(pool.map(use_at_once, range(3)))
        sessions.close()

    assert left_open() == set()


def test_objects_that_were_passed_in_stay_open(tmp_path: Path, left_open: Callable[[], set[Any]]) -> None:
    table = SQLiteTable(tmp_path / "sessions.db")
    sessions = Sessions(TableStore(table), key="sid")
    use(sessions)

    sessions.close()

    assert left_open() != set()
    table.close()
    assert left_open() == set()


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_table_that_serves_both_forms_is_closed_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    class Closing(MemoryTable):
        if kind == "sync":

            def close(self) -> None:
                closed.append("close")
        else:

            async def aclose(self) -> None:
                closed.append("aclose")

    table = Closing()
    monkeypatch.setitem(tables._OPENERS, "theirs", lambda url, form, clock, create: table)
    sessions = Sessions("table", table="theirs://", key="sid")
    sessions.prepare("sync")
    sessions.prepare("async")

    asyncio.run(sessions.aclose())

    assert closed == ["close" if kind == "sync" else "aclose"]


def test_sessions_in_cookies_have_nothing_to_close() -> None:
    sessions = Sessions("cookie", key="_shop", secret_key_base=SECRET)
    use(sessions)

    sessions.close()
    asyncio.run(sessions.aclose())

    assert use(sessions) is not None
