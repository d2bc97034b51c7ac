"""The table in a Django project's database: the contract, and what belongs to a project that has transactions."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from tables.django_databases import migrated, of_postgres, of_sqlite

# isort: split

from django.apps import apps

from holdall import AsyncTable
from holdall.tables import Replacement, Row
from holdall.testing import FakeClock, InterleavingConformance, TableConformance
from holdall_django.table import DjangoTable

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
    with migrated(request.param, database) as alias:
        yield alias


@pytest.fixture
def alias(engine: str) -> str:
    apps.get_model("holdall_django", "SessionRow").objects.using(engine).all().delete()
    return engine


@pytest.fixture
def table(alias: str, clock: FakeClock) -> DjangoTable:
    return DjangoTable(alias, clock=clock)


class Threaded:
    """A table whose verbs are awaited while threads of their own do them: Django has no cursor for an event loop."""

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
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


class TestDjangoTable(TableConformance):
    @pytest.fixture
    def table(self, alias: str, clock: FakeClock, threads: ThreadPoolExecutor) -> AsyncTable:
        return Threaded(DjangoTable(alias, clock=clock), threads)


class TestInterleavings(InterleavingConformance):
    triples = False

    @pytest.fixture
    def make_table(self, alias: str, threads: ThreadPoolExecutor) -> Callable[[FakeClock], AsyncTable]:
        return lambda clock: Threaded(DjangoTable(alias, clock=clock), threads)
