"""How long a session lives by the settings of a framework, which know one limit only: how long it lives unused."""

from datetime import timedelta

__all__ = ["absolute_timeout", "permanent_max_age"]

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
