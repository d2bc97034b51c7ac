"""The table in PostgreSQL: the contract on a real server, and the behaviour with a remote server."""

import tables.needs_psycopg  # noqa: F401  # skips all of these without the driver

# isort: split

import asyncio
import importlib
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from holdall import AsyncTable, ConfigurationError, Sessions, StoreError, TableStore
from holdall.tables import Replacement, Row, Tombstone
from holdall.tables.postgres import SCHEMA, AsyncPostgresTable, PostgresTable
from holdall.testing import FakeClock, InterleavingConformance, TableConformance, as_async
from holdall.testing._forks import exit_code, forked
from servers.postgres import PostgresServer, running_postgres
from servers.processes import free_port, wait_until
from sizes import FULL
from tables.forms import FORMS, opened, settled
from tables.rows import DAY, DIGEST, new_row
from tables.stolen import traces

MOMENT = timedelta(seconds=2)
_DONE = Replacement.REPLACED
_DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def table(url: str, clock: FakeClock) -> Iterator[PostgresTable]:
    table = PostgresTable(url, clock=clock)
    yield table
    table.close()


Open = Callable[..., Any]


@pytest.fixture(params=FORMS)
def open_table(request: pytest.FixtureRequest, clock: FakeClock, runner: asyncio.Runner) -> Iterator[Open]:
    """Open a table of either form as an async table."""
    kinds = PostgresTable, AsyncPostgresTable
    with ExitStack() as tables:
        yield lambda url, **options: tables.enter_context(opened(kinds, request.param, url, clock, runner, **options))


async def pool_of(table: Any) -> Any:
    """Return the pool of a table of either form."""
    return await settled(table._connections.get())


class TestPostgresTable(TableConformance):
    @pytest.fixture
    def table(self, url: str, clock: FakeClock) -> Iterator[AsyncTable]:
        table = PostgresTable(url, clock=clock)
        yield as_async(table)
        table.close()

    @pytest.fixture
    def broken_table(self, clock: FakeClock) -> Iterator[AsyncTable]:
        table = PostgresTable(f"postgresql://somebody@127.0.0.1:{free_port()}/x", timeout=MOMENT, clock=clock)
        yield as_async(table)
        table.close()


class TestAsyncPostgresTable(TableConformance):
    @pytest.fixture
    def table(self, url: str, clock: FakeClock, runner: asyncio.Runner) -> Iterator[AsyncTable]:
        table = AsyncPostgresTable(url, clock=clock)
        yield table
        runner.run(table.aclose())

    @pytest.fixture
    def broken_table(self, clock: FakeClock, runner: asyncio.Runner) -> Iterator[AsyncTable]:
        table = AsyncPostgresTable(f"postgresql://somebody@127.0.0.1:{free_port()}/x", timeout=MOMENT, clock=clock)
        yield table
        runner.run(table.aclose())


# Each order has its own IDs, so all of them may use the same table.
@pytest.fixture(scope="module")
def shared_url(postgres: PostgresServer) -> str:
    return postgres.new_url()


@pytest.fixture(scope="module")
def pool(shared_url: str) -> Iterator[Any]:
    with ConnectionPool(shared_url, min_size=1, kwargs={"autocommit": True}) as pool:
        yield pool


class TestInterleavings(InterleavingConformance):
    triples = FULL

    @pytest.fixture
    def make_table(self, pool: Any) -> Callable[[FakeClock], AsyncTable]:
        return lambda clock: as_async(PostgresTable(pool, clock=clock))


class TestAsyncInterleavings(InterleavingConformance):
    triples = FULL

    @pytest.fixture
    def make_table(self, shared_url: str, runner: asyncio.Runner) -> Iterator[Callable[[FakeClock], AsyncTable]]:
        pool = AsyncConnectionPool(shared_url, min_size=1, kwargs={"autocommit": True}, open=False)
        runner.run(pool.open())
        yield lambda clock: AsyncPostgresTable(pool, clock=clock)
        runner.run(pool.close())


# Setup.


