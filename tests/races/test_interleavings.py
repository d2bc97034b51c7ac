"""Two and three requests at the memory table, in every order; and that the explorer sees what is broken."""

import asyncio
import math
from collections.abc import Callable

import pytest

from holdall import AsyncTable, MemoryTable
from holdall.testing import ACTS, ATOMIC_ACTS, Explored, FakeClock, InterleavingConformance, as_async, explore
from races import broken


class TestMemoryTable(InterleavingConformance):
    @pytest.fixture
    def make_table(self) -> Callable[[FakeClock], AsyncTable]:
        return lambda clock: as_async(MemoryTable(clock=clock))


def explored(*names: str, table: type[MemoryTable] = MemoryTable) -> Explored:
    return asyncio.run(
        explore([{**ACTS, **ATOMIC_ACTS}[name] for name in names], lambda clock: as_async(table(clock=clock)))
    )


@pytest.mark.parametrize(
    ("names", "steps"),
    [
        (("touch", "touch"), (2, 2)),
        (("touch", "sweep"), (2, 1)),
        (("renew", "sweep"), (5, 1)),
        (("sweep", "sweep", "sweep"), (1, 1, 1)),
        (("touch", "sweep", "sweep"), (2, 1, 1)),
        (("renew", "sweep", "sweep"), (5, 1, 1)),
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
    ("table", "names", "promise"),
    [
        (broken.Upserts, ("write", "drop"), "what was dropped came back"),
        (broken.Upserts, ("write", "login"), "a change to 'a' is lost"),
        (broken.IgnoresVersions, ("write", "write another key"), "a change to '[ab]' is lost"),
        (broken.IgnoresVersions, ("count", "count", "leases run out"), "of 2 counts 1 are there"),
        (broken.IgnoresVersions, ("count", "set the counter"), "the counter was set, and is 1"),
        (broken.ForgetsRenewals, ("write", "login"), "a change to 'a' is lost"),
        (broken.ForgetsRenewals, ("write", "renew"), "the session was dropped"),
        (broken.GivesNothing, ("touch", "renew"), "what nobody changed is gone"),
        (broken.DeletesNothing, ("write", "drop"), "what was dropped came back"),
        (broken.GivesStaleRows, ("write", "renew"), "a change to 'a' is lost"),
        (broken.GivesStaleRows, ("write", "login"), "a change to 'a' is lost"),
        (broken.TouchRevives, ("touch", "drop"), "what was dropped came back"),
        (broken.SeesOneRow, ("touch", "login"), "an id from before the login"),
        (broken.GivesUp, ("write", "write another key"), "a write was given up"),
        (broken.SweepsTheLiving, ("sweep", "touch"), "the browser has lost its session"),
        (broken.SweepsTheLiving, ("sweep", "write"), ""),
    ],
)
def test_a_broken_table_is_found_out(table: type[MemoryTable], names: tuple[str, ...], promise: str) -> None:
    with pytest.raises(AssertionError, match=rf"{promise}.*\n  at the table: .*\n  at the browser: "):
        explored(*names, table=table)
