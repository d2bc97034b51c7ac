"""Test listing and ending a principal's sessions."""

from datetime import timedelta
from typing import Any

import pytest

from holdall.stores import NotFound, StoredSession
from holdall.testing._clock import FakeClock
from holdall.testing._stores.suite import KEY, StoreSuite, begin, change, read, renew, seconds
from holdall.testing._tables.rows import new_principal

__all__ = ["OwnerTests"]


class OwnerTests(StoreSuite, sealed=True):
    """The contract of ``holdall.stores.Revocable``, for stores that implement it."""

    @pytest.fixture
    def revocable_store(self, store: Any) -> Any:
        if not hasattr(store, "revoke"):
            pytest.skip("this store does not know the principals of its sessions")
        return store

    async def test_a_principals_sessions_are_listed_oldest_first(self, revocable_store: Any, clock: FakeClock) -> None:
        principal, stored = new_principal(), []
        for _ in range(3):
            stored.append(await begin(revocable_store, clock, {"n": 1}, principal))
            clock.advance(timedelta(seconds=1))
        await begin(revocable_store, clock, {"n": 1}, new_principal())

        listed = await revocable_store.list(principal, keys=[KEY], current=stored[1])

        assert [each.created for each in listed] == [each.created for each in stored]
        assert [each.is_current for each in listed] == [False, True, False]
        assert len({each.handle for each in listed}) == 3

    async def test_a_revoked_session_is_not_found_and_nothing_brings_it_back(
        self, revocable_store: Any, clock: FakeClock
    ) -> None:
        principal = new_principal()
        stored = await begin(revocable_store, clock, {"n": 1}, principal)
        other = await begin(revocable_store, clock, {"n": 2}, new_principal())

        assert await revocable_store.revoke(principal, keys=[KEY], keep=None, handle=None) == 1

        assert await self.is_lost(revocable_store, await change(revocable_store, stored, {"n": 3}))
        assert isinstance(await revocable_store.get(stored.cookie, key=KEY), NotFound)
        assert (await read(revocable_store, other)).data == {"n": 2}
        assert await revocable_store.list(principal, keys=[KEY], current=None) == []

    async def test_sessions_under_another_name_belong_to_another_application(
        self, revocable_store: Any, clock: FakeClock
    ) -> None:
        principal = new_principal()
        mine = await begin(revocable_store, clock, {"n": 1}, principal)

        assert await revocable_store.list(principal, keys=["another"], current=None) == []
        assert await revocable_store.revoke(principal, keys=["another"], keep=None, handle=None) == 0
        assert isinstance(await revocable_store.get(mine.cookie, key="another"), NotFound)

        assert (await read(revocable_store, mine)).data == {"n": 1}
        assert len(await revocable_store.list(principal, keys=["another", KEY], current=None)) == 1

    async def test_a_handle_selects_one_session(self, revocable_store: Any, clock: FakeClock) -> None:
        principal = new_principal()
        kept, ended = [await begin(revocable_store, clock, {"n": n}, principal) for n in range(2)]
        listed = await revocable_store.list(principal, keys=[KEY], current=ended)
        (handle,) = (each.handle for each in listed if each.is_current)

        assert await revocable_store.revoke(new_principal(), keys=[KEY], keep=None, handle=handle) == 0
        assert await revocable_store.revoke(principal, keys=[KEY], keep=None, handle=handle) == 1

        assert isinstance(await revocable_store.get(ended.cookie, key=KEY), NotFound)
        assert (await read(revocable_store, kept)).data == {"n": 0}

    @pytest.mark.parametrize("spared", [True, False])
    async def test_a_renewed_session_is_kept_or_ended_at_its_new_id(
        self, revocable_store: Any, clock: FakeClock, spared: bool
    ) -> None:
        principal = new_principal()
        old = await begin(revocable_store, clock, {"n": 1}, principal)
        new = await renew(revocable_store, clock, old, principal)

        ended = await revocable_store.revoke(principal, keys=[KEY], keep=old if spared else None, handle=None)

        assert ended == (0 if spared else 1)
        assert isinstance(await revocable_store.get(new.cookie, key=KEY), StoredSession) is spared

    async def test_a_session_is_followed_through_renewals_to_its_end(
        self, revocable_store: Any, clock: FakeClock
    ) -> None:
        principal = new_principal()
        began = await begin(revocable_store, clock, {"n": 1}, principal)
        renewed = await renew(revocable_store, clock, began, principal)
        latest = await renew(revocable_store, clock, renewed, principal)

        place = await revocable_store.follow(began)

        assert place == await revocable_store.follow(latest)
        assert await revocable_store.revoke(principal, keys=[KEY], keep=None, handle=None) == 1
        assert await revocable_store.follow(place) is None

    async def test_an_anonymous_session_is_not_followed_beyond_its_login(
        self, revocable_store: Any, clock: FakeClock
    ) -> None:
        self.needs_all_revocable()
        anonymous = await begin(revocable_store, clock, {"n": 1})
        await renew(revocable_store, clock, anonymous, new_principal(), login=True)

        assert await revocable_store.follow(anonymous) is None

    async def test_a_login_does_not_end_with_the_anonymous_session_before_it(
        self, revocable_store: Any, clock: FakeClock
    ) -> None:
        self.needs_all_revocable()
        nobodys = await begin(revocable_store, clock, {"n": 1})
        login = await renew(revocable_store, clock, nobodys, new_principal(), login=True)

        assert await revocable_store.delete(nobodys, key=KEY) is None

        assert (await read(revocable_store, login)).data == {"n": 1}

    async def test_revoke_all_ends_renewed_sessions_too(self, revocable_store: Any, clock: FakeClock) -> None:
        principal = new_principal()
        mine = await renew(revocable_store, clock, await begin(revocable_store, clock, {"n": 1}, principal), principal)
        other = await begin(revocable_store, clock, {"n": 2}, None if self.revokes_anonymous else new_principal())

        assert await revocable_store.revoke_all(seconds(clock)) >= 2

        for stored in (mine, other):
            assert isinstance(await revocable_store.get(stored.cookie, key=KEY), NotFound)
        later = await begin(revocable_store, clock, {"n": 3})
        assert (await read(revocable_store, later)).data == {"n": 3}
