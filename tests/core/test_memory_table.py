"""The table in memory, beyond the contract of all tables: its limits, its sweeping, its name."""

import tracemalloc
from datetime import timedelta
from typing import Any, cast

import pytest

from holdall import ConfigurationError, Event, MemoryTable, Sessions, StoreError, TableStore
from holdall.steps import run
from holdall.stores._renewal import end
from holdall.tables import Replacement, Row, Tombstone
from holdall.testing import FakeClock

HOUR = timedelta(hours=1)


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


def row(clock: FakeClock, lives: timedelta = HOUR, principal: str | None = None) -> Row:
    return Row(b"data", 1, clock() + lives, clock(), principal)


@pytest.fixture
def table(clock: FakeClock) -> MemoryTable:
    return MemoryTable(clock=clock)


def test_a_full_table_evicts_the_least_recently_used_row(clock: FakeClock) -> None:
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


def test_a_row_used_after_it_was_selected_for_eviction_stays(clock: FakeClock) -> None:
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
        False,
        True,
        True,
        False,
        True,
        True,
    ]


def test_a_large_table_evicts_from_the_new_rows_part_or_from_another_if_that_is_empty(
    clock: FakeClock,
) -> None:
    events: list[Event] = []
    table = MemoryTable(max_rows=2049, clock=clock)
    table.listen(events.append)
    # Two parts: one with all rows and one with none.
    of_one, of_other = ([digest(n) for n in range(10_000) if hash(digest(n)) % 2 == part] for part in (0, 1))
    for each in of_one[:2049]:
        table.insert(each, row(clock))

    for each in of_other[:2]:
        table.insert(each, row(clock))

    assert [table.read(each) is not None for each in (*of_one[:2], *of_other[:2])] == [False, True, False, True]
    assert len(events) == 2
    assert len(table) == 2049


def test_expired_rows_are_removed_before_a_live_one_is_evicted(clock: FakeClock) -> None:
    events: list[Event] = []
    table = MemoryTable(max_rows=2, clock=clock)
    table.listen(events.append)
    table.insert(digest(0), row(clock, HOUR))
    table.insert(digest(1), row(clock, 3 * HOUR))
    clock.advance(2 * HOUR)

    table.insert(digest(2), row(clock))

    assert [table.read(digest(number)) is not None for number in range(3)] == [False, True, True]
    assert events == []


def test_a_recorded_read_of_a_removed_row_does_no_harm(clock: FakeClock) -> None:
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


def test_a_listener_added_through_two_stores_is_called_once(clock: FakeClock) -> None:
    events: list[Event] = []
    table = MemoryTable.named("told once", clock=clock)
    table.max_rows = 1
    sessions = Sessions("table", key="sid", table="told once", on_event=events.append, clock=clock)
    sessions.prepare("sync")
    sessions.prepare("async")

    table.insert(digest(0), row(clock))
    table.insert(digest(1), row(clock))

    assert [event.name for event in events] == ["evicted"]


@pytest.mark.parametrize(("option", "least"), [("max_rows", 1), ("max_bytes", 663)])
def test_a_table_without_room_is_refused(option: str, least: int) -> None:
    with pytest.raises(ConfigurationError, match=f"{option}=0 leaves no room for a session: use {least} or more"):
        MemoryTable(**cast("dict[str, Any]", {option: 0}))
    MemoryTable(**cast("dict[str, Any]", {option: least}))


def test_anonymous_visitors_evict_no_logged_in_users(clock: FakeClock) -> None:
    table = MemoryTable(max_rows=1000, clock=clock)
    for number in range(800):
        table.insert(digest(number), row(clock, principal=str(number)))
    anonymous = [digest(number) for number in range(800, 1200)]
    for each in anonymous[:200]:
        table.insert(each, row(clock))
    for _ in range(21):
        for each in anonymous[:200]:
            table.read(each)

    for each in anonymous[200:]:
        table.insert(each, row(clock))

    assert all(table.read(digest(number)) for number in range(800))
    assert [table.read(each) is not None for each in anonymous] == [False] * 200 + [True] * 200


