"""Sessions that are listed and ended by whose they are."""

from datetime import timedelta
from typing import Any

import pytest

from holdall.stores import Changes, Draft, Missing, Stored, Succession
from holdall.testing.clock import FakeClock
from holdall.testing.stores.suite import HOUR, KEY, StoreSuite, begin, change, read
from holdall.testing.tables.rows import new_principal

__all__ = ["OwnerTests"]

_GRACE = timedelta(minutes=1)


class OwnerTests(StoreSuite, sealed=True):
    """What ``holdall.stores.Revocable`` asks for, where a store keeps to it."""

    @pytest.fixture
    def revocable_store(self, store: Any) -> Any:
        if not hasattr(store, "revoke"):
            pytest.skip("this store does not know whose its sessions are")
        return store

    async def test_a_principals_sessions_are_listed_oldest_first(self, revocable_store: Any, clock: FakeClock) -> None:
        principal, stored = new_principal(), []
        for _ in range(3):
            stored.append(await begin(revocable_store, clock, {"n": 1}, principal))
            clock.advance(timedelta(seconds=1))
        await begin(revocable_store, clock, {"n": 1}, new_principal())

        listed = await revocable_store.of(principal, current=stored[1])

        assert [each.created for each in listed] == [each.created for each in stored]
        assert [each.is_current for each in listed] == [False, True, False]
        assert len({each.handle for each in listed}) == 3

    async def test_who_is_revoked_is_missing_and_nothing_brings_it_back(
        self, revocable_store: Any, clock: FakeClock
    ) -> None:
        principal = new_principal()
        stored = await begin(revocable_store, clock, {"n": 1}, principal)
        other = await begin(revocable_store, clock, {"n": 2}, new_principal())

        assert await revocable_store.revoke(principal, spared=None, handle=None) == 1

        assert await change(revocable_store, stored, {"n": 3}) is None
        assert isinstance(await revocable_store.get(stored.cookie, key=KEY), Missing)
        assert (await read(revocable_store, other)).data == {"n": 2}
        assert await revocable_store.of(principal, current=None) == []

    async def test_a_handle_chooses_one(self, revocable_store: Any, clock: FakeClock) -> None:
        principal = new_principal()
        kept, ended = [await begin(revocable_store, clock, {"n": n}, principal) for n in range(2)]
        listed = await revocable_store.of(principal, current=ended)
        (handle,) = (each.handle for each in listed if each.is_current)

        assert await revocable_store.revoke(new_principal(), spared=None, handle=handle) == 0
        assert await revocable_store.revoke(principal, spared=None, handle=handle) == 1

        assert isinstance(await revocable_store.get(ended.cookie, key=KEY), Missing)
        assert (await read(revocable_store, kept)).data == {"n": 0}

    @pytest.mark.parametrize("spared", [True, False])
    async def test_a_renewed_session_is_spared_or_ended_in_its_new_place(
        self, revocable_store: Any, clock: FakeClock, spared: bool
    ) -> None:
        principal = new_principal()
        old = await begin(revocable_store, clock, {"n": 1}, principal)
        new = await _renew(revocable_store, clock, old, principal)

        ended = await revocable_store.revoke(principal, spared=old if spared else None, handle=None)

        assert ended == (0 if spared else 1)
        assert isinstance(await revocable_store.get(new.cookie, key=KEY), Stored) is spared

    async def test_who_follows_a_session_comes_to_where_it_was_renewed_and_to_no_end(
        self, revocable_store: Any, clock: FakeClock
    ) -> None:
        principal = new_principal()
        nobodys = await begin(revocable_store, clock, {"n": 1})
        login = await _renew(revocable_store, clock, nobodys, principal, login=True)
        renewed = await _renew(revocable_store, clock, login, principal)

        trail = await revocable_store.follow(nobodys)

        assert trail == await revocable_store.follow(renewed)
        assert await revocable_store.revoke(principal, spared=None, handle=None) == 1
        assert await revocable_store.follow(trail) is None

    async def test_a_login_does_not_end_with_the_session_that_was_nobodys(
        self, revocable_store: Any, clock: FakeClock
    ) -> None:
        nobodys = await begin(revocable_store, clock, {"n": 1})
        login = await _renew(revocable_store, clock, nobodys, new_principal(), login=True)

        assert await revocable_store.delete(nobodys, key=KEY) is None

        assert (await read(revocable_store, login)).data == {"n": 1}

    async def test_all_sessions_end_with_whatever_was_renewed(self, revocable_store: Any, clock: FakeClock) -> None:
        principal = new_principal()
        mine = await _renew(revocable_store, clock, await begin(revocable_store, clock, {"n": 1}, principal), principal)
        nobodys = await begin(revocable_store, clock, {"n": 2})

        assert await revocable_store.revoke_all(clock()) >= 2

        for stored in (mine, nobodys):
            assert isinstance(await revocable_store.get(stored.cookie, key=KEY), Missing)
        later = await begin(revocable_store, clock, {"n": 3})
        assert (await read(revocable_store, later)).data == {"n": 3}


async def _renew(store: Any, clock: FakeClock, old: Stored, principal: str, *, login: bool = False) -> Stored:
    """Put a session in the place of *old*, as a renewal does, or a *login*."""
    now = clock()
    assert await store.delete(old, key=KEY, tombstone=now + _GRACE) is not None
    succeeds = Succession(old, now + _GRACE, login)
    draft = Draft(dict(old.data), Changes({}), now, now + HOUR, now, principal, succeeds=succeeds)
    new = await store.put(None, draft, key=KEY)
    assert isinstance(new, Stored)
    return new
