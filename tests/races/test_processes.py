"""
Several processes that use one session, each in several threads, over real servers and files.

Every engine runs the same tests: a process is given a URL. ``HOLDALL_RACES_COUNTS`` sets how often each of many
threads increments one counter; ``HOLDALL_FULL`` makes the other tests run for long.
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

# Two processes are enough.
PROCESSES = sized(2, 4)
THREADS = 4
REQUESTS = sized(40, 500)
LOGOUTS = sized(20, 2000)
COUNTS = int(os.environ.get("HOLDALL_RACES_COUNTS", "10"))

T = TypeVar("T")
Record = Callable[[str, object], None]

_MOST_WRITES = 1000
# A slow writer's pause. Without it, threads that share memory rarely interleave, because each finishes in its own turn.
_PAUSE_SECONDS = 0.001
_MEMORY = "memory://"

_SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(params=["memory", "sqlite", "valkey", "postgres", "mariadb", "django_on_sqlite", "django_on_postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return an engine's URL, as an application names it."""
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


def test_none_of_thousands_of_writes_by_several_processes_is_lost(url: str, record_property: Record) -> None:
    cookie = new_session(open_sessions(url))

    in_processes(url, partial(_write_keys, url, cookie))

    data = dict(open_sessions(url).resume(cookie))
    written = {key for process in range(PROCESSES) for thread in range(THREADS) for key in _keys(process, thread)}
    assert len(written) == PROCESSES * THREADS * REQUESTS
    assert written - data.keys() == set()
    assert data["began"] is True
    record_property("writes, none of them lost", len(written))


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


def test_a_session_logged_out_among_slow_writers_does_not_come_back(url: str, record_property: Record) -> None:
    sessions = open_sessions(url)
    cookies = [new_session(sessions) for _ in range(LOGOUTS)]

    lost = in_processes(url, partial(_write_until_logged_out, url, cookies))

    assert [dict(sessions.resume(cookie)) for cookie in cookies] == [{}] * LOGOUTS
    # They did interleave.
    assert sum(lost) > 0
    record_property(f"logouts among slow writers, with {sum(lost)} writes too late and no session back", LOGOUTS)


def _write_until_logged_out(url: str, cookies: list[str], process: int) -> int:
    """Write to one session after another until it has ended; one thread ends them all. Return the lost writes."""
    events: list[Event] = []
    sessions = open_sessions(url, events)

    def use(thread: int) -> None:
        for cookie in cookies:
            # A session that came back would make them write forever.
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


def test_each_atomic_update_of_several_processes_counts_once(url: str) -> None:
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
    """Run *work* in each of several processes concurrently, and return the results."""
    # Only this process can see a table in memory, so as many threads use it.
    with (
        ThreadPoolExecutor(PROCESSES) if url.startswith(_MEMORY) else ProcessPoolExecutor(PROCESSES, mp_context=_SPAWN)
    ) as pool:
        return list(pool.map(work, range(PROCESSES)))


def in_threads(work: Callable[[int], None]) -> None:
    """Run *work* in each of several threads concurrently."""
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))
