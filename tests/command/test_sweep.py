"""``holdall sweep``."""

import os
import re
import signal
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from command.program import HOLDALL, call, environment, run, run_on_terminal
from holdall.tables import Row
from holdall.tables.postgres import PostgresTable
from holdall.tables.sqlite import SQLiteTable
from servers.postgres import PostgresServer
from servers.redis import RedisServer

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'sessions.db'}"


@pytest.fixture
def table(tmp_path: Path) -> SQLiteTable:
    return SQLiteTable(tmp_path / "sessions.db", clock=lambda: NOW - 2 * DAY)


def fill(table: SQLiteTable | PostgresTable, expired: int, living: int = 0) -> None:
    """Put rows from the day before yesterday into a *table*."""
    for number in range(expired + living):
        expires = NOW - DAY if number < expired else NOW + DAY
        table.insert(number.to_bytes(32), Row(b"data", 1, expires, NOW - 2 * DAY))


def living(table: SQLiteTable) -> int:
    """Return how many rows are still there for a client whose clock shows the day before yesterday."""
    return sum(table.read(number.to_bytes(32)) is not None for number in range(1000))


@pytest.mark.parametrize("batch", [["--batch", "1"], ["--batch", "7"], ["--batch", "40"], []], ids=str)
def test_it_removes_expired_rows_and_nothing_else(table: SQLiteTable, url: str, batch: list[str]) -> None:
    fill(table, expired=40, living=2)

    swept = call("sweep", url, *batch, "--pause", "0")

    assert (swept.returncode, swept.stdout, swept.stderr) == (0, "Removed 40 expired rows.\n", "")
    assert living(table) == 2


def test_it_says_so_if_nothing_has_expired(table: SQLiteTable, url: str) -> None:
    fill(table, expired=0, living=1)

    assert call("sweep", url).stdout == "Removed 0 expired rows.\n"


def test_the_message_for_one_row_is_singular(table: SQLiteTable, url: str) -> None:
    fill(table, expired=1)

    assert call("sweep", url).stdout == "Removed 1 expired row.\n"


def test_the_url_may_be_in_the_environment(table: SQLiteTable, url: str) -> None:
    fill(table, expired=3)

    assert run("sweep", env={"HOLDALL_TABLE": url}).stdout == "Removed 3 expired rows.\n"


def test_postgresql_is_swept(postgres: PostgresServer) -> None:
    url = postgres.new_url()
    table = PostgresTable(url, clock=lambda: NOW - 2 * DAY)
    try:
        fill(table, expired=25, living=2)
    finally:
        table.close()

    assert run("sweep", url, "--batch", "10").stdout == "Removed 25 expired rows.\n"
    assert postgres.ask("SELECT count(*) FROM holdall_session", url) == [(2,)]


def test_a_server_that_expires_rows_itself_is_left_alone(valkey: RedisServer) -> None:
    assert run("sweep", valkey.url).stdout == "Removed 0 expired rows.\n"


def test_without_a_terminal_a_long_sweep_prints_a_line_now_and_then(table: SQLiteTable, url: str) -> None:
    fill(table, expired=250)

    swept = run("sweep", url, "--batch", "1", "--pause", "0")

    assert swept.stderr == "100 expired rows removed\n200 expired rows removed\n"
    assert swept.stdout == "Removed 250 expired rows.\n"


def test_on_a_terminal_one_line_counts_and_is_then_erased(table: SQLiteTable, url: str) -> None:
    fill(table, expired=12)

    code, seen = run_on_terminal("sweep", url, "--batch", "5", "--pause", "0")

    assert code == 0
    assert seen == (
        "\r5 expired rows removed\r10 expired rows removed\r12 expired rows removed"
        f"\r{'':23}\rRemoved 12 expired rows.\r\n"
    )


def test_ctrl_c_stops_it_between_two_batches(table: SQLiteTable, url: str) -> None:
    # After this line there are five seconds left.
    fill(table, expired=1000)
    command = [*HOLDALL, "sweep", url, "--batch", "1", "--pause", "0.005"]
    process = subprocess.Popen(
        command, env=environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "100 expired rows removed\n"

    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out) == (130, "")
    assert re.search(r"^holdall: stopped after \d+ expired rows had been removed\.\n\Z", err, re.MULTILINE)
    assert 0 < living(table) <= 900


def test_a_failure_halfway_is_an_error_of_one_line(table: SQLiteTable, url: str, tmp_path: Path) -> None:
    fill(table, expired=3)
    with closing(sqlite3.connect(tmp_path / "sessions.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        failed = run("sweep", f"{url}?busy_timeout=0.1")

    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == f"holdall: SQLite could not use {tmp_path / 'sessions.db'}: database is locked.\n"
    assert living(table) == 3


@pytest.mark.parametrize(
    "options",
    [["--batch", "0"], ["--batch", "-1"], ["--batch", "all"], ["--pause", "-1"], ["--pause", "nan"], ["--pause", "x"]],
    ids=str,
)
def test_an_invalid_number_is_refused(url: str, options: list[str]) -> None:
    refused = call("sweep", url, options[0] + "=" + options[1])

    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"argument {options[0]}: " in refused.stderr
