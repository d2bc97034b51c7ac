"""The file that the table in SQLite uses: the one at its path now, even if it was removed or replaced."""

import contextlib
import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from holdall import ConfigurationError, Sessions, StoreError
from holdall.tables import Replacement, Row, Tombstone
from holdall.tables.sqlite import SQLiteTable
from holdall.testing import FakeClock
from tables import rows
from tables.rows import DAY, DIGEST

_DONE = Replacement.REPLACED

new_row = partial(rows.new_row, principal="7")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
def table(path: Path, clock: FakeClock) -> Iterator[SQLiteTable]:
    table = SQLiteTable(path, clock=clock)
    yield table
    table.close()


def remove_the_file(path: Path) -> None:
    path.unlink()


def remove_all_files(path: Path) -> None:
    for each in path.parent.iterdir():
        each.unlink()


def move_it_away(path: Path) -> None:
    path.rename(path.with_suffix(".old"))


def replace_it(path: Path) -> None:
    other = path.with_suffix(".new")
    with closing(SQLiteTable(other)) as table:
        table.sweep()
    other.replace(path)


def empty_it(path: Path) -> None:
    other = path.with_suffix(".new")
    other.touch()
    other.replace(path)


_removals = pytest.mark.parametrize(
    "remove", [remove_the_file, remove_all_files, move_it_away, replace_it, empty_it], ids=lambda each: each.__name__
)


@_removals
def test_a_removed_or_replaced_file_logs_all_users_out(
    table: SQLiteTable, path: Path, clock: FakeClock, remove: Callable[[Path], None]
) -> None:
    for number in range(100):
        assert table.insert(number.to_bytes(32, "big"), new_row(clock))

    remove(path)

    assert [table.read(number.to_bytes(32, "big")) for number in range(100)] == [None] * 100
    assert table.replace(bytes(32), new_row(clock, version=2), version=1) is Replacement.GONE
    assert list(table.find("7")) == []
    assert table.insert(DIGEST, new_row(clock))
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT count(*) FROM session").fetchone() == (1,)
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    other.close()


@_removals
def test_all_threads_and_processes_switch_to_the_new_file(
    table: SQLiteTable, path: Path, clock: FakeClock, remove: Callable[[Path], None]
) -> None:
    together = threading.Barrier(4)
    others = [SQLiteTable(path, clock=clock) for _ in range(2)]

    def use(number: int) -> list[Row | None]:
        found = []
        for each in (table, *others):
            together.wait()
            found.append(each.read(DIGEST))
            each.insert(bytes([number]) * 32, new_row(clock))
        return found

    with ThreadPoolExecutor(4) as threads:
        assert table.insert(DIGEST, new_row(clock))
        assert list(threads.map(use, range(4))) == [[new_row(clock)] * 3] * 4
        remove(path)
        # Each thread opens it in turn, while others still have the old one open.
        assert list(threads.map(use, range(4))) == [[None] * 3] * 4
        assert sorted(each.digest for each in table.find("7")) == [bytes([number]) * 32 for number in range(4)]
        for each in (table, *others):
            each.close()


def test_a_verb_of_two_statements_uses_one_file(table: SQLiteTable, path: Path, clock: FakeClock) -> None:
    table.insert(DIGEST, new_row(clock))
    connection = table._connection()

    with connection.transaction():
        remove_the_file(path)
        assert connection.execute("SELECT count(*) FROM {table}").fetchone() == (1,)

    assert table.remove(DIGEST, tombstone=Tombstone(clock() + DAY, b"")) is None


