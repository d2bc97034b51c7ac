"""The table in an SQLite file: the contract, and the behaviour of a file that processes share."""

import gc
import os
import secrets
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from holdall import AsyncTable, ConfigurationError, Sessions, StoreError, TableStore
from holdall.tables import Replacement, Row, Tombstone, _sqlite_files
from holdall.tables.sqlite import SQLiteTable
from holdall.testing import FakeClock, InterleavingConformance, TableConformance, as_async
from holdall.testing._forks import exit_code, forked
from sizes import FULL, sized
from tables.rows import DAY, DIGEST, new_row
from tables.stolen import traces

KILLS = sized(10, 200)
Record = Callable[[str, object], None]
_DONE = Replacement.REPLACED


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
def sqlite(path: Path, clock: FakeClock) -> Iterator[SQLiteTable]:
    table = SQLiteTable(path, clock=clock)
    yield table
    table.close()


class TestSQLiteTable(TableConformance):
    @pytest.fixture
    def table(self, sqlite: SQLiteTable) -> AsyncTable:
        return as_async(sqlite)

    @pytest.fixture
    def broken_table(self, path: Path, clock: FakeClock) -> AsyncTable:
        path.write_bytes(b"This is no database, whatever its name says. " * 100)
        return as_async(SQLiteTable(path, clock=clock))


class TestInterleavings(InterleavingConformance):
    triples = FULL

    @pytest.fixture
    def make_table(self, path: Path) -> Callable[[FakeClock], AsyncTable]:
        return lambda clock: as_async(SQLiteTable(path, clock=clock))


def test_a_url_names_the_file(path: Path, clock: FakeClock) -> None:
    sessions = Sessions("table", table=f"sqlite:///{path}", key="sid", clock=clock)
    session = sessions.fetch()
    session["seen"] = 1
    cookie = sessions.commit(session).cookie

    other = Sessions(TableStore(SQLiteTable(path, clock=clock)), key="sid", clock=clock)

    assert dict(other.resume(cookie)) == {"seen": 1}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///:memory:", "memory://session"),
        ("sqlite:///", "memory://session"),
        ("sqlite://sessions.db", "sqlite:///sessions.db"),
        ("sqlite://", "three"),
        ("sqlite:////no/such/folder/sessions.db", "no folder /no/such/folder"),
    ],
)
def test_a_url_without_a_usable_file_is_refused_at_startup(url: str, message: str) -> None:
    sessions = Sessions("table", table=url, key="sid")

    with pytest.raises(ConfigurationError, match=message):
        sessions.prepare("sync")


def test_only_its_owner_may_read_the_file(sqlite: SQLiteTable, path: Path, clock: FakeClock) -> None:
    sqlite.insert(DIGEST, new_row(clock))

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert modes == dict.fromkeys(("sessions.db", "sessions.db-wal", "sessions.db-shm"), 0o600)


def test_an_existing_file_keeps_its_mode(path: Path, clock: FakeClock) -> None:
    path.touch()
    path.chmod(0o660)
    table = SQLiteTable(path, clock=clock)

    assert table.insert(DIGEST, new_row(clock))
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    table.close()


def test_a_file_that_cannot_be_created_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open"):
        SQLiteTable(tmp_path).read(DIGEST)


def test_another_process_sees_the_rows(sqlite: SQLiteTable, path: Path, clock: FakeClock) -> None:
    sqlite.insert(DIGEST, new_row(clock))

    probe = f"import sqlite3; print(sqlite3.connect({str(path)!r}).execute('SELECT count(*) FROM session').fetchone())"
    seen = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)

    assert seen.stdout == "(1,)\n"


def test_a_forked_process_opens_its_own_connection(sqlite: SQLiteTable, clock: FakeClock) -> None:
    sqlite.insert(DIGEST, new_row(clock))

    child = forked(lambda: sqlite.replace(DIGEST, new_row(clock, b"child", 2), version=1), hooks=True)

    assert exit_code(child) == 0
    assert sqlite.replace(DIGEST, new_row(clock, b"parent", 3), version=2) is _DONE


