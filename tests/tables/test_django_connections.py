"""Django's table: the connections it uses, how long it waits for them, and which statements are sent again."""

import asyncio
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from threading import get_ident
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from tables.django_databases import migrated, of_postgres, of_sqlite, unmigrated

# isort: split

from asgiref.sync import sync_to_async
from django.db import connections, transaction

from holdall import StoreError
from holdall.tables import Replacement, Row, table_opener
from holdall.tables.failures import sqlstate_of
from holdall.testing import FakeClock
from holdall.testing._forks import exit_code, forked
from holdall_django._connections import _left_to_the_parent, end
from holdall_django.table import DjangoTable
from servers.postgres import FAST, PostgresServer, running_postgres
from servers.processes import wait_until

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
DIGEST = b"1" * 32
_DONE = Replacement.REPLACED


def new_row(clock: FakeClock, data: bytes = b"data", version: int = 1) -> Row:
    return Row(data, version, clock() + DAY, clock(), "7")


def of(url: str, **options: Any) -> dict[str, Any]:
    """Return the ``DATABASES`` entry for a *url*, with more ``OPTIONS``; its connections outlast requests."""
    database = of_postgres(url)
    return {**database, "CONN_MAX_AGE": None, "OPTIONS": {**database["OPTIONS"], **options}}


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.new_url()


@pytest.fixture
def table(url: str, clock: FakeClock) -> Iterator[DjangoTable]:
    with migrated("watched", of(url, application_name=url[-8:])) as alias:
        yield DjangoTable(alias, clock=clock)


# Forks.


def databases(url: str, path: Any) -> Mapping[str, Mapping[str, Any]]:
    return {
        "postgres": of(url),
        "postgres with a pool": {**of(url, pool={"min_size": 1, "max_size": 2}), "CONN_MAX_AGE": 0},
        "sqlite": of_sqlite(path / "db.sqlite3"),
    }


@pytest.mark.parametrize("is_given_back", [False, True])
@pytest.mark.parametrize("name", ["postgres", "postgres with a pool", "sqlite"])
def test_a_forked_process_and_its_parent_each_get_their_own_answers(
    url: str, tmp_path: Any, clock: FakeClock, name: str, is_given_back: bool
) -> None:
    with migrated("forked", databases(url, tmp_path)[name]) as alias:
        table = DjangoTable(alias, clock=clock)

        def use(digest: bytes) -> None:
            for version in range(1, 25):
                row = table.read(digest)
                assert row is not None
                assert (row.data, row.version) == (digest, version)
                assert table.replace(digest, new_row(clock, digest, version + 1), version=version) is _DONE

        for digest in (b"1" * 32, b"2" * 32):
            assert table.insert(digest, new_row(clock, digest))
        if is_given_back:
            # As at the end of a request.
            connections[alias].close()
        child = forked(lambda: use(b"2" * 32))
        use(b"1" * 32)

        assert exit_code(child) == 0
        if "pool" in name:
            connections[alias].close()
            connections[alias].close_pool()


def test_a_forked_process_neither_closes_nor_frees_its_parents_connection(table: DjangoTable, clock: FakeClock) -> None:
    table.insert(DIGEST, new_row(clock))
    parents = connections["watched"].connection

    def leave_it() -> None:  # pragma: no cover  # the child's coverage is not recorded
        assert table.read(DIGEST) == new_row(clock)
        assert connections["watched"].connection is not parents
        assert not parents.closed
        assert any(each is parents for each in _left_to_the_parent)

    assert exit_code(forked(leave_it)) == 0
    assert table.read(DIGEST) == new_row(clock)


# Isolation.


# Set as the server's default, because Django's option only applies to transactions.
_at_each_level = pytest.mark.parametrize("level", ["repeatable%5C%20read", "serializable"])


@_at_each_level
def test_concurrent_writes_succeed_under_every_isolation_level(url: str, clock: FakeClock, level: str) -> None:
    with migrated("isolated", of(f"{url}%20-cdefault_transaction_isolation%3D{level}")) as alias:
        table = DjangoTable(alias, clock=clock)
        table.insert(DIGEST, new_row(clock, b"0"))

        def count(_: int) -> None:
            for _ in range(10):
                while True:
                    row = table.read(DIGEST)
                    assert row is not None
                    table.touch(DIGEST, clock() + DAY, seen=clock())
                    after = new_row(clock, b"%d" % (int(row.data) + 1), row.version + 1)
                    if table.replace(DIGEST, after, version=row.version) is _DONE:
                        break
            connections[alias].close()

        with ThreadPoolExecutor(6) as threads:
            list(threads.map(count, range(6)))

        assert table.read(DIGEST) == new_row(clock, b"60", 61)


