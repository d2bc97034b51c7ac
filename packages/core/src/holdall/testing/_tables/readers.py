"""Test readers that arrive during a verb: they see the row as it was before the verb or as it is after it."""

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import Any

from holdall.tables import AsyncTable, Replacement, Row, Tombstone
from holdall.testing._awaited import Awaited
from holdall.testing._clock import FakeClock
from holdall.testing._tables.races import at_once, is_in_memory
from holdall.testing._tables.rows import HOUR, SECOND, new_digest, new_principal, new_row
from holdall.testing._tables.suite import TableSuite

__all__ = ["ReaderTests"]

Rows = dict[bytes, Row]
Doing = Callable[[bytes, Row], Coroutine[Any, Any, None]]

# The number of readers for each kind of look.
_READERS = 2
# A look that takes longer is waiting for a lock, which the verb holds.
_PATIENCE_SECONDS = 0.05


class ReaderTests(TableSuite, sealed=True):
    """
    Each verb is atomic for concurrent readers, who must not need a lock.

    If a table answers without a network, a reader also looks before each instruction of a verb.
    """

    async def test_a_removed_row_is_read_and_found_until_its_tombstone_is(
        self, table: AsyncTable, clock: FakeClock
    ) -> None:
        async def remove(digest: bytes, row: Row) -> None:
            await table.remove(digest, tombstone=Tombstone(row.expires, b"the next row"))

        async def read(digest: bytes, row: Row) -> None:
            present = await table.read(digest)
            assert present is not None
            assert present in (row, Row(b"the next row", 0, row.expires, row.created, row.principal))

        await _while_others_look(table, await _filled(table, clock), remove, read, _finds(table))

    async def test_a_removed_row_is_not_found_once_it_cannot_be_read(self, table: AsyncTable, clock: FakeClock) -> None:
        async def remove(digest: bytes, row: Row) -> None:
            await table.remove(digest)

        async def look(digest: bytes, row: Row) -> None:
            present = await table.read(digest)
            assert present in (None, row)
            if present is None:
                assert list(await table.find(row.principal or "")) == []
                assert await table.read(digest) is None

        await _while_others_look(table, await _filled(table, clock), remove, look)

    async def test_a_replaced_row_is_read_whole_and_found(self, table: AsyncTable, clock: FakeClock) -> None:
        async def replace(digest: bytes, row: Row) -> None:
            for version, lives in ((1, 2 * HOUR), (2, HOUR)):
                new = new_row(clock, b"%d" % (version + 1), version + 1, lives=lives)
                assert await table.replace(digest, new, version=version) is Replacement.REPLACED

        async def read(digest: bytes, row: Row) -> None:
            expected = {
                1: row,
                2: row._replace(data=b"2", version=2, expires=row.expires + HOUR),
                3: row._replace(data=b"3", version=3),
            }
            present = await table.read(digest)
            assert present is not None
            assert present == expected[present.version]
            again = await table.read(digest)
            assert again is not None
            assert again.version >= present.version

        await _while_others_look(table, await _filled(table, clock), replace, read, _finds(table))

    async def test_a_touched_row_is_read_and_found_and_its_times_never_go_back(
        self, table: AsyncTable, clock: FakeClock
    ) -> None:
        async def touch(digest: bytes, row: Row) -> None:
            for n in (1, 2):
                await table.touch(digest, row.expires + n * SECOND, seen=clock() + n * SECOND)

        async def read(digest: bytes, row: Row) -> None:
            present, again = await table.read(digest), await table.read(digest)
            assert present is not None
            assert again is not None
            assert present == row._replace(expires=present.expires, seen=clock() + (present.expires - row.expires))
            assert row.expires <= present.expires <= again.expires

        await _while_others_look(table, await _filled(table, clock), touch, read, _finds(table))

    async def test_an_inserted_row_is_read_whole_and_found_from_then_on(
        self, table: AsyncTable, clock: FakeClock
    ) -> None:
        finds = _finds(table)

        async def insert(digest: bytes, row: Row) -> None:
            assert await table.insert(digest, row) is True

        async def look(digest: bytes, row: Row) -> None:
            present = await table.read(digest)
            assert present in (None, row)
            if present is not None:
                await finds(digest, row)

        await _while_others_look(table, _rows(table, clock), insert, look)

    async def test_a_row_that_replaces_an_expired_one_is_never_found_under_the_old_principal(
        self, table: AsyncTable, clock: FakeClock
    ) -> None:
        old, finds = await _filled(table, clock), _finds(table)
        clock.advance(HOUR)

        async def insert(digest: bytes, row: Row) -> None:
            assert await table.insert(digest, row) is True

        async def look(digest: bytes, row: Row) -> None:
            present = await table.read(digest)
            assert present in (None, row)
            assert list(await table.find(old[digest].principal or "")) == []
            if present is not None:
                await finds(digest, row)

        new = {digest: new_row(clock, b"new", principal=new_principal()) for digest in old}
        await _while_others_look(table, new, insert, look)

    async def test_a_refused_verb_has_no_visible_effect(self, table: AsyncTable, clock: FakeClock) -> None:
        async def try_to_write(digest: bytes, row: Row) -> None:
            assert await table.insert(digest, new_row(clock, b"other", principal=new_principal())) is False
            assert await table.replace(digest, new_row(clock, b"other", 3), version=2) is Replacement.CONFLICT

        async def read(digest: bytes, row: Row) -> None:
            assert await table.read(digest) == row

        await _while_others_look(table, await _filled(table, clock), try_to_write, read, _finds(table))

    async def test_live_rows_can_be_read_and_found_during_sweep_and_clear(
        self, table: AsyncTable, clock: FakeClock
    ) -> None:
        for n in range(_rounds(table)):
            await table.insert(new_digest(), new_row(clock, lives=HOUR if n % 2 else 3 * HOUR))
        clock.advance(HOUR)

        async def sweep_and_clear(digest: bytes, row: Row) -> None:
            await table.sweep(1)
            await table.clear(clock() - HOUR, 1)

        async def read(digest: bytes, row: Row) -> None:
            assert await table.read(digest) == row

        await _while_others_look(table, await _filled(table, clock), sweep_and_clear, read, _finds(table))


