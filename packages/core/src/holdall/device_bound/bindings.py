"""What both kinds of store do for sessions that are bound to a device: ``rows`` and ``sealed`` complete it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

from holdall._redacted import Redacted
from holdall.device_bound.marks import BoundCookies
from holdall.device_bound.options import DeviceBound
from holdall.device_bound.proofs import DeviceKey
from holdall.lifecycle.device import OVERLAP, Binding, admits, binding_of
from holdall.settings import Settings
from holdall.steps import Steps
from holdall.stores.contract import NotFound, StoredSession

__all__ = ["BindingStore", "Device"]

Stored = TypeVar("Stored", bound=StoredSession)

_REFUSED = NotFound("not bound")

# As many as a request may bring of the session's own cookie.
_MOST_VALUES = 4


class Device(Redacted):
    """
    A device that a session is bound to.

    Attributes:
        binding: The binding that it was registered for.
        key: Its public key.
        place: Where the store keeps it.
    """

    __slots__ = ("binding", "key", "place")

    def __init__(self, binding: Binding, key: DeviceKey, place: Any = None) -> None:
        self.binding = binding
        self.key = key
        self.place = place


class BindingStore(ABC):
    """
    A store around a *store*, whose sessions can be bound to a device.

    What it does not do itself is the other store's.

    Args:
        settings: Those of the ``Sessions``.
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

    # Of a registration.

    #: Whether of several registrations of one session at once only one succeeds.
    guards_registrations: bool

    @abstractmethod
    def offer(self, stored: StoredSession, now: int) -> str:
        """Return the challenge with which *stored* is offered a binding."""

    @abstractmethod
    def accepts_offer(self, stored: StoredSession, challenge: str, now: int) -> bool:
        """Return whether *challenge* is one that *stored* was offered."""

    @abstractmethod
    def bind(self, stored: StoredSession, key: DeviceKey, now: int) -> Steps[StoredSession | None]:
        """
        Bind *stored* to the device whose key this is, and return it as it is now.

        ``None``, with nothing done, stands for a session that is bound already or has ended.
        """

    @abstractmethod
    def device_cookie(self, stored: StoredSession, key: DeviceKey, now: int) -> str | None:
        """Return the cookie that keeps the device's key, or ``None`` where the table does."""

    # Of a refresh.

    @abstractmethod
    def device(self, binding_id: str, stored: StoredSession | None, devices: list[str]) -> Steps[Device | None]:
        """
        Return the device of a binding.

        Args:
            stored: The session that came; ``None`` for one that was renewed a moment ago.
            devices: The values of the cookie that keeps its key.
        """

    @abstractmethod
    def challenge(self, device: Device, now: int) -> Steps[str]:
        """Return a challenge for the device to sign."""

    @abstractmethod
    def accept(self, device: Device, challenge: str, stored: StoredSession | None, now: int) -> Steps[str | None]:
        """Take a *challenge* that the device has signed, and return the next one; ``None`` if it is not valid."""

    @abstractmethod
    def is_latest(self, device: Device, challenge: str) -> bool:
        """Return whether *challenge* is the one that the device was given last, even if it is no longer valid."""

    @abstractmethod
    def bound_cookie(self, binding: Binding, now: int) -> str:
        """Return a new value of the bound cookie."""

    @abstractmethod
    def _is_valid(self, binding: Binding, value: str, now: int) -> bool:
        """Return whether *value* is a bound cookie of the *binding* that has not expired."""

    # Of every request.

    def _checked(self, cookie: str, found: Stored) -> Stored | NotFound:
        """Return the session that was *found*, if the request shows the bound cookie that it needs."""
        binding = binding_of(found)
        bound = cookie.bound if isinstance(cookie, BoundCookies) else None
        # Outside of a request there is none that could come.
        if binding is None or bound is None:
            return found
        now = self._now()
        is_shown = any(self._is_valid(binding, value, now) for value in bound[:_MOST_VALUES])
        if admits(binding, is_shown=is_shown, now=now, grace=self.options.grace_seconds):
            return found
        self.settings.emit("device_refused", "no bound cookie", found.log_id)
        return found if self.options.enforce == "report" else _REFUSED
