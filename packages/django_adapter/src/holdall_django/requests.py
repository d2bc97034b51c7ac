"""What a request says about its session: which cookies came, who sent them, and whether somebody holds it already."""

import re
from collections.abc import Iterator
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest

from holdall.adapters import Exchange
from holdall.nested import in_environ, in_scope
from holdall.stores.contract import ClientInfo
from holdall_django.configuration import configuration
from holdall_django.names import COOKIE

__all__ = ["cookie_headers", "client_of", "outer_exchange"]


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


def client_of(request: HttpRequest) -> ClientInfo:
    """Return what says which browser sent *request*, and from where."""
    # Not of the request, which holds the session: each would leave a knot for the garbage collector.
    meta = request.META
    return lambda: (meta.get("HTTP_USER_AGENT"), meta.get("REMOTE_ADDR"))


def outer_exchange(request: HttpRequest) -> Exchange | None:
    """Return the exchange of an adapter around this one."""
    return in_scope(request.scope) if isinstance(request, ASGIRequest) else in_environ(request.META)
