"""
What was saved outside of a request, and the cookies that still stand for it, where tests run.

No response carries the cookie of such a session. If that changes, as it does with each write to a session that is kept
in its cookie, whoever saved it has to take its ``session_key``. Django's test client does not, though its ``session``
is there to be saved. In tests the cookie that the client has leads to what was saved last, as if that had been sent.
"""

from collections.abc import Sequence

from django.core import mail

from holdall.cookies import SentCookie

__all__ = ["are_tests_running", "latest", "latest_of", "note"]

# More than a test saves, and fewer than all of them do.
_MOST = 1000

_latest: dict[str, str | None] = {}


def are_tests_running() -> bool:
    """Say whether Django's test runner is at work: it keeps mail in an outbox, and is known by it."""
    return hasattr(mail, "outbox")


def note(before: str | None, after: str | None) -> None:
    """Note that the session of the cookie *before* is now that of *after*, or that it has ended with ``None``."""
    if before is None or before == after or not are_tests_running():
        return
    _latest[before] = after
    if len(_latest) > _MOST:
        del _latest[next(iter(_latest))]


def latest(cookie: str | None) -> str | None:
    """Return what *cookie* has become, or ``None`` if its session has ended."""
    while cookie in _latest:
        cookie = _latest[cookie]
    return cookie


def latest_of(cookies: Sequence[SentCookie]) -> Sequence[SentCookie]:
    """Return what the *cookies* of a request have become."""
    if not _latest:
        return cookies
    found = (latest(cookie) if type(cookie) is str else cookie for cookie in cookies)
    return [cookie for cookie in found if cookie is not None]
