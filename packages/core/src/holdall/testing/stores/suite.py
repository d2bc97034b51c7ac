"""What the tests of a store share."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from holdall.clock import Clock
from holdall.stores import AsyncStore, Changes, Draft, Stored
from holdall.testing.suite import Suite

__all__ = ["HOUR", "KEY", "StoreSuite", "begin", "change", "read"]

KEY = "_shop"
HOUR = timedelta(hours=1)


class StoreSuite(Suite):
    """What a store may declare that it cannot do."""

    keeps_rows = True
    revocable = True
    beyond_json = True

    def needs_rows(self) -> None:
        if not self.keeps_rows:
            pytest.skip("all there is of a session is in its cookie, so that no write can know of another")

    def needs_revocation(self) -> None:
        if not self.revocable:
            pytest.skip("a cookie stays valid until it expires, wherever it was copied to")


async def begin(store: AsyncStore, clock: Clock, data: Mapping[str, Any], principal: str | None = None) -> Stored:
    """Put *data* into a session never in use, which lives for an hour."""
    now = clock()
    stored = await store.put(None, Draft(dict(data), Changes(data), now, now + HOUR, now, principal), key=KEY)
    assert stored is not None, "a new session was not stored"
    return stored


async def change(
    store: AsyncStore,
    stored: Stored,
    put: Mapping[str, Any] | None = None,
    *,
    delete: frozenset[str] = frozenset(),
    clear: bool = False,
    lives: timedelta = HOUR,
) -> Stored | None:
    """Write changes to a session as a request does that has read *stored*; none of them only moves the expiry."""
    changes = Changes(put or {}, delete, clear)
    draft = Draft(changes.over(stored.data), changes, stored.created, stored.created + lives, stored.created)
    return await store.put(stored, draft, key=KEY)


async def read(store: AsyncStore, stored: Stored) -> Stored:
    """Return the session as the next request sees it."""
    found = await store.get(stored.cookie, key=KEY)
    assert isinstance(found, Stored), f"the session is not there: {found}"
    return found
