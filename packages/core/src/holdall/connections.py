"""
Watch the session of a long-lived connection, such as a WebSocket or a streamed body, to notice when the session ends.

An adapter calls ``last_seen``, passes the result to ``Sessions.follow``, and reports the answer with ``update``.
"""

from holdall._lifecycle.saving import forget_ended
from holdall._state import SessionState
from holdall.stores._contract import RowRef, StoredSession
from holdall.stores._table import digest_of

__all__ = ["CHECK_INTERVAL", "Follower"]

#: The default interval between two checks, in seconds. Each check reads the table.
CHECK_INTERVAL = 5.0


class Follower:
    """
    Follow one session until it ends, then empty it.

    Attributes:
        is_over: Whether the session has ended.
    """

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._seen: StoredSession | RowRef | None = None
        # The digest of an anonymous session. It is not followed into a login, because an attacker may have planted it.
        self._row: bytes | None = None
        self.is_over = False

    @property
    def is_in_doubt(self) -> bool:
        """Whether only the next check can tell if the session has ended, because its ID is being renewed."""
        return isinstance(self._seen, RowRef) and self._seen.in_doubt

    def last_seen(self) -> StoredSession | RowRef | None:
        """Return the session's last known location; ``None`` if it has not been read or does not exist."""
        if self._seen is None and self._state.tracked is not None:
            self._seen = stored = self._state.stored
            if stored is not None and self._state.principal is None:
                self._row = digest_of(stored.cookie)
        return self._seen

    def update(self, place: RowRef | None) -> None:
        """Set *place* as the session's current location; ``None`` if it has ended."""
        self._seen = place
        if place is None or (self._row is not None and place.digest != self._row):
            self.is_over = True
            forget_ended(self._state)
