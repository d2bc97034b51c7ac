"""Test that connections of another process or event loop are not used."""

import asyncio

from holdall.tables import AsyncTable, Replacement
from holdall.testing._clock import FakeClock
from holdall.testing._forks import exit_code, forked
from holdall.testing._tables.rows import new_digest, new_row
from holdall.testing._tables.suite import TableSuite

__all__ = ["ConnectionTests"]

_ROUNDS = 25
_AT_ONCE = 4


class ConnectionTests(TableSuite, sealed=True):
    """A table serves the process and the event loop that use it now."""

    def test_a_forked_process_and_its_parent_each_get_their_own_answers(
        self, table: AsyncTable, clock: FakeClock, runner: asyncio.Runner
    ) -> None:
        self.needs_forks()
        digests = [new_digest() for _ in range(2 * _AT_ONCE)]

        async def insert() -> None:
            for digest in digests:
                await table.insert(digest, new_row(clock, digest))

        async def use(own: list[bytes]) -> None:
            async def use_one(digest: bytes) -> None:
                for version in range(1, _ROUNDS):
                    row = await table.read(digest)
                    assert row is not None
                    assert (row.data, row.version) == (digest, version)
                    after = new_row(clock, digest, version + 1)
                    assert await table.replace(digest, after, version=version) is Replacement.REPLACED

            await asyncio.gather(*map(use_one, own))

        runner.run(insert())
        # Concurrently, so that there are several connections to inherit.
        child = forked(lambda: asyncio.run(use(digests[:_AT_ONCE])))
        try:
            runner.run(use(digests[_AT_ONCE:]))
        finally:
            code = exit_code(child)

        assert code == 0, "the forked process failed: see its output"

    async def test_several_event_loops_may_use_it_one_after_another(self, table: AsyncTable, clock: FakeClock) -> None:
        self.needs_loops()
        digest, row = new_digest(), new_row(clock)
        await table.insert(digest, row)

        async def read() -> None:
            found = await asyncio.gather(*(table.read(digest) for _ in range(_AT_ONCE)))
            assert found == [row] * _AT_ONCE

        for _ in range(3):
            await asyncio.to_thread(asyncio.run, read())
            await read()