@_at_each_level
def test_a_statement_with_a_serialization_failure_is_sent_again(
    url: str, postgres: PostgresServer, clock: FakeClock, level: str
) -> None:
    isolated = of(f"{url}%20-cdefault_transaction_isolation%3D{level}", application_name=url[-8:])
    with migrated("isolated", isolated) as alias:
        table = DjangoTable(alias, clock=clock)
        table.insert(DIGEST, new_row(clock))

        def touch() -> bool:
            try:
                return table.touch(DIGEST, clock() + 2 * DAY, seen=clock())
            finally:
                connections[alias].close()

        with psycopg.connect(url) as writer, ThreadPoolExecutor(1) as threads:
            writer.execute("UPDATE holdall_django_session SET version = 2")
            touching = threads.submit(touch)
            waits = f"SELECT 1 FROM pg_stat_activity WHERE application_name = '{url[-8:]}' AND wait_event_type = 'Lock'"
            wait_until("a statement waits", lambda: postgres.ask(waits))
            writer.commit()

            assert touching.result() is True

        assert table.read(DIGEST) == new_row(clock, version=2)._replace(expires=clock() + 2 * DAY, seen=clock())


def test_a_failed_transaction_is_left_to_the_project(url: str, clock: FakeClock) -> None:
    with migrated("isolated", of(url, isolation_level=psycopg.IsolationLevel.REPEATABLE_READ)) as alias:
        table = DjangoTable(alias, clock=clock)
        table.insert(DIGEST, new_row(clock))

        def write_in_a_transaction(between: Callable[[], object]) -> Replacement:
            with transaction.atomic(alias):
                table.read(DIGEST)
                between()
                return table.replace(DIGEST, new_row(clock, b"own", 2), version=1)

        def write() -> None:
            assert table.replace(DIGEST, new_row(clock, b"other", 2), version=1) is _DONE
            connections[alias].close()

        with ThreadPoolExecutor(1) as threads, pytest.raises(StoreError, match="SerializationFailure, SQLSTATE 40001"):
            write_in_a_transaction(lambda: threads.submit(write).result())

        assert write_in_a_transaction(lambda: None) is Replacement.CONFLICT


@pytest.mark.parametrize(
    ("vendor", "answer", "code"),
    [
        ("mysql", (1213, "Deadlock found when trying to get lock"), "40P01"),
        ("mysql", (1290, "The MySQL server is running with the --read-only option"), "25006"),
        ("mysql", (1062, "Duplicate entry"), None),
        ("mariadb", (1020, "Record has changed since last read"), "40001"),
        ("mssql", (1205, "Transaction was deadlocked"), "40P01"),
        ("mssql", ("40001", "Transaction was deadlocked"), "40P01"),
        ("oracle", (SimpleNamespace(code=8177),), "40001"),
        ("sqlite", ("database is locked",), None),
    ],
)
def test_other_databases_errors_for_a_conflict_are_recognized(
    vendor: str, answer: tuple[Any, ...], code: str | None
) -> None:
    assert sqlstate_of(Exception(*answer), vendor) == code


# Servers that refuse, or do not respond.


# Earlier versions of the driver do not distinguish the server's last message from a broken connection.
_says_why = pytest.mark.skipif(
    tuple(map(int, psycopg.__version__.split(".")[:2])) < (3, 3), reason="psycopg is older than 3.3"
)


@_says_why
def test_a_statement_whose_connection_the_server_ends_is_sent_again(
    table: DjangoTable, postgres: PostgresServer, url: str, clock: FakeClock
) -> None:
    table.insert(DIGEST, new_row(clock))

    def replace() -> Replacement:
        try:
            return table.replace(DIGEST, new_row(clock, version=2), version=1)
        finally:
            connections[table.using].close()

    with psycopg.connect(url) as writer, ThreadPoolExecutor(1) as threads:
        writer.execute("SELECT FROM holdall_django_session FOR UPDATE")
        replacing = threads.submit(replace)
        waits = f"FROM pg_stat_activity WHERE application_name = '{url[-8:]}' AND wait_event_type = 'Lock'"
        wait_until("a statement waits", lambda: postgres.ask(f"SELECT 1 {waits}"))
        assert postgres.ask(f"SELECT pg_terminate_backend(pid, 5000) {waits}") == [(True,)]
        writer.rollback()

        assert replacing.result() is _DONE


