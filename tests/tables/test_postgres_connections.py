"""The connections to PostgreSQL that are used, how long a request waits, and which statements are sent again."""

import asyncio
import os
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from holdall import ConfigurationError, Sessions, StoreError
from holdall.tables import Replacement, Row, _postgres_pools
from holdall.tables import postgres as postgres_module
from holdall.tables.postgres import AsyncPostgresTable, PostgresTable
from holdall.testing import FakeClock
from holdall.testing._forks import exit_code, forked
from servers.postgres import FAST, PostgresServer, running_postgres
from servers.processes import wait_until
from tables import forms, rows
from tables.forms import FORMS, settled
from tables.rows import DAY, DIGEST
from tables.uncommitted import UNCOMMITTED

SECOND = timedelta(seconds=1)
_DONE = Replacement.REPLACED

new_row = partial(rows.new_row, principal="7")
opened = partial(forms.opened, (PostgresTable, AsyncPostgresTable))


@contextmanager
def pool_of(form: str, url: str, runner: asyncio.Runner) -> Iterator[Any]:
    """Open a pool as an application does."""
    options: dict[str, Any] = {"kwargs": {"autocommit": True}, "min_size": 3, "open": False}
    if form == "sync":
        with ConnectionPool(url, **options) as pool:
            yield pool
    else:
        awaited = AsyncConnectionPool(url, **options)
        runner.run(awaited.open())
        yield awaited
        runner.run(awaited.close())


# A server that becomes read-only.


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    with running_postgres(*FAST) as server:
        yield server


