"""The table over SQLAlchemy: the contract on real databases, and the behaviour of engines, pools and migrations."""

import tables.needs_sqlalchemy  # noqa: F401  # skips all of these where they cannot run

# isort: split

import asyncio
import importlib
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from datetime import timedelta
from itertools import count
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import MetaData, NullPool, create_engine, event, inspect, make_url, text
from sqlalchemy.dialects import mssql, oracle
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.schema import CreateIndex, CreateTable

from docs.blocks import python_blocks
from holdall import AsyncTable, ConfigurationError, Sessions, StoreError, TableStore
from holdall._clock import utc_now
from holdall.tables import Replacement, Row, table_opener
from holdall.tables._sqlalchemy_engines import LIMITS, limit_answers
from holdall.tables._sqlalchemy_schema import Schema
from holdall.tables.columns import SWEPT_AT_ONCE
from holdall.tables.sqlalchemy import AsyncSQLAlchemyTable, SQLAlchemyTable, session_table
from holdall.testing import FakeClock, InterleavingConformance, TableConformance, as_async
from holdall.testing._forks import exit_code, forked
from servers.mariadb import MariaDBServer
from servers.postgres import PostgresServer, driver
from servers.processes import free_port, wait_until
from sizes import FULL
from tables.databases import KINDS, Database
from tables.forms import FORMS, opened, settled
from tables.rows import DAY, DIGEST, new_row
from tables.stolen import traces
from tables.uncommitted import UNCOMMITTED

SECOND = timedelta(seconds=1)
_DONE = Replacement.REPLACED
_KINDS = SQLAlchemyTable, AsyncSQLAlchemyTable


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest) -> Database:
    """Make an empty database on each of the servers."""
    return Database(KINDS[request.param], request.getfixturevalue(request.param))


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def url(database: Database, form: str) -> str:
    """Return the URL of an empty database, with a driver of that form."""
    return database.url(form)


Open = Callable[..., Any]


