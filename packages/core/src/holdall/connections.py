"""
Follow the session of a connection that lasts, a WebSocket or a streamed body, so that it sees the session's end.

An adapter asks ``seen`` where to look, has its ``Sessions`` look there with ``follow``, and tells ``saw`` the answer.
"""

from holdall._state import SessionState
from holdall.lifecycle.saving import forget_ended
from holdall.stores.contract import RowRef, StoredSession
from holdall.stores.table import digest_of

__all__ = ["SELDOM", "Follower"]

#: The default time between two looks, in seconds: each look reads the table.
SELDOM = 5.0


class Follower:
    """
    Follow one session until it has ended, and empty it then.

    Attributes:
        is_over: The session has ended.
    """

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._seen: StoredSession | RowRef | None = None
        # The row of an anonymous session, which is not followed into a login: somebody else may have planted it.
        self._row: bytes | None = None
        self.is_over = False

    @property
    def is_in_doubt(self) -> bool:
        """Whether the next look decides: the session's ID is being renewed."""
        return isinstance(self._seen, RowRef) and self._seen.in_doubt

    def seen(self) -> StoredSession | RowRef | None:
        """Return where the session was seen last; ``None`` while it is unread, or if there is none."""
        if self._seen is None and self._state.tracked is not None:
            self._seen = stored = self._state.stored
            if stored is not None and self._state.principal is None:
                self._row = digest_of(stored.cookie)
        return self._seen

    def saw(self, place: RowRef | None) -> None:
        """Take *place* for where the session is by now; ``None`` if it has ended."""
        self._seen = place
        if place is None or (self._row is not None and place.digest != self._row):
            self.is_over = True
            forget_ended(self._state)