@contextmanager
def demoted(server: PostgresServer) -> Iterator[None]:
    """Make open connections read-only, while new ones may write, as behind an address that has moved."""
    server.ask("ALTER ROLE postgres SET default_transaction_read_only = off")
    with psycopg.connect(server.url, options="-c role=postgres", autocommit=True) as watcher:
        server.ask("ALTER SYSTEM SET default_transaction_read_only = on")
        server.ask("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            watcher.execute("ALTER SYSTEM RESET default_transaction_read_only")
            watcher.execute("SELECT pg_reload_conf()")
            watcher.execute("ALTER ROLE postgres RESET default_transaction_read_only")


@pytest.mark.parametrize("given", ["url", "pool"])
@pytest.mark.parametrize("form", FORMS)
def test_after_a_failover_every_connection_leads_to_the_new_primary(
    own_server: PostgresServer, form: str, given: str, clock: FakeClock, runner: asyncio.Runner
) -> None:
    url = own_server.new_url()
    digests = [bytes([number]) * 32 for number in range(4)]

    async def use(table: Any, version: int, some: list[bytes]) -> None:
        async def write(digest: bytes) -> None:
            row = new_row(clock, version=version + 1)
            assert await table.replace(digest, row, version=version) is _DONE

        await asyncio.gather(*map(write, some))

    with (
        pool_of(form, url, runner) if given == "pool" else _as_it_is(url) as source,
        opened(form, source, clock, runner) as table,
    ):
        for digest in digests:
            assert runner.run(table.insert(digest, new_row(clock)))
        runner.run(use(table, 1, digests))

        with demoted(own_server):
            wait_until("connections can only read", lambda: _only_reads(table, runner))
            # One request alone, while all of the connections are idle.
            runner.run(use(table, 2, digests[:1]))
            runner.run(use(table, 2, digests[1:]))
            runner.run(use(table, 3, digests))


@contextmanager
def _as_it_is(given: str) -> Iterator[str]:
    yield given


def _only_reads(table: Any, runner: asyncio.Runner) -> bool:
    async def look() -> bool:
        pool = await settled(table._connections.get())
        connection = await settled(pool.getconn())
        try:
            found = await settled(connection.execute("SHOW transaction_read_only"))
            return bool(await settled(found.fetchone()) == ("on",))
        finally:
            await settled(pool.putconn(connection))

    return runner.run(look())


@pytest.mark.parametrize("form", FORMS)
def test_a_server_that_is_read_only_for_all_is_a_store_error(
    url: str, form: str, clock: FakeClock, runner: asyncio.Runner
) -> None:
    with opened(form, url, clock, runner) as table:
        assert runner.run(table.insert(DIGEST, new_row(clock)))
    with (
        opened(form, url + "%20-cdefault_transaction_read_only%3Don", clock, runner) as table,
    ):
        assert runner.run(table.read(DIGEST)) == new_row(clock)
        with pytest.raises(StoreError, match="ReadOnlySqlTransaction, SQLSTATE 25006"):
            runner.run(table.replace(DIGEST, new_row(clock, version=2), version=1))
        assert runner.run(table.read(DIGEST)) == new_row(clock)


# Earlier versions of the driver do not distinguish the server's last message from a broken connection.
_says_why = pytest.mark.skipif(
    tuple(map(int, psycopg.__version__.split(".")[:2])) < (3, 3), reason="psycopg is older than 3.3"
)


@_says_why
@pytest.mark.parametrize("form", FORMS)
def test_a_statement_whose_connection_the_server_ends_is_sent_again(
    postgres: PostgresServer, url: str, form: str, clock: FakeClock, runner: asyncio.Runner
) -> None:
    name = url[-8:]
    with opened(form, f"{url}&application_name={name}", clock, runner) as table:
        assert runner.run(table.insert(DIGEST, new_row(clock)))
        with psycopg.connect(url) as writer, ThreadPoolExecutor(1) as threads:
            writer.execute("SELECT FROM holdall_session FOR UPDATE")
            replacing = threads.submit(runner.run, table.replace(DIGEST, new_row(clock, version=2), version=1))
            _wait_for_lock(postgres, name)
            ending = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = '{name}'"
            assert postgres.ask(ending) == [(True,)]
            writer.rollback()

            assert replacing.result() is _DONE
        assert runner.run(table.read(DIGEST)) == new_row(clock, version=2)


def _wait_for_lock(postgres: PostgresServer, name: str) -> None:
    waiting = f"SELECT 1 FROM pg_stat_activity WHERE application_name = '{name}' AND wait_event_type = 'Lock'"
    wait_until("a statement waits for a lock", lambda: postgres.ask(waiting))


@pytest.mark.parametrize("form", FORMS)
def test_a_connection_that_lost_its_prepared_statements_is_replaced(
    url: str, form: str, clock: FakeClock, runner: asyncio.Runner
) -> None:
    with opened(form, url, clock, runner) as table:
        assert runner.run(table.insert(DIGEST, new_row(clock)))
        assert runner.run(table.read(DIGEST)) == new_row(clock)

        async def forget() -> None:
            pool = await settled(table._connections.get())
            connection = await settled(pool.getconn())
            # As another application's statement in a shared connection would.
            connection.pgconn.exec_(b"DEALLOCATE ALL")
            await settled(pool.putconn(connection))

        runner.run(forget())
        assert runner.run(table.read(DIGEST)) == new_row(clock)


@pytest.mark.parametrize("form", FORMS)
def test_a_dropped_table_is_created_again_after_one_error(
    postgres: PostgresServer, url: str, form: str, clock: FakeClock, runner: asyncio.Runner
) -> None:
    with opened(form, url, clock, runner) as table:
        assert runner.run(table.insert(DIGEST, new_row(clock)))
        postgres.ask("DROP TABLE holdall_session", url)

        with pytest.raises(StoreError, match="UndefinedTable, SQLSTATE 42P01"):
            runner.run(table.read(DIGEST))

        assert runner.run(table.read(DIGEST)) is None


# Isolation.


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("level", ["repeatable%20read", "serializable"])
@pytest.mark.parametrize("form", FORMS)
def test_concurrent_writes_succeed_under_every_isolation_level(
    url: str, form: str, level: str, autocommit: bool, clock: FakeClock, runner: asyncio.Runner
) -> None:
    url += "%20-cdefault_transaction_isolation%3D" + level.replace("%20", "%5C%20")

    async def count(table: Any, rounds: int) -> None:
        for _ in range(rounds):
            while True:
                row = await table.read(DIGEST)
                after = new_row(clock, b"%d" % (int(row.data) + 1), row.version + 1)
                await table.touch(DIGEST, clock() + DAY, seen=clock())
                if await table.replace(DIGEST, after, version=row.version) is _DONE:
                    break

    async def count_at_once(table: Any) -> None:
        if form == "async":
            await asyncio.gather(*(count(table, 10) for _ in range(6)))
        else:
            await asyncio.gather(*(asyncio.to_thread(asyncio.run, count(table, 10)) for _ in range(6)))

    if autocommit:
        given: Any = _as_it_is(url)
    elif form == "sync":
        given = ConnectionPool(url, open=True)
    else:
        given = _awaited_pool(url, runner)
    with given as source, opened(form, source, clock, runner) as table:
        assert runner.run(table.insert(DIGEST, new_row(clock, b"0")))
        runner.run(count_at_once(table))
        row = runner.run(table.read(DIGEST))

    assert (row.data, row.version) == (b"60", 61)


@contextmanager
def _awaited_pool(url: str, runner: asyncio.Runner) -> Iterator[AsyncConnectionPool[Any]]:
    pool = AsyncConnectionPool(url, open=False)
    runner.run(pool.open())
    yield pool
    runner.run(pool.close())


def test_a_statement_undone_by_a_deadlock_is_sent_again(postgres: PostgresServer, url: str, clock: FakeClock) -> None:
    name = url[-8:]
    # The server undoes the first connection that looks for a deadlock; this one looks once, when the other waits as
    # well.
    table = PostgresTable(f"{url}%20-cdeadlock_timeout%3D2s&application_name={name}", clock=clock)
    for digest in (b"1" * 32, b"2" * 32):
        table.insert(digest, new_row(clock))
    with psycopg.connect(url + "%20-cdeadlock_timeout%3D60s") as writer, ThreadPoolExecutor(1) as threads:
        writer.execute("SELECT FROM holdall_session WHERE digest = %s FOR UPDATE", [b"2" * 32])
        # It locks the first row, and waits for the second.
        clearing = threads.submit(table.clear, clock())
        _wait_for_lock(postgres, name)
        writer.execute("SELECT FROM holdall_session WHERE digest = %s FOR UPDATE", [b"1" * 32])
        writer.commit()

        assert clearing.result() == 2
    table.close()


def test_endless_conflicts_are_a_store_error(url: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_module, "MOST_CONFLICTS", 3)
    table = PostgresTable(url, clock=clock)
    table.create_schema()
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("CREATE SEQUENCE attempts")
        other.execute(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('attempts'); "
            "RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$"
        )
        other.execute("CREATE TRIGGER failing BEFORE INSERT ON holdall_session FOR EACH ROW EXECUTE FUNCTION fail()")

        with pytest.raises(StoreError, match="SerializationFailure, SQLSTATE 40001"):
            table.insert(DIGEST, new_row(clock))

        assert other.execute("SELECT last_value FROM attempts").fetchone() == (4,)
    table.close()


@pytest.mark.parametrize("form", FORMS)
def test_a_commit_that_the_server_broke_off_is_not_sent_again(
    url: str, form: str, clock: FakeClock, runner: asyncio.Runner
) -> None:
    given: Any = ConnectionPool(url, open=True) if form == "sync" else _awaited_pool(url, runner)
    with (
        given as source,
        opened(form, source, clock, runner) as table,
        psycopg.connect(url, autocommit=True) as other,
    ):
        # Creates the table.
        assert runner.run(table.read(DIGEST)) is None
        for statement in UNCOMMITTED:
            other.execute(statement)

        # The server may have committed it all the same.
        with pytest.raises(StoreError, match="AdminShutdown, SQLSTATE 57P01"):
            runner.run(table.insert(DIGEST, new_row(clock)))

        assert other.execute("SELECT last_value FROM attempts").fetchone() == (1,)


# Waiting.


@pytest.mark.parametrize("form", FORMS)
def test_a_frozen_server_is_a_store_error_within_the_limits_and_is_used_again(
    own_server: PostgresServer, form: str, clock: FakeClock, runner: asyncio.Runner
) -> None:
    url = own_server.new_url()
    limits = {"timeout": 2 * SECOND, "statement_timeout": SECOND}
    with opened(form, url, clock, runner, **limits) as table:
        assert runner.run(table.insert(DIGEST, new_row(clock)))

        own_server.freeze()
        try:
            began = time.monotonic()
            with pytest.raises(StoreError, match="AnswerTimeout"):
                runner.run(table.read(DIGEST))
            assert time.monotonic() - began < 4
            began = time.monotonic()
            with pytest.raises(StoreError, match="ConnectionTimeout, timeout expired"):
                runner.run(table.read(DIGEST))
            assert time.monotonic() - began < 4
        finally:
            own_server.thaw()

        assert runner.run(table.read(DIGEST)) == new_row(clock)


@pytest.mark.parametrize("given", ["url", "pool"])
@pytest.mark.parametrize("form", FORMS)
def test_a_locked_table_is_a_store_error_within_the_limit_and_no_statement_waits_on(
    postgres: PostgresServer, url: str, form: str, given: str, clock: FakeClock, runner: asyncio.Runner
) -> None:
    name = url[-8:]
    with (
        pool_of(form, f"{url}&application_name={name}", runner)
        if given == "pool"
        else _as_it_is(f"{url}&application_name={name}&statement_timeout=0.5") as source,
        opened(form, source, clock, runner, statement_timeout=SECOND / 2) as table,
    ):
        assert runner.run(table.insert(DIGEST, new_row(clock)))
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE holdall_session")
            began = time.monotonic()
            with pytest.raises(StoreError, match="AnswerTimeout"):
                runner.run(table.replace(DIGEST, new_row(clock, version=2), version=1))
            assert time.monotonic() - began < 3

            waiting = f"SELECT 1 FROM pg_stat_activity WHERE application_name = '{name}' AND wait_event_type = 'Lock'"
            wait_until("no statement waits", lambda: not postgres.ask(waiting))
        # The cancelled statement was not executed, and now it can be.
        assert runner.run(table.replace(DIGEST, new_row(clock, version=2), version=1)) is _DONE


def test_an_interrupt_ends_a_wait_and_its_connection(postgres: PostgresServer, url: str, clock: FakeClock) -> None:
    name = url[-8:]
    table = PostgresTable(f"{url}&application_name={name}", clock=clock)

    def interrupt() -> None:
        _wait_for_lock(postgres, name)
        os.kill(os.getpid(), signal.SIGINT)

    table.insert(DIGEST, new_row(clock))
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE holdall_session")
        interrupting = threading.Thread(target=interrupt)
        interrupting.start()
        with pytest.raises(KeyboardInterrupt):
            table.read(DIGEST)
        interrupting.join()

    assert table.read(DIGEST) == new_row(clock)
    table.close()


# Processes and event loops.


def test_a_pool_opened_before_a_fork_is_refused_in_the_forked_process(url: str, clock: FakeClock) -> None:
    with ConnectionPool(url, kwargs={"autocommit": True}) as pool:
        table = PostgresTable(pool, clock=clock)
        table.insert(DIGEST, new_row(clock))

        def be_refused() -> None:  # pragma: no cover  # the child's coverage is not recorded
            with pytest.raises(ConfigurationError, match="open a pool in each process"):
                table.read(DIGEST)

        assert exit_code(forked(be_refused)) == 0
        assert table.read(DIGEST) == new_row(clock)


def test_a_pool_in_another_event_loop_is_refused(url: str, clock: FakeClock) -> None:
    async def use() -> None:
        async with AsyncConnectionPool(url, kwargs={"autocommit": True}, open=False) as pool:
            table = AsyncPostgresTable(pool, clock=clock)
            await table.insert(DIGEST, new_row(clock))

            async def use_elsewhere() -> None:
                with pytest.raises(ConfigurationError, match="open a pool in each event loop"):
                    await table.read(DIGEST)

            await asyncio.to_thread(asyncio.run, use_elsewhere())

    asyncio.run(use())


def test_an_event_loop_that_ends_closes_its_connections(postgres: PostgresServer, url: str, clock: FakeClock) -> None:
    name = url[-8:]
    table = AsyncPostgresTable(f"{url}&application_name={name}", clock=clock)

    async def use() -> None:
        assert await asyncio.gather(*(table.read(DIGEST) for _ in range(4))) == [None] * 4

    for _ in range(3):
        asyncio.run(use())

    there = f"SELECT 1 FROM pg_stat_activity WHERE application_name = '{name}'"
    wait_until("the connections are closed", lambda: not postgres.ask(there))


def test_a_loop_that_ended_without_cleanup_is_forgotten(url: str, clock: FakeClock) -> None:
    table = AsyncPostgresTable(url, clock=clock)
    abrupt = asyncio.new_event_loop()
    abrupt.run_until_complete(table.insert(DIGEST, new_row(clock)))
    abrupt.close()

    assert asyncio.run(_read(table)) == new_row(clock)
    assert table._connections._own is not None
    assert table._connections._own._loops.get() == {}


async def _read(table: AsyncPostgresTable) -> Row | None:
    return await table.read(DIGEST)


@pytest.mark.parametrize("limit", ["_IDLE_SECONDS", "_LIFETIME_SECONDS"])
def test_connections_are_not_kept_forever(
    url: str, clock: FakeClock, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = PostgresTable(url, clock=clock)
    table.create_schema()
    pool = table._connections.get()
    taken = [pool.getconn() for _ in range(3)]
    monkeypatch.setattr(_postgres_pools, limit, -1)
    for connection in taken:
        pool.putconn(connection)

    assert all(connection.closed for connection in taken)
    table.close()


def test_a_connection_in_use_is_closed_when_it_is_returned(url: str, clock: FakeClock) -> None:
    table = PostgresTable(url, clock=clock)
    pool = table._connections.get()
    connection = pool.getconn()

    table.close()
    assert not connection.closed
    pool.putconn(connection)

    assert connection.closed


# URLs and error messages.


def test_two_applications_share_a_database_with_different_tables_in_their_urls(
    postgres: PostgresServer, url: str, clock: FakeClock
) -> None:
    shop, admin = (
        Sessions("table", table=f"{url}&table={name}", key="sid", clock=clock) for name in ("shop_session", "admins")
    )
    session = shop.fetch()
    session["seen"] = 1
    cookie = shop.commit(session).cookie

    assert dict(shop.resume(cookie)) == {"seen": 1}
    assert dict(admin.resume(cookie)) == {}
    assert postgres.ask("SELECT count(*) FROM shop_session", url) == [(1,)]
    assert postgres.ask("SELECT count(*) FROM admins", url) == [(0,)]
    shop.close()
    admin.close()


@pytest.mark.parametrize("name", ["", "Shop", "shop session", "1st", "a" * 49, 'x"; DROP TABLE y'])
def test_a_table_name_that_needs_quotes_is_refused(url: str, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be a table's name"):
        PostgresTable(url, table=name)


@pytest.mark.parametrize("value", ["", "soon", "0", "-1", "inf", "nan"])
def test_an_invalid_limit_is_refused(url: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"timeout= in the table's URL cannot be used: write a number"):
        PostgresTable(f"{url}&timeout={value}")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("timout=2", r"^the URL does not take timout: did you mean timeout\?$"),
        ("ssl_mode=require", r"did you mean sslmode\?$"),
        ("zzz=2", r"not take zzz\. It takes table, timeout, statement_timeout, and the parameters of libpq\.$"),
        ("sslmode", "^the URL cannot be parsed"),
    ],
)
def test_an_unknown_parameter_is_named(query: str, words: str) -> None:
    for kind in (PostgresTable, AsyncPostgresTable):
        with pytest.raises(ConfigurationError, match=words) as caught:
            kind(f"postgresql://shop:hunter2@localhost/shop?{query}")

        assert caught.value.__context__ is None


def test_a_failure_shows_no_values(url: str, clock: FakeClock) -> None:
    table = PostgresTable(url, clock=clock)
    table.create_schema()
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("ALTER TABLE holdall_session ADD CHECK (version < 5)")
    row = new_row(clock, b"data", 7)._replace(principal=f"some{'body'}")
    with pytest.raises(StoreError) as caught:
        # The server's detail shows the whole row.
        table.insert(DIGEST, row)

    said = "".join(traceback.format_exception(caught.value))
    assert "failed: CheckViolation, SQLSTATE 23514." in said
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert [each for each in (DIGEST.hex(), "somebody", b"somebody".hex(), b"data".hex()) if each in said] == []
    table.close()


@pytest.mark.parametrize("form", FORMS)
def test_a_missing_database_is_named(
    postgres: PostgresServer, form: str, clock: FakeClock, runner: asyncio.Runner
) -> None:
    url = f"postgresql://postgres:hunter2@127.0.0.1:{postgres.port}/shop"
    with opened(form, url, clock, runner) as table:
        with pytest.raises(StoreError) as caught:
            runner.run(table.read(DIGEST))

        where = f"127.0.0.1:{postgres.port}/shop"
        assert str(caught.value) == f"PostgreSQL at {where} failed: OperationalError, does not exist."


@pytest.mark.parametrize("password", ["hunter2@x", "hunter2/x", "12/hunter2"])
def test_an_unquoted_password_is_not_shown_as_part_of_the_address(password: str, clock: FakeClock) -> None:
    with pytest.raises((StoreError, ConfigurationError)) as caught:
        PostgresTable(f"postgresql://shop:{password}@127.0.0.1:9/shop", timeout=2 * SECOND, clock=clock).read(DIGEST)

    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_pool_with_an_invalid_address_shows_none(clock: FakeClock) -> None:
    with (
        ConnectionPool("hunter2", min_size=0, max_size=1, timeout=0.1) as pool,
        pytest.raises(StoreError, match=r"^PostgreSQL gave no connection in time: the pool is empty, or") as caught,
    ):
        PostgresTable(pool, clock=clock).read(DIGEST)

    assert "hunter2" not in str(caught.value)
