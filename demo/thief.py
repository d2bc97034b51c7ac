"""A thief who has a copy of a visitor's cookies, but not the device that the session may be bound to."""

import time
from collections.abc import Mapping
from ssl import create_default_context

from demo.settings import certificate, session_key, urls
from demo.visitor import Visitor

__all__ = ["replay"]

_SECONDS = 5


def replay(framework: str, cookies: Mapping[str, str]) -> str:
    """
    Send *cookies* to *framework* over HTTPS, as a thief would; return the user that they log in, or ``""``.

    The request leaves out the bound cookie, as if it had expired. The visitor's browser could sign for a new one, but
    the thief cannot.
    """
    stolen = {name: value for name, value in cookies.items() if name != f"{session_key()}-bound"}
    tls = create_default_context(cafile=certificate())
    thief = Visitor(urls(), tls, until=time.monotonic() + _SECONDS, jar=stolen)
    return thief.opens(framework, "/seen").user
