"""The table in memory, beyond the contract of every table: its bounds, its sweeping, its name."""

import itertools
from datetime import timedelta

import pytest

from holdall import ConfigurationError, Event, MemoryTable, Sessions
from holdall.tables import Replacement, Row
from holdall.testing import FakeClock

HOUR = timedelta(hours=1)


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


def row(clock: FakeClock, lives: timedelta = HOUR, principal: str | None = None) -> Row:
    return Row(b"data", 1, clock() + lives, clock(), principal)


@pytest.fixture
def table(clock: FakeClock) -> MemoryTable:
    return MemoryTable(clock=clock)


def test_the_least_recently_used_row_goes_when_it_is_full(clock: FakeClock) -> None:
    events: list[Event] = []
    table = MemoryTable(max_rows=3, name="session", clock=clock)
    table.listen(events.append)
    for number in range(3):
        table.insert(digest(number), row(clock))
    table.read(digest(0))
    table.touch(digest(1), clock() + 2 * HOUR, seen=clock())

    assert table.insert(digest(3), row(clock))

    assert [table.read(digest(number)) is not None for number in range(4)] == [True, True, False, True]
    assert len(table) == 3
    assert events == [Event("evicted", "session", "1 of 3 rows")]


def test_what_is_used_after_it_was_found_to_be_old_stays(clock: FakeClock) -> None:
    table = MemoryTable(max_rows=4, clock=clock)
    for number in range(5):
        table.insert(digest(number), row(clock))
    table.read(digest(1))
    table.replace(digest(2), row(clock), version=1)
    table.remove(digest(3))
    table.insert(digest(3), row(clock))

    for number in (5, 6):
        table.insert(digest(number), row(clock))

    assert [table.read(digest(number)) is not None for number in range(7)] == [
        False,
        True,
        False,
        True,
        False,
        True,
        True,
    ]


def test_a_large_table_evicts_from_the_part_of_the_new_row_and_where_that_is_empty_from_the_fullest(
    clock: FakeClock,
) -> None:
    events: list[Event] = []
    table = MemoryTable(max_rows=2049, clock=clock)
    table.listen(events.append)
    # Of two parts, one with all rows and one with none.
    of_one, of_other = ([digest(n) for n in range(10_000) if hash(digest(n)) % 2 == part] for part in (0, 1))
    for each in of_one[:2049]:
        table.insert(each, row(clock))

    for each in of_other[:2]:
        table.insert(each, row(clock))

    assert [table.read(each) is not None for each in (*of_one[:2], *of_other[:2])] == [False, True, False, True]
    assert len(events) == 2
    assert len(table) == 2049


def test_expired_rows_make_room_before_a_live_one_has_to_go(clock: FakeClock) -> None:
    events: list[Event] = []
    table = MemoryTable(max_rows=2, clock=clock)
    table.listen(events.append)
    table.insert(digest(0), row(clock, HOUR))
    table.insert(digest(1), row(clock, 3 * HOUR))
    clock.advance(2 * HOUR)

    table.insert(digest(2), row(clock))

    assert [table.read(digest(number)) is not None for number in range(3)] == [False, True, True]
    assert events == []


def test_a_read_that_was_noted_of_a_row_now_gone_does_no_harm(clock: FakeClock) -> None:
    table = MemoryTable(max_rows=1, clock=clock)
    table.insert(digest(0), row(clock))
    table.read(digest(0))
    table.remove(digest(0))

    assert table.insert(digest(1), row(clock))
    assert table.insert(digest(2), row(clock))
    assert len(table) == 1


def test_a_replaced_row_counts_as_used(clock: FakeClock) -> None:
    table = MemoryTable(max_rows=2, clock=clock)
    table.insert(digest(0), row(clock))
    table.insert(digest(1), row(clock))
    assert table.replace(digest(0), row(clock)._replace(version=2), version=1) is Replacement.REPLACED

    table.insert(digest(2), row(clock))

    assert table.read(digest(0)) is not None
    assert table.read(digest(1)) is None


def test_a_listener_that_comes_through_two_stores_is_told_once(clock: FakeClock) -> None:
    events: list[Event] = []
    table = MemoryTable.named("told once", clock=clock)
    table.max_rows = 1
    sessions = Sessions("table", key="sid", table="told once", on_event=events.append, clock=clock)
    sessions.prepare("sync")
    sessions.prepare("async")

    table.insert(digest(0), row(clock))
    table.insert(digest(1), row(clock))

    assert [event.name for event in events] == ["evicted"]


def test_a_table_without_room_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="max_rows=0 leaves no room for a session: use 1 or more"):
        MemoryTable(max_rows=0)