def test_an_anonymous_row_is_evicted_first_wherever_it_is_in_a_large_table(clock: FakeClock) -> None:
    table = MemoryTable(max_rows=10_000, clock=clock)
    nobodys = digest(0)
    table.insert(nobodys, row(clock))
    for number in range(1, 10_000):
        table.insert(digest(number), row(clock, principal="7"))
        table.read(nobodys)

    table.insert(digest(10_000), row(clock, principal="8"))
    assert table.read(nobodys) is None
    assert len(table.find("7")) == 9_999

    table.insert(digest(10_001), row(clock, principal="8"))
    assert len(table.find("7")) == 9_998


def test_logouts_of_anonymous_visitors_log_no_users_out(clock: FakeClock) -> None:
    table = MemoryTable(max_rows=50, clock=clock)
    sessions = Sessions(TableStore(table), key="sid", clock=clock)
    users = []
    for number in range(20):
        session = sessions.fetch()
        session.login(number)
        users.append(sessions.commit(session).cookie)
    visitor = None
    for _ in range(100):
        session = sessions.resume(visitor)
        session.logout()
        session["notice"] = "You have logged out."
        visitor = sessions.commit(session).cookie

    assert [sessions.resume(each).principal for each in users] == [str(number) for number in range(20)]
    assert sessions.resume(visitor)["notice"]


def test_what_anonymous_sessions_leave_is_evicted_after_their_rows_and_before_those_of_users(clock: FakeClock) -> None:
    table = MemoryTable(max_rows=5, clock=clock)
    table.insert(digest(0), row(clock, principal="7"))
    # The first eviction remembers the rows of all others.
    for number in range(1, 6):
        table.insert(digest(number), row(clock))
    table.remove(digest(2), tombstone=Tombstone(clock() + HOUR, b"next"))
    table.remove(digest(3))
    table.insert(digest(3), row(clock)._replace(version=0))

    for number in range(6, 10):
        table.insert(digest(number), row(clock, principal="7"))

    assert [table.read(digest(number)) is not None for number in range(10)] == [True, *[False] * 5, *[True] * 4]


@pytest.mark.parametrize("evicted", range(5))
def test_rows_of_some_kinds_are_evicted_before_others(clock: FakeClock, evicted: int) -> None:
    table = MemoryTable(max_rows=5, clock=clock)
    anonymous, tombstone, note, users, users_note = map(digest, range(5))
    table.insert(users_note, row(clock, principal="7")._replace(version=0))
    table.insert(users, row(clock, principal="7"))
    table.insert(tombstone, row(clock))
    table.remove(tombstone, tombstone=Tombstone(clock() + HOUR, b"next"))
    table.insert(note, row(clock)._replace(version=0))
    table.insert(anonymous, row(clock))

    for number in range(5, 5 + evicted):
        table.insert(digest(number), row(clock, principal="8"))

    left = [table.read(each) is not None for each in (anonymous, tombstone, note, users, users_note)]
    assert left == [evicted < 1, evicted < 2, evicted < 3, evicted < 4, True]


def test_a_row_that_is_not_a_session_but_belongs_to_a_users_is_never_evicted(clock: FakeClock) -> None:
    table = MemoryTable(max_rows=4, clock=clock)
    table.insert(digest(0), row(clock, principal="7"))
    table.remove(digest(0), tombstone=Tombstone(clock() + HOUR, b"next"))
    table.insert(digest(1), row(clock, principal="7")._replace(version=0))

    for number in range(2, 100):
        table.insert(digest(number), row(clock, principal=str(number) if number % 2 else None))

    assert [table.read(digest(number)) is not None for number in range(2)] == [True, True]
    assert len(table) == 4


def test_anonymous_visitors_do_not_evict_the_mark_of_a_session_that_ended_during_its_renewal(clock: FakeClock) -> None:
    table = MemoryTable(max_rows=4, clock=clock)
    table.insert(digest(0), row(clock, principal="7"))
    table.remove(digest(0), tombstone=Tombstone(clock() + HOUR, digest(1)))
    run(end(table, digest(0)))

    for number in range(2, 100):
        table.insert(digest(number), row(clock))

    assert table.insert(digest(1), row(clock, principal="7")) is False


