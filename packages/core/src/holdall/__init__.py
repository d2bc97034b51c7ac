"""
Sessions for Python web applications.

An application configures ``Sessions``, and each of its requests has a ``Session``. The adapters ``holdall_flask``,
``holdall_fastapi`` and ``holdall_django`` integrate both with a framework.
"""

from typing import TYPE_CHECKING

from holdall._clients import SessionInfo
from holdall._cookies import CookieOptions, SetCookie
from holdall._errors import (
    AnsweredError,
    ConfigurationError,
    ContentionError,
    CookieOverflowError,
    LoginRequiredError,
    LostWriteError,
    ResponseStartedError,
    SessionError,
    SessionNotFetchedError,
    StoreError,
    TooManySessionsError,
)
from holdall._events import Event, EventCounts
from holdall._lazy_import import lazy_import
from holdall._lifecycle import ResponseHeaders
from holdall._session import Session
from holdall._sessions import Sessions
from holdall.stores import Store
from holdall.tables import AsyncTable, Table

if TYPE_CHECKING:
    from holdall._keys import WeakSecretWarning
    from holdall._version import __version__ as __version__
    from holdall.stores import CookieStore, TableStore
    from holdall.tables import MemoryTable
else:
    __getattr__, __dir__ = lazy_import(
        __name__,
        {
            "CookieStore": "holdall.stores",
            "MemoryTable": "holdall.tables",
            "TableStore": "holdall.stores",
            "WeakSecretWarning": "holdall._keys",
            # Reading the metadata takes longer than all the other imports together.
            "__version__": "holdall._version",
        },
    )

__all__ = [
    "AnsweredError",
    "AsyncTable",
    "ConfigurationError",
    "ContentionError",
    "CookieOptions",
    "CookieOverflowError",
    "CookieStore",
    "Event",
    "EventCounts",
    "LoginRequiredError",
    "LostWriteError",
    "MemoryTable",
    "ResponseHeaders",
    "ResponseStartedError",
    "Session",
    "SessionError",
    "SessionInfo",
    "SessionNotFetchedError",
    "Sessions",
    "SetCookie",
    "Store",
    "StoreError",
    "Table",
    "TableStore",
    "TooManySessionsError",
    "WeakSecretWarning",
]