@pytest.mark.parametrize("form", ["sync", "async"])
def test_a_pool_whose_connections_begin_transactions_keeps_its_writes(
    url: str, clock: FakeClock, runner: asyncio.Runner, form: str
) -> None:
    row = Row(b"data", 1, clock() + DAY, clock())

    async def use() -> None:
        async with AsyncConnectionPool(url, open=False) as pool:
            table = AsyncPostgresTable(pool, clock=clock)
            assert await table.insert(b"1" * 32, row)
            assert await table.insert(b"2" * 32, row)

    if form == "sync":
        with ConnectionPool(url) as pool:
            table = PostgresTable(pool, clock=clock)
            assert table.insert(b"1" * 32, row)
            assert table.insert(b"2" * 32, row)
    else:
        runner.run(use())

    with psycopg.connect(url, autocommit=True) as watcher:
        assert watcher.execute("SELECT count(*) FROM holdall_session").fetchall() == [(2,)]


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_url_names_the_database(url: str, scheme: str) -> None:
    sessions = Sessions("table", table=url.replace("postgresql", scheme, 1), key="sid")
    session = sessions.fetch()
    session["seen"] = 1
    cookie = sessions.commit(session).cookie

    assert dict(Sessions("table", table=url, key="sid").resume(cookie)) == {"seen": 1}


def test_a_url_opens_the_async_table_for_an_async_adapter(url: str, runner: asyncio.Runner) -> None:
    sessions = Sessions("table", table=url, key="sid")

    async def visit() -> str | None:
        session = await sessions.fetch_async()
        session["seen"] = 1
        cookie = (await sessions.commit_async(session)).cookie
        await sessions.prepare("async").table.aclose()
        return cookie

    cookie = runner.run(visit())

    assert dict(Sessions("table", table=url, key="sid").resume(cookie)) == {"seen": 1}


@pytest.mark.parametrize("url", ["postgresql://somebody:hunter2@host/x?=1", "host=somewhere hunter2"])
@pytest.mark.parametrize("kind", [PostgresTable, AsyncPostgresTable])
def test_an_invalid_url_is_not_shown(kind: type, url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"postgresql://user:password@host|write %3F for a \?") as caught:
        kind(url)

    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_nothing_is_opened_before_the_first_use() -> None:
    before = set(threading.enumerate())
    PostgresTable("postgresql://nobody.invalid/nothing")
    AsyncPostgresTable("postgresql://nobody.invalid/nothing")

    # Threads of earlier tests may end at any time.
    assert set(threading.enumerate()) <= before


def test_the_pool_of_the_other_form_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="this table takes ConnectionPool, not AsyncConnectionPool"):
        PostgresTable(AsyncConnectionPool(url, open=False))  # type: ignore[arg-type]  # what is tested
    with pytest.raises(ConfigurationError, match="this table takes AsyncConnectionPool, not ConnectionPool"):
        AsyncPostgresTable(ConnectionPool(url, open=False))  # type: ignore[arg-type]  # what is tested


def test_a_pool_that_is_passed_in_may_have_its_own_settings_and_stays_open(url: str, clock: FakeClock) -> None:
    with ConnectionPool(url, kwargs={"row_factory": dict_row, "prepare_threshold": None}) as pool:
        table = PostgresTable(pool, clock=clock)
        assert table.insert(DIGEST, new_row(clock, principal="7"))
        table.close()

        assert table.read(DIGEST) == new_row(clock, principal="7")
        assert [each.digest for each in table.find("7")] == [DIGEST]


def test_an_async_pool_that_is_passed_in_stays_open_too(url: str, clock: FakeClock, runner: asyncio.Runner) -> None:
    async def use() -> bool:
        async with AsyncConnectionPool(url, open=False) as pool:
            table = AsyncPostgresTable(pool, clock=clock)
            await table.insert(DIGEST, new_row(clock))
            await table.aclose()
            return await table.read(DIGEST) == new_row(clock)

    assert runner.run(use())


def test_without_the_driver_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg_pool", None)
    monkeypatch.delitem(sys.modules, "holdall.tables.postgres")

    with pytest.raises(ModuleNotFoundError, match=r"pip install 'holdall\[postgres\]'"):
        importlib.import_module("holdall.tables.postgres")


def test_a_closed_table_opens_again(table: PostgresTable, clock: FakeClock) -> None:
    table.insert(DIGEST, new_row(clock))
    table.close()

    assert table.read(DIGEST) == new_row(clock)