def test_a_table_that_may_evict_nothing_refuses_new_rows_and_lets_sessions_end(clock: FakeClock) -> None:
    table = MemoryTable(max_rows=3, name="small", clock=clock)
    for number in range(3):
        table.insert(digest(number), row(clock, principal="7"))
    for number in range(3):
        assert table.remove(digest(number), tombstone=Tombstone(clock() + HOUR, bytes(33))) is not None

    with pytest.raises(StoreError, match=r"'small' has no room for a row .* raise max_rows=3 or max_bytes="):
        table.insert(digest(3), row(clock))

    assert len(table) == 3
    assert table.read(digest(3)) is None
    clock.advance(HOUR)
    assert table.insert(digest(3), row(clock)) is True


@pytest.mark.parametrize("principal", [None, "7"])
def test_a_row_that_outgrows_the_table_is_not_evicted_for_itself(clock: FakeClock, principal: str | None) -> None:
    table = MemoryTable(max_bytes=11_000, name="small", clock=clock)
    table.insert(digest(0), row(clock, principal=principal))
    for number in range(1, 10):
        table.insert(digest(number), row(clock, principal="8"))
        table.remove(digest(number), tombstone=Tombstone(clock() + HOUR, bytes(33)))

    grown = big(clock, 8, principal)._replace(version=2)
    with pytest.raises(StoreError, match="no other row in it may be evicted"):
        table.replace(digest(0), grown, version=1)

    assert table.read(digest(0)) == row(clock, principal=principal)


def big(clock: FakeClock, kilobytes: int, principal: str | None = None) -> Row:
    return row(clock, principal=principal)._replace(data=bytes(kilobytes * 1000))


def test_the_total_size_is_limited_too(clock: FakeClock) -> None:
    events: list[Event] = []
    table = MemoryTable(max_rows=100, max_bytes=11_000, clock=clock)
    table.listen(events.append)
    for number in range(6):
        table.insert(digest(number), big(clock, 1))
    assert events == []

    table.insert(digest(6), big(clock, 3))

    assert [table.read(digest(number)) is not None for number in range(7)] == [False, False, *[True] * 5]
    assert events == [Event("evicted", "memory", "2 of 6 rows")]


def test_a_removed_row_frees_its_bytes(clock: FakeClock) -> None:
    events: list[Event] = []
    table = MemoryTable(max_rows=100, max_bytes=11_000, clock=clock)
    table.listen(events.append)
    for number in range(1000):
        table.insert(digest(number), big(clock, 1, "7")._replace(client="a" * 100))
        table.replace(digest(number), big(clock, 5)._replace(client="a" * 100), version=1)
        match number % 4:
            case 0:
                table.remove(digest(number))
            case 1:
                table.remove(digest(number), tombstone=Tombstone(clock() + HOUR, bytes(9000)))
                clock.advance(HOUR)
            case 2:
                table.clear(clock())
            case _:
                clock.advance(HOUR)

    assert events == []


def test_a_growing_row_evicts_others_and_stays(clock: FakeClock) -> None:
    table = MemoryTable(max_rows=100, max_bytes=11_000, clock=clock)
    for number in range(6):
        table.insert(digest(number), big(clock, 1))

    assert table.replace(digest(0), big(clock, 4)._replace(version=2), version=1) is Replacement.REPLACED

    assert [table.read(digest(number)) is not None for number in range(6)] == [True, False, False, True, True, True]


def test_a_row_too_large_for_the_table_is_refused_and_evicts_nothing(clock: FakeClock) -> None:
    table = MemoryTable(max_rows=100, max_bytes=11_000, clock=clock)
    for number in range(6):
        table.insert(digest(number), big(clock, 1))

    with pytest.raises(StoreError, match="no room for a row of 11,"):
        table.insert(digest(6), big(clock, 11))
    with pytest.raises(StoreError, match="no room for a row of 11,"):
        table.replace(digest(0), big(clock, 11)._replace(version=2), version=1)

    assert [table.read(digest(number)) for number in range(7)] == [*[big(clock, 1)] * 6, None]


@pytest.mark.parametrize("field", ["principal", "client"])
def test_its_principal_and_its_client_count_as_bytes_of_a_row(clock: FakeClock, field: str) -> None:
    table = MemoryTable(max_rows=100, max_bytes=11_000, clock=clock)

    with pytest.raises(StoreError, match="no room for a row of 11,"):
        table.insert(digest(0), row(clock)._replace(**{field: "a" * 11_000}))


