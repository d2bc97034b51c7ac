"""
Sessions for Python web applications.

``Sessions`` is what an application configures, ``Session`` what a request holds. The adapters ``holdall_flask``,
``holdall_fastapi`` and ``holdall_django`` bring both to a framework.
"""

from typing import TYPE_CHECKING

from holdall._lazily import lazily
from holdall.cookies import CookieOptions, SetCookie
from holdall.devices import Device
from holdall.errors import (
    ConfigurationError,
    ContentionError,
    CookieOverflowError,
    LostWriteError,
    ResponseStartedError,
    SessionError,
    SessionNotFetchedError,
    StoreError,
)
from holdall.events import Event
from holdall.lifecycle import ResponseHeaders
from holdall.session import Session
from holdall.sessions import Sessions
from holdall.stores import AsyncStore, Store
from holdall.tables import AsyncTable, Table

if TYPE_CHECKING:
    from holdall.stores import AsyncTableStore, CookieStore, TableStore
    from holdall.tables import MemoryTable
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "AsyncTableStore": "holdall.stores",
            "CookieStore": "holdall.stores",
            "MemoryTable": "holdall.tables",
            "TableStore": "holdall.stores",
        },
    )

__all__ = [
    "AsyncStore",
    "AsyncTable",
    "AsyncTableStore",
    "ConfigurationError",
    "ContentionError",
    "CookieOptions",
    "CookieOverflowError",
    "CookieStore",
    "Device",
    "Event",
    "LostWriteError",
    "MemoryTable",
    "ResponseHeaders",
    "ResponseStartedError",
    "Session",
    "SessionError",
    "SessionNotFetchedError",
    "Sessions",
    "SetCookie",
    "Store",
    "StoreError",
    "Table",
    "TableStore",
]
