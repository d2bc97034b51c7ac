"""Keep sessions in a table: the cookie contains a secret ID, and the table everything else."""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from datetime import UTC, datetime
from inspect import iscoroutinefunction
from typing import Any

from holdall._base64url import to_text
from holdall._errors import ConfigurationError, ContentionError, StoreError
from holdall._events import Listener
from holdall.serializers import Serializer, TaggedJSON
from holdall.steps import Steps
from holdall.stores import _principals as principals
from holdall.stores._contract import NotFound, RenewalFailure, RowRef, SessionRow, StoredSession, Write
from holdall.stores._renewal import end, follow, succeed
from holdall.stores._rows import Labels, RowSealer
from holdall.stores._verbs import Insert, Read, Remove, Replace, Sweep, Touch
from holdall.tables._contract import AsyncTable, Replacement, Row, Table, Tombstone

__all__ = ["SID_BYTES", "SessionInRow", "TableStore", "digest_of", "log_id_of"]

# 240 random bits are exactly 40 characters, which fits the columns of packages that store a Django session key.
SID_BYTES = 30
_SID = re.compile(r"[A-Za-z0-9_-]{40}")

# Each conflict means that another request's write succeeded, so this many in a row means that something is wrong.
_MOST_CONFLICTS = 1000

_MALFORMED = NotFound("malformed")
_UNKNOWN = NotFound("unknown")
_RENEWED = NotFound("renewed", superseded=True)
_UNREADABLE = NotFound("unreadable")


class SessionInRow(StoredSession):
    """
    A session in a row.

    Attributes:
        key: The cookie name that its row is bound to.
        owner: The row's name for the principal. A write does not change it, even if ``principal_key`` has been
            changed since and now names another user.
    """

    __slots__ = ("key", "owner")

    def __init__(
        self,
        sid: str,
        data: dict[str, Any],
        created: int,
        expires: int,
        version: int,
        key: str,
        owner: str | None,
    ) -> None:
        self.cookie = sid
        self.key = key
        self.owner = owner
        self.data = data
        self.created = created
        self.expires = expires
        self.version = version

    @property
    def log_id(self) -> str:  # type: ignore[override]  # computed on demand, because most requests need none
        return log_id_of(self.cookie)


# Defined here, because inside the class ``list`` is its method.
_Rows = list[SessionRow]


