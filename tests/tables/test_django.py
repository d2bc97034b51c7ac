"""The table in a Django project's database: the contract, and the behaviour in a project's transactions."""

import asyncio
import sqlite3
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from command.program import run
from tables.django_databases import migrated, new_alias, of_postgres, of_sqlite, unmigrated

# isort: split

from django.apps import apps
from django.db import connections, transaction
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.db.models.signals import pre_delete
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from holdall import AsyncTable, ConfigurationError, Sessions, StoreError, TableStore
from holdall._clock import utc_now
from holdall.tables import Replacement, Row, Tombstone
from holdall.testing import FakeClock, InterleavingConformance, TableConformance
from holdall_django import _rollback as rollback
from holdall_django.table import DjangoTable
from servers.postgres import FAST, running_postgres
from servers.processes import free_port

DAY = timedelta(days=1)
DIGEST = b"1" * 32
_DONE = Replacement.REPLACED


def new_row(clock: FakeClock, data: bytes = b"data", version: int = 1, principal: str | None = None) -> Row:
    return Row(data, version, clock() + DAY, clock(), principal)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        database = of_sqlite(tmp_path_factory.mktemp("django") / "db.sqlite3")
    else:
        database = of_postgres(request.getfixturevalue("postgres").new_url())
    with migrated(new_alias(request.param), database) as alias:
        yield alias


@pytest.fixture
def alias(engine: str) -> str:
    apps.get_model("holdall_django", "SessionRow").objects.using(engine).all().delete()
    return engine


@pytest.fixture
def table(alias: str, clock: FakeClock) -> DjangoTable:
    return DjangoTable(alias, clock=clock)


class Threaded:
    """A table that is awaited while its own threads run the verbs, because Django has no cursor for an event loop."""

    def __init__(self, table: DjangoTable, threads: ThreadPoolExecutor) -> None:
        self._table = table
        self._threads = threads

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._table, name)
        if not callable(found):
            return found

        async def call(*args: Any, **options: Any) -> Any:
            return await asyncio.get_running_loop().run_in_executor(self._threads, partial(found, *args, **options))

        return call


@pytest.fixture(scope="module")
def threads(engine: str) -> Iterator[ThreadPoolExecutor]:
    """Return threads that end with the database, each with a connection to it."""
    with ThreadPoolExecutor(8) as threads:
        yield threads


class TestDjangoTable(TableConformance):
    forks = False  # a forked process does not have the test's threads

    @pytest.fixture
    def table(self, alias: str, clock: FakeClock, threads: ThreadPoolExecutor) -> AsyncTable:
        return Threaded(DjangoTable(alias, clock=clock), threads)

    @pytest.fixture
    def broken_table(self, engine: str, clock: FakeClock, tmp_path: Path) -> Iterator[AsyncTable]:
        if engine.startswith("sqlite"):
            database = of_sqlite(tmp_path / "missing" / "db.sqlite3")
        else:
            database = of_postgres(f"postgresql://shop@127.0.0.1:{free_port()}/shop?options=")
        with unmigrated(new_alias("away"), database) as alias, ThreadPoolExecutor(1) as threads:
            yield Threaded(DjangoTable(alias, clock=clock), threads)


class TestInterleavings(InterleavingConformance):
    triples = False

    @pytest.fixture
    def make_table(self, alias: str, threads: ThreadPoolExecutor) -> Callable[[FakeClock], AsyncTable]:
        return lambda clock: Threaded(DjangoTable(alias, clock=clock), threads)


def test_the_migrations_match_the_model() -> None:
    # As makemigrations does, without checking the databases: here the default one does not exist.
    migrations = MigrationLoader(None)

    changes = MigrationAutodetector(migrations.project_state(), ProjectState.from_apps(apps)).changes(migrations.graph)

    assert changes == {}


def test_a_table_is_named_by_its_databases_alias(alias: str, clock: FakeClock) -> None:
    sessions = Sessions("table", table=f"django://{alias}", key="sid", clock=clock)
    session = sessions.fetch()
    session["seen"] = 1
    cookie = sessions.commit(session).cookie

    other = Sessions(TableStore(DjangoTable(alias, clock=clock)), key="sid", clock=clock)

    assert dict(other.resume(cookie)) == {"seen": 1}


def test_an_alias_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="there is no database 'sesions'"):
        Sessions("table", table="django://sesions", key="sid").prepare("sync")


def test_an_application_that_is_not_installed_is_refused() -> None:
    with override_settings(INSTALLED_APPS=[]), pytest.raises(ConfigurationError, match="INSTALLED_APPS"):
        Sessions("table", table="django", key="sid").prepare("async")


def test_settings_may_create_a_table_before_the_applications_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps, "ready", False)

    assert DjangoTable("sesions").using == "sesions"


