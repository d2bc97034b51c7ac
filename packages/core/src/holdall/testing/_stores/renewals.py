"""Test sessions that are renewed or updated while other requests write them."""

from typing import Any

import pytest

from holdall.stores import Changes, NotFound, RenewalFailure, StoredSession, Write
from holdall.testing._clock import FakeClock
from holdall.testing._stores.suite import GRACE, KEY, StoreSuite, begin, change, new_write, read, renew, seconds

__all__ = ["RenewalTests", "UpdateTests"]


class RenewalTests(StoreSuite, sealed=True):
    """The contract of ``holdall.stores._contract.Renewing``, for stores that implement it."""

    @pytest.fixture
    def renewing_store(self, store: Any) -> Any:
        if not hasattr(store, "renew"):
            pytest.skip("this store does not renew a session in one operation")
        return store

    async def test_a_renewal_keeps_what_another_request_wrote(self, renewing_store: Any, clock: FakeClock) -> None:
        self.needs_rows()
        stored = await begin(renewing_store, clock, {"n": 1})
        await change(renewing_store, stored, {"m": 2})

        new = await renew(renewing_store, clock, stored, None)

        assert new.cookie != stored.cookie
        assert (await read(renewing_store, new)).data == {"n": 1, "m": 2}
        old = await renewing_store.get(stored.cookie, key=KEY)
        assert isinstance(old, NotFound)
        assert old.superseded

    async def test_a_session_under_an_old_name_is_renewed_under_the_present_one(
        self, renewing_store: Any, clock: FakeClock
    ) -> None:
        stored = await renewing_store.put(None, new_write(clock, {"n": 1}), key="_old_name")

        new = await renew(renewing_store, clock, stored, "7", login=True)

        assert (await read(renewing_store, new)).data == {"n": 1}

    async def test_an_ended_session_is_not_renewed(
        self, renewing_store: Any, clock: FakeClock, owner: str | None
    ) -> None:
        self.needs_revocation()
        stored = await begin(renewing_store, clock, {"n": 1}, owner)
        await renewing_store.delete(stored, key=KEY)

        answer = await renewing_store.renew(
            stored,
            lambda last: new_write(clock, last.data, owner),
            key=KEY,
            until=seconds(clock) + GRACE,
            followed=True,
        )

        assert answer is RenewalFailure.GONE


class UpdateTests(StoreSuite, sealed=True):
    """The contract of ``holdall.stores._contract.Updating``, for stores that implement it."""

    @pytest.fixture
    def updating_store(self, store: Any) -> Any:
        if not hasattr(store, "update"):
            pytest.skip("this store does not update a value atomically")
        return store

    async def test_an_update_applies_to_what_another_request_wrote(self, updating_store: Any, clock: FakeClock) -> None:
        stored = await begin(updating_store, clock, {"n": 1})
        await change(updating_store, stored, {"n": 5, "m": 2})

        updated = await updating_store.update(stored, _counted, key=KEY)

        assert updated.data == (await read(updating_store, stored)).data == {"n": 6, "m": 2}

    async def test_an_ended_session_is_not_updated(self, updating_store: Any, clock: FakeClock) -> None:
        stored = await begin(updating_store, clock, {"n": 1})
        await updating_store.delete(stored, key=KEY)

        assert await updating_store.update(stored, _counted, key=KEY) is None
        assert isinstance(await updating_store.get(stored.cookie, key=KEY), NotFound)


def _counted(latest: StoredSession) -> Write:
    changes = Changes({"n": latest.data["n"] + 1})
    return Write(changes.over(latest.data), changes, latest.created, latest.expires, latest.created)
