"""Test how a session ends, and that it stays ended."""

from datetime import timedelta
from typing import Any

import pytest

from holdall.stores import NotFound
from holdall.testing._clock import FakeClock
from holdall.testing._stores.suite import GRACE, KEY, StoreSuite, begin, change, read, seconds

__all__ = ["EndingTests"]


class EndingTests(StoreSuite, sealed=True):
    """``delete``."""

    async def test_delete_returns_the_last_state(self, store: Any, clock: FakeClock) -> None:
        stored = await begin(store, clock, {"n": 1})

        assert await store.delete(stored, key=KEY) == stored

    async def test_delete_returns_what_another_request_wrote(self, store: Any, clock: FakeClock) -> None:
        self.needs_rows()
        stored = await begin(store, clock, {"n": 1})
        await change(store, stored, {"m": 2})

        last = await store.delete(stored, key=KEY)

        assert last is not None
        assert last.data == {"n": 1, "m": 2}

    async def test_a_deleted_session_is_not_found(self, store: Any, clock: FakeClock, owner: str | None) -> None:
        self.needs_revocation()
        stored = await begin(store, clock, {"n": 1}, owner)
        await store.delete(stored, key=KEY)

        found = await store.get(stored.cookie, key=KEY)

        assert isinstance(found, NotFound)
        assert not found.superseded
        assert await store.delete(stored, key=KEY) is None

    async def test_deleting_a_session_leaves_the_others(self, store: Any, clock: FakeClock) -> None:
        stored, other = await begin(store, clock, {"n": 1}), await begin(store, clock, {"n": 2})
        await store.delete(stored, key=KEY)

        assert (await read(store, other)).data == {"n": 2}

    @pytest.mark.parametrize("renewed", [False, True], ids=["dropped", "renewed"])
    async def test_a_write_does_not_bring_a_deleted_session_back(
        self, store: Any, clock: FakeClock, renewed: bool, owner: str | None
    ) -> None:
        self.needs_revocation()
        stored = await begin(store, clock, {"n": 1}, owner)
        newer = await change(store, stored, {"n": 2})
        assert newer is not None
        await store.delete(newer, key=KEY, superseded_until=seconds(clock) + GRACE if renewed else None)

        for each in (stored, newer):
            assert await self.is_lost(store, await change(store, each, {"n": 3}))
            assert await self.is_lost(store, await change(store, each))
            assert isinstance(await store.get(each.cookie, key=KEY), NotFound)

    async def test_a_renewed_id_counts_as_superseded_for_a_while(
        self, store: Any, clock: FakeClock, owner: str | None
    ) -> None:
        self.needs_revocation()
        stored = await begin(store, clock, {"n": 1}, owner)
        await store.delete(stored, key=KEY, superseded_until=seconds(clock) + GRACE)

        at_once = await store.get(stored.cookie, key=KEY)
        clock.advance(timedelta(seconds=GRACE))
        after = await store.get(stored.cookie, key=KEY)

        assert isinstance(at_once, NotFound)
        assert isinstance(after, NotFound)
        assert (at_once.superseded, after.superseded) == (True, False)
