"""
Follow old cookies to sessions that a test has changed outside of any request.

No response carries the cookie of such a session. When the cookie changes, as it does with each write to a session that
is kept in it, the code that saved the session must use the new ``session_key``. Django's test client does not, although
its ``session`` is meant to be saved. So while Django's test runner is active, the client's old cookie leads to the
session as the test saved it, as if a response had sent the new one. Changes made by the application during a request
are not followed: a cookie that outlives them in production also does in a test.
"""

import sys
from collections.abc import Sequence

from holdall.adapters import SentCookie, SessionState
from holdall_django import _rollback as rollback

__all__ = ["are_tests_running", "follow", "latest", "latest_cookies", "latest_of", "note"]

# Enough for the sessions that a single test saves, but not for those of all tests together.
_MOST = 1000

#: The cookie that each old cookie leads to; ``None`` if the session has ended.
latest_cookies: dict[str, str | None] = {}


def are_tests_running() -> bool:
    """Return whether Django's test runner, or another one that sets up its test environment, is active."""
    # Not imported, because only tests need this module. Django keeps there what it restores after the tests.
    state = getattr(sys.modules.get("django.test.utils"), "_TestState", None)
    return hasattr(state, "saved_data")


def note(before: str | None, after: str | None) -> None:
    """Record that the session of the cookie *before* now has the cookie *after*; ``None`` if it has ended."""
    if before is None or before == after or rollback.are_noted() or not are_tests_running():
        return
    latest_cookies[before] = after
    if after is not None:
        # A cookie without random content may occur again.
        latest_cookies.pop(after, None)
    if len(latest_cookies) > _MOST:
        del latest_cookies[next(iter(latest_cookies))]


def latest(cookie: str | None) -> str | None:
    """Return the cookie that *cookie* leads to, or ``None`` if its session has ended."""
    while cookie in latest_cookies:
        cookie = latest_cookies[cookie]
    return cookie


def latest_of(cookies: Sequence[SentCookie]) -> Sequence[SentCookie]:
    """Return the cookies that *cookies* lead to."""
    if not latest_cookies:
        return cookies
    found = (latest(cookie) if isinstance(cookie, str) else cookie for cookie in cookies)
    return [cookie for cookie in found if cookie is not None]


def follow(state: SessionState) -> None:
    """Replace the cookies of a request's session with those that they lead to, if any do."""
    state.cookies = latest_of(state.cookies)
