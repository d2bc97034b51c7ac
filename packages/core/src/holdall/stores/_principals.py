"""
List and end a principal's sessions in a table, where rows are found by their owner instead of a cookie.

A session that is being renewed may have no row for a moment, but its tombstone is listed too and leads to the new row,
whether or not that exists yet (``holdall.stores._renewal``). So one pass ends every session that existed when the
rows were listed; a later login is a new session.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

from holdall._errors import ConfigurationError
from holdall.steps import Steps
from holdall.stores._contract import SessionRow
from holdall.stores._renewal import end, line_of
from holdall.stores._verbs import Clear, Find
from holdall.tables._contract import MAX_PRINCIPAL_BYTES, RowInfo

__all__ = ["check_app", "list_rows", "owner", "revoke", "revoke_all"]

# Separate an application's name, a cookie's name and a principal, or precede a digest of all three if they are too
# long. The names contain neither character, so the combinations are unambiguous.
_UNIT_SEPARATOR = "\x1f"
_RECORD_SEPARATOR = "\x1e"

_MOST_APP_BYTES = 255


def check_app(app: str) -> None:
    """Raise ``ConfigurationError`` if *app* is not a valid application name."""
    if not app.isprintable() or len(app.encode()) > _MOST_APP_BYTES:
        msg = f"app_name= must have at most {_MOST_APP_BYTES} bytes and no control characters."
        raise ConfigurationError(msg)


def owner(principal: str, app: str, key: str) -> str:
    """Return a table's name for the *principal* of the application *app*, in sessions whose cookie is named *key*."""
    name = f"{app}{_UNIT_SEPARATOR}{key}{_UNIT_SEPARATOR}{principal}"
    if len(name.encode()) <= MAX_PRINCIPAL_BYTES:
        return name
    return f"{app}{_RECORD_SEPARATOR}{hashlib.sha256(name.encode()).hexdigest()}"


def list_rows(table: Any, owners: Iterable[str], *, current: bytes | None = None) -> Steps[list[SessionRow]]:
    """Return the sessions of *owners*, oldest first. *current* is the digest of the request's own session."""
    found = yield from _found(table, owners)
    return [
        SessionRow(
            row.handle,
            int(row.created.timestamp()),
            int(row.expires.timestamp()),
            None if row.seen is None else int(row.seen.timestamp()),
            row.client,
            is_current=row.digest == current,
        )
        for row in found
        if not row.is_tombstone
    ]


def revoke(table: Any, owners: Iterable[str], *, keep: bytes | None = None, handle: str | None = None) -> Steps[int]:
    """
    End the sessions of *owners*, and return how many were ended.

    Args:
        keep: The digest of a session to keep, along with its renewals.
        handle: End only the session with this handle.
    """
    found = yield from _found(table, owners)
    # Read after the list, so that listed rows which belong to the kept session are recognized. It may have been renewed
    # a moment ago: the session that its tombstone leads to is not ended either.
    passed = set() if keep is None else (yield from line_of(table, keep))
    ended = 0
    # Tombstones first, because they lead to other rows of the list.
    for row in sorted(found, key=lambda each: not each.is_tombstone):
        if handle in (None, row.handle):
            ended += yield from end(table, row.digest, passed)
    return ended


def _found(table: Any, owners: Iterable[str]) -> Steps[list[RowInfo]]:
    found: list[RowInfo] = []
    owners = tuple(owners)
    for each in owners:
        found += yield Find(table, each)
    return sorted(found, key=lambda row: row.created) if len(owners) > 1 else found


def revoke_all(table: Any, began_by: Any) -> Steps[int]:
    """
    Remove all rows whose sessions began at *began_by* or earlier, and return how many were removed.

    A renewal in progress finds its tombstone gone after inserting its row, and removes that again. If it still found
    the tombstone, its row existed before the tombstone was removed, and is removed by the next pass.
    """
    cleared = 0
    while some := (yield Clear(table, began_by)):
        cleared += some
    return cleared