def test_the_command_works_on_a_projects_table(tmp_path: Path) -> None:
    database = of_sqlite(tmp_path / "db.sqlite3")
    (tmp_path / "shop_settings.py").write_text(
        f"INSTALLED_APPS = ['holdall_django']\nDATABASES = {{'default': {database}}}\n", encoding="utf-8"
    )
    with migrated("of_the_command", database) as alias:
        table = DjangoTable(alias, clock=lambda: utc_now() - 2 * DAY)
        now = utc_now() - 2 * DAY
        table.insert(DIGEST, Row(b"data", 1, now + DAY, now))

    swept = run("sweep", "django://", cwd=tmp_path, env={"DJANGO_SETTINGS_MODULE": "shop_settings"})
    failed = run("sweep", "django://", cwd=tmp_path, env={"DJANGO_SETTINGS_MODULE": "shop_setings"})

    assert (swept.stdout, swept.stderr) == ("Removed 1 expired row.\n", "")
    assert "Django could not be set up for django://: No module named 'shop_setings'" in failed.stderr
    assert "PYTHONPATH" in failed.stderr


# Within a transaction of the project.


def test_an_insert_that_finds_a_row_leaves_the_transaction_usable(table: DjangoTable, clock: FakeClock) -> None:
    table.insert(DIGEST, new_row(clock, b"first"))

    with transaction.atomic(table.using):
        assert table.insert(DIGEST, new_row(clock, b"second")) is False
        assert table.insert(b"2" * 32, new_row(clock)) is True

    assert table.read(DIGEST) == new_row(clock, b"first")
    assert table.read(b"2" * 32) == new_row(clock)


def test_writes_are_visible_in_a_transaction_and_rolled_back_with_it(table: DjangoTable, clock: FakeClock) -> None:
    table.insert(DIGEST, new_row(clock))

    with transaction.atomic(table.using):
        assert table.replace(DIGEST, new_row(clock, b"new", 2), version=1) is _DONE
        assert table.replace(DIGEST, new_row(clock, b"new", 2), version=1) is Replacement.CONFLICT
        assert table.remove(DIGEST) == new_row(clock, b"new", 2)
        assert table.replace(DIGEST, new_row(clock, b"new", 3), version=2) is Replacement.GONE
        transaction.set_rollback(True, using=table.using)

    assert table.read(DIGEST) == new_row(clock)


@pytest.mark.parametrize("is_renewal", [False, True])
@pytest.mark.parametrize("is_undone", [False, True])
def test_a_session_ended_in_a_transaction_stays_ended(
    table: DjangoTable, clock: FakeClock, is_renewal: bool, is_undone: bool
) -> None:
    table.insert(DIGEST, new_row(clock))
    rollback.begin()

    with transaction.atomic(table.using):
        table.remove(DIGEST, tombstone=Tombstone(clock() + DAY, b"") if is_renewal else None)
        transaction.set_rollback(is_undone, using=table.using)
    noted = rollback.take()
    assert noted
    rollback.repeat(noted)

    assert not rollback.take()
    row = table.read(DIGEST)
    assert row is None if not is_renewal else row.is_tombstone


def test_sessions_cleared_in_a_transaction_stay_cleared(table: DjangoTable, clock: FakeClock) -> None:
    for number in range(10):
        table.insert(number.to_bytes(32, "big"), new_row(clock))
    rollback.begin()

    with transaction.atomic(table.using):
        assert table.clear(clock(), 4) == 4
        assert table.clear(clock(), 4) == 4
        transaction.set_rollback(True, using=table.using)
    rollback.repeat(rollback.take())

    assert table.clear(clock()) == 2


def test_an_end_outside_a_request_or_a_transaction_is_not_in_doubt(table: DjangoTable, clock: FakeClock) -> None:
    table.insert(DIGEST, new_row(clock))
    table.insert(b"2" * 32, new_row(clock))

    with transaction.atomic(table.using):
        table.remove(DIGEST)
        assert not rollback.take()
    rollback.begin()
    table.remove(b"2" * 32)
    assert not rollback.take()


def test_nothing_is_swept_automatically_in_a_transaction(table: DjangoTable, clock: FakeClock) -> None:
    fill(table, clock, range(100))
    clock.advance(2 * DAY)

    with transaction.atomic(table.using):
        fill(table, clock, range(100, 300))

    assert table.sweep() == 100


def test_a_row_that_changes_during_its_deletion_is_returned_in_its_last_state(
    table: DjangoTable, clock: FakeClock
) -> None:
    row = new_row(clock)
    table.insert(DIGEST, row)
    later, seen = row.expires + DAY, clock()
    writes = iter(
        [
            lambda: table.touch(DIGEST, row.expires, seen=seen),
            lambda: table.touch(DIGEST, later, seen=seen),
            lambda: table.replace(DIGEST, row._replace(data=b"new", version=2, expires=later, seen=seen), version=1),
        ]
    )

    class Late(DjangoTable):
        def _fetch(self, statement: str, values: Any) -> Any:
            found = super()._fetch(statement, values)
            if statement == "read_live":
                next(writes, lambda: None)()
            return found

    deleted = Late(table.using, clock=clock).remove(DIGEST)

    assert deleted == row._replace(data=b"new", version=2, expires=later, seen=seen)
    assert table.read(DIGEST) is None


