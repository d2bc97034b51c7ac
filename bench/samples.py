"""The data that all suites store and send: the same for every competitor."""

import hashlib
import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

from holdall.tables import Row

__all__ = ["LIFETIME", "PAYLOADS", "SECRET", "SMALL", "digest", "long_ago", "row"]

SECRET = "kS8v2Lq0Zt5nW9xR3yB7cD1fG4hJ6mP8qT0uV2wX5zA9bC3eF7gH1iK5lM9nO3p4rS"
LIFETIME = timedelta(days=7)


def _cart(items: int) -> list[dict[str, Any]]:
    return [
        {"sku": f"A-{1000 + number}", "title": f"Thing no. {number}", "count": number % 3 + 1, "price": 9.5 + number}
        for number in range(items)
    ]


def _filled(data: dict[str, Any], size: int) -> dict[str, Any]:
    """Return *data* padded with text to this *size* as compact JSON."""
    without = json.dumps(data | {"note": ""}, separators=(",", ":"))
    return data | {"note": "n" * (size - len(without))}


#: The session of most visitors: 141 bytes of compact JSON.
SMALL = {
    "user_id": 12345,
    "name": "Ada Example",
    "role": "editor",
    "cart": [17, 42, 99],
    "csrf": "q8Zr0d1mW2s7Yb4kT6vN9xLp",
    "theme": "dark",
    "timezone": "+01:00",
}

#: Sessions of three sizes, as compact JSON: most visitors', a busy cart, and about the most that a cookie can hold.
PAYLOADS: dict[str, dict[str, Any]] = {
    "141 B": SMALL,
    "788 B": _filled(SMALL | {"cart": _cart(7)}, 788),
    "2.9 KB": _filled(SMALL | {"cart": _cart(37)}, 2882),
}

_NOISE = os.urandom(4096)
_SEALED_BYTES = 300
_ROWS_PER_PRINCIPAL = 10


def digest(number: int) -> bytes:
    """Return the digest of row *number*."""
    return hashlib.sha256(number.to_bytes(8, "big")).digest()


def row(number: int, now: datetime, *, version: int = 1) -> Row:
    """Return row *number* as a store would make it *now*: 300 bytes of encrypted data, every tenth with a principal."""
    start = number % (len(_NOISE) - _SEALED_BYTES)
    principal = str(number) if number % _ROWS_PER_PRINCIPAL == 0 else None
    now = now.replace(microsecond=0)
    return Row(_NOISE[start : start + _SEALED_BYTES], version, now + LIFETIME, now, principal, seen=now)


def long_ago() -> datetime:
    """Return a time so long ago that a row made then has expired by now."""
    return datetime.now(UTC) - 4 * LIFETIME
