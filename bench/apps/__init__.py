"""
The same application in each framework, with our sessions, with the framework's own, and with the peers'.

Each of the modules has ``sites()``. All sites have the same pages: ``/untouched``, ``/read``, ``/write`` and
``/nested`` are what a handler does with its session, and ``/begin`` begins one.
"""

from collections.abc import Callable
from typing import Any, Protocol

from bench.samples import SECRET
from holdall import Sessions, TableStore
from holdall.tables import MemoryTable

__all__ = ["BARE", "PAGES", "Site", "cookie_header", "our_sessions"]

#: The site without sessions, beyond which the others cost.
BARE = "no sessions"

PAGES = ("untouched", "read", "write", "nested")


class Site(Protocol):
    """
    An application.

    Attributes:
        app: What a server of ASGI or WSGI takes.
    """

    app: Any

    def act(self, page: str, cookie: str) -> Callable[[], object]:
        """Return what sends a request in this process, of a visitor with this Cookie header."""
        ...

    def begin(self) -> str:
        """Begin a session, and return the Cookie header of its visitor."""
        ...


def our_sessions() -> dict[str, Sessions]:
    """Return ours: in the cookie, and in memory."""
    return {
        "holdall, cookie": Sessions("cookie", key="session", secret_key_base=SECRET),
        "holdall, memory": Sessions(TableStore(MemoryTable()), key="session"),
    }


def cookie_header(set_cookie: str) -> str:
    """Return the Cookie header that follows a Set-Cookie header, with two other cookies around."""
    return f"a=1; {set_cookie.partition(';')[0]}; b=2" if set_cookie else "a=1; b=2"
