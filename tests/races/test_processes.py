"""
Requests of several processes at one session, each in threads of its own, over real servers and files.

Every engine takes the same tests: a process is told where by a URL. ``HOLDALL_RACES_COUNTS`` says how often each of
many threads raises one counter; ``HOLDALL_FULL`` lets the others go on for long.
"""

import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from holdall import Event, Sessions
from sizes import sized

# Two processes that meet are as many as it takes.
PROCESSES = sized(2, 4)
THREADS = 4
REQUESTS = sized(40, 500)
LOGOUTS = sized(20, 2000)
COUNTS = int(os.environ.get("HOLDALL_RACES_COUNTS", "10"))

T = TypeVar("T")
Record = Callable[[str, object], None]

_MOST_WRITES = 1000
# A slow writer's. Without it threads that share a memory hardly meet, for each is done before the next has its turn.
_PAUSE_SECONDS = 0.001
_MEMORY = "memory://"

_SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(params=["memory", "sqlite", "valkey", "postgres", "mariadb", "django_on_sqlite", "django_on_postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name an engine as an application does."""
    if request.param == "memory":
        return f"{_MEMORY}{tmp_path}"
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'sessions.db'}"
    if request.param.startswith("django"):
        named: str = request.getfixturevalue(request.param)
        return named
    server = request.getfixturevalue(request.param)
    found: str = server.url if request.param == "valkey" else server.new_url()
    return found


def open_sessions(url: str, events: list[Event] | None = None) -> Sessions:
    on_event = None if events is None else events.append
    return Sessions("table", table=url, key="sid", principal_key="user_id", on_event=on_event)


def new_session(sessions: Sessions) -> str:
    session = sessions.fetch()
    session["began"] = True
    cookie = sessions.commit(session).cookie
    assert cookie
    return cookie


def test_of_thousands_of_writes_by_several_processes_none_is_lost(url: str, record_property: Record) -> None:
    cookie = new_session(open_sessions(url))

    in_processes(url, partial(_write_keys, url, cookie))

    data = dict(open_sessions(url).resume(cookie))
    written = {key for process in range(PROCESSES) for thread in range(THREADS) for key in _keys(process, thread)}
    assert len(written) == PROCESSES * THREADS * REQUESTS
    assert written - data.keys() == set()
    assert data["began"] is True
    record_property("writes, of which none is lost", len(written))


def _keys(process: int, thread: int) -> list[str]:
    return [f"{process}.{thread}.{number}" for number in range(REQUESTS)]


def _write_keys(url: str, cookie: str, process: int) -> None:
    sessions = open_sessions(url)

    def write(thread: int) -> None:
        for key in _keys(process, thread):
            session = sessions.resume(cookie)
            session[key] = True
            sessions.commit(session)

    in_threads(write)


def test_what_is_logged_out_among_slow_writers_does_not_come_back(url: str, record_property: Record) -> None:
    sessions = open_sessions(url)
    cookies = [new_session(sessions) for _ in range(LOGOUTS)]

    lost = in_processes(url, partial(_write_until_logged_out, url, cookies))

    assert [dict(sessions.resume(cookie)) for cookie in cookies] == [{}] * LOGOUTS
    # They did meet.
    assert sum(lost) > 0
    record_property(f"logouts among slow writers, {sum(lost)} of whose writes came too late, and none back", LOGOUTS)


def _write_until_logged_out(url: str, cookies: list[str], process: int) -> int:
    """Write to one session after the other until it has ended; one thread of all ends them. Return the lost writes."""
    events: list[Event] = []
    sessions = open_sessions(url, events)

    def use(thread: int) -> None:
        for cookie in cookies:
            # A session that came back would have them write for ever.
            for _ in range(_MOST_WRITES):
                session = sessions.resume(cookie)
                if not session:
                    break
                if (process, thread) == (0, 0) and session.get("writes", 0) >= 4:
                    session.logout()
                else:
                    session["writes"] = session.get("writes", 0) + 1
                    time.sleep(_PAUSE_SECONDS)
                sessions.commit(session)

    in_threads(use)
    return sum(event.name == "lost_write" for event in events)


def test_of_the_atomic_updates_of_several_processes_each_counts_once(url: str) -> None:
    with open_sessions(url) as sessions:
        cookie = new_session(sessions)

        in_processes(url, partial(_count, url, cookie))

        assert sessions.resume(cookie)["count"] == PROCESSES * THREADS * COUNTS


def _count(url: str, cookie: str, process: int) -> None:
    def count(thread: int) -> None:
        for _ in range(COUNTS):
            session = sessions.resume(cookie)
            session.atomic_update("count", lambda count: count + 1, default=0)
            sessions.commit(session)

    with open_sessions(url) as sessions:
        in_threads(count)


def in_processes(url: str, work: Callable[[int], T]) -> list[T]:
    """Do *work* in each of several processes at once, and return what they return."""
    # What is in memory is seen by this process alone: as many threads use it.
    with (
        ThreadPoolExecutor(PROCESSES) if url.startswith(_MEMORY) else ProcessPoolExecutor(PROCESSES, mp_context=_SPAWN)
    ) as pool:
        return list(pool.map(work, range(PROCESSES)))


def in_threads(work: Callable[[int], None]) -> None:
    """Do *work* in each of several threads at once."""
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))
