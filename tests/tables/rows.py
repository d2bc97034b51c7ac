"""Rows that live for a day, as most tests of one table need them."""

from datetime import timedelta

from holdall.tables import Row
from holdall.testing import FakeClock

__all__ = ["DAY", "DIGEST", "new_row"]

DAY = timedelta(days=1)
DIGEST = b"1" * 32


def new_row(clock: FakeClock, data: bytes = b"data", version: int = 1, principal: str | None = None) -> Row:
    return Row(data, version, clock() + DAY, clock(), principal)