def test_what_a_forked_process_writes_after_its_parent_has_closed_is_not_lost(
    sqlite: SQLiteTable, clock: FakeClock
) -> None:
    sqlite.insert(DIGEST, new_row(clock))
    reading, writing = os.pipe()

    def write() -> None:  # pragma: no cover  # the child's coverage is not recorded
        os.read(reading, 1)
        assert sqlite.replace(DIGEST, new_row(clock, b"child", 2), version=1) is _DONE

    child = forked(write, hooks=True)
    # The last connection to a file removes its log, to which a connection of this one would still write.
    sqlite.close()
    os.write(writing, b"!")

    assert exit_code(child) == 0
    assert sqlite.read(DIGEST) == new_row(clock, b"child", 2)
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("use", [lambda table: table.read(DIGEST), SQLiteTable.close], ids=["read", "close"])
def test_a_forked_process_neither_closes_nor_frees_its_parents_connection(
    sqlite: SQLiteTable, clock: FakeClock, use: Callable[[SQLiteTable], object]
) -> None:
    sqlite.insert(DIGEST, new_row(clock))
    parents = sqlite._connection().connection

    def leave_it() -> None:  # pragma: no cover  # the child's coverage is not recorded
        use(sqlite)
        gc.collect()
        assert parents.execute("SELECT 1").fetchone() == (1,)
        assert any(each is parents for each in _sqlite_files._left_to_the_parent)

    assert exit_code(forked(leave_it, hooks=True)) == 0


def test_a_forked_process_can_close_a_table_that_a_thread_of_its_parent_is_using(
    sqlite: SQLiteTable, path: Path, clock: FakeClock
) -> None:
    def is_waiting(thread: threading.Thread) -> bool:
        frame = sys._current_frames().get(thread.ident or 0)
        return frame is not None and frame.f_code is _sqlite_files.Connection.execute.__code__

    sqlite.insert(DIGEST, new_row(clock))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writer = threading.Thread(target=sqlite.remove, args=(DIGEST,))
        writer.start()
        while not is_waiting(writer):
            time.sleep(0.01)
        # It holds the lock of its connection, for ever in a copy of this process.
        child = forked(sqlite.close, hooks=True)
        other.execute("ROLLBACK")
    writer.join()

    assert exit_code(child) == 0
    assert sqlite.read(DIGEST) is None


@pytest.mark.parametrize(("options", "level"), [({}, 1), ({"synchronous": "NORMAL"}, 1), ({"synchronous": "FULL"}, 2)])
def test_its_durability_is_that_of_the_connection(path: Path, options: Any, level: int) -> None:
    with closing(SQLiteTable(path, **options)) as table:
        assert table._connection().execute("PRAGMA synchronous").fetchone() == (level,)


