"""
Migrate other libraries' sessions: copy each from a source into the table under a new ID, and remove it at the source.

A pointer leads from the old cookie to the new ID: a row under a digest of the old cookie, which only one request can
insert. It contains the new ID, sealed under a key derived from the old cookie, so that the table sees neither. A later
or concurrent request with the old cookie follows it to the one migrated session. The pointer is written before the
source's entry is removed and lives longer, so an ended session is not found again, wherever the move is interrupted.
"""

import hashlib
import hmac
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from inspect import iscoroutinefunction
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdall._clock import NEVER, Clock, time_limit, utc_now
from holdall._errors import ConfigurationError
from holdall.sources._contract import AnySource, Entry, Refused
from holdall.steps import Step, Steps
from holdall.stores._contract import ForeignSession, NotFound, StoredSession, Write
from holdall.stores._rows import NONCE_BYTES
from holdall.stores._table import SessionInRow, TableStore, digest_of, log_id_of
from holdall.stores._verbs import Insert, Read, Remove
from holdall.tables import Kind
from holdall.tables._contract import Row

__all__ = ["MigratingStore"]

_UNKNOWN = NotFound("unknown")


class _OfEntry(Step):
    __slots__ = ("cookie",)

    def __init__(self, source: Any, cookie: str) -> None:
        self.target = source
        self.cookie = cookie


class ReadEntry(_OfEntry):
    """Read a source's entry for a cookie."""

    __slots__ = ()
    waits = "blocking_reads"

    def take(self) -> Any:
        return self.target.read(self.cookie)


class DeleteEntry(_OfEntry):
    """Remove a source's entry for a cookie."""

    __slots__ = ()

    def take(self) -> Any:
        return self.target.delete(self.cookie)


class MigratedSession(SessionInRow):
    """A session in a row, requested with a cookie of the library that it came from."""

    __slots__ = ("origin",)

    def __init__(self, found: SessionInRow, origin: str) -> None:
        super().__init__(
            found.cookie, found.data, found.created, found.expires, found.version or 0, found.key, found.owner
        )
        self.origin = origin


