"""How long a session lives, and when its limit is moved."""

from datetime import datetime, timedelta
from functools import lru_cache

from holdall.clock import NEVER
from holdall.policy import Policy
from holdall.session import Session
from holdall.stores import Stored

__all__ = ["expiry", "has_ended", "is_due", "lifetime"]

_TOUCHES_PER_IDLE_TIMEOUT = 10
# Servers whose clocks differ by less do not write in turns what the other has written.
_CLOCK_SKEW = timedelta(minutes=1)


def lifetime(session: Session, policy: Policy) -> tuple[timedelta | datetime | None, int | datetime | None]:
    """Return the idle timeout and the cookie's ``max_age`` that *session* has now; see ``Session.lifetime``."""
    return session.lifetime(session.data(), policy.idle_timeout, policy.attributes.seconds)


def expiry(created: datetime, now: datetime, idle_timeout: timedelta | datetime | None, policy: Policy) -> datetime:
    """Return when a session ends that is used *now*."""
    idle = now + idle_timeout if isinstance(idle_timeout, timedelta) else idle_timeout or NEVER
    absolute = NEVER if policy.absolute_timeout is None else created + policy.absolute_timeout
    return min(idle, absolute, NEVER)


def is_due(stored: Stored, expires: datetime, idle_timeout: timedelta | datetime | None) -> bool:
    """
    Say whether a session that was only read is to be written all the same, because of its expiry.

    The idle limit is moved at most every tenth of it, so that reading a session seldom writes. A cookie that would live
    longer than it may, another library's or one from before the limits were shortened, is sealed anew.
    """
    later = expires - stored.expires
    if stored.version is None and later < -_CLOCK_SKEW:
        return True
    return isinstance(idle_timeout, timedelta) and later >= _touch_interval(idle_timeout)


@lru_cache(maxsize=64)
def _touch_interval(idle_timeout: timedelta) -> timedelta:
    """Return how far an idle limit is moved at least. To divide it is dear."""
    return idle_timeout / _TOUCHES_PER_IDLE_TIMEOUT


def has_ended(stored: Stored, policy: Policy, now: datetime) -> bool:
    """Say whether *stored* is past one of its limits."""
    if stored.expires <= now:
        return True
    # The limit may have been made shorter since this one began.
    return policy.absolute_timeout is not None and stored.created + policy.absolute_timeout <= now