def test_writes_sweep_what_has_expired(table: MemoryTable, clock: FakeClock) -> None:
    for number in range(1000):
        table.insert(digest(number), row(clock))
    clock.advance(2 * HOUR)

    for number in range(1000, 1250):
        table.insert(digest(number), row(clock))

    assert len(table) == 250


@pytest.mark.parametrize("verb", ["replace", "touch", "remove"])
def test_every_write_sweeps_a_little(table: MemoryTable, clock: FakeClock, verb: str) -> None:
    table.insert(digest(0), row(clock, 9 * HOUR))
    for number in range(1, 11):
        table.insert(digest(number), row(clock))
    clock.advance(2 * HOUR)

    match verb:
        case "replace":
            table.replace(digest(0), row(clock), version=1)
        case "touch":
            table.touch(digest(0), clock() + HOUR, seen=clock())
        case _:
            table.remove(digest(99))

    assert len(table) == 11 - 4


def test_sweep_takes_the_expired_rows_of_this_minute_too_up_to_its_limit(table: MemoryTable, clock: FakeClock) -> None:
    for number in range(10):
        table.insert(digest(number), row(clock, timedelta(seconds=number + 121)))
    for number in range(10, 15):
        table.insert(digest(number), row(clock, timedelta(seconds=30)))
    clock.advance(timedelta(seconds=125))

    assert table.sweep(limit=7) == 7
    assert table.sweep() == 3
    assert table.sweep() == 0
    assert len(table) == 5


@pytest.mark.parametrize("later", [timedelta(seconds=30), timedelta(hours=1)], ids=["this minute's", "older ones"])
def test_a_long_sweep_lets_others_in_between(
    table: MemoryTable, clock: FakeClock, later: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1000):
        table.insert(digest(number), row(clock, timedelta(seconds=10)))
    clock.advance(later)
    others = itertools.count(1000)
    monkeypatch.setattr(
        "holdall.tables.memory.time.sleep",
        lambda seconds: table.insert(digest(next(others)), row(clock)),
    )

    swept = table.sweep(10_000)

    written = next(others) - 1000
    # Each of the writes has swept a little too, of what is older than this minute.
    assert 1000 - 4 * written <= swept <= 1000
    assert written >= 7
    assert len(table) == written


def test_what_was_touched_is_not_swept_at_its_old_time(table: MemoryTable, clock: FakeClock) -> None:
    table.insert(digest(0), row(clock))
    table.touch(digest(0), clock() + 3 * HOUR, seen=clock())
    table.touch(digest(0), clock() + 2 * HOUR, seen=clock())
    clock.advance(2 * HOUR + timedelta(minutes=1))

    assert table.sweep() == 0
    assert table.read(digest(0)) is not None

    clock.advance(HOUR)
    assert table.sweep() == 1


def test_rows_that_come_and_go_leave_nothing_behind(table: MemoryTable, clock: FakeClock) -> None:
    for _ in range(1000):
        table.insert(digest(0), row(clock, principal="7"))
        table.remove(digest(0))

    assert len(table) == 0
    assert table._of == {}
    assert len(table._buckets) == len(table._due) == 1

    clock.advance(2 * HOUR)
    table.sweep()
    assert table._buckets == []
    assert table._due == {}


def test_a_name_stands_for_one_table_with_one_clock(clock: FakeClock) -> None:
    table = MemoryTable.named("one table", clock=clock)

    assert MemoryTable.named("one table", clock=clock) is table
    assert MemoryTable.named("another", clock=clock) is not table
    with pytest.raises(ConfigurationError, match="'one table' is in use with another clock"):
        MemoryTable.named("one table", clock=FakeClock())


def test_expired_rows_are_replaced_by_an_insert(table: MemoryTable, clock: FakeClock) -> None:
    table.insert(digest(0), row(clock, timedelta(seconds=1), principal="7"))
    clock.advance(timedelta(seconds=1))

    assert table.find("7") == []
    assert table.insert(digest(0), row(clock, principal="8"))

    assert [each.digest for each in table.find("8")] == [digest(0)]
    assert len(table) == 1


def test_rows_and_what_is_listed_of_them_do_not_show_themselves(clock: FakeClock, table: MemoryTable) -> None:
    table.insert(digest(0), row(clock, principal="7"))

    assert repr(table.read(digest(0))) == "<Row>"
    assert repr(table.find("7")) == "[<Listed>]"


def test_a_principals_other_rows_stay_listed_when_one_goes(table: MemoryTable, clock: FakeClock) -> None:
    for number in range(2):
        table.insert(digest(number), row(clock, principal="7"))
        clock.advance(timedelta(seconds=1))

    table.remove(digest(0))

    assert [each.digest for each in table.find("7")] == [digest(1)]