@pytest.mark.parametrize(("choice", "setting"), [("on", "on"), ("off", "off"), (None, "local")])
def test_synchronous_commit_is_set_on_the_connection(
    postgres: PostgresServer, url: str, choice: Any, setting: str
) -> None:
    url += "%20-csynchronous_commit%3Dlocal"
    table = PostgresTable(url, synchronous_commit=choice)
    table.create_schema()
    pool = table._connections.get()
    connection = pool.getconn()
    assert connection.execute("SHOW synchronous_commit").fetchone() == (setting,)
    # The URL's other options stay as they were.
    assert [connection.execute("SHOW search_path").fetchone()] == postgres.ask("SHOW search_path", url)
    pool.putconn(connection)
    table.close()


def test_an_invalid_synchronous_commit_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="neither 'on' nor 'off'"):
        PostgresTable(url, synchronous_commit="off; DROP")  # type: ignore[arg-type]  # this is the test
    with pytest.raises(ConfigurationError, match="needs a URL"):
        PostgresTable(ConnectionPool(url, open=False), synchronous_commit="off")


def test_a_forked_process_opens_its_own_connections(table: PostgresTable, clock: FakeClock) -> None:
    table.insert(DIGEST, new_row(clock))

    child = forked(lambda: table.replace(DIGEST, new_row(clock, b"child", 2), version=1), hooks=True)

    assert exit_code(child) == 0
    assert table.replace(DIGEST, new_row(clock, b"parent", 3), version=2) is _DONE


# The schema.


def test_the_sql_in_the_docs_matches_create_schema() -> None:
    blocks = re.findall(r"```sql\n(.*?)```", (_DOCS / "tables.md").read_text(encoding="utf-8"), re.DOTALL)

    assert SCHEMA.strip() in [block.strip() for block in blocks]


@pytest.mark.parametrize("form", FORMS)
def test_with_manual_migrations_nothing_is_created(
    postgres: PostgresServer, url: str, form: str, clock: FakeClock, runner: asyncio.Runner
) -> None:
    with opened((PostgresTable, AsyncPostgresTable), form, url, clock, runner, create=False) as table:
        with pytest.raises(ConfigurationError, match="has no table holdall_session"):
            runner.run(table.read(DIGEST))

        postgres.ask(SCHEMA, url)

        assert runner.run(table.insert(DIGEST, new_row(clock)))


def test_create_schema_may_be_called_again(table: PostgresTable, clock: FakeClock) -> None:
    table.create_schema()
    table.insert(DIGEST, new_row(clock))
    table.create_schema()

    assert table.read(DIGEST) == new_row(clock)


def test_the_async_table_creates_the_schema_too(url: str, clock: FakeClock, runner: asyncio.Runner) -> None:
    async def use() -> bool:
        table = AsyncPostgresTable(url, create=False, clock=clock)
        await table.create_schema()
        inserted = await table.insert(DIGEST, new_row(clock))
        await table.aclose()
        return inserted

    assert runner.run(use())


def test_concurrent_threads_may_create_the_schema(postgres: PostgresServer) -> None:
    for _ in range(20):
        url = postgres.new_url()
        together = threading.Barrier(6)

        def make(url: str = url, together: threading.Barrier = together) -> None:
            table = PostgresTable(url)
            pool = table._connections.get()
            pool.putconn(pool.getconn())
            together.wait()
            table.create_schema()
            table.close()

        with ThreadPoolExecutor(6) as threads:
            for made in [threads.submit(make) for _ in range(6)]:
                made.result()


@pytest.mark.parametrize("comment", ["'holdall layout 99'", "'My own'", "NULL"])
def test_a_table_with_another_layout_is_refused_and_left_alone(
    postgres: PostgresServer, url: str, clock: FakeClock, comment: str
) -> None:
    postgres.ask(f"CREATE TABLE holdall_session (mine text); COMMENT ON TABLE holdall_session IS {comment}", url)
    table = PostgresTable(url, clock=clock)

    for _ in range(2):
        with pytest.raises(ConfigurationError, match="this holdall supports 'holdall layout 2'"):
            table.insert(DIGEST, new_row(clock))

    assert postgres.ask("SELECT count(*) FROM holdall_session", url) == [(0,)]
    table.close()


# Requests to the server.


