"""Collect what the rules and the actions need to know about the end of one request."""

from typing import Any

from holdall._lifecycle.expiry import expiry, is_due
from holdall._lifecycle.rules import Place
from holdall._principals import Identity, NamedVisitor
from holdall._settings import Lifetime
from holdall._state import SessionState
from holdall.stores._contract import Changes, StoredSession, Write

__all__ = ["End"]


class End:
    """
    The end of one request, for its actions.

    Attributes:
        now: When it ends, in Unix seconds.
        failed: Whether its response is a failure (5xx), so that its writes are not saved.
        place: The place where it ends.
        changes: The request's changes.
        data: All of the session's data, as the request sees it.
        wrote: Whether the request changed something, or asked for a write.
        lifetime: The session's lifetime from now on.
        identity: The session's user or named visitor as the request ends; ``None`` if it is anonymous.
        principal: The user ID, if a user is logged in.
        logs_in: Whether the request logs a user in, possibly the same one again.
        expires: When the stored session ends if it is used now, in Unix seconds.
        ends: When the absolute timeout ends the written session, in Unix seconds. Its cookie must not outlast that.
    """

    def __init__(
        self,
        state: SessionState,
        now: int,
        status: int = 200,
        place: Place = Place.HEADERS,
        changes: Changes | None = None,
    ) -> None:
        self.state = state
        self.now = now
        self.failed = status >= 500 and not state.settings.save_on_error
        self.place = place
        tracked = state.tracked or state.load()
        self.changes = tracked.changes() if changes is None else changes
        self.data = tracked.data
        self.wrote = tracked.marked or bool(self.changes)
        # The lifetime can change only if the data does.
        may_differ = state.lifetime_of is not None and self.wrote
        self.lifetime: Lifetime = state.lifetime if may_differ else state.lifetime_before or state.lifetime
        changes, keys = self.changes, state.settings.principals.all
        is_same = not changes.cleared and keys.isdisjoint(changes.put) and keys.isdisjoint(changes.deleted)
        self.identity: Identity = state.identity_before if is_same else state.identity
        self.principal = None if isinstance(self.identity, NamedVisitor) else self.identity
        differs = state.logs_in or self.identity != state.identity_before
        self.logs_in = differs and self.identity is not None and not self.logs_out
        if self.principal is None and changes.put and not self.failed:
            state.settings.principals.check_login(changes.put, self.identity)
        stored = state.fetched.stored
        self.expires = expiry(now if stored is None else stored.created, now, self.lifetime, state.settings)

    def is_due(self, stored: StoredSession) -> bool:
        """Return whether the expiry of the *stored* session must be moved."""
        return is_due(stored, self.expires, self.lifetime)

    @property
    def logs_out(self) -> bool:
        """Whether the user was logged in and no longer is, even if a name for display remains."""
        before = self.state.identity_before
        return before is not None and (self.identity is None or (isinstance(before, str) and self.principal is None))

    def write(self, data: dict[str, Any], changes: Changes, created: int, expires: int, principal: str | None) -> Write:
        """Return *data* as it should be stored, with *changes* as this request's part in it."""
        self.ends = self.state.settings.ends(created)
        return Write(data, changes, created, expires, self.now, principal, None, self.ends)

    def new(self, data: dict[str, Any], changes: Changes, created: int) -> Write:
        """Return *data* as a session that has not been stored yet."""
        settings = self.state.settings
        expires = expiry(created, self.now, self.lifetime, settings)
        write = self.write(data, changes, created, expires, settings.principals.of(data))
        write.logs_in = self.logs_in
        for note in settings.notes:
            note(self, write)
        return write