@pytest.fixture
def open_table(form: str, clock: FakeClock, runner: asyncio.Runner) -> Iterator[Open]:
    """Open a table of that form as an async table."""
    with ExitStack() as tables:
        yield lambda url, **options: tables.enter_context(opened(_KINDS, form, url, clock, runner, **options))


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Return the path of an SQLite file."""
    return f"sqlite+pysqlite:///{tmp_path / 'sessions.db'}"


Empty = Callable[[str], str]


def _emptied(kind: str, server: Any) -> Empty:
    """Make a database once for all tests; the returned function empties the table and returns its URL for a form."""
    database = Database(KINDS[kind], server)
    with closing(SQLAlchemyTable(database.url())) as table:
        table.create_schema()

    def empty(form: str) -> str:
        database.ask("DELETE FROM holdall_session")
        return database.url(form)

    return empty


@pytest.fixture(scope="module")
def emptied_mariadb(mariadb: MariaDBServer) -> Empty:
    return _emptied("mariadb", mariadb)


@pytest.fixture(scope="module")
def emptied_postgres(postgres: PostgresServer) -> Empty:
    return _emptied("postgres", postgres)


class TestOnMariaDB(TableConformance):
    @pytest.fixture
    def table(self, emptied_mariadb: Empty, clock: FakeClock) -> Iterator[AsyncTable]:
        table = SQLAlchemyTable(emptied_mariadb("sync"), clock=clock)
        yield as_async(table)
        table.close()


class TestAsyncOnMariaDB(TableConformance):
    @pytest.fixture
    def table(self, emptied_mariadb: Empty, clock: FakeClock, runner: asyncio.Runner) -> Iterator[AsyncTable]:
        table = AsyncSQLAlchemyTable(emptied_mariadb("async"), clock=clock)
        yield table
        runner.run(table.aclose())


def _in_a_hurry(engine: Any) -> Any:
    """Let an SQLite engine not wait for the disk, because its writes need not survive a power failure."""

    def connected(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous = off")
        cursor.close()

    event.listen(getattr(engine, "sync_engine", engine), "connect", connected)
    return engine


class TestOnSQLite(TableConformance):
    @pytest.fixture
    def table(self, file: str, clock: FakeClock) -> Iterator[AsyncTable]:
        engine = _in_a_hurry(create_engine(file))
        yield as_async(SQLAlchemyTable(engine, clock=clock))
        engine.dispose()

    @pytest.fixture
    def broken_table(self, clock: FakeClock, tmp_path: Path) -> Iterator[AsyncTable]:
        engine = create_engine(f"sqlite+pysqlite:///{tmp_path}/nowhere/sessions.db")
        yield as_async(SQLAlchemyTable(engine, clock=clock))
        engine.dispose()


class TestOnAnAsyncEngine(TableConformance):
    loops = False  # the engine belongs to one event loop
    forks = False  # the forked process begins its own event loop

    @pytest.fixture
    def table(self, file: str, clock: FakeClock, runner: asyncio.Runner) -> Iterator[AsyncTable]:
        engine = _in_a_hurry(create_async_engine(file.replace("pysqlite", "aiosqlite")))
        yield AsyncSQLAlchemyTable(engine, timeout=60, statement_timeout=60, clock=clock)
        runner.run(engine.dispose())


class TestOnAnEngineOfPostgreSQL(TableConformance):
    @pytest.fixture
    def table(self, emptied_postgres: Empty, clock: FakeClock) -> Iterator[AsyncTable]:
        engine = create_engine(emptied_postgres("sync"), isolation_level="SERIALIZABLE")
        yield as_async(SQLAlchemyTable(engine, clock=clock))
        engine.dispose()


class TestOnAnAsyncEngineOfPostgreSQL(TableConformance):
    loops = False  # the engine belongs to one event loop
    forks = False  # the forked process begins its own event loop

    @pytest.fixture
    def table(self, emptied_postgres: Empty, clock: FakeClock, runner: asyncio.Runner) -> Iterator[AsyncTable]:
        engine = create_async_engine(emptied_postgres("async"))
        yield AsyncSQLAlchemyTable(engine, timeout=60, statement_timeout=60, clock=clock)
        runner.run(engine.dispose())


class TestInterleavings(InterleavingConformance):
    triples = FULL

    @pytest.fixture
    def make_table(self, emptied_mariadb: Empty) -> Iterator[Callable[[FakeClock], AsyncTable]]:
        # As an application has it, with transactions that begin automatically.
        engine = create_engine(emptied_mariadb("sync"))
        yield lambda clock: as_async(SQLAlchemyTable(engine, create=False, clock=clock))
        engine.dispose()


# Setup.


def test_a_url_with_a_driver_opens_the_drivers_form(file: str) -> None:
    def kind(url: str, form: Any) -> type:
        return type(table_opener(url, clock=utc_now)(form))

    awaited = file.replace("pysqlite", "aiosqlite") + "?table=shop_session"
    assert kind(file, "sync") is SQLAlchemyTable
    assert kind(file, "async") is SQLAlchemyTable
    assert kind(awaited, "async") is AsyncSQLAlchemyTable
    assert kind("mysql+pymysql://localhost/shop", "sync") is SQLAlchemyTable
    with pytest.raises(ConfigurationError, match=r"sqlite\+aiosqlite:// does not work for a table that is sync"):
        kind(awaited, "sync")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mysql+pymysql://shop:hunter2@[::1/shop", "the URL cannot be parsed"),
        ("mysql+pymysql://shop:hunter2@localhost:http/shop", "the URL cannot be parsed"),
        ("mysql+nodriver://shop:hunter2@localhost/shop", "the driver for this table's URL is missing"),
        ("mssql://shop:hunter2@localhost/shop", "No module named 'pyodbc'"),
        ("sqlite+pysqlite://", "memory://"),
        ("sqlite+pysqlite:///:memory:", "memory://"),
    ],
)
def test_an_unusable_url_is_refused_and_not_shown(url: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as refusal:
        table_opener(url, clock=utc_now)("async")

    assert "hunter2" not in "".join(traceback.format_exception(refusal.value))


def test_the_engine_of_the_other_form_is_refused(file: str) -> None:
    with pytest.raises(ConfigurationError, match="this table takes AsyncEngine or a URL, not Engine"):
        AsyncSQLAlchemyTable(create_engine(file))  # type: ignore[arg-type]  # that is what is tested


def test_two_applications_share_a_database_with_different_tables_in_their_urls(file: str, clock: FakeClock) -> None:
    ours, theirs = (SQLAlchemyTable(f"{file}?table={name}_session", clock=clock) for name in ("shop", "blog"))
    assert ours.insert(DIGEST, new_row(clock))

    assert theirs.read(DIGEST) is None
    assert theirs.insert(DIGEST, new_row(clock, b"theirs"))
    assert ours.read(DIGEST) == new_row(clock)
    for each in (ours, theirs, ours):
        each.close()


@pytest.mark.parametrize(
    ("driver", "name", "value"), [("pyodbc", "timeout", 2), ("oracledb", "call_timeout", 1500), ("pymysql", "", 0)]
)
def test_a_driver_that_takes_its_limit_as_an_attribute_gets_it(driver: str, name: str, value: int) -> None:
    connection = SimpleNamespace()

    limit_answers(connection, driver, timedelta(seconds=1.5))

    assert vars(connection) == ({name: value} if name else {})


@pytest.mark.parametrize(
    ("driver", "limits"),
    [
        ("pysqlite", {"timeout": 2.5}),
        ("pymysql", {"connect_timeout": 2, "read_timeout": 3, "write_timeout": 3}),
        ("psycopg", {"connect_timeout": 2}),
        ("psycopg2", {"connect_timeout": 2, "options": "-c statement_timeout=2500"}),
        ("pyodbc", {"timeout": 2}),
        ("pymssql", {"login_timeout": 2, "timeout": 3}),
        ("oracledb", {"tcp_connect_timeout": 1.5}),
    ],
)
def test_a_driver_gets_its_limits_under_its_own_names(driver: str, limits: dict[str, Any]) -> None:
    assert limits.items() <= LIMITS[driver](1.5, 2.5).items()


def test_an_applications_own_engine_works_as_in_the_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = (source for _, source in python_blocks("docs/tables.md") if "create_engine(" in source)
    names: dict[str, Any] = {"SECRET": "a secret of these tests, which no application has"}
    exec(example, names)

    session = names["sessions"].fetch()
    session["n"] = 1
    cookie = names["sessions"].commit(session).cookie
    assert dict(names["sessions"].resume(cookie)) == {"n": 1}
    names["engine"].dispose()


@pytest.mark.parametrize(
    ("module", "missing", "install"),
    [
        ("holdall.tables.sqlalchemy", "sqlalchemy", r"pip install 'holdall\[sqlalchemy\]'"),
        ("holdall.tables.alembic", "alembic.operations", "pip install alembic"),
    ],
)
def test_without_the_library_the_error_says_what_to_install(
    module: str, missing: str, install: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(ModuleNotFoundError, match=install):
        importlib.import_module(module)


# The schema.


def test_an_engine_that_is_passed_in_stays_open(file: str, clock: FakeClock) -> None:
    engine = create_engine(file)
    table = SQLAlchemyTable(engine, clock=clock)
    table.insert(DIGEST, new_row(clock))

    table.close()

    assert engine.pool.checkedin() == 1
    engine.dispose()


def test_an_engine_that_a_forked_process_has_disposed_of_itself_is_left_alone(file: str, clock: FakeClock) -> None:
    engine = create_engine(file)
    table = SQLAlchemyTable(engine, clock=clock)
    table.insert(DIGEST, new_row(clock))

    def use() -> None:  # pragma: no cover  # the child's coverage is not recorded
        engine.dispose(close=False)
        pool = engine.pool
        assert table.read(DIGEST) == new_row(clock)
        assert engine.pool is pool

    assert exit_code(forked(use, hooks=True)) == 0
    engine.dispose()


def test_who_migrates_by_hand_has_nothing_made(open_table: Open, url: str, runner: asyncio.Runner) -> None:
    table = open_table(url, create=False)
    with pytest.raises(ConfigurationError, match=r"no table holdall_session: call create_schema\(\)"):
        runner.run(table.read(DIGEST))

    for _ in range(2):
        created = getattr(table, "sync", table).create_schema()
        if created is not None:
            runner.run(created)

    assert runner.run(table.read(DIGEST)) is None


def test_a_url_of_either_form_names_the_table_and_may_leave_it_to_be_created(
    form: Any, url: str, database: Database, open_table: Open, clock: FakeClock, runner: asyncio.Runner
) -> None:
    named = f"{url}{'&' if '?' in url else '?'}table=shop_session"
    missing: Any = table_opener(named, clock=clock, create=False)(form)
    with pytest.raises(ConfigurationError, match="has no table shop_session"):
        runner.run(settled(missing.read(DIGEST)))
    runner.run(settled(missing.close() if form == "sync" else missing.aclose()))

    assert runner.run(open_table(named).insert(DIGEST, new_row(clock)))

    assert database.ask("SELECT count(*) FROM shop_session") == [(1,)]


def test_concurrent_threads_may_create_the_schema(database: Database) -> None:
    tables = [SQLAlchemyTable(database.url()) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(lambda table: table.read(DIGEST), tables)) == [None] * 6
    for table in tables:
        table.close()

    engine = create_engine(database.url())
    indexes = inspect(engine).get_indexes("holdall_session")
    engine.dispose()
    assert {index["name"] for index in indexes} == {"holdall_session_due", "holdall_session_principal"}


def test_a_table_created_by_another_process_at_the_same_time_is_used(file: str, clock: FakeClock) -> None:
    with closing(SQLAlchemyTable(file, clock=clock)) as table, closing(SQLAlchemyTable(file, clock=clock)) as other:
        # Between the check whether it exists and the statement that creates it.
        event.listen(table._schema._table, "before_create", lambda *_, **__: other.create_schema())

        assert table.insert(DIGEST, new_row(clock))
        assert other.read(DIGEST) == new_row(clock)


def test_a_user_without_the_right_to_create_an_index_gets_a_store_error(database: Database, clock: FakeClock) -> None:
    engine = create_engine(database.url())
    session_table(made := MetaData())
    made.create_all(engine)
    (due,) = (each for table in made.sorted_tables for each in table.indexes if each.name == "holdall_session_due")
    due.drop(engine)
    engine.dispose()

    unprivileged = SQLAlchemyTable(database.url(**database.new_user("SELECT, INSERT")), clock=clock)
    with closing(unprivileged), pytest.raises(StoreError, match=database.kind.forbidden):
        unprivileged.create_schema()


def test_an_index_that_another_process_did_not_finish_is_created(file: str, clock: FakeClock) -> None:
    with closing(SQLAlchemyTable(file, clock=clock)) as table:
        table.create_schema()
    engine = create_engine(file)
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX holdall_session_principal"))

    with closing(SQLAlchemyTable(file, clock=clock)) as table:
        table.read(DIGEST)

    names = {index["name"] for index in inspect(engine).get_indexes("holdall_session")}
    engine.dispose()
    assert names == {"holdall_session_due", "holdall_session_principal"}


def test_another_programs_table_is_refused_and_left_alone(file: str, clock: FakeClock) -> None:
    engine = create_engine(file)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE holdall_session (digest BLOB, due BIGINT, principal_digest BLOB)"))
    table = SQLAlchemyTable(engine, clock=clock)

    with pytest.raises(ConfigurationError, match="the table holdall_session has other columns"):
        table.insert(DIGEST, new_row(clock))

    engine.dispose()


def test_a_user_without_the_right_to_create_the_table_gets_a_store_error(database: Database, clock: FakeClock) -> None:
    with (
        closing(SQLAlchemyTable(database.url(**database.new_user("SELECT")), clock=clock)) as table,
        pytest.raises(StoreError, match=rf" at 127\.0\.0\.1:.* failed: .*{database.kind.forbidden}\.$") as failure,
    ):
        table.read(DIGEST)

    assert "hunter2" not in "".join(traceback.format_exception(failure.value))


def test_a_dropped_table_is_created_again_after_one_error(
    open_table: Open, url: str, database: Database, clock: FakeClock, runner: asyncio.Runner
) -> None:
    table = open_table(url)
    assert runner.run(table.insert(DIGEST, new_row(clock)))
    database.ask("DROP TABLE holdall_session")

    with pytest.raises(StoreError, match=r"ProgrammingError|OperationalError|UndefinedTable"):
        runner.run(table.read(DIGEST))

    assert runner.run(table.insert(DIGEST, new_row(clock)))


@pytest.mark.parametrize("dialect", [mssql.dialect(), oracle.dialect()], ids=lambda dialect: dialect.name)
def test_the_statements_for_other_databases_need_no_quotes_and_create_an_index(dialect: Any) -> None:
    table = session_table(MetaData())
    made = [str(CreateTable(table).compile(dialect=dialect))]
    made += [str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes]
    statements = [str(each.compile(dialect=dialect)) for each in Schema("shop", create=True)._statements.values()]

    assert '"' not in "".join(made)
    assert "(32)" in made[0]
    assert len(made) == 3
    assert all(" shop" in each for each in statements)


@pytest.mark.parametrize("where", ["file", *KINDS])
def test_alembic_creates_and_drops_the_table_and_finds_no_difference(
    where: str, file: str, request: pytest.FixtureRequest
) -> None:
    pytest.importorskip("alembic")
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    from holdall.tables.alembic import CreateSessionTable, DropSessionTable

    (migration,) = (source for _, source in python_blocks("docs/tables.md") if source.startswith("# in a migration"))
    steps: dict[str, Any] = {}
    exec(migration, steps)
    metadata = MetaData()
    session_table(metadata)
    url = file if where == "file" else Database(KINDS[where], request.getfixturevalue(where)).url()
    # Another connection sees the tables that are created here.
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection, closing(SQLAlchemyTable(url, create=False)) as table:
        context = MigrationContext.configure(connection)
        with Operations.context(context):
            steps["upgrade"]()
            assert compare_metadata(context, metadata) == []
            assert table.read(DIGEST) is None
            table.close()

            steps["downgrade"]()
        assert not inspect(connection).has_table("holdall_session")
    engine.dispose()
    assert isinstance(CreateSessionTable("shop_session").reverse(), DropSessionTable)
    assert isinstance(DropSessionTable("shop_session").reverse(), CreateSessionTable)


# Requests to the server.


def test_a_read_or_a_write_is_one_statement(
    form: str, open_table: Open, mariadb: MariaDBServer, clock: FakeClock, runner: asyncio.Runner
) -> None:
    table = open_table(Database(KINDS["mariadb"], mariadb).url(form), max_size=1)
    runner.run(table.insert(DIGEST, new_row(clock)))
    mariadb.ask("SET GLOBAL general_log_file = 'statements'")
    mariadb.ask("SET GLOBAL general_log = 1")
    try:
        runner.run(table.read(DIGEST))
        assert runner.run(table.replace(DIGEST, new_row(clock, version=2), version=1)) is _DONE
    finally:
        mariadb.ask("SET GLOBAL general_log = 0")

    log = mariadb.folder / "data" / "statements"
    sent = re.findall(r"\bQuery\t(\w+)", log.read_text(encoding="utf-8", errors="replace"))
    log.unlink()
    # The other statements are the test's own.
    assert [word for word in sent if word != "SET"] == ["SELECT", "UPDATE"]


def test_expired_rows_are_removed_by_later_writes(file: str, clock: FakeClock) -> None:
    engine = _in_a_hurry(create_engine(file))
    table = SQLAlchemyTable(engine, clock=clock)
    for number in range(600):
        table.insert(number.to_bytes(32, "big"), new_row(clock))
    clock.advance(2 * DAY)
    for number in range(600, 600 + 64):
        table.insert(number.to_bytes(32, "big"), new_row(clock))

    # More rows than one statement takes are removed in batches.
    assert 600 - table.sweep() == SWEPT_AT_ONCE
    assert table.clear(clock()) == 64
    engine.dispose()


def test_a_dump_of_the_database_shows_neither_ids_nor_data(database: Database, clock: FakeClock) -> None:
    with closing(SQLAlchemyTable(database.url(), clock=clock)) as table:
        found = traces(
            Sessions(
                TableStore(table, secret_key_base="a secret of these tests, which no application has"),
                key="sid",
                clock=clock,
            )
        )

        ((*columns,),) = database.ask("SELECT * FROM holdall_session")

    dump = b"|".join(each if isinstance(each, bytes) else str(each).encode() for each in columns)
    assert len(dump) > 100
    assert [trace for trace in found if trace in dump] == []


def test_a_row_of_the_maximum_size_is_kept_whole(
    open_table: Open, url: str, clock: FakeClock, runner: asyncio.Runner
) -> None:
    row = new_row(clock, bytes(range(256)) * 512, principal="p" * 1024)._replace(client="c" * 8192)
    table = open_table(url)

    assert runner.run(table.insert(DIGEST, row))
    assert runner.run(table.read(DIGEST)) == row


# Failures.


def test_a_statement_undone_by_a_deadlock_is_sent_again(
    open_table: Open, url: str, database: Database, clock: FakeClock, runner: asyncio.Runner
) -> None:
    digests = [bytes([number]) * 32 for number in range(1, 9)]
    table = open_table(url)
    for digest in digests:
        assert runner.run(table.insert(digest, new_row(clock)))
    lock = text("UPDATE holdall_session SET version = 7 WHERE digest = :digest")
    with ThreadPoolExecutor(1) as threads:
        engine = create_engine(database.url(), poolclass=NullPool)
        with engine.connect() as writer:
            writer.execute(text(database.kind.wait_long))
            # One server undoes the transaction that has changed less, another the first that looks for a deadlock.
            for digest in digests[1:]:
                writer.execute(lock, {"digest": digest})
            # It locks the first row, and waits for the second.
            clearing = threads.submit(runner.run, table.clear(clock()))
            wait_until("clear waits", database.waiting)
            writer.execute(lock, {"digest": digests[0]})
            writer.commit()

        assert clearing.result() == 8


def test_a_statement_undone_by_a_concurrent_one_is_sent_again(
    form: str, open_table: Open, postgres: PostgresServer, clock: FakeClock, runner: asyncio.Runner
) -> None:
    database = Database(KINDS["postgres"], postgres)
    make: Any = create_engine if form == "sync" else create_async_engine
    table = open_table(make(database.url(form), isolation_level="SERIALIZABLE", poolclass=NullPool))
    assert runner.run(table.insert(DIGEST, new_row(clock)))
    with ThreadPoolExecutor(1) as threads, create_engine(database.url(), poolclass=NullPool).connect() as writer:
        writer.execute(text("UPDATE holdall_session SET seen = 1"))
        replacing = threads.submit(runner.run, table.replace(DIGEST, new_row(clock, version=2), version=1))
        wait_until("replace waits", database.waiting)
        writer.commit()

        assert replacing.result() is _DONE
    assert runner.run(table.read(DIGEST)) == new_row(clock, version=2)


@pytest.mark.parametrize(("name", "kind"), [("pysqlite", "sync"), ("aiosqlite", "async")])
@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_removed_or_replaced_file_logs_all_users_out(
    name: str, kind: str, is_replaced: bool, tmp_path: Path, clock: FakeClock, runner: asyncio.Runner
) -> None:
    path, other = tmp_path / "sessions.db", tmp_path / "other.db"
    with opened(_KINDS, kind, f"sqlite+{name}:///{path}", clock, runner) as table:
        assert runner.run(table.insert(DIGEST, new_row(clock)))

        path.unlink()
        if is_replaced:
            with closing(SQLAlchemyTable(f"sqlite+pysqlite:///{other}")) as another:
                another.create_schema()
            other.replace(path)

        assert runner.run(table.read(DIGEST)) is None
        assert runner.run(table.insert(DIGEST, new_row(clock)))
    with closing(SQLAlchemyTable(f"sqlite+pysqlite:///{path}", clock=clock)) as another:
        assert another.read(DIGEST) is not None


def test_a_program_that_changes_its_folder_keeps_its_file(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with closing(SQLAlchemyTable("sqlite+pysqlite:///sessions.db", clock=clock)) as table:
        monkeypatch.chdir("elsewhere")
        assert table.insert(DIGEST, new_row(clock))

    assert (tmp_path / "sessions.db").exists()
    assert not any(Path.cwd().iterdir())


def test_a_file_named_by_a_uri_is_used(tmp_path: Path, clock: FakeClock) -> None:
    with closing(SQLAlchemyTable(f"sqlite+pysqlite:///file:{tmp_path / 'x.db'}?uri=true", clock=clock)) as table:
        assert table.insert(DIGEST, new_row(clock))

    assert (tmp_path / "x.db").exists()


def test_a_locked_row_is_a_store_error_within_the_limit_and_no_statement_waits_on(
    open_table: Open, url: str, database: Database, clock: FakeClock, runner: asyncio.Runner
) -> None:
    table = open_table(url, statement_timeout=1)
    assert runner.run(table.insert(DIGEST, new_row(clock)))
    address = make_url(url)
    with create_engine(database.url(), poolclass=NullPool).connect() as other:
        other.execute(text("SELECT * FROM holdall_session FOR UPDATE"))
        began = time.monotonic()
        with pytest.raises(StoreError, match=f"at 127.0.0.1:{address.port}/{address.database}"):
            runner.run(table.replace(DIGEST, new_row(clock, version=2), version=1))
        assert time.monotonic() - began < 4
        wait_until("nobody waits", lambda: not database.waiting())

    assert runner.run(table.replace(DIGEST, new_row(clock, version=2), version=1)) is _DONE


def _finds(table: AsyncTable, clock: FakeClock, runner: asyncio.Runner) -> bool:
    """Return whether the row is found; on a busy machine, the call may exceed the short limits."""
    with suppress(StoreError):
        return runner.run(table.read(DIGEST)) == new_row(clock)
    return False


def _stores(table: AsyncTable, clock: FakeClock, runner: asyncio.Runner) -> bool:
    with suppress(StoreError):
        runner.run(table.insert(DIGEST, new_row(clock)))
    return _finds(table, clock, runner)


def test_a_frozen_server_is_a_store_error_within_the_limits_and_is_used_again(
    open_table: Open, url: str, database: Database, clock: FakeClock, runner: asyncio.Runner
) -> None:
    table = open_table(url, timeout=1, statement_timeout=SECOND)
    wait_until("the row is stored", lambda: _stores(table, clock, runner))

    with ThreadPoolExecutor(1) as threads:
        database.server.freeze()
        try:
            # The open connection is checked first, and then a new one is tried.
            with pytest.raises(StoreError):
                threads.submit(runner.run, table.read(DIGEST)).result(timeout=20)
        finally:
            database.server.thaw()

    wait_until("the row is found again", lambda: _finds(table, clock, runner))


def test_a_frozen_postgresql_is_a_store_error_within_the_limits_with_an_engine_that_was_passed_in(
    form: str, open_table: Open, postgres: PostgresServer, clock: FakeClock, runner: asyncio.Runner
) -> None:
    make: Any = create_engine if form == "sync" else create_async_engine
    engine = make(Database(KINDS["postgres"], postgres).url(form))
    table = open_table(engine, statement_timeout=SECOND)
    wait_until("the row is stored", lambda: _stores(table, clock, runner))

    with ThreadPoolExecutor(1) as threads:
        postgres.freeze()
        try:
            with pytest.raises(StoreError):
                threads.submit(runner.run, table.read(DIGEST)).result(timeout=20)
        finally:
            postgres.thaw()

    wait_until("the row is found again", lambda: _finds(table, clock, runner))
    disposed = engine.dispose()
    if disposed is not None:
        runner.run(disposed)


def test_an_exhausted_pool_is_a_store_error(file: str, clock: FakeClock) -> None:
    engine = create_engine(file, pool_size=1, max_overflow=0, pool_timeout=0.05)
    table = SQLAlchemyTable(engine, clock=clock)

    with engine.connect(), pytest.raises(StoreError, match="sqlite gave no connection in time: the pool is empty"):
        table.read(DIGEST)

    engine.dispose()


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_is_down_is_a_store_error_without_the_password(
    kind: str, form: str, open_table: Open, runner: asyncio.Runner
) -> None:
    if kind == "postgres":
        driver()
    where = f"127.0.0.1:{free_port()}/shop"
    table = open_table(f"{KINDS[kind].drivers[form]}://shop:hunter2@{where}")

    with pytest.raises(StoreError, match=f"^(mysql|postgresql) at {where} failed: OperationalError") as failure:
        runner.run(table.read(DIGEST))

    assert "hunter2" not in "".join(traceback.format_exception(failure.value))


@pytest.mark.parametrize("given", ["url", "engine"])
def test_a_demoted_server_is_tried_once_more_and_written_to_when_it_can_be(
    given: str, form: str, open_table: Open, database: Database, clock: FakeClock, runner: asyncio.Runner
) -> None:
    with closing(SQLAlchemyTable(database.url(), clock=clock)) as made:
        assert made.insert(DIGEST, new_row(clock))
    url = database.url(form, **database.new_user("ALL"))
    make: Any = create_engine if form == "sync" else create_async_engine
    engine = make(url) if given == "engine" else None
    table = open_table(engine or url)
    with database.demoted():
        with pytest.raises(StoreError, match=database.kind.only_reads):
            runner.run(table.replace(DIGEST, new_row(clock, version=2), version=1))
        assert runner.run(table.read(DIGEST)) == new_row(clock)

    assert runner.run(table.replace(DIGEST, new_row(clock, version=2), version=1)) is _DONE
    if engine is not None:
        disposed = engine.dispose()
        if disposed is not None:
            runner.run(disposed)


def test_a_commit_that_the_server_broke_off_is_not_sent_again(
    form: str, open_table: Open, postgres: PostgresServer, clock: FakeClock, runner: asyncio.Runner
) -> None:
    database = Database(KINDS["postgres"], postgres)
    make: Any = create_engine if form == "sync" else create_async_engine
    table = open_table(make(database.url(form), poolclass=NullPool))
    # Creates the table.
    assert runner.run(table.read(DIGEST)) is None
    for statement in UNCOMMITTED:
        database.ask(statement)

    # The server may have committed it all the same.
    with pytest.raises(StoreError, match="SQLSTATE 57P01"):
        runner.run(table.insert(DIGEST, new_row(clock)))

    assert database.ask("SELECT last_value FROM attempts") == [(1,)]


def test_a_connection_that_the_server_closed_while_idle_is_replaced(
    open_table: Open, url: str, database: Database, clock: FakeClock, runner: asyncio.Runner
) -> None:
    table = open_table(url)
    assert runner.run(table.insert(DIGEST, new_row(clock)))
    ours = database.connections()
    assert ours
    for each in ours:
        database.end(each)
    wait_until("the connection is closed", lambda: not database.connections())

    assert runner.run(table.read(DIGEST)) == new_row(clock)


def test_closing_closes_the_connections_and_the_next_call_opens_others(
    form: str, url: str, database: Database, clock: FakeClock, runner: asyncio.Runner
) -> None:
    for _ in range(2):
        with opened(_KINDS, form, url, clock, runner) as table:
            runner.run(table.read(DIGEST))
            assert database.connections()
        wait_until("no connection is open", lambda: not database.connections())


@pytest.mark.parametrize("kind", KINDS)
def test_every_acknowledged_write_outlives_a_server_that_is_killed(
    kind: str, form: str, open_table: Open, clock: FakeClock, runner: asyncio.Runner
) -> None:
    acknowledged: dict[bytes, int] = {}

    async def write_for_ever(table: AsyncTable, killer: Thread) -> None:
        for number in count():
            if number == 30:
                killer.start()
            digest = number.to_bytes(32, "big")
            assert await table.insert(digest, new_row(clock, b"1"))
            acknowledged[digest] = 1
            assert await table.replace(digest, new_row(clock, b"2", 2), version=1) is _DONE
            acknowledged[digest] = 2

    async def check(table: AsyncTable) -> None:
        for digest, version in acknowledged.items():
            row = await table.read(digest)
            assert row is not None
            # The last one may have been executed, although its answer was lost.
            assert version <= row.version <= version + 1
            assert row.data == b"%d" % row.version

    with KINDS[kind].running() as server:
        table = open_table(Database(KINDS[kind], server).url(form))
        killer = Thread(target=server.kill)
        with pytest.raises(StoreError):
            runner.run(write_for_ever(table, killer))
        killer.join()
        server.start()
        runner.run(check(table))
    assert len(acknowledged) >= 30


# Event loops.


def test_an_engine_in_another_event_loop_is_refused_until_it_is_disposed_of(file: str, clock: FakeClock) -> None:
    engine = create_async_engine(file.replace("pysqlite", "aiosqlite"))
    table = AsyncSQLAlchemyTable(engine, clock=clock)

    async def read(*, dispose: bool) -> Row | None:
        found = await table.read(DIGEST)
        if dispose:
            await engine.dispose()
        return found

    with asyncio.Runner() as other:
        assert asyncio.run(read(dispose=True)) is None
        assert other.run(read(dispose=False)) is None
        with pytest.raises(ConfigurationError, match="this engine belongs to another event loop"):
            asyncio.run(read(dispose=False))
        other.run(engine.dispose())


def test_an_engine_without_a_pool_serves_every_event_loop(file: str, clock: FakeClock) -> None:
    table = AsyncSQLAlchemyTable(
        create_async_engine(file.replace("pysqlite", "aiosqlite"), poolclass=NullPool), clock=clock
    )

    assert [asyncio.run(table.read(DIGEST)) for _ in range(2)] == [None, None]
