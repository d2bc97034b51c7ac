"""Rows, digests and principals for tests of tables."""

import os
from datetime import datetime, timedelta

from holdall._clock import Clock
from holdall.tables import AsyncTable, Row, Tombstone

__all__ = ["HOUR", "SECOND", "SUCCESSOR", "leave_tombstone", "new_digest", "new_principal", "new_row", "pointer"]

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)

#: The target of a tombstone: a kind and a digest, as a store writes them.
SUCCESSOR = b"\0" + bytes(range(224, 256))


def new_digest() -> bytes:
    """Return a digest that no row has."""
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
    """Return a row that began *age* ago, was used now and *lives* that long from now on."""
    now = clock()
    return Row(data, version, now + lives, now - age, principal, client, now)


def pointer(until: datetime) -> Tombstone:
    """Return a tombstone that lasts *until* this time."""
    return Tombstone(until, SUCCESSOR)


async def leave_tombstone(table: AsyncTable, clock: Clock, digest: bytes) -> None:
    """Insert a row and remove it again as a renewal does, with a tombstone that lasts an hour."""
    await table.insert(digest, new_row(clock))
    await table.remove(digest, tombstone=pointer(clock() + HOUR))
