"""
Where sessions live between requests.

A store turns a cookie's value into a session's data and back. ``CookieStore`` seals the data into the cookie itself;
``TableStore`` keeps rows in a table and gives the browser a secret name for one.
"""

from typing import TYPE_CHECKING

from holdall._lazily import lazily
from holdall.stores.contract import (
    AsyncStore,
    Changes,
    Draft,
    Leasing,
    Missing,
    Moving,
    Revocable,
    Store,
    Stored,
    Succession,
    Trail,
)

if TYPE_CHECKING:
    from holdall.stores.cookie import CookieStore
    from holdall.stores.table import AsyncTableStore, TableStore
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "AsyncTableStore": "holdall.stores.table",
            "CookieStore": "holdall.stores.cookie",
            "TableStore": "holdall.stores.table",
        },
    )

__all__ = [
    "AsyncStore",
    "AsyncTableStore",
    "Changes",
    "CookieStore",
    "Draft",
    "Leasing",
    "Missing",
    "Moving",
    "Revocable",
    "Store",
    "Stored",
    "Succession",
    "TableStore",
    "Trail",
]
