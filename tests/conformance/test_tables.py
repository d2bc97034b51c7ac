"""Our tables keep the contract of tables."""

import asyncio
from typing import Any

import pytest

from holdall import AsyncTable, MemoryTable
from holdall.testing import FakeClock, TableConformance, as_async


class Waiting:
    """A memory table that lets others run before each verb, as one that waits for a network does."""

    leaves_process = False

    def __init__(self, table: MemoryTable) -> None:
        self._table = table

    async def _do(self, verb: str, *args: Any, **options: Any) -> Any:
        await asyncio.sleep(0)
        return getattr(self._table, verb)(*args, **options)

    async def read(self, *args: Any) -> Any:
        return await self._do("read", *args)

    async def insert(self, *args: Any) -> Any:
        return await self._do("insert", *args)

    async def replace(self, *args: Any, **options: Any) -> Any:
        return await self._do("replace", *args, **options)

    async def touch(self, *args: Any, **options: Any) -> Any:
        return await self._do("touch", *args, **options)

    async def remove(self, *args: Any, **options: Any) -> Any:
        return await self._do("remove", *args, **options)

    async def find(self, *args: Any) -> Any:
        return await self._do("find", *args)

    async def clear(self, *args: Any) -> Any:
        return await self._do("clear", *args)

    async def sweep(self, *args: Any) -> Any:
        return await self._do("sweep", *args)


class TestATableThatIsAwaited(TableConformance):
    @pytest.fixture
    def table(self, clock: FakeClock) -> AsyncTable:
        return Waiting(MemoryTable(clock=clock))


class TestMemoryTable(TableConformance):
    @pytest.fixture
    def table(self, clock: FakeClock) -> AsyncTable:
        return as_async(MemoryTable(clock=clock))
