"""Turn a framework's own settings for lifetime and cookie into options of ``Sessions``."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

__all__ = ["absolute_timeout", "permanent_max_age", "with_cookie_settings"]

_MONTH = timedelta(days=30)

# Browsers keep no cookie longer than this (RFC 6265bis, section 5.5).
_LONGEST = 400 * 24 * 3600


# These functions ignore invalid values, because ``Sessions`` refuses them later.


def absolute_timeout(idle_timeout: timedelta | int | None) -> timedelta:
    """Return the absolute timeout: 30 days, or *idle_timeout* if that is longer (an ``int`` is in seconds)."""
    if isinstance(idle_timeout, int):
        idle_timeout = timedelta(seconds=idle_timeout)
    return max(_MONTH, idle_timeout) if isinstance(idle_timeout, timedelta) else _MONTH


def permanent_max_age(idle_timeout: int | None) -> int:
    """Return how many seconds the browser keeps the cookie of a session that survives closing the browser."""
    return min(_LONGEST, idle_timeout) if isinstance(idle_timeout, int) else _LONGEST


def with_cookie_settings(options: Mapping[str, Any], cookie: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return *options* of ``Sessions``, with the framework's *cookie* settings as defaults.

    Sessions in another header (``transport=``) have no cookie that these settings could apply to.
    """
    if options.get("transport", "cookie") != "cookie":
        cookie = {name: value for name, value in cookie.items() if name == "key"}
    return {**cookie, **options}
