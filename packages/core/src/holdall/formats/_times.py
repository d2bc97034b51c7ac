"""
A session's times, in a cookie whose format has no room for them.

They stand in the session itself, under one reserved key::

    "_holdall": [created, expires, log_id, the cookie's name]

A session without limits needs none, and is written as the other library would. What that library wrote has none either:
then the format says what is known. The name is there because these formats do not bind a cookie to its own.
"""

import hashlib
import re
from datetime import UTC, datetime
from typing import Any

from holdall.formats.contract import NEVER, Record

__all__ = ["RESERVED_KEY", "with_times", "without_times"]

RESERVED_KEY = "_holdall"

_LOG_ID = re.compile("[0-9a-f]{16}")
_LATEST = int(NEVER.timestamp())


def with_times(record: Record, *, key: str, since: int = 0) -> dict[str, Any]:
    """
    Return the data of *record*, and its times if there is a limit to them.

    Args:
        key: The cookie's name.
        since: What ``expires`` counts from. A format that is stamped when it is written counts from there: the
            idle limit then moves along when the other library writes the session again.
    """
    if RESERVED_KEY in record.data:
        msg = f"session[{RESERVED_KEY!r}] cannot be stored: the session's times stand under this key."
        raise TypeError(msg)
    if record.expires == NEVER:
        return record.data
    times = [int(record.created.timestamp()), int(record.expires.timestamp()) - since, record.log_id, key]
    return {**record.data, RESERVED_KEY: times}


def without_times(
    data: Any, cookie: str, *, key: str, created: datetime, expires: datetime, since: int = 0
) -> Record | None:
    """
    Return what ``with_times`` was given, or ``None`` if *data* is no session, or that of another cookie.

    Args:
        created: When it began, if the session does not say.
        expires: When it ends, if the session does not say.
    """
    if not isinstance(data, dict) or not all(isinstance(name, str) for name in data):
        return None
    if RESERVED_KEY not in data:
        return Record(data, created, expires, hashlib.sha256(cookie.encode()).hexdigest()[:16])
    match data.pop(RESERVED_KEY):
        case [int(began), int(left), str(log_id), str(name)] if name == key and _LOG_ID.fullmatch(log_id):
            ends = since + left
            if 0 <= began <= _LATEST and 0 <= ends <= _LATEST:
                return Record(data, datetime.fromtimestamp(began, UTC), datetime.fromtimestamp(ends, UTC), log_id)
    return None
