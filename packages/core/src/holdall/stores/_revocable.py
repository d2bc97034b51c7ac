"""
List and end sessions in cookies: the cookie contains the session, and a table says whether it is valid.

The session of a logged-in user has a row without data, under the digest of an ID that is sealed in the cookie along
with the session. A request that uses such a session reads the row once. The row is written when the session begins, is
renewed or ends, and occasionally to move its expiry; a plain write does not need it, because a cookie without its row
opens nothing. A table store keeps the rows and handles their races. Anonymous sessions have no row.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial

from holdall._clock import Clock, time_limit
from holdall._cookies import MAX_COOKIE_BYTES
from holdall._errors import StoreError
from holdall._events import Listener
from holdall._settings import Settings
from holdall.steps import Steps
from holdall.stores._contract import (
    Changes,
    ForeignSession,
    NotFound,
    RenewalFailure,
    RowRef,
    SessionRow,
    StoredSession,
    Write,
)
from holdall.stores._cookie import CookieStore
from holdall.stores._migration import MigratingStore
from holdall.stores._table import TableStore, digest_of

__all__ = ["RevocableCookieStore"]

#: The key in a session's data that contains the ID of its row; the application does not see it.
MARK = "_holdall_row"

# The same as in ``lifecycle.expiry``.
_TOUCHES_PER_LIFE = 10

# A placeholder with an ID of the usual length.
_NO_ROW = StoredSession("-" * 40, {}, 0, 0)

_NO_CHANGES = Changes({})

# Defined here, because inside the class ``list`` is its method.
_Rows = list[SessionRow]


class RevocableInCookie(ForeignSession):
    """
    A session in its cookie that has a row.

    Attributes:
        row: The row's content, or only its ID.
    """

    __slots__ = ("row",)

    def __init__(self, found: StoredSession, row: StoredSession, origin: str = "") -> None:
        super().__init__(found, origin or found.origin, rewrite=found.rewrite or bool(origin))
        if MARK in found.data:
            self.data = {key: value for key, value in found.data.items() if key != MARK}
        # The session ends when either of them does.
        self.expires = min(found.expires, row.expires)
        self.row = row


class InCookie(RowRef):
    """The location of a session without a row, whose end cannot be detected."""

    __slots__ = ()


class RevocableCookieStore:
    """
    A cookie store whose logged-in sessions are listed in a table and can be ended there.

    A session that another library stored, or that began before there were rows, gets a row when it is first used. It
    gets only one row; copies of its cookie that are used later share it.

    Args:
        store: Stores the sessions.
        rows: Stores a row for each logged-in session.
        settings: The settings of the ``Sessions``.
        trusts: Whether to accept sessions that cannot be looked up because the table fails.
        read_old_until: The time from which a session without a row is invalid.
    """

    def __init__(
        self,
        store: CookieStore,
        rows: TableStore,
        settings: Settings,
        *,
        trusts: bool,
        read_old_until: datetime | None,
        clock: Clock,
        random: Callable[[int], bytes],
    ) -> None:
        self.store = store
        self.rows = rows
        self.table = rows.table
        self.check = store.check
        self.keeps_generations, self.reads_generations = store.keeps_generations, store.reads_generations
        if store.keeps_generations:
            self.mark_ended = store.mark_ended
        self.sweep = rows.sweep
        self.revoke_all = rows.revoke_all
        self.listen: Callable[[Listener], None] = rows.listen
        self._settings = settings
        self._trusts = trusts
        self._moving = MigratingStore(rows, (), clock=clock, random=random)
        self._read_old_until = time_limit("read_old_until", read_old_until)
        self._clock = clock

    def get(self, cookie: str, *, key: str) -> Steps[StoredSession | NotFound]:
        found = self.store.get(cookie, key=key)
        if isinstance(found, NotFound) or found.ended:
            return found
        sid = found.data.get(MARK)
        if sid is None:
            return (yield from self._unlisted(found, key)) if self._has_user(found) else found
        row: StoredSession | NotFound
        try:
            # The row may have been bound to the cookie's current name since the browser sent an old one.
            row = yield from self.rows.get(str(sid), key=key, or_keys=(self._settings.key,))
        except StoreError as exc:
            if not self._trusts:
                raise
            self._settings.emit("unchecked", type(exc).__name__, found.log_id)
            row = _named(found)
        return _with(found, row)

    def put(self, stored: StoredSession | None, write: Write, *, key: str) -> Steps[StoredSession | None]:
        row = None if stored is None or stored.ended else _row_of(stored)
        if row is None:
            if write.principal is None:
                return self.store.put(stored, write, key=key)
            oversized = self._oversized(stored, write, key)
            if oversized is not None:
                return oversized
            row = yield from self.rows.put(None, _of_row(write), key=key)
        elif (
            write.sets_lifetime
            # It must have its row.
            or write.logs_in
            # The row is bound to an old name of the cookie.
            or getattr(row, "key", key) != key
            or (write.expires - row.expires) * _TOUCHES_PER_LIFE >= write.expires - write.seen
        ):
            row = yield from self._moved(row, write, key)
        if row is None:
            return None
        return RevocableInCookie(self.store.put(stored, _marked(write, row), key=key), row)

    def delete(
        self, stored: StoredSession, *, key: str, superseded_until: int | None = None
    ) -> Steps[StoredSession | None]:
        row = _row_of(stored)
        if row is None:
            return self.store.delete(stored, key=key, superseded_until=superseded_until)
        last = yield from self.rows.delete(row, key=key, superseded_until=superseded_until)
        return None if last is None else stored

    def renew(
        self,
        stored: StoredSession,
        make_write: Callable[[StoredSession], Write],
        *,
        key: str,
        until: int,
        followed: bool,
    ) -> Steps[StoredSession | RenewalFailure]:
        write, row = make_write(stored), _row_of(stored)
        oversized = self._oversized(stored, write, key)
        if oversized is not None:
            return oversized
        after: StoredSession | None = None
        if row is not None and write.principal is not None and followed:
            place = yield from self.rows.renew(row, lambda last: _of_row(write), key=key, until=until, followed=True)
            if isinstance(place, RenewalFailure):
                return place
            after = place
            # The row decides between this request and a logout, so the cookie stays in its line, as after a renewal.
            write = write.changed(logs_in=False)
        else:
            # The row goes first: an ID that an attacker may have must not survive a failure in between.
            if row is not None:
                last = yield from self.rows.delete_renewed(row, key=key, until=until)
                if last is None and write.principal is None:
                    return RenewalFailure.GONE
            if write.principal is not None:
                after = yield from self.rows.put(None, _of_row(write), key=key)
        if after is not None:
            write = _marked(write, after)
        if self.keeps_generations:
            renewed = self.store.renew(stored, lambda last: write, key=key, until=until, followed=followed)
        else:
            renewed = self.store.put(None, write, key=key)
        return renewed if after is None else RevocableInCookie(renewed, after)

    # Methods of a store that knows its sessions' owners.

    def list(self, principal: str, *, keys: Iterable[str], current: StoredSession | None) -> Steps[_Rows]:
        return self.rows.list(principal, keys=keys, current=_row_of(current))

    def revoke(
        self, principal: str, *, keys: Iterable[str], keep: StoredSession | None, handle: str | None
    ) -> Steps[int]:
        return self.rows.revoke(principal, keys=keys, keep=_row_of(keep), handle=handle)

    def follow(self, place: StoredSession | RowRef) -> Steps[RowRef | None]:
        if isinstance(place, StoredSession):
            place = _row_of(place) or InCookie(digest_of(place.cookie))
        return place if isinstance(place, InCookie) else (yield from self.rows.follow(place))

    # Implementation.

    def _has_user(self, found: StoredSession) -> bool:
        try:
            return self._settings.principals.of(found.data) is not None
        except TypeError:
            # Another library's session, which is refused when it is read.
            return False

    def _oversized(self, stored: StoredSession | None, write: Write, key: str) -> StoredSession | None:
        """
        Return the session without a row if its cookie is too large, so that the caller refuses it.

        A login that fails for this reason leaves no row, and a renewal keeps the row that it was about to replace. The
        error for a value that cannot be stored is also raised here.
        """
        sealed = self.store.put(stored, _marked(write, _NO_ROW), key=key)
        return sealed if len(key) + len(sealed.cookie) >= MAX_COOKIE_BYTES else None

    def _unlisted(self, found: StoredSession, key: str) -> Steps[StoredSession | NotFound]:
        """Return a session whose cookie names no row, with the row that it has since been given or a way to get one."""
        if self._clock() >= self._read_old_until:
            return NotFound("unlisted", stored=found)
        row = yield from self._moving._pointed(found.log_id, key)
        if row is not None:
            return _with(found, row, origin=_origin(found))
        return ForeignSession(found, _origin(found), rewrite=True, move=partial(self._adopt, found))

    def _adopt(self, found: StoredSession, write: Write, *, key: str) -> Steps[StoredSession | NotFound]:
        # The pointer to its row must outlive every copy of its cookie.
        before = StoredSession(found.log_id, {}, found.created, write.ends)
        row = yield from self._moving._move(before, "", _of_row(write), key=key)
        return _with(found, row, origin=_origin(found))

    def _moved(self, row: StoredSession, write: Write, key: str) -> Steps[StoredSession | None]:
        """Move a row's expiry, and return the row; ``None`` if the session has ended."""
        try:
            return (yield from self.rows.put(row, _of_row(write), key=key))
        except StoreError:
            if not self._trusts:
                raise
            return row


def _row_of(stored: StoredSession | None) -> StoredSession | None:
    row: StoredSession | None = getattr(stored, "row", None)
    return row


def _origin(found: StoredSession) -> str:
    """Return the origin to report for a session whose cookie names no row."""
    return found.origin or "unlisted"


def _with(found: StoredSession, row: StoredSession | NotFound, *, origin: str = "") -> StoredSession | NotFound:
    """Return the session *found* with its *row*. If the row is gone, the result still identifies the session."""
    if isinstance(row, NotFound):
        known = RevocableInCookie(found, row.stored or _named(found))
        return NotFound(row.reason, superseded=row.superseded, stored=known)
    return RevocableInCookie(found, row, origin)


def _named(found: StoredSession) -> StoredSession:
    """Return the row of a session, as far as its cookie describes it."""
    return StoredSession(str(found.data.get(MARK)), {}, found.created, found.expires)


def _of_row(write: Write) -> Write:
    """Return *write* for a row, which holds no data."""
    row: Write = write.changed(data={}, changes=_NO_CHANGES)
    return row


def _marked(write: Write, row: StoredSession) -> Write:
    marked: Write = write.changed(data={**write.data, MARK: row.cookie})
    return marked