class MigratingStore:
    """
    A table store that also finds sessions that are still stored by other libraries.

    All methods except ``get`` are those of the table store.

    Args:
        store: The table store that keeps the sessions from now on.
        migrate_from: Sources of sessions that are moved when they are first found (``holdall.sources``).
        read_old_until: The time from which the sources are ignored; a ``datetime`` with its time zone.

    Raises:
        ConfigurationError: A source is async and the table is not, or *read_old_until* is invalid.
    """

    def __init__(
        self,
        store: TableStore,
        migrate_from: Iterable[AnySource],
        *,
        read_old_until: datetime | None = None,
        clock: Clock = utc_now,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.store = store
        self.table = store.table
        self.list_from = store.list_from
        self._pointers = store.apart("moved")
        form: Kind = "async" if iscoroutinefunction(store.table.read) else "sync"
        self.sources = tuple(_opened(source, form) for source in migrate_from)
        self._read_old_until = time_limit("read_old_until", read_old_until)
        self._clock = clock
        self._random = random
        self.put = store.put
        self.delete = store.delete
        self.renew = store.renew
        self.update = store.update
        self.sweep = store.sweep
        self.list = store.list
        self.revoke = store.revoke
        self.revoke_all = store.revoke_all
        self.follow = store.follow
        self.check = store.check
        self.listen = store.listen

    def get(self, cookie: str, *, key: str) -> Steps[StoredSession | NotFound]:
        found = yield from self.store.get(cookie, key=key)
        if isinstance(found, StoredSession) or found.superseded:
            return found
        sources = self._sources_of(cookie)
        now = self._clock()
        if not sources or now >= self._read_old_until:
            return found
        for source in sources:
            entry: Entry | Refused | None = yield ReadEntry(source, cookie)
            if isinstance(entry, Entry):
                # Do not create a row for an empty session.
                entry = self._carried(entry) if entry.data and entry.expires > now else None
            match entry:
                case Refused(reason):
                    found = NotFound(reason)
                case Entry(data, expires, created):
                    begun, ends = int((created or now).timestamp()), int(expires.timestamp())
                    session = StoredSession(cookie, data, begun, ends, log_id_of(cookie))
                    return ForeignSession(session, source.name, move=partial(self._move, session, source.name))
        # Checked last, because a session's pointer is written before its entry disappears from a source.
        return (yield from self._pointed(cookie, key)) or found

    def _move(self, session: StoredSession, origin: str, write: Write, *, key: str) -> Steps[StoredSession | NotFound]:
        """Move a session from a source into the table, once, and remove it from the source."""
        found = yield from self._pointed(session.cookie, key)
        if found is None:
            found = yield from self._move_first(session, origin, write, key)
        for source in self._sources_of(session.cookie):
            yield DeleteEntry(source, session.cookie)
        return found or (yield from self._pointed(session.cookie, key)) or _UNKNOWN

    def _move_first(self, session: StoredSession, origin: str, write: Write, key: str) -> Steps[StoredSession | None]:
        """Create a row and the pointer to it, and return the session; ``None`` if another request was first."""
        moved = yield from self.store.put(None, write, key=key)
        assert moved is not None  # noqa: S101  # no other request can have ended a new session
        nonce = self._random(NONCE_BYTES)
        sealed = nonce + _box(session.cookie).encrypt(nonce, moved.cookie.encode("ascii"), None)
        # The times of rows are whole seconds, and this row must outlive the source's entry.
        until = min(datetime.fromtimestamp(session.expires, UTC) + timedelta(seconds=1), NEVER)
        # Clearing all sessions removes the rows that began by then. The pointer must stay, although it then leads
        # nowhere: without it, an old cookie that contains the session itself would open it again.
        row = Row(sealed, 0, until, created=until, principal=self._pointers.owner(write.principal, key))
        if (yield Insert(self.table, _pointer(session.cookie), row)):
            return MigratedSession(moved, origin)
        yield Remove(self.table, digest_of(moved.cookie))
        return None

    def _pointed(self, cookie: str, key: str) -> Steps[StoredSession | NotFound | None]:
        """Return the migrated session for an old *cookie*; ``None`` if it was not moved."""
        row = yield Read(self.table, _pointer(cookie))
        if row is None:
            return None
        try:
            sid = _box(cookie).decrypt(row.data[:NONCE_BYTES], row.data[NONCE_BYTES:], None).decode("ascii")
        except (InvalidTag, ValueError):
            return _UNKNOWN
        found = yield from self.store.get(sid, key=key)
        if not isinstance(found, NotFound):
            return MigratedSession(found, "moved")
        return (
            NotFound(found.reason, superseded=True, stored=StoredSession(sid, {}, 0, 0)) if found.superseded else found
        )

    def _sources_of(self, cookie: str) -> list[Any]:
        return [source for source in self.sources if cookie.isascii() and source.matches(cookie)]

    def _carried(self, entry: Entry) -> Entry | Refused:
        """Return *entry* if it can be stored here unchanged."""
        kinds = {type(key).__qualname__ for key in entry.data if not isinstance(key, str)}
        if kinds:
            return Refused(f"one of its keys is of type {min(kinds)}, and keys must be strings")
        for key, value in entry.data.items():
            try:
                self.check(key, value)
            except TypeError:
                # The error's message also names the path within the value, and keys there may be data.
                return Refused(f"session[{key!r}] cannot be stored")
        return entry


def _opened(source: AnySource, form: Kind) -> Any:
    open_in = getattr(source, "opened", None)
    opened: Any = source if open_in is None else open_in(form)
    if form == "sync" and iscoroutinefunction(opened.read):
        msg = f"the source {source.name!r} is async but its table is not: pass its URL, or use an async table."
        raise ConfigurationError(msg)
    return opened


def _pointer(cookie: str) -> bytes:
    return hashlib.sha256(b"holdall pointer" + cookie.encode("ascii")).digest()


def _box(cookie: str) -> AESGCM:
    return AESGCM(hmac.digest(cookie.encode("ascii"), b"holdall pointer 1", "sha256"))