def _rounds(table: AsyncTable) -> int:
    """Return how often to try: less often where each try is a round trip to a server."""
    if is_in_memory(table):
        return 200
    return 40 if isinstance(table, Awaited) else 20


def _rows(table: AsyncTable, clock: FakeClock) -> Rows:
    return {new_digest(): new_row(clock, b"data", principal=new_principal()) for _ in range(_rounds(table))}


async def _filled(table: AsyncTable, clock: FakeClock) -> Rows:
    """Insert rows, each with its own principal, and return them."""
    rows = _rows(table, clock)
    for digest, row in rows.items():
        await table.insert(digest, row)
    return rows


def _finds(table: AsyncTable) -> Doing:
    async def finds(digest: bytes, row: Row) -> None:
        assert [each.digest for each in await table.find(row.principal or "")] == [digest]

    return finds


async def _while_others_look(table: AsyncTable, rows: Rows, act: Doing, *looks: Doing) -> None:
    """Apply *act* to each row while others *look* at it."""
    items = list(rows.items())
    if isinstance(table, Awaited) and not table.blocking_reads:
        for look in looks:
            _look_before_each_instruction(*items.pop(), act, look)
    at_work, over = items[0], threading.Event()

    async def work(worker: int) -> None:
        nonlocal at_work
        if worker > 0:
            look = looks[worker % len(looks)]
            while not over.is_set():
                await look(*at_work)
                if not isinstance(table, Awaited):
                    await asyncio.sleep(0)
            return
        try:
            for item in items:
                at_work = item
                await act(*item)
        finally:
            over.set()

    with _eager_threads():
        await at_once(table, work, workers=1 + _READERS * len(looks))


def _look_before_each_instruction(digest: bytes, row: Row, act: Doing, look: Doing) -> None:
    """Run *act*, and have another thread *look* before each of its bytecode instructions."""
    looks: list[Future[None]] = []

    def trace(
        frame: Any, event: str, argument: object
    ) -> Any:  # pragma: no cover  # Python does not trace trace functions
        frame.f_trace_opcodes = True
        if not looks or looks[-1].done():
            looks.append(onlooker.submit(_run, look(digest, row)))
            wait(looks[-1:], _PATIENCE_SECONDS)
        return trace

    before = sys.gettrace()
    with ThreadPoolExecutor(1) as onlooker:
        sys.settrace(trace)
        try:
            _run(act(digest, row))
        finally:
            sys.settrace(before)
    for each in looks:
        each.result()


def _run(steps: Coroutine[Any, Any, None]) -> None:
    """Run *steps*, which wait for nothing, to their end."""
    with suppress(StopIteration):
        steps.send(None)


@contextmanager
def _eager_threads() -> Iterator[None]:
    """Make threads switch hundreds of times as often as usual, so that some do so in the middle of a verb."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
