"""What is stored and sent in all suites: the same data for every competitor."""

import hashlib
import os
from datetime import UTC, datetime, timedelta

from holdall.tables import Row

__all__ = ["LIFETIME", "SECRET", "SMALL", "digest", "row"]

SECRET = "kS8v2Lq0Zt5nW9xR3yB7cD1fG4hJ6mP8qT0uV2wX5zA9bC3eF7gH1iK5lM9nO3p"
LIFETIME = timedelta(days=7)

#: The session of most visitors: 141 bytes of compact JSON.
SMALL = {
    "user_id": 12345,
    "name": "Ada Example",
    "role": "editor",
    "cart": [17, 42, 99],
    "csrf": "q8Zr0d1mW2s7Yb4kT6vN9xLp",
    "theme": "dark",
}

_NOISE = os.urandom(4096)
_SEALED_BYTES = 300
_ROWS_PER_PRINCIPAL = 10


def digest(number: int) -> bytes:
    """Return what row *number* stands under."""
    return hashlib.sha256(number.to_bytes(8, "big")).digest()


def row(number: int, now: datetime, *, version: int = 1) -> Row:
    """Return row *number*, as a store would make it *now*: 300 bytes of sealed data, every tenth one somebody's."""
    start = number % (len(_NOISE) - _SEALED_BYTES)
    principal = str(number) if number % _ROWS_PER_PRINCIPAL == 0 else None
    now = now.replace(microsecond=0)
    return Row(_NOISE[start : start + _SEALED_BYTES], version, now + LIFETIME, now, principal, seen=now)


def long_ago() -> datetime:
    """Say a time so long ago that what is made then has expired by now."""
    return datetime.now(UTC) - 4 * LIFETIME
