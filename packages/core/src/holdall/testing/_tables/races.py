"""Run several workers at once: threads for a sync table, tasks for an async one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from holdall.tables import AsyncTable, Replacement, Tombstone
from holdall.testing._awaited import Awaited
from holdall.testing._clock import FakeClock
from holdall.testing._tables.rows import HOUR, SECOND, new_digest, new_principal, new_row
from holdall.testing._tables.suite import TableSuite

__all__ = ["RaceTests", "at_once", "is_in_memory"]

R = TypeVar("R")

_WORKERS = 8


class RaceTests(TableSuite, sealed=True):
    """Each verb is atomic among concurrent writers."""

    async def test_concurrent_replacements_with_retries_are_all_kept(self, table: AsyncTable, clock: FakeClock) -> None:
        rounds, digest = _rounds(table), new_digest()
        await table.insert(digest, new_row(clock, b"0"))

        async def count(_: int) -> None:
            for _ in range(rounds):
                await _increment(table, clock, digest)

        await at_once(table, count)

        row = await table.read(digest)
        assert row is not None
        assert (int(row.data), row.version) == (_WORKERS * rounds, 1 + _WORKERS * rounds)

    async def test_of_concurrent_replacements_of_one_version_one_wins(
        self, table: AsyncTable, clock: FakeClock
    ) -> None:
        for _ in range(_rounds(table)):
            digest = new_digest()
            await table.insert(digest, new_row(clock))

            async def replace(worker: int, digest: bytes = digest) -> Replacement:
                return await table.replace(digest, new_row(clock, str(worker).encode(), 2), version=1)

            answers = await at_once(table, replace)

            winner = answers.index(Replacement.REPLACED)
            assert answers.count(Replacement.CONFLICT) == _WORKERS - 1
            row = await table.read(digest)
            assert row is not None
            assert int(row.data) == winner

    async def test_of_concurrent_inserts_one_wins(self, table: AsyncTable, clock: FakeClock) -> None:
        for _ in range(_rounds(table)):
            digest = new_digest()

            async def insert(worker: int, digest: bytes = digest) -> bool:
                return await table.insert(digest, new_row(clock, str(worker).encode()))

            answers = await at_once(table, insert)

            row = await table.read(digest)
            assert row is not None
            assert [worker for worker, won in enumerate(answers) if won] == [int(row.data)]

    async def test_of_concurrent_removals_one_returns_the_row(self, table: AsyncTable, clock: FakeClock) -> None:
        for _ in range(_rounds(table)):
            digest, row = new_digest(), new_row(clock)
            await table.insert(digest, row)

            async def remove(worker: int, digest: bytes = digest) -> Any:
                return await table.remove(digest, tombstone=Tombstone(clock() + HOUR, b"-") if worker % 2 else None)

            answers = await at_once(table, remove)

            assert [answer for answer in answers if answer is not None] == [row]

    async def test_a_deleted_row_does_not_come_back(self, table: AsyncTable, clock: FakeClock) -> None:
        principal = new_principal()
        for _ in range(_rounds(table)):
            digest = new_digest()
            await table.insert(digest, new_row(clock, b"0", principal=principal))

            async def work(worker: int, digest: bytes = digest) -> Any:
                if worker == 0:
                    return await table.remove(digest)
                if worker == 1:
                    return await table.touch(digest, clock() + 2 * HOUR, seen=clock())
                return await _increment(table, clock, digest)

            await at_once(table, work)

            assert await table.read(digest) is None
        assert list(await table.find(principal)) == []

    async def test_a_cleared_row_does_not_come_back(self, table: AsyncTable, clock: FakeClock) -> None:
        digests = [new_digest() for _ in range(_WORKERS)]
        for digest in digests:
            await table.insert(digest, new_row(clock, b"0"))

        async def work(worker: int) -> None:
            if worker < 2:
                while await table.clear(clock(), 3):
                    pass
            else:
                for digest in digests:
                    await _increment(table, clock, digest)
                    await table.touch(digest, clock() + 2 * HOUR, seen=clock())

        await at_once(table, work)

        assert [await table.read(digest) for digest in digests] == [None] * _WORKERS

    async def test_touch_undoes_no_write(self, table: AsyncTable, clock: FakeClock) -> None:
        rounds, digest, row = _rounds(table), new_digest(), new_row(clock, b"0")
        await table.insert(digest, row)

        async def work(worker: int) -> None:
            for n in range(rounds):
                if worker % 2:
                    await table.touch(digest, row.expires + n * SECOND, seen=clock())
                else:
                    await _increment(table, clock, digest)

        await at_once(table, work)

        present = await table.read(digest)
        assert present is not None
        assert int(present.data) == _WORKERS // 2 * rounds


def _rounds(table: AsyncTable) -> int:
    """Return how often to race: less often where a verb takes long, and the workers always meet."""
    return 25 if is_in_memory(table) else 10


async def _increment(table: AsyncTable, clock: FakeClock, digest: bytes) -> None:
    """Add one to the number in a row, retrying after conflicts; leave a row that is gone."""
    while (row := await table.read(digest)) is not None:
        after = new_row(clock, str(int(row.data) + 1).encode(), row.version + 1)
        if await table.replace(digest, after, version=row.version) is not Replacement.CONFLICT:
            return


def is_in_memory(table: AsyncTable) -> bool:
    """Return whether each verb takes microseconds, so that a test can try often and must, because few workers meet."""
    return isinstance(table, Awaited) and not table.leaves_process


async def at_once(table: AsyncTable, work: Callable[[int], Awaitable[R]], *, workers: int = _WORKERS) -> list[R]:
    """Run *work* in each worker at once, and return their results."""
    if not isinstance(table, Awaited):
        return await asyncio.gather(*(work(n) for n in range(workers)))

    async def one(n: int) -> R:
        return await work(n)

    return await asyncio.gather(*(asyncio.to_thread(asyncio.run, one(n)) for n in range(workers)))
