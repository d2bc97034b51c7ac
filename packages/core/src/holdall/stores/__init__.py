"""
Store sessions between requests.

A store converts a cookie's value to a session's data and back. ``CookieStore`` seals the data into the cookie itself;
``TableStore`` keeps rows in a table and gives the browser a secret ID.
"""

from typing import TYPE_CHECKING

from holdall._lazy_import import lazy_import
from holdall.stores._contract import (
    Changes,
    ForeignSession,
    MarkingEnds,
    NotFound,
    RenewalFailure,
    Renewing,
    Revocable,
    RowRef,
    SessionRow,
    Store,
    StoredSession,
    Updating,
    Write,
)

if TYPE_CHECKING:
    from holdall.stores._cookie import CookieStore
    from holdall.stores._migration import MigratingStore
    from holdall.stores._table import TableStore
else:
    __getattr__, __dir__ = lazy_import(
        __name__,
        {
            "CookieStore": "holdall.stores._cookie",
            "MigratingStore": "holdall.stores._migration",
            "TableStore": "holdall.stores._table",
        },
    )

__all__ = [
    "Changes",
    "CookieStore",
    "ForeignSession",
    "MarkingEnds",
    "MigratingStore",
    "NotFound",
    "RenewalFailure",
    "Renewing",
    "Revocable",
    "RowRef",
    "SessionRow",
    "Store",
    "StoredSession",
    "TableStore",
    "Updating",
    "Write",
]