_WRITER = """
import sys
from datetime import UTC, datetime, timedelta
from holdall.tables import Row
from holdall.tables.sqlite import SQLiteTable
table, now = SQLiteTable(sys.argv[1]), datetime.now(UTC)
for number in range(100):
    table.insert(number.to_bytes(32, "big"), Row(b"data", 1, now + timedelta(days=1), now))
print("written", flush=True)
sys.stdin.readline()
print(table.read(bytes(32)), flush=True)
table.insert(b"1" * 32, Row(b"data", 1, now + timedelta(days=1), now))
print("written", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("is_killed", [False, True])
def test_another_processs_leftovers_of_a_removed_file_are_not_used_with_the_new_one(
    path: Path, is_killed: bool
) -> None:
    command = [sys.executable, "-c", _WRITER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        if is_killed:
            writer.kill()
            writer.wait()
        path.unlink()
        assert path.with_name("sessions.db-wal").exists()

        with closing(SQLiteTable(path)) as table:
            assert table.read(bytes(32)) is None
            now = table.clock()
            assert table.insert(b"2" * 32, Row(b"data", 1, now + DAY, now))
            if not is_killed:
                writer.stdin.write("\n")
                writer.stdin.flush()
                assert writer.stdout.readline() == "None\n"
                assert writer.stdout.readline() == "written\n"
                assert table.read(b"1" * 32) is not None
            assert table.read(b"2" * 32) is not None
            assert table._connection().execute("PRAGMA integrity_check").fetchone() == ("ok",)
            with contextlib.suppress(BrokenPipeError):
                writer.stdin.close()


def test_without_create_a_removed_file_is_an_error(path: Path, clock: FakeClock) -> None:
    with closing(SQLiteTable(path, clock=clock)) as table:
        table.insert(DIGEST, new_row(clock))
    with closing(SQLiteTable(path, create=False, clock=clock)) as table:
        assert table.read(DIGEST) == new_row(clock)

        path.unlink()

        with pytest.raises(ConfigurationError, match="there is no file"):
            table.read(DIGEST)


def test_a_folder_that_is_removed_is_a_store_error_and_one_that_is_restored_gets_a_new_file(
    tmp_path: Path, clock: FakeClock
) -> None:
    folder = tmp_path / "sessions"
    folder.mkdir()
    with closing(SQLiteTable(folder / "sessions.db", clock=clock)) as table:
        table.insert(DIGEST, new_row(clock))

        shutil.rmtree(folder)
        with pytest.raises(StoreError, match="unable to open"):
            table.read(DIGEST)
        folder.mkdir()

        assert table.read(DIGEST) is None


@pytest.mark.parametrize("given", ["sessions.db", Path("sessions.db")])
def test_a_program_that_changes_its_folder_keeps_its_file(
    tmp_path: Path, clock: FakeClock, given: str | Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    table = SQLiteTable(given, clock=clock)
    sessions = Sessions("table", table="sqlite:///sessions.db", key="sid", clock=clock)
    sessions.prepare("sync")

    monkeypatch.chdir("elsewhere")
    assert table.insert(DIGEST, new_row(clock))
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(table.read, DIGEST).result() == new_row(clock)
        table.close()
    session = sessions.fetch()
    session["n"] = 1
    sessions.commit(session)
    sessions.close()

    assert list((tmp_path / "elsewhere").iterdir()) == []
    with closing(sqlite3.connect(tmp_path / "sessions.db")) as other:
        assert other.execute("SELECT count(*) FROM session").fetchone() == (2,)


def test_closing_closes_all_threads_connections_even_if_they_are_still_referenced(table: SQLiteTable) -> None:
    held = []
    together = threading.Barrier(3)

    def use(_: int) -> None:
        together.wait()
        table.read(DIGEST)
        # As thread-local variables do in a Python without its global lock.
        held.append(table._connection())

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(use, range(3)))
        table.close()

        for each in held:
            with pytest.raises(sqlite3.ProgrammingError, match="closed"):
                each.connection.execute("SELECT 1")
        together.reset()
        list(threads.map(use, range(3)))
        table.close()
    assert len({id(each) for each in held}) == 6


def test_a_folder_locked_by_another_process_is_a_store_error(path: Path, clock: FakeClock) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    table = SQLiteTable(path, busy_timeout=timedelta(seconds=0.05), clock=clock)

    with pytest.raises(StoreError, match="has its folder locked"):
        table.read(DIGEST)

    os.close(folder)
    assert table.read(DIGEST) is None
    table.close()


# Links.


@pytest.fixture
def link(path: Path, tmp_path: Path) -> Path:
    """Return a link to a file that does not exist, in another folder."""
    folder = tmp_path / "linked"
    folder.mkdir()
    link = folder / "sessions.db"
    link.symlink_to(path)
    return link


def test_a_file_created_through_a_link_is_private_to_its_owner(link: Path, path: Path, clock: FakeClock) -> None:
    with closing(SQLiteTable(link, clock=clock)) as table:
        assert table.insert(DIGEST, new_row(clock))

        files = [each for each in path.parent.iterdir() if each.is_file()]
        assert {each.name: each.stat().st_mode & 0o777 for each in files} == dict.fromkeys(
            ("sessions.db", "sessions.db-wal", "sessions.db-shm"), 0o600
        )
    assert list(link.parent.iterdir()) == [link]


@_removals
def test_the_removal_of_a_file_behind_a_link_is_noticed(
    link: Path, path: Path, clock: FakeClock, remove: Callable[[Path], None]
) -> None:
    with closing(SQLiteTable(link, clock=clock)) as table:
        assert table.insert(DIGEST, new_row(clock))
        if remove is remove_all_files:
            link.unlink()
            link.parent.rmdir()
            remove(path)
            link.parent.mkdir()
            link.symlink_to(path)
        else:
            remove(path)

        assert table.read(DIGEST) is None
        assert table.insert(DIGEST, new_row(clock))


def test_a_link_to_another_missing_file_leaves_the_first_file_intact(link: Path, path: Path, clock: FakeClock) -> None:
    with closing(SQLiteTable(link, clock=clock)) as table, closing(SQLiteTable(path, clock=clock)) as first:
        assert table.insert(DIGEST, new_row(clock))
        assert first.read(DIGEST) == new_row(clock)
        link.unlink()
        link.symlink_to(path.with_name("second.db"))

        assert table.read(DIGEST) is None
        assert table.insert(DIGEST, new_row(clock))
        assert first.read(DIGEST) == new_row(clock)
        # Its latest rows are in the file next to it.
        assert path.with_name("sessions.db-wal").exists()


# URLs.


def test_two_applications_share_a_file_with_different_tables_in_their_urls(path: Path, clock: FakeClock) -> None:
    shop, admin = (
        Sessions("table", table=f"sqlite:///{path}?table={name}&busy_timeout=2", key="sid", clock=clock)
        for name in ("shop_session", "admins")
    )
    session = shop.fetch()
    session["seen"] = 1
    cookie = shop.commit(session).cookie

    assert dict(shop.resume(cookie)) == {"seen": 1}
    assert dict(admin.resume(cookie)) == {}
    shop.close()
    admin.close()
    with closing(sqlite3.connect(path)) as other:
        rows = [other.execute(f"SELECT count(*) FROM {name}").fetchone() for name in ("shop_session", "admins")]
    assert rows == [(1,), (0,)]


def test_the_options_in_a_url_are_used(path: Path, clock: FakeClock) -> None:
    strange = path.with_name("what? 100%.db")
    url = f"sqlite:///{path.parent}/what%3F%20100%25.db?synchronous=full&busy_timeout=0.25"
    sessions = Sessions("table", table=url, key="sid", clock=clock)
    table = sessions.prepare("sync").table

    table.sweep()

    assert strange.exists()
    assert table._connection().execute("PRAGMA synchronous").fetchone() == (2,)
    assert table._connection().execute("PRAGMA busy_timeout").fetchone() == (250,)
    sessions.close()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("tabel=x", r"the URL does not take tabel: did you mean table\?"),
        ("zzz=x", r"does not take zzz\. It takes table, busy_timeout, synchronous\."),
        ("busy_timeout=soon", "cannot be used"),
        ("table=X", "cannot be a table's name"),
    ],
)
def test_an_invalid_option_is_refused(path: Path, query: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Sessions("table", table=f"sqlite:///{path}?{query}", key="sid").prepare("sync")


def test_a_question_mark_in_a_path_must_be_escaped() -> None:
    with pytest.raises(ConfigurationError, match=r"write %3F for a \? in a path"):
        Sessions("sqlite:///what?100.db", key="sid").prepare("sync")
