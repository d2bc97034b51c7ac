"""Of orders that differ in steps which can change places one is tried: all of them must come to the same."""

from datetime import timedelta
from itertools import combinations
from secrets import token_hex
from typing import Any

import pytest

from commuting import commute
from core.orders import Act, login, logout, meetings, renew, switch, write
from holdall import MemoryTable, Sessions
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
            "leave tombstone": Remove(table, digest, tombstone),
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


def make(clock: FakeClock) -> Sessions:
    table = MemoryTable(clock=clock)
    options: Any = {"secret_key_base": token_hex(32), "principal_key": "user_id", "revocable": table}
    return Sessions("cookie", key="sid", clock=clock, **options)


@pytest.mark.parametrize("acts", [(write, renew), (renew, renew), (write, logout), (switch, "revoke")])
def test_orders_that_are_left_out_come_to_the_same_as_others(
    acts: tuple[Act | str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def outcomes() -> list[str]:
        """Return of each order what the requests found, and what the browser and the table have in the end."""
        return [
            f"{meeting.found} {meeting.visitor.does(dict)} {len(meeting.sessions.list(7))}"
            for meeting in meetings(make, (login,), *acts)
        ]

    tried = outcomes()
    monkeypatch.setattr("commuting.commute", lambda one, other: False)
    every = outcomes()

    assert set(tried) == set(every)
    assert len(set(tried)) > 1
    assert len(tried) < len(every)