def test_expired_rows_anywhere_in_a_large_table_make_room(clock: FakeClock) -> None:
    events: list[Event] = []
    table = MemoryTable(max_rows=10_000, clock=clock)
    table.listen(events.append)
    for number in range(9_900):
        table.insert(digest(number), row(clock, 9 * HOUR))
    for number in range(9_900, 10_000):
        table.insert(digest(number), row(clock, HOUR))
    clock.advance(HOUR)

    for number in range(10_000, 10_100):
        table.insert(digest(number), row(clock, 9 * HOUR))

    assert events == []
    assert len(table) == 10_000


def test_writes_sweep_expired_rows(table: MemoryTable, clock: FakeClock) -> None:
    for number in range(1000):
        table.insert(digest(number), row(clock))
    clock.advance(2 * HOUR)

    for number in range(1000, 1250):
        table.insert(digest(number), row(clock))

    assert len(table) == 250


@pytest.mark.parametrize("verb", ["replace", "touch", "remove"])
def test_every_write_sweeps_a_few_rows(table: MemoryTable, clock: FakeClock, verb: str) -> None:
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


def test_sweep_includes_rows_that_expired_this_minute_up_to_its_limit(table: MemoryTable, clock: FakeClock) -> None:
    for number in range(10):
        table.insert(digest(number), row(clock, timedelta(seconds=number + 121)))
    for number in range(10, 15):
        table.insert(digest(number), row(clock, timedelta(seconds=30)))
    clock.advance(timedelta(seconds=125))

    assert table.sweep(limit=7) == 7
    assert table.sweep() == 3
    assert table.sweep() == 0
    assert len(table) == 5


def test_a_touched_row_is_not_swept_at_its_old_expiry(table: MemoryTable, clock: FakeClock) -> None:
    table.insert(digest(0), row(clock))
    table.touch(digest(0), clock() + 3 * HOUR, seen=clock())
    table.touch(digest(0), clock() + 2 * HOUR, seen=clock())
    clock.advance(2 * HOUR + timedelta(minutes=1))

    assert table.sweep() == 0
    assert table.read(digest(0)) is not None

    clock.advance(HOUR)
    assert table.sweep() == 1


def test_a_sweep_removes_no_more_than_it_may(clock: FakeClock) -> None:
    table = MemoryTable(clock=clock)
    for number in range(500):
        table.insert(digest(number), row(clock))
    clock.advance(HOUR)

    assert [table.sweep(limit=150) for _ in range(4)] == [150, 150, 150, 50]


def test_rows_that_come_and_go_leave_nothing_behind(clock: FakeClock) -> None:
    table = MemoryTable(max_rows=100, clock=clock)
    table.insert(digest(1_000_000), row(clock, principal="stays"))

    def come_and_go(numbers: range) -> None:
        for number in numbers:
            table.insert(digest(number), row(clock, principal="stays"))
            table.remove(digest(number))
            table.insert(digest(number), row(clock, principal=str(number)))
            table.replace(digest(number), row(clock, HOUR - timedelta(seconds=1)), version=1)
            table.remove(digest(number))

    come_and_go(range(1000))
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    come_and_go(range(1000, 11_000))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(table) == 1
    assert after - before < 50_000


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


def test_the_repr_of_a_row_hides_its_contents(clock: FakeClock, table: MemoryTable) -> None:
    table.insert(digest(0), row(clock, principal="7"))

    assert repr(table.read(digest(0))) == "<Row>"
    assert repr(table.find("7")) == "[<RowInfo>]"


def test_a_principals_other_rows_stay_listed_when_one_is_removed(table: MemoryTable, clock: FakeClock) -> None:
    for number in range(2):
        table.insert(digest(number), row(clock, principal="7"))
        clock.advance(timedelta(seconds=1))

    table.remove(digest(0))

    assert [each.digest for each in table.find("7")] == [digest(1)]


def test_the_only_row_is_not_evicted_for_itself(clock: FakeClock) -> None:
    table = MemoryTable(max_rows=100, max_bytes=11_000, clock=clock)
    assert table.insert(digest(0), row(clock))

    larger = Row(b"x" * 20_000, 2, clock() + HOUR, clock(), None)
    with pytest.raises(StoreError, match="no room"):
        table.replace(digest(0), larger, version=1)

    assert table.read(digest(0)) is not None
