"""Provide the current time. Code that needs it takes a ``Clock``, so that tests can set it."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from time import time

from holdall._errors import ConfigurationError

__all__ = ["FOREVER", "NEVER", "Clock", "seconds_of", "time_limit", "utc_now"]

#: A function that returns the current time as an aware ``datetime``.
Clock = Callable[[], datetime]

#: The latest time that fits in 32 bits, in Unix seconds: the expiry of sessions without a limit.
FOREVER = 2**32 - 1
#: ``FOREVER`` as a ``datetime``.
NEVER = datetime.fromtimestamp(FOREVER, UTC)

#: Returns the current time as an aware ``datetime`` in UTC.
utc_now: Clock = partial(datetime.now, UTC)


def seconds_of(clock: Clock) -> Callable[[], int]:
    """Return a function that returns *clock*'s time in whole Unix seconds."""
    if clock is utc_now:
        return lambda: int(time())
    return lambda: int(clock().timestamp())


def time_limit(name: str, value: datetime | None) -> datetime:
    """
    Return the *value* of the option *name*, a point in time; ``NEVER`` if it is ``None``.

    Raises:
        ConfigurationError: *value* is not a ``datetime``, or lacks a time zone.
    """
    if value is None:
        return NEVER
    if not isinstance(value, datetime) or value.utcoffset() is None:
        msg = f"{name}={value!r} is not a datetime with a time zone, such as datetime(2027, 1, 31, tzinfo=UTC)."
        raise ConfigurationError(msg)
    return value
