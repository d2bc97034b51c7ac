"""What a request says about its session: which cookies came, who sent them, and whether somebody holds it already."""

import re
from collections.abc import Iterator
from typing import Any, cast

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest

from holdall.devices import Facts
from holdall.nested import KEY, RequestSessions, enter, in_environ, in_scope
from holdall_django.configuration import configuration
from holdall_django.names import COOKIE

__all__ = ["cookie_headers", "facts_of", "leave_word", "opened_around", "take_word_back"]


def cookie_headers(request: HttpRequest) -> list[str]:
    """
    Return the request's Cookie headers as they came, but for what the application has put in place of ours.

    It does so in ``request.COOKIES``. What Django's parser makes of the headers there is not looked at: it takes for a
    session's cookie what browsers would let any subdomain set.
    """
    if isinstance(request, ASGIRequest):
        # HTTP/2 may split the cookies into several headers, which Django before 6.0 joins with commas.
        headers = [value.decode("latin-1") for name, value in request.scope["headers"] if name == b"cookie"]
    else:
        headers = [request.META.get("HTTP_COOKIE", "")]
    for key, value in _put_by_application(request):
        named = re.compile(rf"(^|;)[ \t]*{re.escape(key)}[ \t]*=[^;]*")
        headers = [named.sub(r"\1", header) for header in headers]
        if value is not None and COOKIE.fullmatch(value):
            headers.append(f"{key}={value}")
    return headers


def _put_by_application(request: HttpRequest) -> Iterator[tuple[str, str | None]]:
    """Yield those of our cookies that stand otherwise in ``request.COOKIES`` than Django has parsed them."""
    # They are parsed when somebody asks for them, and an application that has put one there did.
    present = vars(request).get("COOKIES")
    if present is None:
        return
    parse: Any = getattr(type(request), "COOKIES", None)
    parsed = {} if parse is None else parse.func(request)
    for key in configuration().keys:
        value = present.get(key)
        if value != parsed.get(key):
            yield key, value


def facts_of(request: HttpRequest) -> Facts:
    """Return what says which browser sent *request*, and from where."""
    # Not of the request, which holds the session: each would leave a knot for the garbage collector.
    meta = request.META
    return lambda: (meta.get("HTTP_USER_AGENT"), meta.get("REMOTE_ADDR"))


def opened_around(request: HttpRequest) -> RequestSessions | None:
    """Return what an adapter around this one has opened for the request."""
    return in_scope(request.scope) if isinstance(request, ASGIRequest) else in_environ(request.META)


def leave_word(request: HttpRequest, opened: RequestSessions) -> None:
    """Let an adapter within this one find what was *opened*."""
    if isinstance(request, ASGIRequest):
        enter(cast("dict[str, Any]", request.scope), opened)
    else:
        request.META[KEY] = opened


def take_word_back(request: HttpRequest) -> None:
    """Let the request refer to its session no more: the garbage collector would have to part them."""
    opened = request.META.pop(KEY, None)
    if opened is not None and opened.outer is not None:
        request.META[KEY] = opened.outer
