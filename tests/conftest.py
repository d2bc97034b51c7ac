"""Fixtures that the tests share: a clock that stands still, and visitors who need no framework."""

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from holdall import ResponseHeaders, Session, Sessions
from holdall.testing import Browser, FakeClock
from servers.erlang import running_erlang
from servers.mariadb import MariaDBServer, running_mariadb
from servers.postgres import FAST, PostgresServer, running_postgres
from servers.redis import IN_MEMORY, Cluster, RedisServer, redis_program, running, valkey_program
from sizes import FULL, load_profile

load_profile()

# The tests start hundreds of programs, which would otherwise compile our packages again each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Each worker of pytest-xdist imports all tests.
sys.dont_write_bytecode = False


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs under test, although a shell's ``&`` ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Exclude the thousands of tests from garbage collection, because some tests trigger it many times."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """
    Measure no coverage of most tests that try every order: they would take three times as long.

    The others cover the same: those of bound devices, and those of the table in memory among the races.
    """
    is_long = "_order" in item.name and item.path.parent.name not in ("device_bound", "races")
    measuring = _measuring() if is_long else None
    if measuring is None:
        return (yield)
    measuring.stop()
    try:
        return (yield)
    finally:
        measuring.start()


def _measuring() -> Any:
    """Return what measures coverage now, if anything does."""
    coverage = sys.modules.get("coverage")
    return None if coverage is None else coverage.Coverage.current()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show the figures of the tests that ran at full size."""
    if FULL:
        for report in terminalreporter.getreports("passed"):
            for name, value in report.user_properties:
                terminalreporter.write_line(f"{report.nodeid}: {value} {name}")


class Visitor:
    """A browser and the thinnest adapter, which drives only the core."""

    def __init__(self, sessions: Sessions, clock: FakeClock) -> None:
        self.sessions = sessions
        self.browser = Browser(clock=clock)
        self.answer = ResponseHeaders()

    @property
    def set_cookies(self) -> list[str]:
        """Return the Set-Cookie headers of the last response."""
        return [str(cookie) for cookie in self.answer.cookies]

    @contextmanager
    def request(self, path: str = "/", *, https: bool = False, status: int = 200) -> Iterator[Session]:
        """Make a request: the ``with`` block is the application's part in it."""
        session = self.sessions.fetch(self.browser.header(path, https=https), https=https)
        yield session
        self.send(session, path, https=https, status=status)
        self.sessions.finish(session)

    def send(self, session: Session, path: str = "/", *, https: bool = False, status: int = 200) -> None:
        """Send the headers."""
        self.answer = self.sessions.commit(session, status=status)
        self.browser.keep(self.set_cookies, path, https=https)

    def look(self) -> dict[str, object]:
        """Make a request that only reads, and return the data that it saw."""
        with self.request() as session:
            return dict(session)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def visit(clock: FakeClock) -> Callable[[Sessions], Visitor]:
    return lambda sessions: Visitor(sessions, clock)


@pytest.fixture(scope="session")
def erlang() -> Iterator[Callable[[bytes], bytes]]:
    with running_erlang() as again:
        yield again


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres(*FAST) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDBServer]:
    with running_mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running(RedisServer(valkey_program(), tmp_path_factory.mktemp("valkey"), *IN_MEMORY)) as server:
        yield server


@pytest.fixture(scope="session")
def old_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Return the oldest server that we support."""
    with running(RedisServer(redis_program(), tmp_path_factory.mktemp("redis"), *IN_MEMORY)) as server:
        yield server


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(Cluster(valkey_program(), tmp_path_factory.mktemp("cluster"))) as server:
        yield server