def test_a_read_only_server_is_left_once_and_then_is_a_store_error(
    table: DjangoTable, url: str, clock: FakeClock
) -> None:
    table.insert(DIGEST, new_row(clock))
    with connections[table.using].cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")

    # A new connection may write.
    assert table.replace(DIGEST, new_row(clock, version=2), version=1) is _DONE
    with (
        unmigrated("reading", of(f"{url}%20-cdefault_transaction_read_only%3Don")),
        pytest.raises(StoreError, match="ReadOnlySqlTransaction, SQLSTATE 25006"),
    ):
        DjangoTable("reading", clock=clock).touch(DIGEST, clock() + DAY, seen=clock())


def test_another_drivers_connection_is_ended_by_closing_it(tmp_path: Path) -> None:
    with unmigrated("other", of_sqlite(tmp_path / "db.sqlite3")):
        connection: Any = connections["other"]
        connection.ensure_connection()

        end(connection)

        assert connection.connection is None


def test_in_a_transaction_nothing_is_sent_again(table: DjangoTable, clock: FakeClock) -> None:
    table.insert(DIGEST, new_row(clock))

    def replace() -> None:
        with transaction.atomic(table.using):
            with connections[table.using].cursor() as cursor:
                cursor.execute("SET TRANSACTION READ ONLY")
            table.replace(DIGEST, new_row(clock, version=2), version=1)

    with pytest.raises(StoreError, match="SQLSTATE 25006"):
        replace()

    assert table.read(DIGEST) == new_row(clock)


@pytest.mark.parametrize("in_transaction", [False, True])
def test_a_locked_table_is_a_store_error_within_the_limit_and_no_statement_waits_on(
    table: DjangoTable, postgres: PostgresServer, url: str, clock: FakeClock, in_transaction: bool
) -> None:
    table.insert(DIGEST, new_row(clock))
    impatient: Any = table_opener(f"django://{table.using}?timeout=0.5", clock=clock)("sync")
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE holdall_django_session")
        began = time.monotonic()
        with (
            pytest.raises(StoreError, match="AnswerTimeout"),
            transaction.atomic(table.using) if in_transaction else nullcontext(),
        ):
            impatient.remove(DIGEST)
        assert time.monotonic() - began < 3
        waiting = f"SELECT 1 FROM pg_stat_activity WHERE application_name = '{url[-8:]}' AND wait_event_type = 'Lock'"
        wait_until("no statement waits", lambda: not postgres.ask(waiting))

    assert impatient.read(DIGEST) == new_row(clock)


def test_a_frozen_server_is_a_store_error_within_the_limits_and_is_used_again(clock: FakeClock) -> None:
    with running_postgres(*FAST) as server, migrated("frozen", of(server.new_url(), connect_timeout=2)) as alias:
        table = DjangoTable(alias, timeout=SECOND, clock=clock)
        table.insert(DIGEST, new_row(clock))

        server.freeze()
        try:
            for _ in range(2):
                began = time.monotonic()
                with pytest.raises(StoreError, match="Timeout"):
                    table.read(DIGEST)
                assert time.monotonic() - began < 5
        finally:
            server.thaw()

        assert table.read(DIGEST) == new_row(clock)


def test_a_failure_shows_no_values(table: DjangoTable, url: str, clock: FakeClock) -> None:
    table.sweep()
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '%', NEW USING ERRCODE = 'ZZ001'; END $$"
        )
        other.execute(
            "CREATE TRIGGER failing BEFORE INSERT ON holdall_django_session FOR EACH ROW EXECUTE FUNCTION fail()"
        )
    with pytest.raises(StoreError, match="SQLSTATE ZZ001") as caught:
        table.insert(DIGEST, new_row(clock)._replace(data=b"x", principal=f"some{'body'}"))

    said = "".join(traceback.format_exception(caught.value))
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert [each for each in (DIGEST.hex(), "somebody", b"somebody".hex()) if each in said] == []


def test_an_awaited_call_is_made_in_djangos_thread(table: DjangoTable) -> None:
    async def threads() -> tuple[int, int, int]:
        return await table.in_thread(get_ident), await sync_to_async(get_ident)(), get_ident()

    ours, djangos, loops = asyncio.run(threads())

    assert ours == djangos != loops
