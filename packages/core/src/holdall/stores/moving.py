"""
Sessions that come from other libraries: each is found in a source, written into the table under a new id, and removed.

Between the old cookie and the new id stands a pointer: a row under a digest of the old cookie, which only one request
can insert. It holds the new id, sealed under a key derived from the old cookie, so that the table sees neither. Whoever
comes with the old cookie later, or at the same time, is led to the one session that was made of it. It is there before
the source's entry goes and outlives that, so a session that has ended is not found again, whatever breaks off where.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdall._discreet import discreet
from holdall.clock import NEVER, Clock, time_limit, utc_now
from holdall.errors import ConfigurationError
from holdall.sources.contract import AnySource, Entry, Refused, in_form
from holdall.steps import Steps
from holdall.stores.contract import Draft, Missing, Stored
from holdall.stores.table import NONCE_BYTES, TableSteps, digest_of, log_id_of
from holdall.stores.verbs import Insert, Read, Remove
from holdall.tables import Form
from holdall.tables.contract import Row

__all__ = ["MovingSteps"]

_UNKNOWN = Missing("unknown")


@discreet
class ReadEntry(NamedTuple):
    """Read what a source has for a cookie."""

    source: Any
    cookie: str

    def on(self, table: object) -> Any:
        return self.source.read(self.cookie)


@discreet
class DeleteEntry(NamedTuple):
    """Remove what a source has for a cookie."""

    source: Any
    cookie: str

    def on(self, table: object) -> Any:
        return self.source.delete(self.cookie)


@dataclass(frozen=True)
class MovingSteps(TableSteps):
    """
    What a table store does whose sessions may still be in its sources.

    Attributes:
        until: From then on they are not looked for there any more.
    """

    until: datetime = NEVER
    clock: Clock = utc_now

    @classmethod
    def over(
        cls,
        steps: TableSteps,
        sources: Iterable[AnySource],
        *,
        form: Form,
        until: datetime | None,
        clock: Clock,
    ) -> "MovingSteps":
        """
        Return *steps* with *sources*, opened in the *form* of the store's table.

        Raises:
            ConfigurationError: A source has another form than the table, or *read_old_until* is no time.
        """
        opened = []
        for source in sources:
            found = in_form(source, form)
            if found is None:
                is_not, store = ("is", "AsyncTableStore") if form == "sync" else ("is not", "TableStore")
                msg = f"the source {source.name!r} {is_not} awaited: keep the sessions in {store}, or give it a URL."
                raise ConfigurationError(msg)
            opened.append(found)
        given = {**vars(steps), "sources": tuple(opened)}
        return cls(**given, until=time_limit("read_old_until", until), clock=clock)

    def get(self, cookie: str, *, key: str) -> Steps[Stored | Missing]:
        found = yield from super().get(cookie, key=key)
        if isinstance(found, Stored) or found.late:
            return found
        sources = self._sources_of(cookie)
        now = self.clock()
        if not sources or now >= self.until:
            return found
        for source in sources:
            entry: Entry | Refused | None = yield ReadEntry(source, cookie)
            if isinstance(entry, Entry):
                # Nobody's empty session is not worth a row.
                entry = self._carried(entry) if entry.data and entry.expires > now else None
            match entry:
                case Refused(reason):
                    found = Missing(reason)
                case Entry(data, expires, created):
                    begun, log_id = created or now, log_id_of(cookie)
                    return Stored(cookie, data, begun, expires, log_id, origin=source.name, elsewhere=True)
        # Only now: it is moved before it goes there.
        return (yield from self._pointed(cookie, key)) or found

    def move(self, stored: Stored, draft: Draft, *, key: str) -> Steps[Stored | Missing]:
        found = yield from self._pointed(stored.cookie, key)
        if found is None:
            found = yield from self._move_first(stored, draft)
        for source in self._sources_of(stored.cookie):
            yield DeleteEntry(source, stored.cookie)
        return found or (yield from self._pointed(stored.cookie, key)) or _UNKNOWN

    def _move_first(self, stored: Stored, draft: Draft) -> Steps[Stored | None]:
        """Make a row and the pointer to it, and return what that is now; ``None`` if another request was first."""
        # It succeeds no session of ours that could have ended meanwhile.
        moved = cast("Stored", (yield from self._insert(draft)))
        nonce = self.random(NONCE_BYTES)
        sealed = nonce + _box(stored.cookie).encrypt(nonce, moved.cookie.encode("ascii"), None)
        # Rows count whole seconds, and this one is to outlive the source's entry.
        until = min(stored.expires.replace(microsecond=0) + timedelta(seconds=1), NEVER)
        # Where everybody's sessions are ended, what began by then is removed. The pointer is to stay, and leads nowhere
        # then: without it an old cookie that holds the session itself would open it again.
        if (yield Insert(_pointer(stored.cookie), Row(sealed, 0, until, created=until))):
            return moved._replace(origin=stored.origin)
        yield Remove(digest_of(moved.cookie), None)
        return None

    def _pointed(self, cookie: str, key: str) -> Steps[Stored | Missing | None]:
        """Return what was made of the session of an old *cookie*; ``None`` if it was not moved."""
        row = yield Read(_pointer(cookie))
        if row is None:
            return None
        try:
            sid = _box(cookie).decrypt(row.data[:NONCE_BYTES], row.data[NONCE_BYTES:], None).decode("ascii")
        except (InvalidTag, ValueError):
            return _UNKNOWN
        found = yield from super().get(sid, key=key)
        if isinstance(found, Stored):
            return found._replace(origin="moved")
        return found._replace(cookie=sid) if found.late else found

    def _sources_of(self, cookie: str) -> list[Any]:
        return [source for source in self.sources if cookie.isascii() and source.matches(cookie)]

    def _carried(self, entry: Entry) -> Entry | Refused:
        """Return *entry* if it can be kept here as it is."""
        kinds = {type(key).__qualname__ for key in entry.data if not isinstance(key, str)}
        if kinds:
            return Refused(f"one of its keys is of type {min(kinds)}, and keys must be strings")
        for key, value in entry.data.items():
            try:
                self.check(key, value)
            except TypeError:
                # What it says names the place within the value too, and keys there may be data: somebody's address.
                return Refused(f"session[{key!r}] cannot be stored")
        return entry


def _pointer(cookie: str) -> bytes:
    return hashlib.sha256(b"holdall pointer" + cookie.encode("ascii")).digest()


def _box(cookie: str) -> AESGCM:
    return AESGCM(hmac.digest(cookie.encode("ascii"), b"holdall pointer 1", "sha256"))
