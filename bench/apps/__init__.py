"""
The same application in each framework, with our sessions, with the framework's own, and with the peers'.

Each module has ``sites()``. All sites have the same pages: the handlers of ``/untouched``, ``/read``, ``/write`` and
``/nested`` use the session in these ways, and ``/begin`` begins one.
"""

from collections.abc import Callable
from typing import Any, Protocol

from bench.samples import SECRET
from holdall import Sessions, TableStore
from holdall.tables import MemoryTable

__all__ = ["BARE", "PAGES", "Site", "cookie_header", "our_sessions"]

#: The site without sessions, the baseline for the others' cost.
BARE = "no sessions"

PAGES = ("untouched", "read", "write", "nested")


class Site(Protocol):
    """
    An application.

    Attributes:
        app: The application that an ASGI or WSGI server runs.
    """

    app: Any

    def act(self, page: str, cookie: str) -> Callable[[], object]:
        """Return a function that sends a request of a visitor with this Cookie header, in this process."""
        ...

    def begin(self) -> str:
        """Begin a session, and return its visitor's Cookie header."""
        ...


def our_sessions() -> dict[str, Sessions]:
    """Return our sessions: in the cookie, and in memory."""
    return {
        "holdall, cookie": Sessions("cookie", key="session", secret_key_base=SECRET),
        "holdall, memory": Sessions(TableStore(MemoryTable()), key="session"),
    }


def cookie_header(set_cookie: str) -> str:
    """Return the Cookie header that follows from a Set-Cookie header, between two other cookies."""
    return f"a=1; {set_cookie.partition(';')[0]}; b=2" if set_cookie else "a=1; b=2"
