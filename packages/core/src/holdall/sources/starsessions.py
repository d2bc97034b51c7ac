"""
Read starsessions' sessions in Redis: JSON, under ``starsessions.`` and the ID in the cookie.

The data contains ``__metadata__``, which says when the session began.
"""

import json
import re
from datetime import UTC, datetime
from functools import partial
from typing import Any

from holdall._clock import Clock, utc_now
from holdall.sources._contract import Entry, Refused
from holdall.sources._redis import RedisValues
from holdall.sources._values import data_of

__all__ = ["StarsessionsSource"]

_SID = re.compile(r"[0-9a-f]{32}")


class StarsessionsSource(RedisValues):
    """
    A source of sessions that starsessions keeps in Redis or Valkey, with its JSON serializer.

    Args:
        client: The ``connection`` of its ``RedisStore``, or better the URL of that server, which works for sync and
            async adapters alike.
        prefix: The store's ``prefix``, as text.
    """

    def __init__(self, client: str | Any, *, prefix: str = "starsessions.", clock: Clock = utc_now) -> None:
        super().__init__("starsessions", client, prefix=prefix, sid_of=_sid, loads=partial(_entry, clock), clock=clock)


def _sid(cookie: str) -> str | None:
    return cookie if _SID.fullmatch(cookie) else None


def _entry(clock: Clock, value: bytes, expires: datetime) -> Entry | Refused:
    data = data_of(value, json.loads)
    if isinstance(data, Refused):
        return data
    match data.pop("__metadata__", None):
        case {"created": int(seconds) | float(seconds)} if 0 <= seconds <= clock().timestamp():
            return Entry(data, expires, datetime.fromtimestamp(seconds, UTC))
    return Entry(data, expires)
