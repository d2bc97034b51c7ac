"""What time it is. Every part that asks takes a ``Clock``, so that a test can move it."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from time import time

from holdall.errors import ConfigurationError

__all__ = ["FOREVER", "NEVER", "Clock", "seconds_of", "time_limit", "utc_now"]

Clock = Callable[[], datetime]

#: The latest time that 32 bits can say, in Unix seconds: the expiry of what has no limit.
FOREVER = 2**32 - 1
#: The same as a time.
NEVER = datetime.fromtimestamp(FOREVER, UTC)

#: The time now, an aware ``datetime`` in UTC.
utc_now: Clock = partial(datetime.now, UTC)


def seconds_of(clock: Clock) -> Callable[[], int]:
    """Return what tells *clock*'s time in whole Unix seconds."""
    if clock is utc_now:
        return lambda: int(time())
    return lambda: int(clock().timestamp())


def time_limit(name: str, value: datetime | None) -> datetime:
    """
    Return the time that an option of this *name* sets as a limit; ``None`` sets none.

    Raises:
        ConfigurationError: It is no time, or does not say of which time zone.
    """
    if value is None:
        return NEVER
    if not isinstance(value, datetime) or value.utcoffset() is None:
        msg = f"{name}={value!r} is not a time with its time zone, such as datetime(2027, 1, 31, tzinfo=UTC)."
        raise ConfigurationError(msg)
    return value
