"""A thief who has a copy of a visitor's cookies, and not the device that the session may be bound to."""

import time
from collections.abc import Mapping
from ssl import create_default_context

from demo.settings import certificate, session_key, urls
from demo.visitor import Visitor

__all__ = ["replay"]

_SECONDS = 5


def replay(framework: str, cookies: Mapping[str, str]) -> str:
    """
    Return whom *framework* takes a thief for who sends these *cookies* by HTTPS; ``""`` for nobody.

    The bound cookie is not among them, as if it had expired. The visitor's browser would sign for another one, and the
    thief cannot.
    """
    stolen = {name: value for name, value in cookies.items() if name != f"{session_key()}-bound"}
    tls = create_default_context(cafile=certificate())
    thief = Visitor(urls(), tls, until=time.monotonic() + _SECONDS, jar=stolen)
    return thief.opens(framework, "/seen").user
