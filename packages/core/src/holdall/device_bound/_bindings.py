"""Bind sessions to devices: the part that both kinds of store share. ``_rows`` and ``_sealed`` do the rest."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

from holdall._lifecycle.device import OVERLAP, Binding, admits, binding_of
from holdall._redacted import Redacted
from holdall._settings import Settings
from holdall.device_bound._marks import BoundCookies
from holdall.device_bound._options import DeviceBound
from holdall.device_bound._proofs import DeviceKey
from holdall.steps import Steps
from holdall.stores._contract import NotFound, StoredSession

__all__ = ["BindingStore", "Device"]

Stored = TypeVar("Stored", bound=StoredSession)

_REFUSED = NotFound("not bound")

# The maximum number of values of the bound cookie in a request, the same as for the session's own cookie.
_MOST_VALUES = 4


class Device(Redacted):
    """
    A device to which a session is bound.

    Attributes:
        binding: The binding that it was registered for.
        key: Its public key.
        place: The location at which the store keeps the device.
    """

    __slots__ = ("binding", "key", "place")

    def __init__(self, binding: Binding, key: DeviceKey, place: Any = None) -> None:
        self.binding = binding
        self.key = key
        self.place = place


class BindingStore(ABC):
    """
    A wrapper around *store* whose sessions can be bound to a device.

    All other operations are delegated to *store*.

    Args:
        settings: The settings of the ``Sessions``.
        now: Returns the time in Unix seconds.
        random: Source of secret random bytes.
    """

    def __init__(
        self,
        store: Any,
        options: DeviceBound,
        settings: Settings,
        now: Callable[[], int],
        random: Callable[[int], bytes],
    ) -> None:
        self.store = store
        self.options = options
        self.settings = settings
        self._now = now
        self._random = random
        # A challenge must outlive the bound cookie, because browsers keep it for the next refresh.
        self._challenge_seconds = 2 * options.seconds + options.grace_seconds + OVERLAP

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    # Registration.

    #: Whether only one of several concurrent registrations of a session succeeds.
    guards_registrations: bool

    @abstractmethod
    def offer(self, stored: StoredSession, now: int) -> str:
        """Return the challenge for an offer to bind *stored*."""

    @abstractmethod
    def accepts_offer(self, stored: StoredSession, challenge: str, now: int) -> bool:
        """Return whether *challenge* was offered to *stored*."""

    @abstractmethod
    def bind(self, stored: StoredSession, key: DeviceKey, now: int) -> Steps[StoredSession | None]:
        """
        Bind *stored* to the device with this key, and return the session as it is now.

        Returns ``None`` and does nothing if the session is already bound or has ended.
        """

    @abstractmethod
    def device_cookie(self, stored: StoredSession, key: DeviceKey, now: int) -> str | None:
        """Return the cookie that keeps the device's key, or ``None`` if the table keeps it."""

    # Refresh.

    @abstractmethod
    def device(self, binding_id: str, stored: StoredSession | None, devices: list[str]) -> Steps[Device | None]:
        """
        Return the device of a binding.

        Args:
            stored: The session of the request; ``None`` if it was renewed a moment ago.
            devices: The values of the cookie that keeps its key.
        """

    @abstractmethod
    def challenge(self, device: Device, now: int) -> Steps[str]:
        """Return a challenge for the device to sign."""

    @abstractmethod
    def accept(self, device: Device, challenge: str, stored: StoredSession | None, now: int) -> Steps[str | None]:
        """Accept a *challenge* that the device has signed, and return the next one; ``None`` if it is not valid."""

    @abstractmethod
    def is_latest(self, device: Device, challenge: str) -> bool:
        """Return whether *challenge* is the last one that the device was given, even if it is no longer valid."""

    @abstractmethod
    def bound_cookie(self, binding: Binding, now: int) -> str:
        """Return a new value for the bound cookie."""

    @abstractmethod
    def _is_valid(self, binding: Binding, value: str, now: int) -> bool:
        """Return whether *value* is a bound cookie for *binding* that has not expired."""

    # Every request.

    def _checked(self, cookie: str, found: Stored) -> Stored | NotFound:
        """Return the session that was *found* if the request has the bound cookie that it needs."""
        binding = binding_of(found)
        bound = cookie.bound if isinstance(cookie, BoundCookies) else None
        # Outside of a request there is no bound cookie.
        if binding is None or bound is None:
            return found
        now = self._now()
        is_shown = any(self._is_valid(binding, value, now) for value in bound[:_MOST_VALUES])
        if admits(binding, is_shown=is_shown, now=now, grace=self.options.grace_seconds):
            return found
        self.settings.emit("device_refused", "no bound cookie", found.log_id)
        return found if self.options.enforce == "report" else _REFUSED
