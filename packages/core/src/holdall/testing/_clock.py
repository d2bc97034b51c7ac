"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

__all__ = ["FakeClock"]

_NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeClock:
    """
    A ``Clock`` for ``Sessions(clock=…)`` and for tables, which then agree on the time.

    Args:
        now: The initial time, an aware ``datetime`` in UTC.
    """

    def __init__(self, now: datetime = _NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        """Move it forward."""
        self.now += by
