"""
Follow the session of a connection that lasts, a WebSocket or a streamed body, so that it sees the session's end.

An adapter asks ``seen`` what to look for, has its ``Sessions`` look, and tells ``saw`` what came of that.
"""

from holdall.lifecycle.losing import forget_ended
from holdall.policy import Policy
from holdall.session import Session
from holdall.stores import Stored, Trail
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

    def __init__(self, session: Session, policy: Policy) -> None:
        self._session = session
        self._policy = policy
        self._seen: Stored | Trail | None = None
        # The row of an anonymous session, which is not followed into a login: somebody else may have planted it.
        self._place: bytes | None = None
        self.is_over = False

    @property
    def is_in_doubt(self) -> bool:
        """Whether the next look decides: the session's ID is being renewed."""
        return isinstance(self._seen, Trail) and self._seen.in_doubt

    def seen(self) -> Stored | Trail | None:
        """Return where the session was seen last; ``None`` while it is unread, or if there is none."""
        if self._seen is None and self._session.is_loaded:
            self._seen = stored = self._session.fetched.stored
            if stored is not None and self._session.principal is None:
                self._place = digest_of(stored.cookie)
        return self._seen

    def saw(self, trail: Trail | None) -> None:
        """Take *trail* for where the session is by now."""
        self._seen = trail
        if trail is None or (self._place is not None and trail.digest != self._place):
            self.is_over = True
            forget_ended(self._session, self._policy)
