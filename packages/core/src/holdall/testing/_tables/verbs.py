"""Test each verb that takes one row's digest, by itself."""

import os
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from holdall._clock import NEVER
from holdall.tables import AsyncTable, Replacement, Row, Tombstone
from holdall.tables._contract import MAX_CLIENT_BYTES, MAX_PRINCIPAL_BYTES
from holdall.testing._clock import FakeClock
from holdall.testing._tables.rows import (
    HOUR,
    SECOND,
    SUCCESSOR,
    leave_tombstone,
    new_digest,
    new_principal,
    new_row,
    pointer,
)
from holdall.testing._tables.suite import TableSuite

__all__ = ["VerbTests"]

_MEGABYTE = 1024 * 1024
Ending = Callable[[AsyncTable, FakeClock, bytes], Awaitable[None]]


async def _never_was(table: AsyncTable, clock: FakeClock, digest: bytes) -> None:
    """Do nothing, so that there never was a row."""


async def _expired(table: AsyncTable, clock: FakeClock, digest: bytes) -> None:
    await table.insert(digest, new_row(clock, lives=HOUR))
    clock.advance(HOUR)


async def _deleted(table: AsyncTable, clock: FakeClock, digest: bytes) -> None:
    await table.insert(digest, new_row(clock))
    await table.remove(digest)


_no_live_row = pytest.mark.parametrize("end", [_never_was, _expired, _deleted, leave_tombstone])