# Automatic sweeping.


def fill(table: DjangoTable, clock: FakeClock, numbers: Iterable[int]) -> None:
    for number in numbers:
        table.insert(number.to_bytes(32, "big"), new_row(clock))


def test_expired_rows_are_removed_by_later_writes(table: DjangoTable, clock: FakeClock) -> None:
    fill(table, clock, range(500))
    clock.advance(2 * DAY)
    fill(table, clock, range(500, 500 + 256))

    assert count(table) == 256


def test_a_sweep_of_thousands_is_split_into_batches_and_ignores_listeners(table: DjangoTable, clock: FakeClock) -> None:
    fill(table, clock, range(1200))
    clock.advance(2 * DAY)
    told = []

    def listen(instance: Any, **_: object) -> None:
        told.append(bytes(instance.digest))

    pre_delete.connect(listen)
    try:
        assert table.sweep(100) == 100
    finally:
        pre_delete.disconnect(listen)
    with CaptureQueriesContext(connections[table.using]) as captured:
        assert table.sweep(2000) == 1100

    assert len(told) == 100
    assert sum(query["sql"].startswith("DELETE") for query in captured) == 3
    assert count(table) == 0


def count(table: DjangoTable) -> int:
    return apps.get_model("holdall_django", "SessionRow").objects.using(table.using).count()


# Failures.


def test_a_table_without_migration_is_a_store_error(tmp_path: Path, clock: FakeClock) -> None:
    with unmigrated("other", of_sqlite(tmp_path / "other.sqlite3")):
        table = DjangoTable("other", clock=clock)

        for verb in (partial(table.read, DIGEST), partial(table.insert, DIGEST, new_row(clock)), table.sweep):
            with pytest.raises(StoreError, match=r"no such table: holdall_django_session\. .* manage\.py migrate"):
                verb()


def test_a_locked_database_is_a_store_error(tmp_path: Path, clock: FakeClock) -> None:
    database = of_sqlite(tmp_path / "locked.sqlite3")
    database["OPTIONS"] = {"timeout": 0.05}
    with migrated("locked", database) as alias, closing(sqlite3.connect(database["NAME"])) as other:
        table = DjangoTable(alias, clock=clock)
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreError, match="'locked' failed: database is locked"):
            table.insert(DIGEST, new_row(clock))

        other.execute("ROLLBACK")
        assert table.insert(DIGEST, new_row(clock))


def test_a_server_that_is_down_is_a_store_error_that_names_it_without_the_password(clock: FakeClock) -> None:
    database = of_postgres(f"postgresql://shop:hunter2@127.0.0.1:{free_port()}/shop?options=")
    with unmigrated("nowhere", database), pytest.raises(StoreError) as failure:
        DjangoTable("nowhere", clock=clock).read(DIGEST)

    where = f"127.0.0.1:{database['PORT']}/shop"
    assert str(failure.value) == f"the database 'nowhere' at {where} failed: OperationalError, connection refused."
    assert "hunter2" not in "".join(traceback.format_exception(failure.value))


def test_a_server_that_is_killed_and_comes_back_is_used_again(clock: FakeClock) -> None:
    with running_postgres(*FAST) as server, migrated("killed", of_postgres(server.new_url())) as alias:
        table = DjangoTable(alias, clock=clock)
        table.insert(DIGEST, new_row(clock))

        server.kill()
        for _ in range(2):
            with pytest.raises(StoreError):
                table.read(DIGEST)
        server.start()

        assert table.read(DIGEST) == new_row(clock)


def test_a_connection_is_closed_and_opened_again(table: DjangoTable, clock: FakeClock) -> None:
    table.insert(DIGEST, new_row(clock))

    with transaction.atomic(table.using):
        table.close()
        assert table.read(DIGEST) == new_row(clock)
    table.close()

    assert connections[table.using].connection is None
    assert table.read(DIGEST) == new_row(clock)


def test_a_dump_shows_neither_ids_nor_data(table: DjangoTable, clock: FakeClock) -> None:
    sessions = Sessions(TableStore(table), key="sid", clock=clock)
    session = sessions.fetch()
    session["card"] = "4111111111111111"
    cookie = sessions.commit(session).cookie
    assert cookie

    with connections[table.using].cursor() as cursor:
        cursor.execute("SELECT * FROM holdall_django_session")
        everything = b"".join(bytes(value) for row in cursor for value in row if isinstance(value, bytes | memoryview))

    assert len(everything) > 60
    assert b"4111111111111111" not in everything
    assert b"card" not in everything
    assert cookie.encode() not in everything
