"""
Store the bindings of sessions that are kept in cookies: sealed, each part in its own cookie.

A long-lived cookie contains the device's key; from the next response on, the session's own cookie says that it is
bound; and the bound cookie is short-lived as usual. The server stores nothing. Therefore a challenge can be answered
repeatedly until it expires, a wrong signature cannot end the session, and a copy of the session's cookie from before
the registration is not bound.
"""

from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

from holdall._base64url import to_text
from holdall._clock import FOREVER
from holdall._lifecycle.device import OVERLAP, Binding, binding_of, is_carried
from holdall._settings import Settings
from holdall.device_bound._bindings import BindingStore, Device
from holdall.device_bound._marks import MARK, marked, read_mark, without_mark
from holdall.device_bound._options import DeviceBound
from holdall.device_bound._proofs import DeviceKey
from holdall.formats._contract import Record
from holdall.steps import Steps
from holdall.stores._contract import Changes, ForeignSession, NotFound, StoredSession, Write
from holdall.stores._cookie import CookieStore

__all__ = ["BoundCookieStore"]

_SECRET_BYTES = 30
_NONCE_BYTES = 12
_NO_CHANGES = Changes({})
_Values = list[str]


class BoundInCookie(ForeignSession):
    """
    A device-bound session in its cookie, with its data as the application sees it.

    Attributes:
        says_so: Whether its cookie says that it is bound. Otherwise the cookie dates from before the registration and
            is written again.
    """

    __slots__ = ("binding", "says_so")

    def __init__(self, found: StoredSession, binding: Binding, *, says_so: bool) -> None:
        super().__init__(found, found.origin, rewrite=found.rewrite or not says_so)
        self.data = without_mark(found.data)
        self.binding = binding
        self.says_so = says_so