def test_a_durability_that_sqlite_does_not_have_is_refused(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="neither 'NORMAL' nor 'FULL'"):
        SQLiteTable(path, synchronous="SOMETIMES")


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE session (mine)", "PRAGMA application_id = 7", "PRAGMA user_version = 7"]
)
def test_another_programs_file_is_refused_and_left_alone(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as other:
        other.execute(statement)
    other.close()
    before = path.read_bytes()

    for _ in range(2):
        with pytest.raises(ConfigurationError, match="another program"):
            SQLiteTable(path).read(DIGEST)

    assert {file: file.read_bytes() for file in path.parent.iterdir()} == {path: before}


def test_a_new_file_may_be_opened_by_many_threads_at_once(tmp_path: Path) -> None:
    threads = 8
    for number in range(30):
        table = SQLiteTable(tmp_path / f"{number}.db")
        together = threading.Barrier(threads)

        def read(table: SQLiteTable = table, together: threading.Barrier = together) -> Row | None:
            together.wait()
            return table.read(DIGEST)

        with ThreadPoolExecutor(threads) as pool:
            assert [task.result() for task in [pool.submit(read) for _ in range(threads)]] == [None] * threads
        table.close()


def test_a_new_file_that_is_locked_for_writing_is_waited_for(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="database is locked"):
            SQLiteTable(path, busy_timeout=timedelta(0)).read(DIGEST)

        soon = threading.Timer(0.05, other.execute, ["ROLLBACK"])
        soon.start()
        assert SQLiteTable(path).read(DIGEST) is None
        soon.join()


def test_without_create_nothing_is_created(path: Path, clock: FakeClock) -> None:
    table = SQLiteTable(path, create=False, clock=clock)
    with pytest.raises(ConfigurationError, match=f"there is no file {path}"):
        table.insert(DIGEST, new_row(clock))
    assert list(path.parent.iterdir()) == []

    path.touch()
    with pytest.raises(ConfigurationError, match="is an empty file"):
        table.insert(DIGEST, new_row(clock))
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == {path: b""}

    SQLiteTable(path, clock=clock).sweep()
    assert table.insert(DIGEST, new_row(clock))
    table.close()


def test_a_process_that_is_late_to_create_the_schema_finds_it_done(
    path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_laid_out = _sqlite_files._is_laid_out
    looked = []

    def another_comes_between(*given: Any) -> bool:
        looked.append(is_laid_out(*given))
        if len(looked) == 1:
            with closing(SQLiteTable(path, clock=clock)) as other:
                other.insert(DIGEST, new_row(clock))
        return looked[-1]

    monkeypatch.setattr(_sqlite_files, "_is_laid_out", another_comes_between)
    with closing(SQLiteTable(path, clock=clock)) as table:
        assert table.read(DIGEST) == new_row(clock)
    # This process first, the other one twice, and this one again.
    assert looked == [False, False, False, True]


def test_a_file_with_a_newer_layout_is_refused(sqlite: SQLiteTable, path: Path) -> None:
    sqlite.sweep()
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()

    with pytest.raises(ConfigurationError, match="layout 99"):
        SQLiteTable(path).read(DIGEST)


def test_a_file_locked_by_another_process_is_a_store_error(path: Path, clock: FakeClock) -> None:
    table = SQLiteTable(path, clock=clock, busy_timeout=timedelta(milliseconds=50))
    table.sweep()
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreError, match="locked"):
        table.insert(DIGEST, new_row(clock))

    lock.execute("ROLLBACK")
    lock.close()
    assert table.insert(DIGEST, new_row(clock))
    table.close()


def test_a_renewal_that_fails_half_way_leaves_the_row_unchanged(
    sqlite: SQLiteTable, path: Path, clock: FakeClock
) -> None:
    sqlite.insert(DIGEST, new_row(clock))
    breaker = sqlite3.connect(path, isolation_level=None)
    breaker.execute("CREATE TRIGGER broken BEFORE UPDATE ON session BEGIN SELECT RAISE(ABORT, 'broken'); END")

    with pytest.raises(StoreError, match="broken"):
        sqlite.remove(DIGEST, tombstone=Tombstone(clock() + DAY, b""))

    breaker.execute("DROP TRIGGER broken")
    breaker.close()
    assert sqlite.read(DIGEST) == new_row(clock)


def test_a_write_on_a_read_only_connection_is_a_store_error(path: Path, clock: FakeClock) -> None:
    table = SQLiteTable(path, clock=clock)
    table.insert(DIGEST, new_row(clock))
    table._connection().execute("PRAGMA query_only = ON")

    with pytest.raises(StoreError, match="readonly"):
        table.insert(b"2" * 32, new_row(clock))

    assert table.read(DIGEST) == new_row(clock)
    table.close()


_READER = """
import os, sys
from holdall import StoreError
from holdall.tables import Row
from holdall.tables.sqlite import SQLiteTable
if os.geteuid() == 0:
    os.setuid(65534)
table = SQLiteTable(sys.argv[1])
now = table.clock()
for verb in (lambda: table.read(b"1" * 32), lambda: table.insert(b"2" * 32, Row(b"", 1, now, now))):
    try:
        print(verb())
    except StoreError as exc:
        print(exc)
"""


def test_a_read_only_file_is_a_store_error(clock: FakeClock) -> None:
    # Not pytest's folder, which only its owner can access; and a root user may do anything.
    with tempfile.TemporaryDirectory(prefix="holdall-") as folder:
        path = Path(folder) / "sessions.db"
        with closing(SQLiteTable(path, clock=clock)) as table:
            table.insert(DIGEST, new_row(clock))
        path.chmod(0o444)
        Path(folder).chmod(0o555)

        done = subprocess.run([sys.executable, "-c", _READER, str(path)], capture_output=True, text=True, check=True)

        Path(folder).chmod(0o755)
        # A reader also needs the files next to it, which it would have to create.
        said = done.stdout.splitlines()
        assert [line.partition(": ")[0] for line in said] == [f"SQLite could not use {path}"] * 2
        with closing(SQLiteTable(path, clock=clock)) as table:
            assert table.read(DIGEST) == new_row(clock)


_FILLER = """
import itertools, resource, sys
from datetime import timedelta
from holdall import StoreError
from holdall.tables import Row
from holdall.tables.sqlite import SQLiteTable
table = SQLiteTable(sys.argv[1])
now = table.clock()
table.sweep()
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    for number in itertools.count():
        table.insert(number.to_bytes(32, "big"), Row(bytes(10_000), 1, now + timedelta(days=1), now))
except StoreError as exc:
    print(exc)
print(number, all(table.read(each.to_bytes(32, "big")) for each in range(number)))
"""


def test_a_file_that_may_not_grow_is_a_store_error_and_stays_intact(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _FILLER, str(path)], capture_output=True, text=True, check=True)

    said, (written, readable) = done.stdout.splitlines()[0], done.stdout.splitlines()[1].split()
    assert said == f"SQLite could not use {path}: disk I/O error."
    assert int(written) > 10
    assert readable == "True"
    with closing(SQLiteTable(path)) as table:
        assert table._connection().execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert all(table.read(number.to_bytes(32, "big")) for number in range(int(written)))
        assert table.read(int(written).to_bytes(32, "big")) is None
        now = table.clock()
        assert table.insert(int(written).to_bytes(32, "big"), Row(bytes(10_000), 1, now + DAY, now))