class TableStore:
    """
    A store that keeps each session in a row of *table*.

    Concurrent requests lose no writes, and a session that has ended does not come back. The table never sees an ID or,
    if its rows leave the process, any data.

    Args:
        table: A table, sync or async.
        encrypt: Encrypt the rows' data; by default if they leave the process.
        secret_key_base: Used with the IDs to derive the rows' keys, so that write access to the table is not enough to
            forge a session; at least 32 bytes. With ``None`` the keys come from the IDs alone.
        fallbacks: Old secrets, whose rows are still read.
        list_from: A table from which lists of a user's sessions are read, such as a replica's. It is never written to,
            and no session is ended because of its content, because it may lag behind.
        app_name: Distinguishes applications that share one table: neither reads the other's rows or finds its
            users.
        weak_secrets: Warn of a weak secret instead of refusing it.
        random: Source of secret random bytes.

    Raises:
        ConfigurationError: A secret or *app_name* is invalid, or only one of *list_from* and *table* is async.
    """

    def __init__(
        self,
        table: Table | AsyncTable,
        *,
        encrypt: bool | None = None,
        secret_key_base: str | bytes | None = None,
        fallbacks: Iterable[str | bytes] = (),
        list_from: Table | AsyncTable | None = None,
        app_name: str = "",
        weak_secrets: bool = False,
        serializer: Serializer | None = None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.table: Any = table
        self.list_from: Any = table if list_from is None else list_from
        if list_from is not None and iscoroutinefunction(list_from.find) is not iscoroutinefunction(table.find):
            msg = "list_from= and the table differ in form: both have to be sync, or both async."
            raise ConfigurationError(msg)
        self._app = app_name
        self._use = ""
        self._evicts = bool(getattr(table, "evicts", False))
        self._serializer = serializer or TaggedJSON()
        #: Raises ``TypeError`` for a value that cannot be stored.
        self.check: Callable[[str, Any], None] = getattr(self._serializer, "check", None) or self._check_by_writing
        self._random = random
        principals.check_app(app_name)
        self._sealer: RowSealer | None = None
        if table.leaves_process if encrypt is None else encrypt:
            self._sealer = RowSealer(
                secret_key_base, fallbacks=fallbacks, app=app_name, weak_secrets=weak_secrets, random=random
            )

    # Methods of every store.

    def get(self, cookie: str, *, key: str, or_keys: tuple[str, ...] = ()) -> Steps[SessionInRow | NotFound]:
        """Implement ``Store.get``, but also accept a row that is bound to one of *or_keys*."""
        if not _SID.fullmatch(cookie):
            return _MALFORMED
        row = yield Read(self.table, digest_of(cookie))
        if row is None:
            return _UNKNOWN
        if row.is_tombstone:
            return _RENEWED
        return self._session(cookie, row, key, *or_keys) or _UNREADABLE

    def put(self, stored: StoredSession | None, write: Write, *, key: str) -> Steps[SessionInRow | None]:
        if stored is None:
            return (yield from self._insert(write, key))
        sid, digest = stored.cookie, digest_of(stored.cookie)
        owner = stored.owner if isinstance(stored, SessionInRow) else self.owner(write.principal, key)
        # A touch cannot move the expiry to an earlier time. A row that is bound to an old name must be written, because
        # its cookie gets the current one.
        if not (write.changes or write.sets_lifetime) and _key_of(stored, key) == key:
            if not (yield Touch(self.table, digest, _time(write.expires), _time(write.seen))):
                return None
            return SessionInRow(sid, stored.data, stored.created, write.expires, stored.version or 0, key, owner)
        data, version, expires = write.data, stored.version or 0, write.expires
        for _ in range(_MOST_CONFLICTS):
            row = self._row(sid, digest, data, version + 1, expires, write, key, owner)
            match (yield Replace(self.table, digest, row, version)):
                case Replacement.REPLACED:
                    return SessionInRow(sid, data, stored.created, expires, version + 1, key, owner)
                case Replacement.GONE:
                    return None
            present = yield Read(self.table, digest)
            if (
                present is None
                or present.is_tombstone
                or (latest := self._session(sid, present, key, _key_of(stored, key))) is None
            ):
                return None
            data, version = write.changes.over(latest.data), present.version
            if not write.sets_lifetime:
                expires = latest.expires
        msg = f"gave up after {_MOST_CONFLICTS} conflicts with other requests that write to the same session."
        raise StoreError(msg)

    def put_as(self, sid: str, write: Write, *, key: str) -> Steps[SessionInRow | None]:
        """
        Write a new session with the ID *sid*, or apply the changes to the one that another request has written.

        Returns ``None`` if that session has ended.
        """
        digest = digest_of(sid)
        row = self._row(sid, digest, write.data, 1, write.expires, write, key, self.owner(write.principal, key))
        if (yield Insert(self.table, digest, row)):
            return SessionInRow(sid, write.data, write.created, write.expires, 1, key, row.principal)
        found = yield from self.get(sid, key=key)
        if isinstance(found, NotFound):
            return None
        return (yield from self.put(found, write.changed(data=write.changes.over(found.data)), key=key))

    def delete(
        self, stored: StoredSession, *, key: str, superseded_until: int | None = None
    ) -> Steps[StoredSession | None]:
        digest = digest_of(stored.cookie)
        tombstone = None if superseded_until is None else Tombstone(_time(superseded_until), b"")
        row = yield Remove(self.table, digest, tombstone)
        if row is not None:
            return self._session(stored.cookie, row, key, _key_of(stored, key)) or stored
        if tombstone is None and (yield from end(self.table, digest)):
            return stored
        return None

    def delete_renewed(self, stored: StoredSession, *, key: str, until: int | None) -> Steps[StoredSession | None]:
        """End a session as ``delete`` does, and also one that was renewed in the meantime."""
        last = yield from self.delete(stored, key=key, superseded_until=until)
        if last is None and until is not None:
            last = yield from self.delete(stored, key=key)
        return last

    def renew(
        self,
        stored: StoredSession,
        make_write: Callable[[StoredSession], Write],
        *,
        key: str,
        until: int,
        followed: bool,
    ) -> Steps[StoredSession | RenewalFailure]:
        sid = to_text(self._random(SID_BYTES))
        old, new = digest_of(stored.cookie), digest_of(sid)
        # Remove before insert. If the insert then fails, the user is logged out: a nuisance. The other order could keep
        # an ID alive that an attacker planted: a breach.
        row = yield Remove(self.table, old, Tombstone(_time(until), new if followed else b""))
        last = None if row is None else self._session(stored.cookie, row, key, _key_of(stored, key))
        if last is None:
            return RenewalFailure.GONE
        write = make_write(last)
        owner = self.owner(write.principal, key)
        row = self._row(sid, new, write.data, 1, write.expires, write, key, owner)
        came = (yield from succeed(self.table, old, new, row)) if followed else (yield Insert(self.table, new, row))
        if not came and not followed:
            raise StoreError(_REFUSED)
        if not came:
            return RenewalFailure.ENDED
        return SessionInRow(sid, write.data, write.created, write.expires, 1, key, owner)

    def update(
        self, stored: StoredSession, make_write: Callable[[StoredSession], Write], *, key: str
    ) -> Steps[StoredSession | None]:
        digest, latest = digest_of(stored.cookie), stored
        owner = stored.owner if isinstance(stored, SessionInRow) else None
        for _ in range(_MOST_CONFLICTS):
            write, version = make_write(latest), latest.version or 0
            row = self._row(stored.cookie, digest, write.data, version + 1, write.expires, write, key, owner)
            match (yield Replace(self.table, digest, row, version)):
                case Replacement.REPLACED:
                    return SessionInRow(
                        stored.cookie, write.data, write.created, write.expires, version + 1, key, owner
                    )
                case Replacement.GONE:
                    return None
            present = yield Read(self.table, digest)
            if present is None or present.is_tombstone:
                return None
            read = self._session(stored.cookie, present, key, _key_of(stored, key))
            if read is None:
                return None
            latest = read
        msg = f"gave up after {_MOST_CONFLICTS} conflicts with other requests that update the same value: try again."
        raise ContentionError(msg)

    def sweep(self, limit: int) -> Steps[int]:
        """Remove up to *limit* expired rows, and return how many were removed."""
        swept: int = yield Sweep(self.table, limit)
        return swept

    # Methods of a store that knows its sessions' owners.

    def list(self, principal: str, *, keys: Iterable[str], current: StoredSession | None) -> Steps[_Rows]:
        return principals.list_rows(self.list_from, self._owners(principal, keys), current=_digest(current))

    def revoke(
        self, principal: str, *, keys: Iterable[str], keep: StoredSession | None, handle: str | None
    ) -> Steps[int]:
        return principals.revoke(self.table, self._owners(principal, keys), keep=_digest(keep), handle=handle)

    def revoke_all(self, began_by: int) -> Steps[int]:
        return principals.revoke_all(self.table, _time(began_by))

    def follow(self, place: StoredSession | RowRef) -> Steps[RowRef | None]:
        return follow(self.table, place if isinstance(place, RowRef) else RowRef(digest_of(place.cookie)))

    # Additional rows of sessions that are listed elsewhere.

    def apart(self, use: str) -> "TableStore":
        """
        Return a store over the same table for rows that belong to users' sessions but are not sessions themselves.

        *use* is one word that names their purpose. No list of a user's sessions shows these rows.
        """
        store = copy(self)
        # No cookie name contains a space.
        store._use = f" {use}"
        return store

    def owner(self, principal: str | None, key: str) -> str | None:
        """Return a new row's name for its *principal*, in sessions whose cookie is named *key*."""
        # Only a table that evicts needs to know whose the additional rows are. Elsewhere it would cost an index entry.
        if principal is None or (self._use and not self._evicts):
            return None
        return principals.owner(principal, self._app, key + self._use)

    # Handled by the table.

    def listen(self, listener: Listener) -> None:
        """Report events of the table itself to *listener*, if it has any."""
        listen = getattr(self.table, "listen", None)
        if listen is not None:
            listen(listener)

    def _check_by_writing(self, key: str, value: Any) -> None:
        self._serializer.dumps({key: value})

    def _insert(self, write: Write, key: str) -> Steps[SessionInRow]:
        # 240 random bits do not collide; a table that reports two collisions is broken.
        owner = self.owner(write.principal, key)
        for _ in range(2):
            sid = to_text(self._random(SID_BYTES))
            digest = digest_of(sid)
            row = self._row(sid, digest, write.data, 1, write.expires, write, key, owner)
            if (yield Insert(self.table, digest, row)):
                return SessionInRow(sid, write.data, write.created, write.expires, 1, key, owner)
        raise StoreError(_REFUSED)

    def _owners(self, principal: str, keys: Iterable[str]) -> Iterable[str]:
        return [principals.owner(principal, self._app, key) for key in keys]

    def _place(self, key: str) -> bytes:
        """Return the prefix that binds an unsealed row to the application and the cookie's name."""
        return f"{key}\0{self._app}\0".encode()

    def _row(
        self,
        sid: str,
        digest: bytes,
        data: Mapping[str, Any],
        version: int,
        expires: int,
        write: Write,
        key: str,
        owner: str | None,
    ) -> Row:
        payload = self._serializer.dumps(data)
        if self._sealer is None:
            payload = self._place(key) + payload
        else:
            labels = Labels(digest, key, version, write.created, owner)
            payload = self._sealer.seal(sid, payload, write.ends, labels)
        return Row(payload, version, _time(expires), _time(write.created), owner, write.client, _time(write.seen))

    def _session(self, sid: str, row: Row, *keys: str) -> SessionInRow | None:
        """Return the session of a *row* that is bound to one of *keys*, the cookie's current and old names."""
        payload, created, expires = row.data, int(row.created.timestamp()), int(row.expires.timestamp())
        for key in keys:
            if self._sealer is not None:
                labels = Labels(digest_of(sid), key, row.version, created, row.principal)
                opened = self._sealer.open(sid, payload, labels)
                if opened is not None:
                    payload, expires = opened[0], min(expires, opened[1])
                    break
            elif payload.startswith(place := self._place(key)):
                payload = payload[len(place) :]
                break
        else:
            return None
        try:
            data = self._serializer.loads(payload)
        except ValueError:
            # Not what we wrote: the row was damaged, or the store's configuration has changed.
            return None
        return SessionInRow(sid, data, created, expires, row.version, key, row.principal)


_REFUSED = "the table refuses a row under a new random ID: it is full or broken."


def digest_of(sid: str) -> bytes:
    """Return the digest under which the row of *sid* is stored."""
    return hashlib.sha256(sid.encode("ascii")).digest()


def log_id_of(sid: str) -> str:
    """Return the log ID of *sid*."""
    # Not the digest, so that readers of the log cannot identify a row.
    return hashlib.sha256(b"holdall log" + sid.encode("ascii")).hexdigest()[:16]


def _key_of(stored: StoredSession, key: str) -> str:
    return stored.key if isinstance(stored, SessionInRow) else key


def _digest(stored: StoredSession | None) -> bytes | None:
    return None if stored is None else digest_of(stored.cookie)


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
