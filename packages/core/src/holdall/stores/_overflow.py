"""
Let sessions outgrow their cookies: one that does not fit moves to a row of a table, and back when it fits again.

While a session is in the table, its cookie contains only the sealed ID of the row. A table store writes the row, so
the changes of concurrent requests are merged. To the application it is still a session in a cookie.

Each move, in either direction, is a new generation of the cookie (``stores._generations``), so that a late response to
an earlier request does not undo it. The row's ID is derived from the cookie that was too small, so concurrent requests
with that cookie use the same row. After a move back the row stays for a minute, and until the browser has shown that it
has the new cookie: a lost response loses no data, and a late request with the old cookie still finds its session.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from holdall._base64url import to_text
from holdall._cookies import MAX_COOKIE_BYTES, SUFFIXES, SetCookie
from holdall._errors import StoreError
from holdall._events import Listener
from holdall._settings import Settings
from holdall.steps import Steps, asked
from holdall.stores._contract import (
    ForeignSession,
    NotFound,
    RenewalFailure,
    RowRef,
    SessionRow,
    StoredSession,
    Write,
)
from holdall.stores._table import SID_BYTES, TableStore

__all__ = ["ListedOverflowStore", "OverflowStore"]

#: The keys in a cookie's data that name the row with the session's data, and the row that it moved back from.
ROW, LEFT = "_holdall_overflow", "_holdall_left"

# The number of generations that a move advances, the same as for a renewal.
MOVE = 1

# The bytes reserved in the cookie for the ID of another row (``revocable``), and for options of one response.
_SPARE = 200
# The share of the available space that a session may fill when it moves back, so that one near the limit does not move
# back and forth.
_COMES_BACK = 7 / 8
# How long a row that a session has left is kept, and then its tombstone, in seconds; the same as in
# ``lifecycle.actions``.
_GRACE = 60
# The same as in ``lifecycle.expiry``.
_TOUCHES_PER_LIFE = 10
_A_YEAR = 365 * 24 * 60 * 60

# Defined here, because inside the class ``list`` is its method.
_Rows = list[SessionRow]


class SessionWithRow(ForeignSession):
    """
    A session whose cookie names a row.

    Attributes:
        inner: The session as its cookie holds it.
        row: Its row, or only the row's ID.
        is_there: Whether its data is in the row; otherwise the data is back in the cookie.
    """

    __slots__ = ("inner", "is_there", "row")

    def __init__(self, inner: StoredSession, row: StoredSession, *, is_there: bool) -> None:
        move = getattr(inner, "move", None)
        super().__init__(inner, inner.origin, rewrite=inner.rewrite, move=None if move is None else self._moved)
        self.inner = inner
        self.row = row
        self.is_there = is_there
        if is_there:
            # The row's expiry counts, because the cookie's copy of it is updated only now and then.
            self.data, self.expires = row.data, row.expires
        else:
            self.data = {key: value for key, value in inner.data.items() if key != LEFT}

    def _moved(self, write: Write, *, key: str) -> Steps[StoredSession | NotFound]:
        found = yield from asked(self.inner.move(write, key=key))  # type: ignore[attr-defined]  # not called without it
        return _known(found) if isinstance(found, NotFound) else SessionWithRow(found, self.row, is_there=self.is_there)


class OverflowStore:
    """
    A cookie store with a table for sessions that do not fit into their cookies.

    Args:
        store: Keeps sessions in cookies with generations, and may keep rows of its own for logged-in ones.
        rows: Keeps the sessions that do not fit.
        settings: The settings of the ``Sessions``.
    """

    def __init__(self, store: Any, rows: TableStore, settings: Settings) -> None:
        self.store = store
        self.rows = rows.apart("overflow")
        self.table = rows.table
        self.check, self.mark_ended = store.check, store.mark_ended
        self.keeps_generations, self.reads_generations = store.keeps_generations, store.reads_generations
        self.sweep = rows.sweep
        self.listen: Callable[[Listener], None] = rows.listen
        # The store that seals cookies, without any table.
        self._cookies = store if hasattr(store, "format") else store.store
        self._settings = settings
        named = settings.attributes.ending[SUFFIXES[-1]]
        empty = SetCookie("", named, https=True, now=0, max_age=_A_YEAR)
        self._room = MAX_COOKIE_BYTES - _SPARE - empty.size

    def get(self, cookie: str, *, key: str) -> Steps[StoredSession | NotFound]:
        found = yield from asked(self.store.get(cookie, key=key))
        if isinstance(found, NotFound):
            return _known(found)
        named = _named(found)
        if not isinstance(named, SessionWithRow) or not named.is_there:
            return named
        # The row may have been bound to the cookie's current name since the browser sent an old one.
        row = yield from self.rows.get(named.row.cookie, key=key, or_keys=(self._settings.key,))
        if isinstance(row, NotFound):
            # Its generation takes precedence over a cookie that a late response may have set.
            return NotFound(row.reason, superseded=row.superseded, stored=named)
        return SessionWithRow(found, row, is_there=True)

    def put(self, stored: StoredSession | None, write: Write, *, key: str) -> Steps[StoredSession | None]:
        if isinstance(stored, SessionWithRow):
            if stored.is_there:
                return (yield from self._put_there(stored, write, key))
            return (yield from self._put_back(stored, write, key))
        sealed: StoredSession = self._cookies.put(stored, write, key=key)
        if len(sealed.cookie) > self._room:
            return (yield from self._move(stored, write, key))
        if self._cookies is self.store:
            return sealed
        written: StoredSession | None = yield from asked(self.store.put(stored, write, key=key))
        return written

    def delete(
        self, stored: StoredSession, *, key: str, superseded_until: int | None = None
    ) -> Steps[StoredSession | None]:
        row: StoredSession | None = None
        if isinstance(stored, SessionWithRow):
            row = yield from self.rows.delete_renewed(stored.row, key=key, until=superseded_until)
            if row is None and stored.is_there:
                found = yield from self.rows.get(stored.row.cookie, key=key)
                if not (isinstance(found, NotFound) and found.superseded):
                    return None
                # It has moved back into its cookie since, so the browser must be told that it has ended.
        inner: StoredSession | None = yield from asked(
            self.store.delete(_inner(stored), key=key, superseded_until=superseded_until)
        )
        if inner is None or not isinstance(stored, SessionWithRow):
            return inner
        return SessionWithRow(inner, row or stored.row, is_there=stored.is_there)

    def renew(
        self,
        stored: StoredSession,
        make_write: Callable[[StoredSession], Write],
        *,
        key: str,
        until: int,
        followed: bool,
    ) -> Steps[StoredSession | RenewalFailure]:
        write, was_there = make_write(stored), False
        row: StoredSession | None = None
        if isinstance(stored, SessionWithRow):
            inner, was_there = stored.inner, stored.is_there
            if was_there and followed and not self._fits(inner, write, key):

                def make_row(last: StoredSession) -> Write:
                    nonlocal write
                    write = make_write(SessionWithRow(inner, last, is_there=True))
                    return _of_row(write)

                answer = yield from self.rows.renew(stored.row, make_row, key=key, until=until, followed=True)
                if isinstance(answer, RenewalFailure):
                    return answer
                # The row decides between this request and one that ends the session, as in ``stores._revocable``.
                row, write = answer, write.changed(logs_in=False)
            else:
                # The row goes first: an ID that an attacker may know must not survive if the next step fails.
                last = yield from (
                    self.rows.delete(stored.row, key=key, superseded_until=until)
                    if followed
                    else self.rows.delete_renewed(stored.row, key=key, until=until)
                )
                if was_there and last is not None:
                    write = make_write(SessionWithRow(inner, last, is_there=True))
                elif was_there and (followed or write.principal is not None):
                    return RenewalFailure.GONE
            stored = inner
        if row is None and not self._fits(stored, write, key):
            row = yield from self.rows.put(None, _of_row(write), key=key)
        sealed = write if row is None else self._naming(write, row)
        if followed and self._cookies is not self.store:
            # A concurrent move from the same generation would set a cookie whose row is gone. The next generation
            # takes precedence over it.
            stored = _next(stored)
        renewed: StoredSession | RenewalFailure = yield from asked(
            self.store.renew(stored, lambda last: sealed, key=key, until=until, followed=followed)
        )
        if row is not None and isinstance(renewed, RenewalFailure):
            yield from self.rows.delete(row, key=key)
        if isinstance(renewed, RenewalFailure):
            return renewed
        if was_there is (row is None):
            self._report_moved(renewed, to_table=not was_there)
        return renewed if row is None else SessionWithRow(renewed, row, is_there=True)

    # Implementation.

    def _fits(self, stored: StoredSession | None, write: Write, key: str) -> bool:
        return len(self._cookies.put(stored, write, key=key).cookie) <= self._room

    def _report_moved(self, stored: StoredSession, *, to_table: bool) -> None:
        self._settings.emit("moved", "to the table" if to_table else "to the cookie", stored.log_id)

    def _naming(self, write: Write, row: StoredSession) -> Write:
        """Return the small session for the cookie, which names the *row* with the data and keeps the user ID."""
        own = {key: write.data[key] for key in write.data.keys() & set(self._settings.principals.keys)}
        named: Write = write.changed(data={**own, ROW: row.cookie})
        return named

    def _move(self, stored: StoredSession | None, write: Write, key: str) -> Steps[StoredSession | None]:
        """Move a session that does not fit into its cookie to the table."""
        if stored is None or stored.ended:
            row, place = (yield from self.rows.put(None, _of_row(write), key=key)), stored
        else:
            row = yield from self.rows.put_as(_sid_after(stored.cookie), _of_row(write), key=key)
            place = _next(stored)
        if row is None:
            return None
        written = yield from self._put_naming(place, write, row, key)
        if written is not None:
            self._report_moved(written, to_table=True)
        return written

    def _put_there(self, stored: SessionWithRow, write: Write, key: str) -> Steps[StoredSession | None]:
        """Write a session that is in the table, and move it back to its cookie if it fits."""
        # The lifetime may have been shortened in the settings, which no request has changed.
        is_shorter = not write.changes and write.expires < stored.row.expires
        wanted = write.changed(sets_lifetime=True) if is_shorter else write
        row = yield from self.rows.put(stored.row, _of_row(wanted), key=key)
        if row is None:
            return None
        back = write.changed(data={**row.data, LEFT: f"{row.cookie}.{write.seen}"})
        inner: StoredSession = stored.inner
        place = _next(inner)
        if len(self._cookies.put(place, back, key=key).cookie) > self._room * _COMES_BACK:
            is_due = (write.expires - inner.expires) * _TOUCHES_PER_LIFE >= write.expires - write.seen
            is_due = is_due or write.sets_lifetime or write.logs_in
            if getattr(stored.row, "key", None) == key and not (is_due or inner.origin):
                # Its cookie already names the row.
                return SessionWithRow(inner, row, is_there=True)
            return (yield from self._put_naming(inner, write, row, key))
        written = yield from asked(self.store.put(place, back, key=key))
        if written is None:
            return None
        self._report_moved(written, to_table=False)
        return SessionWithRow(written, row, is_there=False)

    def _put_naming(
        self, place: StoredSession | None, write: Write, row: StoredSession, key: str
    ) -> Steps[StoredSession | None]:
        written = yield from asked(self.store.put(place, self._naming(write, row), key=key))
        if written is not None:
            return SessionWithRow(written, row, is_there=True)
        # Another request has ended or renewed the session. A row that it was renewed to stays.
        yield from self.rows.delete(row, key=key, superseded_until=write.seen + _GRACE)
        return None

    def _put_back(self, stored: SessionWithRow, write: Write, key: str) -> Steps[StoredSession | None]:
        """Write a session that has moved back. The browser has sent its new cookie, so the row can go after a while."""
        inner, row = stored.inner, stored.row
        kept = write.changed(data={**write.data, LEFT: inner.data[LEFT]})
        fits = self._fits(inner, kept, key)
        try:
            if write.seen >= int(inner.data[LEFT].partition(".")[2]) + _GRACE:
                yield from self.rows.delete(row, key=key, superseded_until=write.seen + _GRACE)
                return (yield from self.put(inner, write, key=key))
        except StoreError:
            if not fits:
                raise
            # The session no longer needs the table. The next write tries to remove the row again.
        if fits:
            written = yield from asked(self.store.put(inner, kept, key=key))
            return None if written is None else SessionWithRow(written, row, is_there=False)
        # Requests that were sent before it moved back may still look for that row, so it is left to expire.
        return (yield from self._move(inner, write, key))


class ListedOverflowStore(OverflowStore):
    """An overflow store around one that keeps a row for each logged-in session (``revocable``)."""

    def list(self, principal: str, *, keys: Iterable[str], current: StoredSession | None) -> Steps[_Rows]:
        found: Steps[_Rows] = self.store.list(principal, keys=keys, current=_inner(current))
        return found

    def revoke(
        self, principal: str, *, keys: Iterable[str], keep: StoredSession | None, handle: str | None
    ) -> Steps[int]:
        ended: Steps[int] = self.store.revoke(principal, keys=keys, keep=_inner(keep), handle=handle)
        return ended

    def revoke_all(self, began_by: int) -> Steps[int]:
        return self.rows.revoke_all(began_by)

    def follow(self, place: StoredSession | RowRef) -> Steps[RowRef | None]:
        followed: Steps[RowRef | None] = self.store.follow(place.inner if isinstance(place, SessionWithRow) else place)
        return followed


def _inner(stored: StoredSession | None) -> StoredSession | None:
    return stored.inner if isinstance(stored, SessionWithRow) else stored


def _next(stored: StoredSession) -> StoredSession:
    """Return a session's place after a move."""
    moved: StoredSession = stored.changed(generation=(stored.generation or 0) + MOVE)
    return moved


def _named(found: StoredSession) -> StoredSession:
    """Return the session *found* in a cookie, with the row that it names, if any, as far as the cookie describes it."""
    for name, is_there in ((ROW, True), (LEFT, False)):
        sid = found.data.get(name)
        if sid is not None:
            return SessionWithRow(
                found, StoredSession(str(sid).partition(".")[0], {}, 0, found.expires), is_there=is_there
            )
    return found


def _known(missing: NotFound) -> NotFound:
    """Return *missing* with the row that its cookie names, if that is known."""
    stored = missing.stored
    return missing if stored is None else NotFound(missing.reason, superseded=missing.superseded, stored=_named(stored))


def _of_row(write: Write) -> Write:
    """Return *write* for the row, without a client, because separate rows list users' sessions."""
    row: Write = write.changed(client=None)
    return row


def _sid_after(cookie: str) -> str:
    """Return the ID of the row for a session that does not fit into the successor of this *cookie*."""
    return to_text(hashlib.sha256(b"holdall overflow" + cookie.encode("ascii")).digest()[:SID_BYTES])
