"""Rows, digests and principals to test tables with."""

import os
from datetime import timedelta

from holdall.clock import Clock
from holdall.tables import Row

__all__ = ["HOUR", "SECOND", "new_digest", "new_principal", "new_row"]

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def new_digest() -> bytes:
    """Return a digest that no row stands under."""
    return os.urandom(32)


def new_principal() -> str:
    """Return a principal that no row has."""
    return f"user {os.urandom(8).hex()}"


def new_row(
    clock: Clock,
    data: bytes = b"{}",
    version: int = 1,
    *,
    lives: timedelta = HOUR,
    age: timedelta = timedelta(0),
    principal: str | None = None,
    client: str | None = None,
) -> Row:
    """Return a row that began *age* ago, is used now and *lives* from now on."""
    now = clock()
    return Row(data, version, now + lives, now - age, principal, client, now)
