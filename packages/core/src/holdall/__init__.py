"""
Sessions for Python web applications.

``Sessions`` is what an application configures, ``Session`` what a request holds. The adapters ``holdall_flask``,
``holdall_fastapi`` and ``holdall_django`` bring both to a framework.
"""

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
from holdall.stores import AsyncStore, AsyncTableStore, CookieStore, Store, TableStore
from holdall.tables import AsyncTable, MemoryTable, Table

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