class BoundCookieStore(BindingStore):
    """A cookie store whose sessions can be bound to a device."""

    def __init__(
        self,
        store: CookieStore,
        options: DeviceBound,
        settings: Settings,
        now: Callable[[], int],
        random: Callable[[int], bytes],
    ) -> None:
        # A copy without generations: the cookies of a binding belong to one name of the session's cookie.
        store = copy(store)
        store.keeps_generations = store.reads_generations = False
        for verb in ("renew", "mark_ended"):
            vars(store).pop(verb, None)
        super().__init__(store, options, settings, now, random)
        self._format = store.format
        self._formats = (store.format, *store.also_read)
        # Not the session's name, because otherwise one of these could be passed off as a session.
        self._key = f"{settings.key}-device"

    # Used by every request.

    def get(self, cookie: str, *, key: str) -> StoredSession | NotFound:
        found: StoredSession | NotFound = self.store.get(cookie, key=key)
        if isinstance(found, NotFound):
            return found
        binding = read_mark(found)
        if binding is not None:
            return self._checked(cookie, BoundInCookie(found, binding, says_so=True))
        if MARK in found.data:
            # One of the other cookies, in a format that does not bind a value to its cookie's name.
            return _UNREADABLE
        for kind, each, log_id in self._opened(getattr(cookie, "devices", ())):
            if kind == "d" and log_id == found.log_id:
                binding = Binding(each[0], int(each[1]))
                return self._checked(cookie, BoundInCookie(found, binding, says_so=False))
        return found

    def put(self, stored: StoredSession | None, write: Write, *, key: str) -> StoredSession:
        binding = binding_of(stored)
        if (
            stored is None
            and MARK not in write.changes.put
            and is_carried(same_principal=True, principal=write.principal)
        ):
            # A renewal writes what ``delete`` returned.
            binding = read_mark(StoredSession("", write.data, 0, 0))
        written: StoredSession = self.store.put(stored, marked(write, binding), key=key)
        return written if binding is None else BoundInCookie(written, binding, says_so=True)

    def delete(self, stored: StoredSession, *, key: str, superseded_until: int | None = None) -> StoredSession:
        """Return *stored*, with its mark if it may be stored again."""
        binding = binding_of(stored)
        if binding is None:
            return stored
        last: StoredSession = stored.changed(data=_marked_data(stored, binding))
        return last

    # Registration.

    guards_registrations = False

    def offer(self, stored: StoredSession, now: int) -> str:
        return self._seal("o", "", stored.log_id, now, now + self._challenge_seconds)

    def accepts_offer(self, stored: StoredSession, challenge: str, now: int) -> bool:
        return any(kind == "o" and log_id == stored.log_id for kind, _, log_id in self._opened([challenge]))

    def bind(self, stored: StoredSession, key: DeviceKey, now: int) -> Steps[StoredSession | None]:
        yield from ()
        # The cookie is left to the next response, which knows how long the browser should keep it.
        binding = Binding(to_text(self._random(_SECRET_BYTES)), now)
        return BoundInCookie(stored, binding, says_so=False)

    def device_cookie(self, stored: StoredSession, key: DeviceKey, now: int) -> str | None:
        binding = binding_of(stored)
        assert binding is not None  # noqa: S101  # it was just bound
        expires = self.settings.ends(stored.created)
        return self._seal("d", f"{binding.secret}.{binding.since}.{key}", stored.log_id, now, expires)

    # Refresh.

    def device(self, binding_id: str, stored: StoredSession | None, devices: _Values) -> Steps[Device | None]:
        yield from ()
        binding = binding_of(stored)
        if binding is None or binding.id != binding_id:
            return None
        kept = (parts for kind, parts, _ in self._opened(devices) if kind == "d" and parts[0] == binding.secret)
        secret, since, *key = next(kept, ["", ""])
        return Device(Binding(secret, int(since)), DeviceKey.from_stored(".".join(key))) if key else None

    def challenge(self, device: Device, now: int) -> Steps[str]:
        yield from ()
        return self._seal("c", device.binding.secret, _NO_LOG_ID, now, now + self._challenge_seconds)

    def accept(self, device: Device, challenge: str, stored: StoredSession | None, now: int) -> Steps[str | None]:
        if any(kind == "c" and secret == device.binding.secret for kind, (secret, *_), _ in self._opened([challenge])):
            return (yield from self.challenge(device, now))
        return None

    def is_latest(self, device: Device, challenge: str) -> bool:
        # The last challenge is not recorded, so any challenge of this device counts.
        opened = self._opened([challenge], now=0)
        return any(kind == "c" and secret == device.binding.secret for kind, (secret, *_), _ in opened)

    def bound_cookie(self, binding: Binding, now: int) -> str:
        return self._seal("b", binding.secret, _NO_LOG_ID, now, now + self.options.seconds + OVERLAP)

    def _is_valid(self, binding: Binding, value: str, now: int) -> bool:
        return any(kind == "b" and secret == binding.secret for kind, (secret, *_), _ in self._opened([value]))

    # Implementation.

    def _seal(self, kind: str, what: str, log_id: str, now: int, until: int) -> str:
        text = f"{kind}.{to_text(self._random(_NONCE_BYTES))}.{what}"
        # Without a limit, other libraries' formats contain nothing else, not even the cookie's name.
        created, expires = min(now, FOREVER - 1), min(until, FOREVER - 1)
        return self._format.seal(Record({MARK: text}, created, expires, log_id), key=self._key)

    def _opened(self, values: Any, now: int | None = None) -> Iterator[tuple[str, list[str], str]]:
        """
        Yield the contents of the values that were sealed here: kind, parts, and the session's ``log_id``.

        Args:
            now: Skip values that expired before this time; by default, the current time.
        """
        now = self._now() if now is None else now
        for value in values:
            records = (each.open(value, key=self._key) for each in self._formats)
            record = next((record for record in records if record is not None), None)
            if record is not None and record.expires > now:
                # Another cookie of the application may have this name, in a format that does not include the name.
                kind, _, rest = (*str(record.data.get(MARK)).split(".", 2), "", "")[:3]
                yield kind, rest.split("."), record.log_id


_UNREADABLE = NotFound("unreadable")
_NO_LOG_ID = "0" * 16


def _marked_data(stored: StoredSession, binding: Binding) -> dict[str, Any]:
    write = marked(Write(stored.data, _NO_CHANGES, 0, 0, 0), binding)
    return write.data
