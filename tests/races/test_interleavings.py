"""Two and three requests at the memory table, in every order; and that the explorer sees what is broken."""

import asyncio
import math
from collections.abc import Callable

import pytest

from holdall import AsyncTable, MemoryTable
from holdall.testing import ACTS, Explored, FakeClock, InterleavingConformance, as_async, explore
from races import broken


class TestMemoryTable(InterleavingConformance):
    @pytest.fixture
    def make_table(self) -> Callable[[FakeClock], AsyncTable]:
        return lambda clock: as_async(MemoryTable(clock=clock))


def explored(*names: str, table: type[MemoryTable] = MemoryTable) -> Explored:
    return asyncio.run(explore([ACTS[name] for name in names], lambda clock: as_async(table(clock=clock))))


@pytest.mark.parametrize(
    ("names", "steps"),
    [
        (("touch", "touch"), (2, 2)),
        (("touch", "sweep"), (2, 1)),
        (("renew", "sweep"), (3, 1)),
        (("sweep", "sweep", "sweep"), (1, 1, 1)),
        (("touch", "sweep", "sweep"), (2, 1, 1)),
        (("renew", "sweep", "sweep"), (3, 1, 1)),
    ],
)
def test_every_order_is_explored(names: tuple[str, ...], steps: tuple[int, ...]) -> None:
    orders = math.factorial(sum(steps)) // math.prod(map(math.factorial, steps))

    found = explored(*names)

    assert found.schedules == orders
    assert found.outcomes == orders * math.factorial(len(names))


def test_a_write_is_given_up_only_where_the_session_has_ended() -> None:
    assert explored("write", "write the same key", "write another key").lost == 0
    assert explored("write", "renew").lost > 0


@pytest.mark.parametrize(
    ("table", "names"),
    [
        (broken.Upserts, ("write", "drop")),
        (broken.Upserts, ("write", "login")),
        (broken.IgnoresVersions, ("write", "write another key")),
        (broken.ForgetsRenewals, ("write", "login")),
        (broken.ForgetsRenewals, ("write", "renew")),
        (broken.DeletesNothing, ("write", "drop")),
        (broken.GivesStaleRows, ("write", "renew")),
        (broken.GivesStaleRows, ("write", "login")),
        (broken.TouchRevives, ("touch", "drop")),
        (broken.TouchRevives, ("touch", "login", "write")),
        (broken.SweepsTheLiving, ("sweep", "write")),
    ],
)
def test_a_broken_table_is_found_out(table: type[MemoryTable], names: tuple[str, ...]) -> None:
    with pytest.raises(AssertionError, match="at the table: "):
        explored(*names, table=table)
