"""
Keep shared caches from storing a response that sets a session cookie.

A cache may store any response unless a directive forbids it (RFC 9111, section 3), including its Set-Cookie header.
``Vary: Cookie`` does not distinguish visitors without a cookie, so the next visitor without one would receive the
session of the first. Such a response is therefore ``no-store``, or ``private`` if the application wants it cached.
"""

import logging
import re
from collections.abc import Iterable
from typing import NamedTuple

__all__ = [
    "CACHING_NAMES",
    "CacheHeaders",
    "cache_headers",
    "merged_cache_control",
    "merged_vary",
    "warn_of_public_cookie",
    "warned",
]

_logger = logging.getLogger("holdall")

#: Finds the names of headers that affect caches. Without any of them the answer is always the same.
CACHING_NAMES = re.compile(r"vary|control|x-accel-expires", re.IGNORECASE)

# A directive with its argument, which may be a quoted string with commas of its own (RFC 9111, section 5.2).
_DIRECTIVE = re.compile(
    r"""[\s,]*([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^",\s]*))?[\s,]*(?:(?<=,)|$)""", re.ASCII
)

_FOR_SHARED_CACHES = frozenset({"public", "s-maxage"})
# An application sets these only on a response that is the same for every visitor.
_PUBLIC = _FOR_SHARED_CACHES | {"immutable"}

# Some caches obey these instead of Cache-Control (RFC 9213, section 2, and names older than that).
_TARGETED = re.compile(r"(?:.+-)?cdn-cache-control|surrogate-control|edge-control|x-accel-expires")

# Limits the set of names, because routes named after the request could have any number of them.
_MOST_ROUTES = 1000
#: The routes already named in the log.
warned: set[str] = set()


class CacheHeaders(NamedTuple):
    """
    The changes to make to a response's headers for caches.

    Attributes:
        cache_control: The new value of Cache-Control; ``None`` leaves the header as it is.
        removed: The lower-case names of headers to remove.
        was_public: Whether the application had marked the response for shared caches.
    """

    cache_control: str | None
    removed: frozenset[str]
    was_public: bool


_UNCHANGED = CacheHeaders(None, frozenset(), was_public=False)


def cache_headers(headers: Iterable[tuple[str, str]], *, sets_cookie: bool, allow_public: bool) -> CacheHeaders:
    """
    Return how the *headers* that the application set on a response must change.

    Args:
        sets_cookie: Whether the response sets a session cookie.
        allow_public: Whether the application may mark such a response for shared caches.
    """
    if not sets_cookie:
        return _UNCHANGED
    present: list[str] = []
    targeted: set[str] = set()
    for given, value in headers:
        name = given.lower()
        if name == "cache-control":
            present.append(value)
        elif _TARGETED.fullmatch(name):
            targeted.add(name)
    joined = ", ".join(present) if present else None
    cache_control = merged_cache_control(joined, sets_cookie=True, allow_public=allow_public)
    if allow_public:
        return CacheHeaders(cache_control, frozenset(), was_public=False)
    names = _directives(joined or "")
    was_public = bool(targeted) or names is None or not _PUBLIC.isdisjoint(names)
    return CacheHeaders(cache_control, frozenset(targeted), was_public)


def merged_cache_control(present: str | None, *, sets_cookie: bool, allow_public: bool) -> str | None:
    """
    Return the Cache-Control header of a response; ``None`` leaves it as it is.

    Args:
        present: The value that the application has set, several headers joined by commas; ``None`` if there is none.
        sets_cookie: Whether the response sets a session cookie.
        allow_public: Whether the application may mark such a response for shared caches.
    """
    if not sets_cookie:
        return None
    if present is None or not present.strip(" \t,"):
        return "no-store"
    if allow_public:
        return None
    directives = _directives(present)
    if directives is None:
        # Caches differ in how they read a malformed header.
        return "private"
    kept = {name: argument for name, argument in directives.items() if name not in _FOR_SHARED_CACHES}
    # A cache that implements must-understand may ignore the no-store next to it (RFC 9111, section 5.2.2.3).
    is_safe = kept.get("private", "field names") is None or ("no-store" in kept and "must-understand" not in kept)
    if is_safe:
        if len(kept) == len(directives):
            return None
    else:
        kept = {"private": None, **{name: argument for name, argument in kept.items() if name != "private"}}
    return ", ".join(name if argument is None else f"{name}={argument}" for name, argument in kept.items())


def merged_vary(present: Iterable[str], vary: str) -> str | None:
    """
    Return the Vary header of a response; ``None`` means that *present* is complete.

    Args:
        vary: The request headers that carried its sessions (``ResponseHeaders.vary``).
    """
    lines = list(present)
    names = {name.strip().lower() for name in ",".join(lines).split(",")}
    if "*" in names or vary.lower() in names:
        return None
    if "," in vary:
        vary = ", ".join(name for name in vary.split(", ") if name.lower() not in names)
    return ", ".join((*lines, vary)) if vary else None


def warn_of_public_cookie(route: str) -> None:
    """Log once for each *route* that its responses are public and set a session cookie."""
    if route in warned or len(warned) >= _MOST_ROUTES:
        return
    warned.add(route)
    _logger.warning(
        "%s marks its response as public, but the response sets a session cookie, which a shared cache would give to "
        "other visitors. It is sent as private instead. Do not use the session there, or set "
        "Sessions(allow_public=True) if no shared cache stores cookies.",
        route,
    )


def _directives(value: str) -> dict[str, str | None] | None:
    """Return the argument of each directive, by lower-case name; ``None`` if *value* is malformed. The first wins."""
    found: dict[str, str | None] = {}
    at, end = 0, len(value.rstrip(" \t,"))
    while at < end:
        match = _DIRECTIVE.match(value, at)
        if match is None:
            return None
        name, argument = match.groups()
        found.setdefault(name.lower(), argument)
        at = match.end()
    return found
