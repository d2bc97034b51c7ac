"""Find the cookies, the client and the exchange of a request."""

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest

from holdall.adapters import ClientInfo, Exchange, FindHeader, environ_header
from holdall.nested import KEY, enter, in_environ, in_scope
from holdall_django._configuration import configuration
from holdall_django._names import COOKIE

if TYPE_CHECKING:
    from holdall_django._session import DjangoSession

__all__ = ["Opened", "client_of", "headers_of", "opened_for", "outer_exchange", "share", "unshare"]

# The attribute of a request that holds its ``Opened``. The sessions do not refer to it, because that would create a
# cycle for the garbage collector.
_OPENED = "_holdall"


class Opened:
    """
    A request's session as opened by a middleware.

    Attributes:
        exchange: The exchange that commits the session.
        session: The object that the middleware has put into ``request.session``.
        is_shared: Whether an outer adapter has begun the exchange, and commits it.
        is_open: Whether the request has no response yet.
    """

    __slots__ = ("exchange", "is_open", "is_shared", "session")

    def __init__(self, request: HttpRequest, exchange: Exchange, session: "DjangoSession", *, is_shared: bool) -> None:
        self.exchange = exchange
        self.session = session
        self.is_shared = is_shared
        self.is_open = True
        setattr(request, _OPENED, self)


def opened_for(request: HttpRequest) -> Opened | None:
    """Return the ``Opened`` of *request*; ``None`` if no middleware of ours has processed it."""
    return getattr(request, _OPENED, None)


def headers_of(request: HttpRequest) -> FindHeader:
    """
    Return a function that finds a header of *request* by its name.

    The Cookie headers are returned as received, with our cookies replaced if the application has changed them in
    ``request.COOKIES``. The values that Django's parser puts there are ignored, because it accepts names for a
    session's cookie that browsers let any subdomain set.
    """
    if isinstance(request, WSGIRequest) and "COOKIES" not in vars(request):
        # Django parses the cookies on first access, so the application has not replaced any.
        return partial(environ_header, request.META)
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
    # Does not keep the request, because that refers to the session and would create a cycle for the garbage collector.
    return partial(_header, headers, request.META)


def _header(cookies: list[str], meta: dict[str, Any], name: str) -> str | list[str]:
    return cookies if name == "cookie" else environ_header(meta, name)


def _put_by_application(request: HttpRequest) -> Iterator[tuple[str, str | None]]:
    """Yield those of our cookies whose value in ``request.COOKIES`` differs from what Django parsed."""
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
    """Return a function that returns the user agent and address of *request*'s client."""
    # Does not keep the request, because that refers to the session and would create a cycle for the garbage collector.
    meta = request.META
    return lambda: (meta.get("HTTP_USER_AGENT"), meta.get("REMOTE_ADDR"))


def outer_exchange(request: HttpRequest) -> Exchange | None:
    """Return the exchange of an outer adapter."""
    return in_scope(request.scope) if isinstance(request, ASGIRequest) else in_environ(request.META)


def share(request: HttpRequest, exchange: Exchange) -> None:
    """Make *exchange* available to inner adapters."""
    if isinstance(request, ASGIRequest):
        enter(cast("dict[str, Any]", request.scope), exchange)
    else:
        request.META[KEY] = exchange


def unshare(request: HttpRequest) -> None:
    """Remove the exchange from the request's environ, because that would create a cycle for the garbage collector."""
    exchange = request.META.pop(KEY, None)
    if exchange is not None and exchange.outer is not None:
        request.META[KEY] = exchange.outer
