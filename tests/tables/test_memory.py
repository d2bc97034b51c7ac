"""The memory table with threads, and its behaviour without any."""

import random
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise

import pytest

from holdall import Event, MemoryTable, StoreError
from holdall.tables import Replacement, Row, Tombstone
from holdall.testing import FakeClock

HOUR = timedelta(hours=1)


@pytest.fixture
def _eager_threads() -> Iterator[None]:
    """Make threads switch far more often than usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def row(clock: FakeClock, data: bytes = b"{}", *, version: int = 1, principal: str | None = None) -> Row:
    return Row(data, version, clock() + HOUR, clock(), principal)


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


@pytest.mark.usefixtures("_eager_threads")
def test_eight_threads_leave_the_table_consistent(clock: FakeClock) -> None:
    table = MemoryTable(clock=clock, max_rows=40)
    principals = ["ada", "bob", None]

    def work(seed: int) -> Counter[str]:
        chance = random.Random(seed)
        done: Counter[str] = Counter()
        for _ in range(3000):
            each = digest(chance.randrange(60))
            match chance.randrange(6):
                case 0:
                    # By then it may be full of tombstones, which are never evicted.
                    with suppress(StoreError):
                        done["inserted"] += table.insert(each, row(clock, principal=chance.choice(principals)))
                case 1:
                    present = table.read(each)
                    if present is not None and not present.is_tombstone:
                        version = present.version
                        answer = table.replace(each, row(clock, version=version + 1), version=version)
                        done["replaced"] += answer is Replacement.REPLACED
                case 2:
                    done["touched"] += table.touch(each, clock() + chance.randrange(1, 5) * HOUR, seen=clock())
                case 3:
                    tombstone = Tombstone(clock() + HOUR, b"") if chance.random() < 0.3 else None
                    done["deleted"] += table.remove(each, tombstone=tombstone) is not None
                case 4:
                    assert all(listed.expires > clock() for listed in table.find("ada"))
                case 5:
                    table.sweep(3)
        return done

    with ThreadPoolExecutor(8) as threads:
        done = sum(threads.map(work, range(8)), Counter[str]())

    assert min(done[what] for what in ("inserted", "replaced", "touched", "deleted")) > 0
    assert len(table) <= 40
    live = {each: table.read(digest(each)) for each in range(60)}
    for principal in ("ada", "bob"):
        found = {int.from_bytes(listed.digest, "big") for listed in table.find(principal)}
        assert found == {each for each, present in live.items() if present and present.principal == principal}
    clock.advance(10 * HOUR)
    table.sweep()
    assert len(table) == 0
    assert table.find("ada") == table.find("bob") == []


@pytest.mark.usefixtures("_eager_threads")
def test_readers_see_whole_rows_while_others_write(clock: FakeClock) -> None:
    table = MemoryTable(clock=clock)
    table.insert(digest(1), row(clock, b"1"))
    together, over = threading.Barrier(5), threading.Event()

    def read() -> int:
        seen = 0
        together.wait()
        while seen == 0 or not over.is_set():
            present = table.read(digest(1))
            assert present is not None
            assert int(present.data) == present.version >= seen
            seen = present.version
        return seen

    with ThreadPoolExecutor(4) as threads:
        readers = [threads.submit(read) for _ in range(4)]
        together.wait()
        for version in range(1, 5000):
            table.replace(digest(1), row(clock, str(version + 1).encode(), version=version + 1), version=version)
        over.set()

    assert all(0 < reader.result() <= 5000 for reader in readers)


def test_the_memory_table_starts_no_thread(clock: FakeClock) -> None:
    before = set(threading.enumerate())
    table = MemoryTable(clock=clock)
    for number in range(100):
        table.insert(digest(number), row(clock))
    clock.advance(2 * HOUR)
    table.sweep()

    # Threads of earlier tests may end at any time.
    assert set(threading.enumerate()) <= before


def test_rows_are_evicted_in_the_order_of_their_use(clock: FakeClock) -> None:
    events: list[Event] = []
    table = MemoryTable(clock=clock, max_rows=4, name="small")
    table.listen(events.append)
    for number in range(4):
        table.insert(digest(number), row(clock, principal="one"))
    for used in (2, 0, 3):
        table.read(digest(used))

    evicted, left = [], {0, 1, 2, 3}
    for number in range(4, 8):
        table.insert(digest(number), row(clock, principal="other"))
        gone = left - {int.from_bytes(each.digest, "big") for each in table.find("one")}
        evicted += gone
        left -= gone

    assert evicted == [1, 2, 0, 3]
    assert [(event.name, event.key) for event in events] == [("evicted", "small")] * 4
    assert len(table) == 4


@pytest.mark.usefixtures("_eager_threads")
def test_find_returns_rows_from_one_moment(clock: FakeClock) -> None:
    table = MemoryTable(clock=clock)
    for number in range(2):
        table.insert(digest(number), row(clock, principal="7"))
    over = threading.Event()

    def find() -> None:
        while not over.is_set():
            times = {each.digest: each.expires for each in table.find("7")}
            # If two rows are touched one after the other, the second is never seen ahead of the first.
            assert times[digest(0)] - times[digest(1)] in (timedelta(0), timedelta(seconds=1))

    with ThreadPoolExecutor(2) as threads:
        readers = [threads.submit(find) for _ in range(2)]
        for n in range(2000):
            for number in range(2):
                table.touch(digest(number), clock() + HOUR + n * timedelta(seconds=1), seen=clock())
        over.set()

    assert [reader.result() for reader in readers] == [None, None]


def test_a_write_sweeps_a_few_rows_and_no_more(clock: FakeClock) -> None:
    table = MemoryTable(clock=clock)
    for number in range(1000):
        table.insert(digest(number), row(clock))
    clock.advance(2 * HOUR)

    left = [len(table)]
    for number in range(1000, 1005):
        table.insert(digest(number), row(clock))
        left.append(len(table) - (number - 999))

    taken = [before - after for before, after in pairwise(left)]
    assert all(1 < swept < 10 for swept in taken)