class VerbTests(TableSuite, sealed=True):
    """``read insert replace touch remove``."""

    async def test_read_returns_nothing_for_an_unknown_digest(self, table: AsyncTable) -> None:
        assert await table.read(new_digest()) is None

    @pytest.mark.parametrize("text", [None, "7", "", "Zoë:{1}\n'\"\0", "long " * 100], ids=repr)
    async def test_read_returns_what_was_inserted(self, table: AsyncTable, clock: FakeClock, text: str | None) -> None:
        digest, row = new_digest(), new_row(clock, b"data", version=3, age=HOUR, principal=text, client=text)

        assert await table.insert(digest, row) is True
        assert await table.read(digest) == row

    async def test_a_row_may_lack_the_time_of_its_last_use(self, table: AsyncTable, clock: FakeClock) -> None:
        digest, row = new_digest(), new_row(clock)._replace(seen=None)
        await table.insert(digest, row)

        assert await table.read(digest) == row
        await table.replace(digest, new_row(clock, version=2)._replace(seen=None), version=1)
        assert await table.read(digest) == row._replace(version=2)
        await table.touch(digest, row.expires, seen=clock())
        assert await table.read(digest) == row._replace(version=2, seen=clock())

    @pytest.mark.parametrize("letter", ["7", "ü", "\N{GRINNING FACE}"])
    async def test_the_longest_principal_and_client_are_kept(
        self, table: AsyncTable, clock: FakeClock, letter: str
    ) -> None:
        # Random, so that no compression makes it shorter.
        some = os.urandom(MAX_PRINCIPAL_BYTES // 4).hex()
        principal = some + letter * ((MAX_PRINCIPAL_BYTES - len(some)) // len(letter.encode()))
        client = letter * (MAX_CLIENT_BYTES // len(letter.encode()))
        digest, row = new_digest(), new_row(clock, principal=principal, client=client)

        assert await table.insert(digest, row) is True
        assert await table.read(digest) == row
        assert [(each.digest, each.client) for each in await table.find(principal)] == [(digest, client)]

    @pytest.mark.parametrize(
        "data", [b"", bytes(range(256)), b"\0", b"\r\n", b"\xff\xfe", bytes(range(256)) * (_MEGABYTE // 256)], ids=len
    )
    async def test_data_comes_back_byte_by_byte(self, table: AsyncTable, clock: FakeClock, data: bytes) -> None:
        digest, other = new_digest(), new_digest()
        await table.insert(digest, new_row(clock, data))
        await table.insert(other, new_row(clock, b"-"))
        await table.replace(other, new_row(clock, data, 2), version=1)

        for each in (digest, other):
            row = await table.read(each)
            assert row is not None
            assert row.data == data

    @pytest.mark.parametrize(
        "digest",
        [b"\0" * 32, b"\xff" * 32, b"{*?[a]}:'\"\\%_\r\n\0".ljust(32), bytes(range(32)), bytes(range(224, 256))],
    )
    async def test_any_digest_is_accepted(self, table: AsyncTable, clock: FakeClock, digest: bytes) -> None:
        principal = new_principal()
        row = new_row(clock, digest, principal=principal)
        near = digest[:-1] + bytes([digest[-1] ^ 1])

        assert await table.insert(digest, row) is True
        assert await table.read(digest) == row
        assert await table.read(near) is None
        assert [each.digest for each in await table.find(principal)] == [digest]
        assert await table.remove(digest) == row

    async def test_the_latest_possible_time_is_kept(self, table: AsyncTable, clock: FakeClock) -> None:
        digest, row = new_digest(), new_row(clock)._replace(expires=NEVER)
        await table.insert(digest, row)

        assert await table.read(digest) == row

    async def test_more_than_a_thousand_rows_are_kept_apart(self, table: AsyncTable, clock: FakeClock) -> None:
        # More rows than a cache usually holds; and two of them almost always share any 16 bits that a table looks at.
        rows = {new_digest(): new_row(clock, str(n).encode()) for n in range(1100)}
        for digest, row in rows.items():
            await table.insert(digest, row)

        assert [await table.read(digest) for digest in rows] == list(rows.values())

    async def test_a_row_lives_until_it_expires(self, table: AsyncTable, clock: FakeClock) -> None:
        digest = new_digest()
        await table.insert(digest, new_row(clock, lives=HOUR))

        clock.advance(HOUR - SECOND)
        assert await table.read(digest) is not None
        clock.advance(SECOND)
        assert await table.read(digest) is None

    # insert

    async def test_insert_never_overwrites(self, table: AsyncTable, clock: FakeClock) -> None:
        digest, row = new_digest(), new_row(clock, b"first")
        await table.insert(digest, row)

        assert await table.insert(digest, new_row(clock, b"second", principal=new_principal())) is False
        assert await table.read(digest) == row

    async def test_insert_never_overwrites_a_tombstone(self, table: AsyncTable, clock: FakeClock) -> None:
        digest = new_digest()
        await leave_tombstone(table, clock, digest)

        assert await table.insert(digest, new_row(clock)) is False
        row = await table.read(digest)
        assert row is not None
        assert row.is_tombstone

    async def test_insert_replaces_an_expired_row(self, table: AsyncTable, clock: FakeClock) -> None:
        digest, old = new_digest(), new_principal()
        await table.insert(digest, new_row(clock, b"old", lives=HOUR, principal=old, client="a telephone"))
        clock.advance(HOUR)
        row = new_row(clock, b"new")

        assert await table.insert(digest, row) is True
        assert await table.read(digest) == row
        assert list(await table.find(old)) == []

    # replace

    async def test_replace_writes_data_version_and_times(self, table: AsyncTable, clock: FakeClock) -> None:
        digest = new_digest()
        row = new_row(clock, b"old", principal="7", age=HOUR)
        await table.insert(digest, row)
        clock.advance(SECOND)
        after = new_row(clock, b"new", 2, lives=2 * HOUR)

        assert await table.replace(digest, after, version=1) is Replacement.REPLACED
        assert await table.read(digest) == row._replace(data=b"new", version=2, expires=after.expires, seen=clock())

    async def test_replace_keeps_created_principal_and_client(self, table: AsyncTable, clock: FakeClock) -> None:
        digest, principal, other = new_digest(), new_principal(), new_principal()
        row = new_row(clock, principal=principal, client="a telephone")
        await table.insert(digest, row)
        clock.advance(SECOND)

        await table.replace(digest, new_row(clock, version=2, principal=other, client="a tablet"), version=1)

        present = await table.read(digest)
        assert present is not None
        assert (present.created, present.principal, present.client) == (row.created, principal, "a telephone")
        assert [each.digest for each in await table.find(principal)] == [digest]
        assert list(await table.find(other)) == []

    async def test_replace_may_move_the_expiry_earlier(self, table: AsyncTable, clock: FakeClock) -> None:
        digest = new_digest()
        await table.insert(digest, new_row(clock, lives=2 * HOUR))
        await table.replace(digest, new_row(clock, version=2, lives=HOUR), version=1)
        clock.advance(HOUR)

        assert await table.read(digest) is None

    @pytest.mark.parametrize("version", [0, 1, 3, 1000])
    async def test_replace_with_another_version_is_a_conflict(
        self, table: AsyncTable, clock: FakeClock, version: int
    ) -> None:
        digest, row = new_digest(), new_row(clock, b"theirs", version=2)
        await table.insert(digest, row)

        assert await table.replace(digest, new_row(clock, b"ours", 3), version=version) is Replacement.CONFLICT
        assert await table.read(digest) == row

    async def test_a_version_can_be_replaced_once(self, table: AsyncTable, clock: FakeClock) -> None:
        digest = new_digest()
        await table.insert(digest, new_row(clock))
        await table.replace(digest, new_row(clock, b"first", 2), version=1)

        assert await table.replace(digest, new_row(clock, b"second", 2), version=1) is Replacement.CONFLICT

    @_no_live_row
    @pytest.mark.parametrize("version", [0, 1])
    async def test_replace_never_creates_a_row(
        self, table: AsyncTable, clock: FakeClock, end: Ending, version: int
    ) -> None:
        digest, principal = new_digest(), new_principal()
        await end(table, clock, digest)
        before = await table.read(digest)

        row = new_row(clock, b"back again", version + 1, principal=principal)
        assert await table.replace(digest, row, version=version) is Replacement.GONE

        assert await table.read(digest) == before
        assert list(await table.find(principal)) == []

    # touch

    async def test_touch_only_moves_the_times(self, table: AsyncTable, clock: FakeClock) -> None:
        digest, row = new_digest(), new_row(clock, b"data", version=3, principal="7", client="a telephone")
        await table.insert(digest, row)
        clock.advance(SECOND)
        later = row.expires + HOUR

        assert await table.touch(digest, later, seen=clock()) is True
        assert await table.read(digest) == row._replace(expires=later, seen=clock())
        assert await table.replace(digest, new_row(clock, version=4), version=3) is Replacement.REPLACED

    @pytest.mark.parametrize(("expires", "seen"), [(-SECOND, -SECOND), (-SECOND, SECOND), (SECOND, -SECOND)])
    async def test_touch_never_moves_a_time_back(
        self, table: AsyncTable, clock: FakeClock, expires: timedelta, seen: timedelta
    ) -> None:
        digest, row = new_digest(), new_row(clock)
        assert row.seen is not None
        await table.insert(digest, row)

        assert await table.touch(digest, row.expires + expires, seen=row.seen + seen) is True
        assert await table.read(digest) == row._replace(
            expires=max(row.expires, row.expires + expires), seen=max(row.seen, row.seen + seen)
        )

    async def test_a_touched_row_outlives_its_first_expiry(self, table: AsyncTable, clock: FakeClock) -> None:
        digest, row = new_digest(), new_row(clock, lives=HOUR)
        await table.insert(digest, row)
        await table.touch(digest, row.expires + HOUR, seen=clock())
        clock.advance(HOUR + SECOND)
        await table.sweep()

        assert await table.read(digest) is not None

    @_no_live_row
    async def test_touch_never_brings_a_row_back(self, table: AsyncTable, clock: FakeClock, end: Ending) -> None:
        digest = new_digest()
        await end(table, clock, digest)
        before = await table.read(digest)

        assert await table.touch(digest, clock() + 24 * HOUR, seen=clock()) is False
        assert await table.read(digest) == before

    # remove

    async def test_remove_returns_the_last_state_once(self, table: AsyncTable, clock: FakeClock) -> None:
        digest, row = new_digest(), new_row(clock, b"old", principal="7", age=HOUR)
        await table.insert(digest, row)
        await table.replace(digest, row._replace(data=b"new", version=2), version=1)

        assert await table.remove(digest) == row._replace(data=b"new", version=2)
        assert await table.remove(digest) is None
        assert await table.read(digest) is None

    async def test_remove_leaves_a_tombstone_until_it_expires(self, table: AsyncTable, clock: FakeClock) -> None:
        digest, row = new_digest(), new_row(clock, b"secret", version=3, client="a telephone")
        await table.insert(digest, row)
        clock.advance(HOUR / 2)
        expires = clock() + timedelta(minutes=1)

        assert await table.remove(digest, tombstone=pointer(expires)) == row

        tombstone = Row(SUCCESSOR, 0, expires, row.created)
        assert await table.read(digest) == tombstone
        clock.advance(timedelta(minutes=1) - SECOND)
        assert await table.read(digest) == tombstone
        clock.advance(SECOND)
        assert await table.read(digest) is None

    @pytest.mark.parametrize("successor", [b"", b"\0", b"\r\n\xff\xfe", bytes(range(256))], ids=len)
    async def test_a_tombstone_keeps_its_target_byte_by_byte(
        self, table: AsyncTable, clock: FakeClock, successor: bytes
    ) -> None:
        digest, row = new_digest(), new_row(clock, b"secret")
        await table.insert(digest, row)
        await table.remove(digest, tombstone=Tombstone(row.expires, successor))

        assert await table.read(digest) == Row(successor, 0, row.expires, row.created)

    async def test_a_tombstone_keeps_the_principal(self, table: AsyncTable, clock: FakeClock) -> None:
        digest, row = new_digest(), new_row(clock, principal="7")
        await table.insert(digest, row)
        await table.remove(digest, tombstone=pointer(row.expires))

        assert await table.read(digest) == Row(SUCCESSOR, 0, row.expires, row.created, "7")

    async def test_a_tombstone_may_outlive_the_row_that_it_replaces(self, table: AsyncTable, clock: FakeClock) -> None:
        digest = new_digest()
        await table.insert(digest, new_row(clock, lives=SECOND))
        await table.remove(digest, tombstone=pointer(clock() + HOUR))
        clock.advance(2 * SECOND)
        await table.sweep()

        assert await table.read(digest) is not None

    @pytest.mark.parametrize("end", [_never_was, _expired, _deleted])
    async def test_remove_leaves_no_tombstone_where_there_was_no_row(
        self, table: AsyncTable, clock: FakeClock, end: Ending
    ) -> None:
        digest = new_digest()
        await end(table, clock, digest)

        assert await table.remove(digest, tombstone=pointer(clock() + HOUR)) is None
        assert await table.read(digest) is None
        assert await table.insert(digest, new_row(clock)) is True

    @pytest.mark.parametrize("again", [False, True])
    async def test_remove_leaves_a_tombstone_unchanged(self, table: AsyncTable, clock: FakeClock, again: bool) -> None:
        digest = new_digest()
        await leave_tombstone(table, clock, digest)
        before = await table.read(digest)

        assert await table.remove(digest, tombstone=pointer(clock() + 2 * HOUR) if again else None) is None
        assert await table.read(digest) == before
