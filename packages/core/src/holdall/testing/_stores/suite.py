"""The base class and helpers of the store tests."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from holdall._clock import Clock
from holdall.stores import Changes, NotFound, StoredSession, Write
from holdall.testing._suite import Suite
from holdall.testing._tables.rows import new_principal

__all__ = ["GRACE", "HOUR", "KEY", "SECONDS", "StoreSuite", "begin", "change", "new_write", "read", "renew", "seconds"]

KEY = "_shop"
GRACE = 60
HOUR = timedelta(hours=1)
SECONDS = 3600


class StoreSuite(Suite):
    """The capabilities that a store may declare that it lacks."""

    keeps_rows = True
    revocable = True
    revokes_anonymous = True
    asks_at_writes = True
    beyond_json = True

    def needs_rows(self) -> None:
        if not self.keeps_rows:
            pytest.skip("a session exists only in its cookie, so writes do not know of each other")

    def needs_revocation(self) -> None:
        if not self.revocable:
            pytest.skip("a cookie and its copies stay valid until it expires")

    @pytest.fixture(params=["nobody's", "somebody's"])
    def owner(self, request: pytest.FixtureRequest) -> str | None:
        """Return the principal of the session that a test ends, or ``None``."""
        if request.param == "somebody's":
            return new_principal()
        self.needs_all_revocable()
        return None

    def needs_all_revocable(self) -> None:
        if not self.revokes_anonymous:
            pytest.skip("an anonymous session stays valid until it expires")

    async def is_lost(self, store: Any, written: StoredSession | None) -> bool:
        """Return whether a write to an ended session is lost: it returned nothing, or a cookie that opens nothing."""
        if written is None or self.asks_at_writes:
            return written is None
        return isinstance(await store.get(written.cookie, key=KEY), NotFound)


async def begin(store: Any, clock: Clock, data: Mapping[str, Any], principal: str | None = None) -> StoredSession:
    """Put *data* into a new session, which lives for an hour."""
    stored = await store.put(None, new_write(clock, data, principal), key=KEY)
    assert isinstance(stored, StoredSession), "a new session was not stored"
    return stored


def new_write(clock: Clock, data: Mapping[str, Any], principal: str | None = None) -> Write:
    """Return *data* as a new session that lives for an hour."""
    now = seconds(clock)
    return Write(dict(data), Changes(data), now, now + SECONDS, now, principal)


async def change(
    store: Any,
    stored: StoredSession,
    put: Mapping[str, Any] | None = None,
    *,
    delete: frozenset[str] = frozenset(),
    clear: bool = False,
    lives: int = SECONDS,
) -> StoredSession | None:
    """Write changes to a session as a request that has read *stored* does; without changes, only move the expiry."""
    changes = Changes(put or {}, delete, clear)
    write = Write(changes.over(stored.data), changes, stored.created, stored.created + lives, stored.created)
    written: StoredSession | None = await store.put(stored, write, key=KEY)
    return written


async def read(store: Any, stored: StoredSession) -> StoredSession:
    """Return the session as the next request reads it."""
    found = await store.get(stored.cookie, key=KEY)
    assert isinstance(found, StoredSession), f"the session is not there: {found}"
    return found


async def renew(
    store: Any, clock: Clock, old: StoredSession, principal: str | None, *, login: bool = False
) -> StoredSession:
    """Give a session a new ID, as a renewal does, or a *login*."""
    until = seconds(clock) + GRACE
    new = await store.renew(
        old, lambda last: new_write(clock, last.data, principal), key=KEY, until=until, followed=not login
    )
    assert isinstance(new, StoredSession)
    return new


def seconds(clock: Clock) -> int:
    """Return the time in whole Unix seconds."""
    return int(clock().timestamp())
