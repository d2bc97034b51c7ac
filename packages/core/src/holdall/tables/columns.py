"""Convert rows to table columns: whole seconds, and a grid of hours that decides when rows are due for the sweep."""

import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from holdall.tables._contract import Row, RowInfo

__all__ = [
    "SWEPT_AT_ONCE",
    "SweepTurns",
    "due_by",
    "due_of",
    "row_info_of",
    "row_of",
    "seconds_of",
    "seconds_or_none",
    "utf8_or_none",
]

# Rows become due for the sweep on a grid of one hour, so that moving an expiry seldom changes the index.
_GRID_SECONDS = 3600
# One in this many writes also sweeps, up to about four rows for each row that those writes can add.
_WRITES_PER_SWEEP = 64
#: The maximum number of expired rows that such a sweep removes.
SWEPT_AT_ONCE = 256


class SweepTurns:
    """A counter that decides which writes of this process also sweep."""

    def __init__(self) -> None:
        self._writes = itertools.count(1)

    def is_due(self) -> bool:
        """Count a write, and return whether it should sweep."""
        return next(self._writes) % _WRITES_PER_SWEEP == 0


def row_of(columns: Sequence[Any], *, text: Callable[[Any], str] = str) -> Row:
    """Return the row for ``data, version, expires, created, principal, client, seen``; *text* decodes the texts."""
    data, version, expires, created, principal, client, seen = columns
    return Row(
        data,
        version,
        _time(expires),
        _time(created),
        None if principal is None else text(principal),
        None if client is None else text(client),
        None if seen is None else _time(seen),
    )


def row_info_of(columns: Sequence[Any], *, text: Callable[[Any], str] = str) -> RowInfo:
    """Return the info for ``digest, created, expires, client, seen, version``; *text* decodes the text."""
    digest, created, expires, client, seen, version = columns
    return RowInfo(
        digest,
        _time(created),
        _time(expires),
        None if client is None else text(client),
        None if seen is None else _time(seen),
        version == 0,
    )


def seconds_of(time: datetime) -> int:
    """Return a time in whole Unix seconds."""
    return int(time.timestamp())


def seconds_or_none(time: datetime | None) -> int | None:
    """Return a time in whole Unix seconds; ``None`` if there is none."""
    return None if time is None else seconds_of(time)


def utf8_or_none(text: str | None) -> bytes | None:
    """Return a text in UTF-8; ``None`` if there is none."""
    return None if text is None else text.encode()


def due_of(expires: datetime) -> int:
    """Return when a row with this expiry is due for the sweep, in whole seconds."""
    return due_by(seconds_of(expires))


def due_by(seconds: int) -> int:
    """Return when a row that expires at this time is due for the sweep: at the next full hour."""
    return -(-seconds // _GRID_SECONDS) * _GRID_SECONDS


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
