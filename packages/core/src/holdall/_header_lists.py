"""
Add session headers to a response's headers, given as a list of names and values.

ASGI and WSGI servers take such a list. For a framework with its own type of response headers, ``merged_vary`` and
``cache_headers`` return the changes to make.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from holdall._cache_headers import cache_headers, merged_vary, warn_of_public_cookie
from holdall._exchange import SessionGroup
from holdall._exposed import warn_if_exposed
from holdall._lifecycle import ResponseHeaders

__all__ = ["environ_header", "for_caches", "with_session_headers"]


def environ_header(environ: Mapping[str, Any], name: str) -> str:
    """
    Return the value of a request header by its *name*, from a WSGI environ or a similar mapping.

    The server has already joined repeated headers. Returns ``""`` if there is none.
    """
    value: str = environ.get(_variable(name), "")
    return value


# Requests carry sessions in only a few headers, but an application's cookie_options= may ask for any.
@lru_cache(maxsize=64)
def _variable(name: str) -> str:
    variable = name.upper().replace("-", "_")
    return variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{variable}"


def with_session_headers(
    headers: Iterable[tuple[str, str]],
    added: ResponseHeaders,
    group: SessionGroup,
    *,
    host: str | None = None,
    route: str = "",
) -> list[tuple[str, str]]:
    """
    Return *headers* with the headers of the sessions *added*: Vary, Cache-Control, Set-Cookie and others.

    Args:
        headers: The headers that the application set.
        host: The request's Host header: a login cookie without Secure is reported only if others could read it.
        route: The route's name, for the warning about a public response that sets a cookie.
    """
    if not added.vary:
        return list(headers)
    result = for_caches(headers, added, group, route=route)
    for cookie in added.cookies:
        result += [(cookie.header, cookie.line), *cookie.extra]
    result += added.extra
    warn_if_exposed(added.cookies, host)
    return result


def for_caches(
    headers: Iterable[tuple[str, str]], added: ResponseHeaders, group: SessionGroup, *, route: str
) -> list[tuple[str, str]]:
    """Return *headers* with Vary added, changed so that shared caches do not store a response that sets a cookie."""
    result = list(headers)
    vary = merged_vary((value for name, value in result if name.lower() == "vary"), added.vary)
    if vary is not None:
        result = [each for each in result if each[0].lower() != "vary"]
        result.append(("Vary", vary))
    if not added.cookies:
        return result
    caches = cache_headers(result, sets_cookie=True, allow_public=group.allow_public)
    if caches.was_public:
        warn_of_public_cookie(route)
    removed = caches.removed if caches.cache_control is None else {*caches.removed, "cache-control"}
    if removed:
        result = [each for each in result if each[0].lower() not in removed]
    if caches.cache_control is not None:
        result.append(("Cache-Control", caches.cache_control))
    return result