def test_a_read_or_a_write_is_one_round_trip(
    url: str, open_table: Open, clock: FakeClock, runner: asyncio.Runner, tmp_path: Path
) -> None:
    table = open_table(url)
    later = clock() + 2 * DAY

    async def use(digest: bytes) -> None:
        assert await table.insert(digest, new_row(clock, principal="7"))
        assert await table.read(digest)
        assert await table.replace(digest, new_row(clock, b"more", version=2), version=1) is _DONE
        assert await table.touch(digest, later, seen=clock())
        assert await table.find("7")
        assert await table.remove(digest)

    async def use_traced() -> None:
        # The first call prepares the statements.
        await use(DIGEST)
        pool = await pool_of(table)
        connection = await settled(pool.getconn())
        connection.pgconn.trace(trace.fileno())
        await settled(pool.putconn(connection))
        await use(b"2" * 32)
        connection.pgconn.untrace()

    with (tmp_path / "trace").open("w") as trace:
        runner.run(use_traced())

    said = (tmp_path / "trace").read_text()
    assert said.count("ReadyForQuery") == 6
    assert "Parse" not in said


def test_expired_rows_are_removed_by_later_writes(
    table: PostgresTable, postgres: PostgresServer, url: str, clock: FakeClock
) -> None:
    for number in range(500):
        table.insert(number.to_bytes(32, "big"), new_row(clock))
    clock.advance(2 * DAY)
    for number in range(500, 500 + 256):
        table.insert(number.to_bytes(32, "big"), new_row(clock))

    assert postgres.ask("SELECT count(*) FROM holdall_session", url) == [(256,)]


def test_a_sweep_waits_for_no_lock(table: PostgresTable, url: str, clock: FakeClock) -> None:
    for number in range(10):
        table.insert(number.to_bytes(32, "big"), new_row(clock))
    clock.advance(2 * DAY)
    with psycopg.connect(url) as other:
        other.execute("SELECT FROM holdall_session WHERE digest < %s FOR UPDATE", [(4).to_bytes(32, "big")])

        assert [table.sweep(4), table.sweep(4)] == [4, 2]

    assert table.sweep() == 4


def test_clear_waits_its_turn_and_locks_rows_in_one_order(table: PostgresTable, url: str, clock: FakeClock) -> None:
    digests = [bytes([number]) * 32 for number in range(10)]
    for digest in reversed(digests):
        table.insert(digest, new_row(clock))
    # Within a transaction, the server would give the watcher the same answer each time. On failure, the writer ends
    # first.
    with (
        ThreadPoolExecutor(1) as threads,
        psycopg.connect(url, autocommit=True) as watcher,
        psycopg.connect(url) as writer,
    ):
        writer.execute("UPDATE holdall_session SET version = 2 WHERE digest = %s", [digests[5]])
        clearing = threads.submit(table.clear, clock())
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
        wait_until("clear waits", lambda: watcher.execute(waiting, ["%created <=%"]).fetchone() == (1,))
        free = watcher.execute("SELECT digest FROM holdall_session ORDER BY digest FOR UPDATE SKIP LOCKED").fetchall()
        writer.commit()

        # In any other order, two of them could deadlock.
        assert [digest for (digest,) in free] == digests[6:]
        assert clearing.result() == 10


def test_a_renewal_keeps_the_write_that_it_waited_for(table: PostgresTable, url: str, clock: FakeClock) -> None:
    table.insert(DIGEST, new_row(clock, principal="7"))
    with psycopg.connect(url) as writer, ThreadPoolExecutor(2) as threads:
        writer.execute("UPDATE holdall_session SET data = 'late', version = 2")
        renewals = [threads.submit(table.remove, DIGEST, tombstone=Tombstone(clock() + DAY, b"")) for _ in range(2)]
        with psycopg.connect(url, autocommit=True) as watcher:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
            wait_until("both wait", lambda: watcher.execute(waiting, ["%FOR UPDATE%"]).fetchone() == (2,))
        writer.commit()
        taken = [renewal.result() for renewal in renewals]

    assert [row for row in taken if row is not None] == [new_row(clock, b"late", 2, principal="7")]
    tombstone = table.read(DIGEST)
    assert tombstone is not None
    assert tombstone.is_tombstone


