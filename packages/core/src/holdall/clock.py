"""What time it is. Every part that asks takes a ``Clock``, so that a test can move it."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

__all__ = ["NEVER", "Clock", "utc_now"]

Clock = Callable[[], datetime]

#: The latest time that 32 bits can say: the expiry of what has no limit.
NEVER = datetime.fromtimestamp(2**32 - 1, UTC)

#: The time now, an aware ``datetime`` in UTC.
utc_now: Clock = partial(datetime.now, UTC)
