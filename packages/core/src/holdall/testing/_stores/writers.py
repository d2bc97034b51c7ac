"""Test two requests that have read the same session and both write it."""

from typing import Any

from holdall.stores import StoredSession
from holdall.testing._clock import FakeClock
from holdall.testing._stores.suite import SECONDS, StoreSuite, begin, change, read, seconds

__all__ = ["WriterTests"]


class WriterTests(StoreSuite, sealed=True):
    """No request overwrites another's changes."""

    async def test_writes_to_different_keys_are_both_kept(self, store: Any, clock: FakeClock) -> None:
        self.needs_rows()
        stored = await begin(store, clock, {"n": 1})

        first = await change(store, stored, {"a": 1})
        second = await change(store, stored, {"b": 2})

        assert first is not None
        assert second is not None
        assert second.cookie == first.cookie == stored.cookie
        assert second.data == (await read(store, stored)).data == {"n": 1, "a": 1, "b": 2}

    async def test_the_later_of_two_writes_to_a_key_wins(self, store: Any, clock: FakeClock) -> None:
        self.needs_rows()
        stored = await begin(store, clock, {"n": 1})
        await change(store, stored, {"n": 2})
        await change(store, stored, {"n": 3})

        assert (await read(store, stored)).data == {"n": 3}

    async def test_a_deleted_key_stays_deleted_after_another_requests_write(self, store: Any, clock: FakeClock) -> None:
        self.needs_rows()
        stored = await begin(store, clock, {"n": 1, "m": 2})
        await change(store, stored, delete=frozenset({"n"}))
        await change(store, stored, {"m": 3})

        assert (await read(store, stored)).data == {"m": 3}

    async def test_clear_removes_what_another_request_wrote_before_it(self, store: Any, clock: FakeClock) -> None:
        self.needs_rows()
        stored = await begin(store, clock, {"n": 1})
        await change(store, stored, {"a": 1})
        await change(store, stored, {"left": True}, clear=True)

        assert (await read(store, stored)).data == {"left": True}

    async def test_moving_the_expiry_undoes_no_write(self, store: Any, clock: FakeClock) -> None:
        self.needs_rows()
        stored = await begin(store, clock, {"n": 1})
        await change(store, stored, {"n": 2})
        await change(store, stored, lives=2 * SECONDS)

        found = await read(store, stored)
        assert (found.data, found.expires) == ({"n": 2}, seconds(clock) + 2 * SECONDS)

    async def test_many_writes_from_the_same_old_read_lose_nothing(self, store: Any, clock: FakeClock) -> None:
        self.needs_rows()
        stored = await begin(store, clock, {})
        for n in range(50):
            assert await change(store, stored, {str(n): n}) is not None

        assert (await read(store, stored)).data == {str(n): n for n in range(50)}

    async def test_a_write_can_start_from_the_result_of_the_last_one(self, store: Any, clock: FakeClock) -> None:
        stored: StoredSession | None = await begin(store, clock, {"n": 0})
        for n in range(1, 4):
            assert stored is not None
            stored = await change(store, stored, {"n": n})

        assert stored is not None
        assert (await read(store, stored)).data == {"n": 3}