def test_a_dump_of_the_database_shows_neither_ids_nor_data(
    table: PostgresTable, postgres: PostgresServer, url: str, clock: FakeClock
) -> None:
    secrets = traces(Sessions(TableStore(table), key="sid", clock=clock))

    dump = postgres.run("pg_dump", "--data-only", "--inserts", "-t", "holdall_session", url)

    assert dump.count("INSERT INTO") == 1
    assert [each for each in secrets if each in dump.encode()] == []


# Failures.


def test_a_server_that_is_down_is_a_store_error_without_the_url(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    table = PostgresTable(f"postgresql://somebody:hunter2@127.0.0.1:{free_port()}/x", timeout=MOMENT, clock=clock)

    with pytest.raises(
        StoreError,
        match=r"PostgreSQL at 127\.0\.0\.1:\d+/x failed: OperationalError, connection refused",
    ) as caught:
        table.read(DIGEST)

    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in caplog.text
    table.close()


def test_an_exhausted_pool_is_a_store_error(
    url: str, open_table: Open, clock: FakeClock, runner: asyncio.Runner
) -> None:
    table = open_table(url, max_size=1, timeout=timedelta(seconds=0.1))

    async def use() -> None:
        assert await table.insert(DIGEST, new_row(clock))
        pool = await pool_of(table)
        connection = await settled(pool.getconn())
        with pytest.raises(StoreError, match=r"/postgres gave no connection in time: the pool is empty\."):
            await table.read(DIGEST)
        await settled(pool.putconn(connection))
        assert await table.read(DIGEST) == new_row(clock)

    runner.run(use())


def test_a_refusal_by_the_server_is_a_store_error_with_its_name(url: str, clock: FakeClock) -> None:
    table = PostgresTable(url + "%20-cdefault_transaction_read_only%3Don", clock=clock)

    with pytest.raises(StoreError, match="failed: ReadOnlySqlTransaction, SQLSTATE 25006"):
        table.insert(DIGEST, new_row(clock))
    table.close()


def test_connections_that_the_server_closed_while_idle_are_replaced(
    url: str, open_table: Open, postgres: PostgresServer, clock: FakeClock, runner: asyncio.Runner
) -> None:
    name = url[-8:]
    table = open_table(f"{url}&application_name={name}")

    async def open_four() -> None:
        assert await table.insert(DIGEST, new_row(clock))
        pool = await pool_of(table)
        for connection in [await settled(pool.getconn()) for _ in range(4)]:
            await settled(pool.putconn(connection))

    async def read_and_write() -> None:
        assert await table.read(DIGEST) == new_row(clock)
        assert await table.replace(DIGEST, new_row(clock, b"new", 2), version=1) is _DONE

    runner.run(open_four())
    closing = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = '{name}'"
    assert postgres.ask(closing) == [(True,)] * 4
    runner.run(read_and_write())


def test_every_acknowledged_write_outlives_a_server_that_is_killed(
    open_table: Open, clock: FakeClock, runner: asyncio.Runner
) -> None:
    acknowledged: dict[bytes, int] = {}

    async def write_for_ever(table: AsyncTable, killer: threading.Thread) -> None:
        for number in count():
            if number == 50:
                killer.start()
            digest = number.to_bytes(32, "big")
            assert await table.insert(digest, new_row(clock, b"1"))
            for version in (1, 2, 3):
                acknowledged[digest] = version
                after = new_row(clock, b"%d" % (version + 1), version + 1)
                assert await table.replace(digest, after, version=version) is _DONE
            acknowledged[digest] = 4

    async def write_until_it_is_killed(table: AsyncTable, server: PostgresServer) -> None:
        killer = threading.Thread(target=server.kill)
        with pytest.raises(StoreError):
            await write_for_ever(table, killer)
        killer.join()
        with pytest.raises(StoreError):
            await table.read(DIGEST)

    async def check(table: AsyncTable) -> None:
        for digest, version in acknowledged.items():
            row = await table.read(digest)
            assert row is not None
            # The last one may have been executed, although its answer was lost.
            assert version <= row.version <= version + 1
            assert row.data == b"%d" % row.version

    with running_postgres() as server:
        table = open_table(server.url, timeout=timedelta(seconds=3))
        runner.run(write_until_it_is_killed(table, server))
        server.start()
        runner.run(check(table))
    assert len(acknowledged) >= 50
