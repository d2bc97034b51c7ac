"""A record to seal."""

from datetime import UTC, datetime, timedelta
from typing import Any

from holdall.formats import Record

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
BEGAN = int(START.timestamp())
END = START + timedelta(days=7)


def record(data: dict[str, Any], *, created: datetime = START, expires: datetime = END) -> Record:
    return Record(data, int(created.timestamp()), int(expires.timestamp()), "0123456789abcdef")
