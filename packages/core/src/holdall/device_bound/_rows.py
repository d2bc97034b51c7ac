"""
Store the bindings of sessions in a table.

A session's row says that it is bound, and with which secret. Everything else is in a separate row under the binding's
name: the device's key and the challenges. So a refresh writes no session row, and a renewal no device row. A bound
cookie is a MAC under the secret, which is stored in the session, so checking it needs no other read of the table.
"""

import hmac
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any

from holdall._base64url import to_text
from holdall._clock import FOREVER
from holdall._lifecycle.device import OVERLAP, Binding, binding_of, is_carried
from holdall._settings import Settings
from holdall.device_bound._bindings import BindingStore, Device
from holdall.device_bound._marks import marked, read_mark, without_mark
from holdall.device_bound._options import DeviceBound
from holdall.device_bound._proofs import DeviceKey
from holdall.steps import Steps, asked
from holdall.stores._contract import Changes, ForeignSession, NotFound, RenewalFailure, SessionRow, StoredSession, Write
from holdall.stores._table import SessionInRow, TableStore, digest_of
from holdall.stores._verbs import Insert, Read, Remove, Touch
from holdall.tables._contract import Row, handle_of

__all__ = ["BoundTableStore"]

# Defined here, because inside the class ``list`` is its method.
_Rows = list[SessionRow]
_Values = list[str]
_Challenge = list[Any]

_NO_CHANGES = Changes({})
_SECRET_BYTES = 30
_NONCE_BYTES = 12
_BINDING_ID = re.compile(r"[A-Za-z0-9_-]{32}")
_TOKEN = re.compile(r"([0-9]{1,12})\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]{43}")


class BoundInRow(SessionInRow):
    """A device-bound session in a row, with its data as the application sees it."""

    __slots__ = ("binding", "origin")

    def __init__(self, found: SessionInRow, binding: Binding) -> None:
        version = found.version or 0
        data = without_mark(found.data)
        super().__init__(found.cookie, data, found.created, found.expires, version, found.key, found.owner)
        self.binding = binding
        self.origin = found.origin


