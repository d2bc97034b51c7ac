"""Turn a framework's own settings for lifetime and cookie into options of ``Sessions``."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

__all__ = ["permanent_max_age", "with_cookie_settings", "with_timeouts"]

_MONTH = timedelta(days=30)

# Browsers keep no cookie longer than this (RFC 6265bis, section 5.5).
_LONGEST = 400 * 24 * 3600


# These functions ignore invalid values, because ``Sessions`` refuses them later.


def with_timeouts(
    options: Mapping[str, Any], idle_timeout: timedelta | int | None, *, refresh: bool = True
) -> dict[str, Any]:
    """
    Return *options* of ``Sessions``, completed by the framework's *idle_timeout* and by an absolute timeout.

    The latter is 30 days, or the idle timeout if that is longer. Without *refresh*, it is always the idle timeout,
    because use does not extend a session. A preset (``timeouts=``) takes precedence over both.
    """
    if "timeouts" in options:
        return {**options}
    idle = options.get("idle_timeout", idle_timeout)
    given = timedelta(seconds=idle) if isinstance(idle, int) else idle
    absolute = max(_MONTH, given) if isinstance(given, timedelta) else _MONTH
    return {"idle_timeout": idle, "absolute_timeout": absolute if refresh else idle, **options}


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
