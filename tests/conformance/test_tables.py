"""Test that our tables fulfil the contract of tables."""

import asyncio
import re
from typing import Any

import pytest
from hypothesis import Phase

from holdall import AsyncTable, MemoryTable
from holdall.tables import Replacement
from holdall.testing import FakeClock, TableConformance, as_async
from holdall.testing._tables import machine


class Waiting:
    """A memory table that lets other tasks run before each verb, like one behind a network."""

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


def test_the_model_tries_fewer_sequences_with_a_slow_table(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_SECONDS", 0)
    table = as_async(MemoryTable(clock=clock))
    tried: list[int] = []
    machine_of = machine.run_state_machine_as_test
    monkeypatch.setattr(
        machine,
        "run_state_machine_as_test",
        lambda made, settings: (tried.append(settings.max_examples), machine_of(made, settings=settings)),
    )

    with asyncio.Runner() as runner:
        machine.try_sequences(table, clock, runner)

    assert tried == [machine._LEAST_SEQUENCES]


@pytest.mark.parametrize(
    ("wrong", "verb"),
    [
        ({"insert": True}, "insert"),
        ({"replace": Replacement.GONE}, "replace"),
        ({"touch": True}, "touch"),
        ({"remove": None}, "remove"),
        ({"clear": 7}, "clear"),
        ({"sweep": 7}, "sweep"),
        ({"read": None}, "read"),
        ({"find": []}, "find"),
    ],
    ids=str,
)
def test_the_model_names_the_failing_step(clock: FakeClock, wrong: dict[str, Any], verb: str) -> None:
    table = as_async(MemoryTable(clock=clock))

    async def answer(*_: Any, **__: Any) -> Any:
        return wrong[verb]

    setattr(table, verb, answer)
    with asyncio.Runner() as runner, pytest.raises(AssertionError) as failure:
        machine.try_sequences(table, clock, runner, phases=[Phase.generate], max_examples=100)

    assert re.search(rf"after step \d+, .*\b{verb}\(", str(failure.value)), failure.value