class BoundTableStore(BindingStore):
    """A table store, or one that migrates into a table, whose sessions can be bound to a device."""

    def __init__(
        self,
        store: Any,
        options: DeviceBound,
        settings: Settings,
        now: Callable[[], int],
        random: Callable[[int], bytes],
    ) -> None:
        super().__init__(store, options, settings, now, random)
        self.table = store.table
        self._rows: TableStore = store if isinstance(store, TableStore) else store.store
        self._devices = self._rows.apart("device")
        # A device's row is bound to the cookie name that the session had then.
        self._keys = tuple(f"{key} device" for key in settings.keys)
        self._key = self._keys[0]

    # Used by every request.

    def get(self, cookie: str, *, key: str) -> Steps[StoredSession | NotFound]:
        found = yield from self.store.get(cookie, key=key)
        if isinstance(found, ForeignSession) and found.move is not None:
            found.move = partial(self._moved, cookie, found.move)
        return found if isinstance(found, NotFound) else self._checked(cookie, _opened(found))

    def _moved(
        self, cookie: str, move: Callable[..., Any], write: Write, *, key: str
    ) -> Steps[StoredSession | NotFound]:
        moved: StoredSession | NotFound = yield from asked(move(write, key=key))
        # An earlier request may have moved it already, and it may have been bound since.
        return moved if isinstance(moved, NotFound) else self._checked(cookie, _opened(moved))

    def put(self, stored: StoredSession | None, write: Write, *, key: str) -> Steps[StoredSession | None]:
        binding = binding_of(stored)
        written = yield from self.store.put(stored, marked(write, binding), key=key)
        # A touch returns the data that it was given, which has no mark.
        return None if written is None else _opened(written, binding)

    def delete(
        self, stored: StoredSession, *, key: str, superseded_until: int | None = None
    ) -> Steps[StoredSession | None]:
        last = yield from self.store.delete(stored, key=key, superseded_until=superseded_until)
        if last is None:
            return None
        last = _opened(last, binding_of(stored))
        yield from self._end(last)
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
        last: StoredSession = stored
        carried: Binding | None = None

        def make_marked(found: StoredSession) -> Write:
            nonlocal last, carried
            last = _opened(found)
            write = make_write(last)
            is_kept = is_carried(same_principal=followed, principal=write.principal)
            carried = binding_of(last) if is_kept else None
            return marked(write, carried)

        renewed = yield from self.store.renew(stored, make_marked, key=key, until=until, followed=followed)
        if isinstance(renewed, RenewalFailure):
            if renewed is RenewalFailure.ENDED:
                yield from self._end(last)
            return renewed
        if carried is None:
            yield from self._end(last)
        else:
            yield from self._note(renewed, self._now())
            yield Remove(self.table, _note_of(_handle(last)))
        return _opened(renewed)

    def update(
        self, stored: StoredSession, make_write: Callable[[StoredSession], Write], *, key: str
    ) -> Steps[StoredSession | None]:
        def make_marked(latest: StoredSession) -> Write:
            opened = _opened(latest)
            return marked(make_write(opened), binding_of(opened))

        written = yield from self.store.update(stored, make_marked, key=key)
        return None if written is None else _opened(written)

    def list(self, principal: str, *, keys: Iterable[str], current: StoredSession | None) -> Steps[_Rows]:
        rows: _Rows = yield from self.store.list(principal, keys=keys, current=current)
        shown = []
        for row in rows:
            noted = yield Read(self.table, _note_of(row.handle))
            shown.append(row if noted is None else row.changed(device_bound=True))
        return shown

    # Registration.

    guards_registrations = True

    def offer(self, stored: StoredSession, now: int) -> str:
        return self._token(stored.cookie, "offer", now + self._challenge_seconds)

    def accepts_offer(self, stored: StoredSession, challenge: str, now: int) -> bool:
        return _is_token(stored.cookie, "offer", challenge, now)

    def bind(self, stored: StoredSession, key: DeviceKey, now: int) -> Steps[StoredSession | None]:
        binding = Binding(to_text(self._random(_SECRET_BYTES)), now)
        # Written before the session's mark, because otherwise a bound session could exist whose cookie cannot be
        # renewed.
        yield from self._insert(binding, key, stored, now)
        try:
            bound = yield from self.store.update(stored, _marking(binding, self.settings, now), key=self.settings.key)
        except _DoneError:
            bound = None
        if bound is None:
            yield Remove(self.table, digest_of(_name(binding.id)))
            return None
        yield from self._note(bound, now)
        return _opened(bound)

    def device_cookie(self, stored: StoredSession, key: DeviceKey, now: int) -> str | None:
        return None

    # Refresh.

    def device(self, binding_id: str, stored: StoredSession | None, devices: _Values) -> Steps[Device | None]:
        binding = binding_of(stored)
        is_theirs = stored is None or (binding is not None and binding.id == binding_id)
        if not is_theirs or not _BINDING_ID.fullmatch(binding_id):
            return None
        row = yield Read(self.table, digest_of(_name(binding_id)))
        found = None if row is None else self._rows._session(_name(binding_id), row, *self._keys)
        if found is None:
            return None
        data = found.data
        return Device(Binding(data["secret"], data["since"]), DeviceKey.from_stored(data["key"]), found)

    def challenge(self, device: Device, now: int) -> Steps[str]:
        def replace(data: dict[str, Any]) -> dict[str, Any]:
            challenge, until = data["challenge"]
            if until > now + self.options.seconds:
                # It has not been signed yet. With a new challenge for each request, someone who has only the cookies
                # could push out the one that the device is about to sign.
                raise _DoneError(challenge)
            return {**data, "challenge": self._challenge(now), "before": [challenge, until]}

        found = yield from self._changed(device, replace, device.place.expires)
        return found or ""

    def accept(self, device: Device, challenge: str, stored: StoredSession | None, now: int) -> Steps[str | None]:
        def replace(data: dict[str, Any]) -> dict[str, Any]:
            current, until = data["challenge"]
            if challenge == current and until > now:
                # Other tabs may be about to send proofs for the same challenge.
                return {**data, "challenge": self._challenge(now), "before": [challenge, min(until, now + OVERLAP)]}
            before, until = data["before"]
            raise _DoneError(current if challenge == before and until > now else None)

        lasts = device.place.expires if stored is None else self._lasts(stored, now)
        found = yield from self._changed(device, replace, lasts)
        if found is not None and stored is not None and self.settings.absolute_timeout is None:
            until = datetime.fromtimestamp(lasts, UTC)
            yield Touch(self.table, _note_of(_handle(stored)), until, datetime.fromtimestamp(now, UTC))
        return found

    def is_latest(self, device: Device, challenge: str) -> bool:
        latest: str = device.place.data["challenge"][0]
        return challenge == latest

    def bound_cookie(self, binding: Binding, now: int) -> str:
        return self._token(binding.secret, "bound", now + self.options.seconds + OVERLAP)

    def _is_valid(self, binding: Binding, value: str, now: int) -> bool:
        return _is_token(binding.secret, "bound", value, now)

    # Implementation.

    def _changed(
        self, device: Device, replace: Callable[[dict[str, Any]], dict[str, Any]], expires: int
    ) -> Steps[str | None]:
        """Replace a device's row by compare-and-swap, and return its challenge, or the one *replace* stops with."""

        def make_write(latest: StoredSession) -> Write:
            return _write(replace(latest.data), latest.created, max(expires, latest.expires))

        try:
            written = yield from self._rows.update(device.place, make_write, key=self._key)
        except _DoneError as done:
            return done.challenge
        # ``None`` if the session has just ended.
        return None if written is None else str(written.data["challenge"][0])

    def _insert(self, binding: Binding, key: DeviceKey, stored: StoredSession, now: int) -> Steps[None]:
        data = {"secret": binding.secret, "since": binding.since, "key": str(key)}
        data |= {"challenge": self._challenge(now), "before": ["", 0]}
        name, write = _name(binding.id), _write(data, now, self._lasts(stored, now))
        owner = self._owner(stored)
        row = self._rows._row(name, digest_of(name), data, 1, write.expires, write, self._key, owner)
        yield Insert(self.table, digest_of(name), row)

    def _note(self, stored: StoredSession, now: int) -> Steps[None]:
        """Record under the session's handle that it is bound, for ``list``, which cannot read encrypted data."""
        until = datetime.fromtimestamp(self._lasts(stored, now), UTC)
        row = Row(b"", 1, until, datetime.fromtimestamp(now, UTC), self._owner(stored))
        yield Insert(self.table, _note_of(_handle(stored)), row)

    def _owner(self, stored: StoredSession) -> str | None:
        """Return the name for a session's user in its additional rows."""
        return self._devices.owner(self.settings.principals.of(stored.data), self.settings.key)

    def _end(self, stored: StoredSession) -> Steps[None]:
        """Delete the device of a session that has ended."""
        binding = binding_of(stored)
        if binding is not None:
            yield Remove(self.table, digest_of(_name(binding.id)))
            yield Remove(self.table, _note_of(_handle(stored)))

    def _lasts(self, stored: StoredSession, now: int) -> int:
        """Return the time until which a session's extra row is needed: the session may be used until its refresh."""
        if self.settings.absolute_timeout is not None:
            return self.settings.ends(stored.created)
        left = max(stored.expires - now, self.settings.idle_timeout or 0)
        return min(now + 2 * left + self._challenge_seconds, FOREVER)

    def _challenge(self, now: int) -> _Challenge:
        return [to_text(self._random(_SECRET_BYTES)), now + self._challenge_seconds]

    def _token(self, secret: str, use: str, until: int) -> str:
        token = f"{until}.{to_text(self._random(_NONCE_BYTES))}"
        return f"{token}.{_mac(secret, use, token)}"


