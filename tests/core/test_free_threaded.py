"""Objects shared by threads, on a Python without a global lock, where eight threads run at the same time."""

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from holdall import MemoryTable, Sessions, TableStore
from holdall.formats import _xaes
from holdall.tables import Row, Table
from holdall.tables._contract import Replacement
from holdall.tables.sqlite import SQLiteTable
from holdall.testing import FakeClock
from sizes import sized

pytestmark = pytest.mark.skipif(
    getattr(sys, "_is_gil_enabled", lambda: True)(), reason="this Python runs one thread at a time"
)

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"
THREADS = 8


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """Call *work* with each thread's number, in all threads at the same moment, and return the results."""
    together = threading.Barrier(THREADS)

    def begin(number: int) -> Any:
        together.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(begin, range(THREADS)))


def digest_of(number: int, turn: int) -> bytes:
    return b"%d %d" % (number, turn)


def row(clock: FakeClock, owner: str | None = None, data: bytes = b"0") -> Row:
    return Row(data, 1, clock() + timedelta(days=1), clock(), owner)


@pytest.fixture(params=["memory", "sqlite"])
def table(request: pytest.FixtureRequest, clock: FakeClock, tmp_path: Path) -> Iterator[Table]:
    if request.param == "memory":
        yield MemoryTable(clock=clock)
        return
    with closing(SQLiteTable(tmp_path / "sessions.db", clock=clock, busy_timeout=60)) as table:
        yield table


@pytest.mark.parametrize("store", ["cookie", "memory", "sqlite"])
def test_eight_threads_may_be_the_first_to_use_sessions(store: str, tmp_path: Path) -> None:
    values = dict.fromkeys("abcde", 1)
    for attempt in range(sized(50, 1000)):
        options: Any = {"table": f"{store}:///{tmp_path}/{attempt}" if store == "sqlite" else f"{store}://{attempt}"}
        if store == "cookie":
            options = {"secret_key_base": SECRET}
        with Sessions("cookie" if store == "cookie" else "table", key="sid", **options) as sessions:
            opened = threading.Event()

            def visit(number: int, sessions: Sessions = sessions, opened: threading.Event = opened) -> dict[str, Any]:
                session = sessions.fetch()
                if number == 0:
                    # Decoded to another form, while the other threads are at work.
                    sessions.prepare("async")
                    opened.set()
                session.update(values)
                while number < 4 and not opened.is_set():
                    session["a"] = 1
                return dict(sessions.resume(sessions.commit(session).cookie))

            assert at_once(visit) == [values] * THREADS


def test_no_replacement_is_lost(table: Table, clock: FakeClock) -> None:
    digests, each_counts = [digest_of(0, number) for number in range(3)], sized(100, 5000)
    for digest in digests:
        table.insert(digest, row(clock))

    def count_up(number: int) -> None:
        for digest in digests * each_counts:
            replacement = Replacement.CONFLICT
            while replacement is not Replacement.REPLACED:
                present = table.read(digest)
                assert present is not None
                assert int(present.data) == present.version - 1
                new = present._replace(data=b"%d" % present.version, version=present.version + 1)
                replacement = table.replace(digest, new, version=present.version)

    at_once(count_up)

    rows = [table.read(digest) for digest in digests]
    assert [each and each.data for each in rows] == [b"%d" % (THREADS * each_counts)] * len(digests)


def test_a_memory_table_counts_and_lists_its_rows_correctly_while_they_come_and_go(clock: FakeClock) -> None:
    table = MemoryTable(clock=clock)
    rounds, stay = sized(2000, 50_000), 10

    def come_and_go(number: int) -> None:
        for turn in range(rounds):
            digest, owner = digest_of(number, turn), f"user {turn % 3}"
            assert table.insert(digest, row(clock, owner))
            assert digest in {listed.digest for listed in table.find(owner)}
            if turn >= stay:
                assert table.remove(digest) is not None

    at_once(come_and_go)

    assert len(table) == sum(len(table.find(f"user {number}")) for number in range(3)) == THREADS * stay
    assert table.clear(clock()) == THREADS * stay
    assert (len(table), table._bytes) == (0, 0)


def test_a_full_memory_table_evicts_as_many_rows_as_it_must(clock: FakeClock) -> None:
    table = MemoryTable(clock=clock, max_rows=50)

    def fill(number: int) -> None:
        for turn in range(sized(500, 10_000)):
            assert table.insert(digest_of(number, turn), row(clock, "owner" if turn % 2 else None))
            assert len(table) <= 50
            table.read(digest_of(number - 1, turn))

    at_once(fill)

    assert len(table) == len(table.find("owner")) + sum(
        table.read(digest_of(number, turn)) is not None
        for number in range(THREADS)
        for turn in range(0, sized(500, 10_000), 2)
    )
    assert 50 - THREADS < len(table) <= 50


def test_cached_keys_open_the_cookies_of_many_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_xaes, "_KEPT_KEYS", 8)

    def sessions() -> Sessions:
        return Sessions("cookie", key="sid", secret_key_base=SECRET)

    cookies = []
    # Each begins with its own nonce, like a process.
    for number, each in enumerate(sessions() for _ in range(20)):
        session = each.fetch()
        session["n"] = number
        cookies.append(each.commit(session).cookie)
    shared = sessions()

    def read(number: int) -> None:
        for _ in range(sized(20, 1000)):
            assert [shared.resume(cookie)["n"] for cookie in cookies] == list(range(20))

    at_once(read)


def test_logins_and_logouts_of_one_user_in_all_threads_end_the_right_sessions(table: Table, clock: FakeClock) -> None:
    sessions = Sessions(TableStore(table), key="sid", principal_key="user_id", clock=clock)

    def log_in() -> str | None:
        session = sessions.fetch()
        session["user_id"] = 1
        return sessions.commit(session).cookie

    def log_in_and_out(number: int) -> list[str | None]:
        staying = []
        for _ in range(sized(20, 500)):
            staying.append(log_in())
            leaving = log_in()
            session = sessions.resume(leaving)
            session.logout()
            sessions.commit(session)
            assert sessions.resume(leaving) == {}
        return staying

    staying = [cookie for cookies in at_once(log_in_and_out) for cookie in cookies]

    assert len(sessions.list(1)) == len(staying)
    assert all(sessions.resume(cookie) == {"user_id": 1} for cookie in staying)
    assert sessions.revoke(1) == len(staying)
    assert all(sessions.resume(cookie) == {} for cookie in staying)
