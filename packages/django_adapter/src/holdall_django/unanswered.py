"""
What a test does to a session itself, outside of any request, and the cookies that still stand for it.

No response carries the cookie of such a session. If that changes, as it does with each write to a session that is kept
in its cookie, whoever saved it has to take its ``session_key``. Django's test client does not, though its ``session``
is there to be saved. So while Django's test runner is at work, the cookie that a client has leads to what its test has
made of the session, as if that had been sent. What the application does while it answers a request is not followed:
where a cookie outlives that in production, it does so in a test.
"""

import sys

from holdall.adapters import SessionState
from holdall_django import endings

__all__ = ["are_tests_running", "follow", "latest", "note"]

# More than a test saves, and fewer than all of them do.
_MOST = 1000

_latest: dict[str, str | None] = {}


def are_tests_running() -> bool:
    """Say whether Django's test runner is at work, or another that sets up its test environment."""
    # Where no tests run there is no need to import it. It keeps there what it has to put back in the end.
    state = getattr(sys.modules.get("django.test.utils"), "_TestState", None)
    return hasattr(state, "saved_data")


def note(before: str | None, after: str | None) -> None:
    """Note that the session of the cookie *before* is now that of *after*, or that it has ended with ``None``."""
    if before is None or before == after or endings.are_noted() or not are_tests_running():
        return
    _latest[before] = after
    if after is not None:
        # A cookie without anything random in it may come again.
        _latest.pop(after, None)
    if len(_latest) > _MOST:
        del _latest[next(iter(_latest))]


def latest(cookie: str | None) -> str | None:
    """Return what *cookie* has become, or ``None`` if its session has ended."""
    while cookie in _latest:
        cookie = _latest[cookie]
    return cookie


def follow(state: SessionState) -> None:
    """Let the cookies of a request's session be what they have become."""
    if _latest:
        found = (latest(cookie) if type(cookie) is str else cookie for cookie in state.cookies)
        state.cookies = [cookie for cookie in found if cookie is not None]
