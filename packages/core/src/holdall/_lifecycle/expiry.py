"""Compute how long a session lives and when its expiry is moved. All times are in Unix seconds."""

from holdall._clock import FOREVER
from holdall._settings import Lifetime, Settings
from holdall.stores._contract import StoredSession

__all__ = ["expiry", "has_ended", "is_due"]

_TOUCHES_PER_IDLE_TIMEOUT = 10
# Smaller differences between their clocks must not make servers undo each other's writes again and again.
_CLOCK_SKEW = 60


def expiry(created: int, now: int, lifetime: Lifetime, settings: Settings) -> int:
    """Return when a session that is used *now* ends."""
    idle, _, ends = lifetime
    expires = ends if ends is not None else FOREVER if idle is None else now + idle
    latest = FOREVER if settings.absolute_timeout is None else created + settings.absolute_timeout
    return min(expires, latest, FOREVER)


def is_due(stored: StoredSession, expires: int, lifetime: Lifetime) -> bool:
    """
    Return whether a session that was only read must be written to update its expiry.

    The expiry is moved at most once per tenth of the idle timeout, so that reads seldom cause writes. A cookie that
    would live too long, because another library made it or the limits were shortened, is sealed again.
    """
    later = expires - stored.expires
    if later < -_CLOCK_SKEW and stored.version is None:
        return True
    return lifetime.ends is None and lifetime.idle is not None and later * _TOUCHES_PER_IDLE_TIMEOUT >= lifetime.idle


def has_ended(stored: StoredSession, settings: Settings, now: int) -> bool:
    """Return whether *stored* has passed one of its limits."""
    if stored.expires <= now:
        return True
    # The limit may have been shortened since the session began.
    return settings.absolute_timeout is not None and stored.created + settings.absolute_timeout <= now
