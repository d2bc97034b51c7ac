"""
One session for a request that passes through several adapters.

A Flask application may be mounted in FastAPI, and a middleware may be added twice. If both adapters kept a session of
their own under one cookie, both would write, two cookies of one name would go out, and a login could be lost. So an
adapter leaves word of what it has opened, in the request's ASGI scope or WSGI environ under ``KEY``, and one within it
uses the same session and leaves its end to the outer one.

A bridge from ASGI to WSGI need not hand the scope on. What all of them hand on are the context variables, so the scope
stands there too; it counts only for a WSGI request that is seen to be the same.
"""

from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any

from holdall.errors import ConfigurationError
from holdall.session import Phase, Session
from holdall.sessions import Sessions
from holdall.several import Kept, SeveralSessions

__all__ = ["KEY", "RequestSessions", "enter", "in_environ", "in_scope", "main_sessions", "outer_session"]

#: Where a request's scope or environ says what an adapter has opened for it.
KEY = "holdall.request"

_scope: ContextVar[Mapping[str, Any]] = ContextVar("holdall_scope")


class RequestSessions:
    """
    What an adapter has opened for a request.

    Attributes:
        kept: The sessions that the adapter was given.
        session: The main one of the request.
        outer: What an adapter around that one has opened.
    """

    __slots__ = ("kept", "outer", "session")

    def __init__(self, kept: Kept, session: Session, outer: "RequestSessions | None" = None) -> None:
        self.kept = kept
        self.session = session
        self.outer = outer


def main_sessions(kept: Kept) -> Sessions:
    """Return the main ones of an application's sessions."""
    return _all(kept)[0]


def in_scope(scope: Mapping[str, Any]) -> RequestSessions | None:
    """Return what an adapter around this one has opened for an ASGI request or WebSocket."""
    opened: RequestSessions | None = scope.get(KEY)
    if opened is None and "wsgi_environ" in scope:
        # Of a2wsgi, which runs an ASGI application within a WSGI one.
        opened = scope["wsgi_environ"].get(KEY)
    return opened


def in_environ(environ: Mapping[str, Any]) -> RequestSessions | None:
    """Return what an adapter around this one has opened for a WSGI request."""
    opened: RequestSessions | None = environ.get(KEY)
    if opened is None:
        scope = _scope.get(None)
        if scope is not None and _is_same(scope, environ):
            opened = scope.get(KEY)
    return opened


def enter(scope: MutableMapping[str, Any], opened: RequestSessions) -> None:
    """Leave word in *scope* of what was *opened*, for adapters within."""
    scope[KEY] = opened
    _scope.set(scope)


def outer_session(outer: RequestSessions | None, kept: Kept) -> Session | None:
    """
    Return the session that an adapter around this one keeps for it; ``None`` if it has to keep one itself.

    Raises:
        ConfigurationError: Both would send the same cookie and cannot share its session.
    """
    main, *beside = _all(kept)
    while outer is not None:
        if outer.session.phase is not Phase.ENDED:
            theirs = _all(outer.kept)
            if main in theirs and (not beside or (main is theirs[0] and set(beside) <= set(theirs))):
                return outer.session if main is theirs[0] else outer.session.beside[main]
            _check_apart(theirs, (main, *beside))
        outer = outer.outer
    return None


def _all(kept: Kept) -> tuple[Sessions, ...]:
    return (kept.main, *kept.beside) if isinstance(kept, SeveralSessions) else (kept,)


def _check_apart(theirs: tuple[Sessions, ...], ours: tuple[Sessions, ...]) -> None:
    places = {each.policy.attributes.place for each in theirs}
    for each in ours:
        if each.policy.attributes.place in places:
            msg = (
                f"two adapters of one request send the cookie {each.key!r}: give both the same Sessions object, and "
                "the outer one all that the inner one keeps beside it; or give one of them another key."
            )
            raise ConfigurationError(msg)


def _is_same(scope: Mapping[str, Any], environ: Mapping[str, Any]) -> bool:
    """Say whether *environ* was made of *scope*, and not for another request that a handler makes in this process."""
    cookies = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
    came = environ.get("HTTP_COOKIE", "")
    if came:
        # Bridges differ in how they join several headers.
        return came in {sign.join(cookies) for sign in ("; ", ",", ", ", ";")}
    path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1").decode("utf-8", "replace")
    return (
        not cookies
        and scope.get("method") == environ["REQUEST_METHOD"]
        and path in (scope["path"], scope.get("root_path", "") + scope["path"])
        and scope.get("query_string", b"").decode("latin-1") == environ.get("QUERY_STRING", "")
    )