class _DoneError(Exception):
    """Raised if there is nothing to write, with the challenge to continue with."""

    def __init__(self, challenge: str | None = None) -> None:
        super().__init__()
        self.challenge = challenge


def _opened(found: StoredSession, given: Binding | None = None) -> StoredSession:
    """Return the store's answer as the application sees it, bound if its data says so or as *given*."""
    binding = read_mark(found) or given
    if binding is None or binding_of(found) is not None:
        return found
    assert isinstance(found, SessionInRow)  # noqa: S101  # no other session has a mark
    return BoundInRow(found, binding)


def _marking(binding: Binding, settings: Settings, now: int) -> Callable[[StoredSession], Write]:
    """Return a function that writes a *binding* into an unbound session."""

    def make_write(latest: StoredSession) -> Write:
        if read_mark(latest) is not None or binding_of(latest) is not None:
            raise _DoneError
        created, principal = latest.created, settings.principals.of(latest.data)
        ends = settings.ends(created)
        write = Write(latest.data, _NO_CHANGES, created, latest.expires, now, principal, ends=ends)
        return marked(write, binding)

    return make_write


def _write(data: dict[str, Any], created: int, expires: int) -> Write:
    return Write(data, _NO_CHANGES, created, expires, created)


def _name(binding_id: str) -> str:
    # No cookie value contains a space, so none can open such a row.
    return f"device {binding_id}"


def _handle(stored: StoredSession) -> str:
    return handle_of(digest_of(stored.cookie))


def _note_of(handle: str) -> bytes:
    return sha256(b"holdall bound" + handle.encode("ascii")).digest()


def _mac(secret: str, use: str, token: str) -> str:
    return to_text(hmac.digest(secret.encode("ascii"), f"holdall {use}.{token}".encode("ascii"), "sha256"))


def _is_token(secret: str, use: str, text: str, now: int) -> bool:
    """Return whether *text* is a valid token for this *use*."""
    shape = _TOKEN.fullmatch(text)
    if shape is None or int(shape[1]) <= now:
        return False
    token, _, mac = text.rpartition(".")
    return hmac.compare_digest(mac, _mac(secret, use, token))
