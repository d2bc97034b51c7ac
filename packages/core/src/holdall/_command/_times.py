"""Format times for the commands."""

from datetime import datetime

__all__ = ["utc"]


def utc(time: datetime) -> str:
    """Return *time*, which is in UTC, to the second (RFC 3339)."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
