"""Test that steps that commute have the same result in either order, because only one of the orders is tried."""

from datetime import timedelta
from itertools import combinations
from typing import Any

from commuting import commute
from holdall import MemoryTable
from holdall.steps import Step
from holdall.stores._verbs import Clear, Find, Insert, Read, Remove, Replace, Sweep, Touch
from holdall.tables import Tombstone
from holdall.testing import FakeClock
from tables.rows import DAY, new_row

ROWS = [bytes([number]) * 32 for number in range(3)]
HERE, GONE, NEW = ROWS


def steps_at(table: MemoryTable, clock: FakeClock) -> dict[str, Step]:
    """Return steps of each kind, on rows that exist, have gone, or are yet to come."""
    tombstone = Tombstone(clock() + DAY, b"next")
    return {
        f"{name} {ROWS.index(digest)}": step
        for digest in ROWS
        for name, step in {
            "read": Read(table, digest),
            "insert": Insert(table, digest, new_row(clock, b"other", principal="ada")),
            "replace": Replace(table, digest, new_row(clock, b"changed", 2, principal="ada"), 1),
            "touch": Touch(table, digest, clock() + 3 * DAY, clock() + timedelta(seconds=5)),
            "remove": Remove(table, digest),
            "bury": Remove(table, digest, tombstone),
        }.items()
    } | {"find": Find(table, "ada"), "clear": Clear(table, clock()), "sweep": Sweep(table, 10)}


def taken(*names: str) -> tuple[dict[str, Any], list[Any]]:
    """Take steps in this order; return each one's answer, and the rows that are left."""
    clock = FakeClock()
    table = MemoryTable(clock=clock)
    table.insert(HERE, new_row(clock, principal="ada"))
    table.insert(GONE, new_row(clock, principal="ada"))
    table.remove(GONE, tombstone=Tombstone(clock() + DAY, HERE))
    told = {name: steps_at(table, clock)[name].take() for name in names}
    return told, [table.read(digest) for digest in ROWS] + [sorted(table.find("ada"))]


def test_commuting_steps_have_the_same_result_in_either_order() -> None:
    clock = FakeClock()
    steps = steps_at(MemoryTable(clock=clock), clock)
    pairs = list(combinations(steps, 2))
    differ = {pair for pair in pairs if taken(*pair) != taken(*reversed(pair))}
    can = {pair for pair in pairs if commute(*map(steps.__getitem__, pair))}

    assert differ & can == set()
    assert (len(differ), len(can)) > (20, 100)
