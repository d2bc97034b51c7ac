"""A framework's own settings as options of ``Sessions``: how long a session lives, and how its cookie is set."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

__all__ = ["absolute_timeout", "permanent_max_age", "with_cookie_settings"]

_MONTH = timedelta(days=30)

# Browsers keep no cookie for longer (RFC 6265bis, section 5.5).
_LONGEST = 400 * 24 * 3600


# What is given may be no time at all: ``Sessions`` refuses that.


def absolute_timeout(idle_timeout: timedelta | int | None) -> timedelta:
    """Return how long a session may live at all: 30 days, or as long as it may live unused (an ``int``: seconds)."""
    if isinstance(idle_timeout, int):
        idle_timeout = timedelta(seconds=idle_timeout)
    return max(_MONTH, idle_timeout) if isinstance(idle_timeout, timedelta) else _MONTH


def permanent_max_age(idle_timeout: int | None) -> int:
    """Return the seconds that a browser keeps the cookie of a session that outlives its closing."""
    return min(_LONGEST, idle_timeout) if isinstance(idle_timeout, int) else _LONGEST


def with_cookie_settings(options: Mapping[str, Any], cookie: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return *options* of ``Sessions``, and what they leave out as a framework's settings of its *cookie* say.

    Sessions in another header (``transport=``) have no cookie to be set so.
    """
    if options.get("transport", "cookie") != "cookie":
        cookie = {name: value for name, value in cookie.items() if name == "key"}
    return {**cookie, **options}
