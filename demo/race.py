"""
Send concurrent requests of one visitor, as a browser would, to holdall's session and to a peer's.

This visitor has a separate session, so that the session in your browser is not affected.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ssl import create_default_context
from typing import NamedTuple, TypeVar

from demo.settings import FRAMEWORKS, PEER_PATH, behind_proxy, certificate, urls
from demo.visitor import Visitor

__all__ = ["RACES", "Outcome"]

T = TypeVar("T")

_SECONDS = 10
_SECONDS_UNTIL_SLOW_REQUESTS_HAVE_BEGUN = 0.1
_NAME = "Eve"


class Outcome(NamedTuple):
    """The results of the same requests, with holdall's sessions and with the peer's."""

    ours: str
    theirs: str


def _writes(framework: str) -> Outcome:
    """Send a slow request through each framework at once, all writing to one session, and count the writes kept."""
    # The peer runs in Flask only, and distinguishes the requests by their names.
    ours, theirs = _both(partial(_kept, FRAMEWORKS, ""), partial(_kept, FRAMEWORKS[:1] * len(FRAMEWORKS), PEER_PATH))
    return Outcome(f"{ours} of {len(FRAMEWORKS)} writes kept", f"{theirs} of {len(FRAMEWORKS)} writes kept")


def _kept(through: tuple[str, ...], path: str) -> int:
    visitor = _visitor()
    visitor.submits(through[0], f"{path}/login", name=_NAME)
    with ThreadPoolExecutor() as pool:
        for framework, name in zip(through, FRAMEWORKS, strict=True):
            pool.submit(visitor.submits, framework, f"{path}/slow", name=name)
    return len(visitor.reads(through[0], "note", f"{path}/seen").split())


def _logout(framework: str) -> Outcome:
    """Log out while an earlier, slow request has yet to write and respond."""
    ours, theirs = _both(partial(_user_afterwards, framework, ""), partial(_user_afterwards, FRAMEWORKS[0], PEER_PATH))
    return Outcome(_said(ours), _said(theirs))


def _user_afterwards(framework: str, path: str) -> str:
    visitor = _visitor()
    visitor.submits(framework, f"{path}/login", name=_NAME)
    with ThreadPoolExecutor() as pool:
        pool.submit(visitor.submits, framework, f"{path}/slow", name=framework)
        time.sleep(_SECONDS_UNTIL_SLOW_REQUESTS_HAVE_BEGUN)
        visitor.submits(framework, f"{path}/logout")
    return visitor.reads(framework, "user", f"{path}/seen")


def _both(ours: Callable[[], T], theirs: Callable[[], T]) -> tuple[T, T]:
    """Try both at the same time, because their requests are slow on purpose."""
    with ThreadPoolExecutor() as pool:
        tried = pool.submit(theirs)
        return ours(), tried.result()


def _said(user: str) -> str:
    return f"The slow request logged {user} in again." if user else "Still logged out."


def _visitor() -> Visitor:
    tls = create_default_context(cafile=certificate()) if behind_proxy() else None
    return Visitor(urls(), tls, until=time.monotonic() + _SECONDS, jar={})


#: By the last part of the path.
RACES = {"writes": _writes, "logout": _logout}
