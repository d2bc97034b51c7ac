"""What time it is. Every part that asks takes a ``Clock``, so that a test can move it."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

__all__ = ["Clock", "utc_now"]

Clock = Callable[[], datetime]

#: The time now, an aware ``datetime`` in UTC.
utc_now: Clock = partial(datetime.now, UTC)
