"""
Several processes that use one session, each in several threads, over real servers and files.

Every engine runs the same tests: a process is given a URL. ``HOLDALL_RACES_COUNTS`` sets how often each of many
threads increments one counter; ``HOLDALL_FULL`` makes the other tests run for long.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

import pytest

from holdall import Sessions
from races.projects import in_projects
from races.writers import count, keys, open_sessions, write_keys, write_until_logged_out
from sizes import sized
from tables.django_databases import of_postgres, of_sqlite

# Two processes are enough.
PROCESSES = sized(2, 4)
THREADS = 4
REQUESTS = sized(40, 500)
LOGOUTS = sized(20, 2000)
COUNTS = int(os.environ.get("HOLDALL_RACES_COUNTS", "10"))

Record = Callable[[str, object], None]

_MEMORY = "memory://"

_SPAWN = multiprocessing.get_context("spawn")

ENGINES = ["memory", "sqlite", "valkey", "postgres", "mariadb", "django_on_sqlite", "django_on_postgres"]


@pytest.fixture(scope="module", params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return an engine's URL, as an application names it."""
    folder = tmp_path_factory.mktemp("races")
    match request.param:
        case "memory":
            yield f"{_MEMORY}races"
        case "sqlite":
            yield f"sqlite:///{folder / 'sessions.db'}"
        case "django_on_sqlite":
            with in_projects(of_sqlite(folder / "db.sqlite3"), folder) as url:
                yield url
        case "django_on_postgres":
            with in_projects(of_postgres(request.getfixturevalue("postgres").new_url()), folder) as url:
                yield url
        case name:
            server = request.getfixturevalue(name)
            yield server.url if name == "valkey" else server.new_url()


@pytest.fixture(scope="module")
def pool(url: str) -> Iterator[Executor]:
    """Return processes that import the engine's driver once, for all tests of the engine."""
    # Only this process can see a table in memory, so as many threads use it.
    with (
        ThreadPoolExecutor(PROCESSES) if url.startswith(_MEMORY) else ProcessPoolExecutor(PROCESSES, mp_context=_SPAWN)
    ) as pool:
        yield pool


def new_session(sessions: Sessions) -> str:
    session = sessions.fetch()
    session["began"] = True
    cookie = sessions.commit(session).cookie
    assert cookie
    return cookie


def test_none_of_thousands_of_writes_by_several_processes_is_lost(
    url: str, pool: Executor, record_property: Record
) -> None:
    with open_sessions(url) as sessions:
        cookie = new_session(sessions)

        list(pool.map(partial(write_keys, url, cookie, THREADS, REQUESTS), range(PROCESSES)))

        data = dict(sessions.resume(cookie))
    written = {
        key for process in range(PROCESSES) for thread in range(THREADS) for key in keys(process, thread, REQUESTS)
    }
    assert len(written) == PROCESSES * THREADS * REQUESTS
    assert written - data.keys() == set()
    assert data["began"] is True
    record_property("writes, none of them lost", len(written))


def test_a_session_logged_out_among_slow_writers_does_not_come_back(
    url: str, pool: Executor, record_property: Record
) -> None:
    with open_sessions(url) as sessions:
        cookies = [new_session(sessions) for _ in range(LOGOUTS)]

        lost = list(pool.map(partial(write_until_logged_out, url, cookies, THREADS), range(PROCESSES)))

        assert [dict(sessions.resume(cookie)) for cookie in cookies] == [{}] * LOGOUTS
    # They did interleave.
    assert sum(lost) > 0
    record_property(f"logouts among slow writers, with {sum(lost)} writes too late and no session back", LOGOUTS)


def test_each_atomic_update_of_several_processes_counts_once(url: str, pool: Executor) -> None:
    with open_sessions(url) as sessions:
        cookie = new_session(sessions)

        list(pool.map(partial(count, url, cookie, THREADS, COUNTS), range(PROCESSES)))

        assert sessions.resume(cookie)["count"] == PROCESSES * THREADS * COUNTS
