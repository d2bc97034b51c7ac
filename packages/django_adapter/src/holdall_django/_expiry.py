"""Compute the lifetime of a session with its own expiry, set by ``set_expiry`` or by another Django project."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from holdall.adapters import Lifetime

__all__ = ["EXPIRY", "check_expiry", "earlier", "lifetime", "seconds_left"]

#: The session key under which Django stores the expiry.
EXPIRY = "_session_expiry"

# Adding a longer time to a date exceeds the calendar's range; browsers and absolute_timeout allow far less.
_YEAR = 365 * 24 * 60 * 60
_LONGEST = 100 * _YEAR
# An earlier time makes no difference, because the session has ended, and cookies cannot express times before 1970.
_LONG_AGO = -_YEAR


def check_expiry(value: object) -> None:
    """
    Refuse a value that could not be applied later, while the caller can still see the error.

    Raises:
        TypeError: *value* is not a number of seconds, a time, or ``None``.
        ValueError: *value* is text that is not a time, or is not a finite number.
    """
    if value is None or isinstance(value, timedelta | datetime):
        return
    if isinstance(value, str):
        datetime.fromisoformat(value)
    elif not isinstance(value, int | float):
        msg = f"set_expiry() takes seconds, a timedelta, a datetime or None, not a {type(value).__qualname__}."
        raise TypeError(msg)
    elif not math.isfinite(value):
        msg = f"set_expiry({value}) is not a number of seconds."
        raise ValueError(msg)


def lifetime(data: Mapping[str, Any], usual: Lifetime) -> Lifetime:
    """Return the lifetime of a session with this *data*: the *usual* one if it has no expiry of its own."""
    expiry = data.get(EXPIRY)
    if expiry is None:
        return usual
    try:
        check_expiry(expiry)
    except (TypeError, ValueError):
        # It was not set by set_expiry(), and a page must not fail because of it.
        return usual
    if isinstance(expiry, timedelta):
        return usual
    if expiry == 0:
        return usual._replace(max_age=None)
    if isinstance(expiry, int | float):
        # Django accepts booleans and fractions as numbers, and its cookie has whole seconds.
        seconds = int(max(_LONG_AGO, min(expiry, _LONGEST)))
        return Lifetime(seconds, seconds)
    ends = _aware(datetime.fromisoformat(expiry) if isinstance(expiry, str) else expiry)
    now = datetime.now(UTC)
    ends = max(now + timedelta(seconds=_LONG_AGO), min(ends, now + timedelta(seconds=_LONGEST)))
    return usual._replace(ends=int(ends.timestamp()))


def seconds_left(ends: Callable[[int], int], created: datetime | None, now: datetime) -> int:
    """
    Return the seconds until the absolute timeout ends a session.

    Args:
        ends: Returns the latest end of a session created at a time, both in Unix seconds.
        created: When it was created; ``None`` if it is new.
    """
    at = int(_aware(now).timestamp())
    return min(ends(at if created is None else int(created.timestamp())) - at, _LONGEST)


def earlier(one: datetime, other: datetime) -> datetime:
    """Return the earlier of two times, each of which may lack a time zone."""
    return min(one, other, key=_aware)


def _aware(time: datetime) -> datetime:
    # Django's times are naive if USE_TZ is off.
    return timezone.make_aware(time) if timezone.is_naive(time) else time
