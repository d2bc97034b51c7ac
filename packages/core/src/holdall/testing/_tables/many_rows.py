"""Test each verb that searches for rows, by itself."""

from datetime import timedelta

from holdall.tables import AsyncTable, Replacement, RowInfo
from holdall.testing._clock import FakeClock
from holdall.testing._tables.rows import HOUR, SECOND, leave_tombstone, new_digest, new_principal, new_row, pointer
from holdall.testing._tables.suite import TableSuite

__all__ = ["ManyRowsTests"]


class ManyRowsTests(TableSuite, sealed=True):
    """``find clear sweep``."""

    # find

    async def test_find_returns_one_principals_rows_oldest_first(self, table: AsyncTable, clock: FakeClock) -> None:
        principal = new_principal()
        rows = {
            new_digest(): new_row(clock, age=n * HOUR, lives=n * HOUR, principal=principal, client=f"client {n}")
            # Enough rows that no other order gives this one by chance.
            for n in (2, 7, 4, 1, 6, 3, 8, 5)
        }
        for digest, row in rows.items():
            await table.insert(digest, row)
        await table.insert(new_digest(), new_row(clock, principal=new_principal()))
        await table.insert(new_digest(), new_row(clock))

        found = await table.find(principal)

        expected = sorted(rows.items(), key=lambda item: item[1].created)
        assert list(found) == [
            RowInfo(digest, row.created, row.expires, row.client, row.seen) for digest, row in expected
        ]

    async def test_find_returns_nothing_for_an_unknown_principal(self, table: AsyncTable, clock: FakeClock) -> None:
        await table.insert(new_digest(), new_row(clock))

        assert list(await table.find(new_principal())) == []
        assert list(await table.find("")) == []

    async def test_find_sees_the_changes_of_touch_and_replace(self, table: AsyncTable, clock: FakeClock) -> None:
        principal = new_principal()
        touched, replaced = new_digest(), new_digest()
        for digest in (touched, replaced):
            await table.insert(digest, new_row(clock, lives=HOUR, principal=principal, client="a telephone"))
        clock.advance(SECOND)
        later = clock() + 2 * HOUR
        await table.touch(touched, later, seen=clock())
        await table.replace(replaced, new_row(clock, version=2, lives=2 * HOUR), version=1)

        found = await table.find(principal)
        assert {(each.expires, each.client, each.seen) for each in found} == {(later, "a telephone", clock())}
        clock.advance(HOUR)
        assert {each.digest for each in await table.find(principal)} == {touched, replaced}

    async def test_find_omits_deleted_rows(self, table: AsyncTable, clock: FakeClock) -> None:
        principal = new_principal()
        digests = [new_digest() for _ in range(3)]
        for digest in digests:
            await table.insert(digest, new_row(clock, principal=principal))
        await table.remove(digests[0])

        assert {each.digest for each in await table.find(principal)} == set(digests[1:])

    async def test_find_returns_a_tombstone_until_it_expires(self, table: AsyncTable, clock: FakeClock) -> None:
        digest, principal = new_digest(), new_principal()
        row = new_row(clock, age=HOUR, principal=principal, client="a telephone")
        await table.insert(digest, row)
        until = clock() + timedelta(minutes=1)
        await table.remove(digest, tombstone=pointer(until))

        assert list(await table.find(principal)) == [RowInfo(digest, row.created, until, is_tombstone=True)]
        clock.advance(timedelta(minutes=1))
        assert list(await table.find(principal)) == []

    async def test_find_omits_expired_rows(self, table: AsyncTable, clock: FakeClock) -> None:
        principal, lasting = new_principal(), new_digest()
        await table.insert(new_digest(), new_row(clock, lives=HOUR, principal=principal))
        await table.insert(lasting, new_row(clock, lives=2 * HOUR, principal=principal))
        clock.advance(HOUR)

        assert [each.digest for each in await table.find(principal)] == [lasting]
        await table.sweep()
        assert [each.digest for each in await table.find(principal)] == [lasting]

    # clear

    async def test_clear_removes_rows_that_began_at_or_before_the_given_time(
        self, table: AsyncTable, clock: FakeClock
    ) -> None:
        principal = new_principal()
        older, now, newer = (new_digest() for _ in range(3))
        for digest, age in ((older, HOUR), (now, 0 * HOUR), (newer, -SECOND)):
            await table.insert(digest, new_row(clock, age=age, principal=principal))

        assert await table.clear(clock()) == 2
        assert [await table.read(digest) is None for digest in (older, now, newer)] == [True, True, False]
        assert [each.digest for each in await table.find(principal)] == [newer]

    async def test_clear_considers_only_when_rows_began(self, table: AsyncTable, clock: FakeClock) -> None:
        digest, row = new_digest(), new_row(clock)
        await table.insert(digest, row)
        clock.advance(HOUR / 2)
        await table.replace(digest, new_row(clock, version=2, lives=2 * HOUR), version=1)

        assert await table.clear(row.created - SECOND) == 0
        assert await table.clear(row.created) == 1

    async def test_clear_removes_tombstones_and_other_notes_too(self, table: AsyncTable, clock: FakeClock) -> None:
        renewed, note = new_digest(), new_digest()
        await leave_tombstone(table, clock, renewed)
        await table.insert(note, new_row(clock, version=0))

        assert await table.clear(clock()) == 2
        assert [await table.read(digest) for digest in (renewed, note)] == [None, None]

    async def test_clear_removes_at_most_the_limit_and_returns_the_number(
        self, table: AsyncTable, clock: FakeClock
    ) -> None:
        for _ in range(10):
            await table.insert(new_digest(), new_row(clock))

        assert [await table.clear(clock(), limit) for limit in (3, 1, 100, 100)] == [3, 1, 6, 0]

    async def test_a_cleared_row_can_only_be_inserted_anew(self, table: AsyncTable, clock: FakeClock) -> None:
        digest, row = new_digest(), new_row(clock)
        await table.insert(digest, row)
        await table.clear(clock())

        assert await table.replace(digest, new_row(clock, version=2), version=1) is Replacement.GONE
        assert await table.touch(digest, row.expires, seen=clock()) is False
        assert await table.remove(digest, tombstone=pointer(row.expires)) is None
        assert await table.insert(digest, row) is True

    # sweep

    async def test_sweep_leaves_live_rows(self, table: AsyncTable, clock: FakeClock) -> None:
        live, renewed, expired = new_digest(), new_digest(), new_digest()
        await table.insert(live, new_row(clock, lives=2 * HOUR))
        await table.insert(renewed, new_row(clock, lives=2 * HOUR))
        await table.remove(renewed, tombstone=pointer(clock() + 2 * HOUR))
        await table.insert(expired, new_row(clock, lives=HOUR))
        clock.advance(HOUR)

        await table.sweep()

        assert await table.read(live) is not None
        assert await table.read(renewed) is not None
        assert await table.read(expired) is None

    async def test_sweep_removes_at_most_the_limit_and_returns_the_number(
        self, table: AsyncTable, clock: FakeClock
    ) -> None:
        self.needs_sweeping()
        for n in range(10):
            await table.insert(new_digest(), new_row(clock, lives=HOUR + n * SECOND))
        clock.advance(2 * HOUR)

        assert [await table.sweep(limit) for limit in (3, 1, 100, 100)] == [3, 1, 6, 0]

    async def test_sweep_removes_tombstones_too(self, table: AsyncTable, clock: FakeClock) -> None:
        self.needs_sweeping()
        await leave_tombstone(table, clock, new_digest())
        clock.advance(HOUR)

        assert await table.sweep() == 1

    async def test_sweep_removes_rows_that_were_made_to_expire_earlier(
        self, table: AsyncTable, clock: FakeClock
    ) -> None:
        self.needs_sweeping()
        replaced, renewed = new_digest(), new_digest()
        for digest in (replaced, renewed):
            await table.insert(digest, new_row(clock, lives=24 * HOUR))
        await table.replace(replaced, new_row(clock, version=2), version=1)
        await table.remove(renewed, tombstone=pointer(clock() + HOUR))
        clock.advance(2 * HOUR)

        assert await table.sweep() == 2

    async def test_each_write_sweeps_a_few_rows(self, table: AsyncTable, clock: FakeClock) -> None:
        self.needs_sweeping()
        for _ in range(100):
            await table.insert(new_digest(), new_row(clock, lives=HOUR))
        clock.advance(2 * HOUR)
        for _ in range(200):
            await table.insert(new_digest(), new_row(clock))

        assert await table.sweep(1000) < 100

    async def test_no_write_sweeps_a_row_that_was_made_to_expire_later(
        self, table: AsyncTable, clock: FakeClock
    ) -> None:
        touched, replaced, inserted = new_digest(), new_digest(), new_digest()
        await table.insert(inserted, new_row(clock, lives=SECOND))
        for digest in (touched, replaced):
            await table.insert(digest, new_row(clock))
        clock.advance(SECOND)
        row = new_row(clock, version=2, lives=24 * HOUR)
        for expires in (row.expires, clock() + HOUR):
            await table.touch(touched, expires, seen=clock())
        await table.replace(replaced, row, version=1)
        await table.insert(inserted, row)
        clock.advance(3 * HOUR)
        for _ in range(200):
            await table.insert(new_digest(), new_row(clock))

        assert [await table.read(digest) is None for digest in (touched, replaced, inserted)] == [False] * 3
