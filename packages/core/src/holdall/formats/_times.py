"""
Store a session's times in a cookie whose format has no room for them.

They are stored in the session itself, under one reserved key::

    "_holdall": [created, expires, log_id, the cookie's name]

A session without timeouts needs no times and is written as the other library would write it. Cookies written by that
library have none either; the format then supplies what is known. The cookie's name is included because these formats do
not bind a cookie to its name. If an application uses the key itself, its value is appended to the list.
"""

import hashlib
import re
from typing import Any, NamedTuple

from holdall._clock import FOREVER
from holdall.formats._contract import Record

__all__ = ["RESERVED_KEY", "log_id_from", "with_times", "without_times"]

RESERVED_KEY = "_holdall"

_LOG_ID = re.compile("[0-9a-f]{16}")


class _Times(NamedTuple):
    created: int
    expires: int
    log_id: str
    key: str
    applications: list[Any]


def with_times(record: Record, *, key: str, since: int = 0) -> dict[str, Any]:
    """
    Return the data of *record*, with its times if it has a limit.

    Args:
        key: The cookie's name.
        since: The time that ``expires`` is relative to. A stamped format counts from the time of writing, so the
            expiry moves along when the other library writes the session again.
    """
    data, created, expires, log_id, *_ = record
    if expires == FOREVER and _times(data, since) is None:
        return data
    applications = [data[RESERVED_KEY]] if RESERVED_KEY in data else []
    return {**data, RESERVED_KEY: [created, expires - since, log_id, key, *applications]}


def without_times(
    data: Any, cookie: str, *, key: str, created: int, expires: int = FOREVER, since: int = 0
) -> Record | None:
    """
    Return the record that ``with_times`` was given, or ``None`` if *data* is not a session or is of another cookie.

    Args:
        created: When it began, if the session does not say.
        expires: When it ends, if the session does not say.
    """
    if not isinstance(data, dict) or not all(isinstance(name, str) for name in data):
        return None
    times = _times(data, since)
    if times is None:
        return Record(data, created, expires, log_id_from(cookie))
    if times.key != key:
        return None
    del data[RESERVED_KEY]
    data.update((RESERVED_KEY, value) for value in times.applications)
    return Record(data, times.created, times.expires, times.log_id)


def log_id_from(cookie: str) -> str:
    """Return the log ID of a session whose *cookie* another library wrote, so that it contains no log ID."""
    return hashlib.sha256(cookie.encode()).hexdigest()[:16]


def _times(data: dict[str, Any], since: int) -> _Times | None:
    """Return the times in *data*, or ``None`` if the value under their key, if any, is the application's."""
    match data.get(RESERVED_KEY):
        case [int(began), int(left), str(log_id), str(key), *applications] if len(
            applications
        ) < 2 and _LOG_ID.fullmatch(log_id):
            if 0 <= began <= FOREVER and 0 <= since + left <= FOREVER:
                return _Times(int(began), since + left, log_id, key, applications)
    return None