def test_a_full_disk_is_a_store_error_and_breaks_nothing(sqlite: SQLiteTable, clock: FakeClock) -> None:
    sqlite.insert(DIGEST, new_row(clock))
    pages = sqlite._connection().execute("PRAGMA page_count").fetchone()[0]
    sqlite._connection().execute(f"PRAGMA max_page_count = {pages + 4}")

    with pytest.raises(StoreError, match="full"):
        sqlite.insert(b"2" * 32, new_row(clock, bytes(100_000)))

    assert sqlite.read(DIGEST) == new_row(clock)
    sqlite._connection().execute("PRAGMA max_page_count = 1000000")
    assert sqlite.insert(b"2" * 32, new_row(clock, bytes(100_000)))


def test_expired_rows_are_removed_by_later_writes(sqlite: SQLiteTable, path: Path, clock: FakeClock) -> None:
    for number in range(500):
        sqlite.insert(number.to_bytes(32, "big"), new_row(clock))
    clock.advance(2 * DAY)
    for number in range(500, 500 + 256):
        sqlite.insert(number.to_bytes(32, "big"), new_row(clock))

    with sqlite3.connect(path) as other:
        (rows,) = other.execute("SELECT count(*) FROM session").fetchone()
    other.close()
    assert rows == 256


def test_threads_that_end_leave_no_connection_open(sqlite: SQLiteTable, clock: FakeClock) -> None:
    from threading import Thread

    thread = Thread(target=lambda: sqlite.insert(DIGEST, new_row(clock)))
    thread.start()
    thread.join()

    # An open one would be a ResourceWarning, which is an error here.
    gc.collect()
    assert sqlite.read(DIGEST) == new_row(clock)


def test_a_dump_of_the_file_shows_neither_ids_nor_data(sqlite: SQLiteTable, path: Path, clock: FakeClock) -> None:
    secrets_of_session = traces(Sessions(TableStore(sqlite), key="sid", clock=clock))

    everything = b"".join(file.read_bytes() for file in path.parent.iterdir())

    assert len(everything) > 1000
    assert [each for each in secrets_of_session if each in everything] == []


_WRITER = """
import itertools, sys
from datetime import UTC, datetime, timedelta
from holdall.tables import Row
from holdall.tables.sqlite import SQLiteTable
path, start = sys.argv[1:]
table, now = SQLiteTable(path), datetime.now(UTC)
later = now + timedelta(days=1)
for number in itertools.count(int(start)):
    digest = number.to_bytes(32, "big")
    table.insert(digest, Row(b"x" * (number % 5000), 1, later, now, "7"))
    print(number, 1, flush=True)
    table.replace(digest, Row(b"y" * (number % 3000), 2, later, now), version=1)
    print(number, 2, flush=True)
    if number % 3 == 0:
        table.remove(digest, tombstone=Tombstone(later, b""))
        print(number, 0, flush=True)
"""


def test_every_acknowledged_write_outlives_a_writer_that_is_killed(path: Path, record_property: Record) -> None:
    acknowledged: dict[int, int] = {}
    # For digests where one step more than reported may have been executed.
    ends: set[int] = set()
    for attempt in range(KILLS):
        command = [sys.executable, "-c", _WRITER, str(path), str(attempt * 1_000_000)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            said = [writer.stdout.readline()]
            time.sleep(secrets.randbelow(100_000) / 1_000_000)
            writer.kill()
            said += writer.stdout.read().split("\n")
        # The last line may be incomplete.
        written = {int(number): int(version) for number, version in map(str.split, said[:-1])}
        acknowledged |= written
        ends |= {max(written), max(written) + 1}
        with closing(SQLiteTable(path)) as table:
            assert table._connection().execute("PRAGMA integrity_check").fetchone() == ("ok",)
            for number in acknowledged.keys() | ends if attempt == KILLS - 1 else written.keys() | ends:
                row = table.read(number.to_bytes(32, "big"))
                known = acknowledged.get(number)
                further = {None: 1, 1: 2, 2: 0 if number % 3 == 0 else 2, 0: 0}[known]
                assert (row and row.version) in ({known, further} if number in ends else {known})
    record_property("kills of a writer, with every acknowledged write still there", KILLS)
    record_property("acknowledged rows", len(acknowledged))
