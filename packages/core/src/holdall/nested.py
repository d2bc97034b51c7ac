"""
Share one session among the adapters that a request passes through.

A Flask application may be mounted in FastAPI, and a middleware may be added twice. If each adapter kept its own session
under the same cookie, both would write it, two cookies with the same name would be sent, and a login could be lost. So
an adapter stores its ``Exchange`` in the request's ASGI scope or WSGI environ under ``KEY``. An adapter inside it uses
the same session and leaves finishing it to the outer one.

Bridges from ASGI to WSGI may not pass the scope on, but all of them pass on the context variables, so the scope is kept
there too. It is used only if the WSGI request is recognizably the same.
"""

from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any

from holdall._errors import ConfigurationError
from holdall._exchange import Exchange, SessionGroup
from holdall._header_lists import environ_header
from holdall._session import Session, state_of
from holdall._sessions import Sessions
from holdall._state import Phase

__all__ = ["KEY", "enter", "exchange_of", "in_environ", "in_scope", "outer_session"]

#: The key, in a request's scope or environ, of the exchange that the innermost adapter around a handler created.
KEY = "holdall.request"

_scope: ContextVar[Mapping[str, Any]] = ContextVar("holdall_scope")


def in_scope(scope: Mapping[str, Any]) -> Exchange | None:
    """Return the exchange of an outer adapter for an ASGI request or WebSocket."""
    outer: Exchange | None = scope.get(KEY)
    if outer is None and "wsgi_environ" in scope:
        # a2wsgi can run an ASGI application inside a WSGI one.
        outer = scope["wsgi_environ"].get(KEY)
    return outer


def in_environ(environ: Mapping[str, Any]) -> Exchange | None:
    """Return the exchange of an outer adapter for a WSGI request."""
    outer: Exchange | None = environ.get(KEY)
    if outer is None:
        scope = _scope.get(None)
        if scope is not None and _is_same(scope, environ):
            outer = scope.get(KEY)
    return outer


def enter(scope: MutableMapping[str, Any], exchange: Exchange) -> None:
    """Store *exchange* in *scope* for inner adapters."""
    scope[KEY] = exchange
    _scope.set(scope)


def outer_session(outer: Exchange | None, group: SessionGroup) -> Session | None:
    """
    Return the session that an outer adapter keeps for the request; ``None`` if this adapter must keep its own.

    Raises:
        ConfigurationError: Both adapters would send the same cookie, but they cannot share a session.
    """
    main, also = group.main, group.also
    while outer is not None:
        if state_of(outer.session).phase is not Phase.ENDED:
            theirs = (outer.group.main, *outer.group.also)
            if main in theirs and (not also or (main is theirs[0] and set(also) <= set(theirs))):
                session = outer.session_of(main)
                if group.form == "sync":
                    # The outer adapter may be async; this thread reads the session when it is used.
                    state_of(session).is_fetched = True
                return session
            _check_apart(theirs, (main, *also))
        outer = outer.outer
    return None


def exchange_of(innermost: Exchange, session: Session) -> Exchange:
    """
    Return the exchange that *session* belongs to, among those around a handler.

    It is not the *innermost* one if, for example, three adapters are nested and the first and the last keep the same
    sessions.
    """
    exchange: Exchange | None = innermost
    while exchange is not None:
        if any(each is session for each in (exchange.session, *exchange.others)):
            return exchange
        exchange = exchange.outer
    return innermost


def _check_apart(theirs: tuple[Sessions, ...], ours: tuple[Sessions, ...]) -> None:
    places = {place for each in theirs for place in _places(each)}
    for each in ours:
        if not places.isdisjoint(_places(each)):
            msg = (
                f"two adapters of one request send the cookie {each.key!r}: pass both the same Sessions object, and "
                "pass the outer one all sessions that the inner one keeps; or give one of them another key."
            )
            raise ConfigurationError(msg)


def _places(sessions: Sessions) -> set[tuple[str | None, ...]]:
    key, *place = sessions.settings.attributes.place
    return {(f"{key}{suffix}", *place) for suffix in sessions.suffixes}


def _is_same(scope: Mapping[str, Any], environ: Mapping[str, Any]) -> bool:
    """Return whether *environ* was made from *scope*, and not for another request that a handler makes in-process."""
    exchange: Exchange = scope[KEY]
    found = False
    for header in exchange.group.request_headers:
        values = [value.decode("latin-1") for name, value in scope["headers"] if name == header.encode()]
        came = environ_header(environ, header)
        # Bridges differ in how they join repeated headers.
        if came and came in {sign.join(values) for sign in ("; ", ",", ", ", ";")}:
            found = True
        elif came or values:
            return False
    if found:
        return True
    path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1").decode("utf-8", "replace")
    return (
        scope.get("method") == environ["REQUEST_METHOD"]
        and path in (scope["path"], scope.get("root_path", "") + scope["path"])
        and scope.get("query_string", b"").decode("latin-1") == environ.get("QUERY_STRING", "")
    )
