"""
Define the middleware: a plain ASGI layer between a server and an application.

It creates the session of each request and WebSocket from the request's headers, and adds the session's headers to the
response as it passes through.
"""

from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import ClassVar, Literal

from holdall._errors import ConfigurationError, StoreError
from holdall._session import Session
from holdall._sessions import Sessions
from holdall.adapters import AsyncSession, Exchange, HiddenBytes, SessionGroup
from holdall.asgi._auto_close import AutoClose
from holdall.asgi._devices import answer_devices
from holdall.asgi._protocol import ASGIApp, Receive, Scope, Send
from holdall.asgi._response import refuse, respond
from holdall.nested import KEY, enter, exchange_of, in_scope, outer_session

__all__ = ["SessionMiddleware", "fetch_session"]


class SessionMiddleware:
    """
    Give each request and each WebSocket of an ASGI application its session, as ``scope["session"]``.

    If another middleware has already put a session there, ours replaces it only inside *app*.

    If the application handles an exception outside of this layer, no cookie can be added to that response: sessions in
    a table that the handler ended are still ended, and all other changes are discarded. If this layer is wrapped around
    the whole application, it sees that response too and treats it like any 5xx.

    Args:
        sessions: The configuration of the main session.
        fetch: ``"auto"`` reads a session before the handler runs if its store blocks or is async and the request has
            its cookie; otherwise when it is first used. ``"explicit"`` reads nothing before
            ``await fetch_session(scope)``.
        also: Additional sessions of the application, each with its own cookie and store;
            ``await fetch_session(scope, cart)`` reads and returns the session of *cart*.
        check_ended_every: How often, in seconds, to check whether the session of a WebSocket or streamed body has ended
            through a logout, ``revoke`` or a timeout, and close the connection in that case. At most 30; needs a
            table. If left out, the connection's session is only emptied, when the next message passes after five
            seconds or more. Sessions in *also* are not checked.
        close_code: The status code for closing such a WebSocket.

    Attributes:
        disconnects: The exception raised in a handler whose client has disconnected; a framework's subclass sets it.

    Raises:
        ConfigurationError: An option is invalid, or the sessions in *also* are not independent.
    """

    disconnects: ClassVar[tuple[type[Exception], ...]] = ()

    def __init__(
        self,
        app: ASGIApp,
        sessions: Sessions,
        *,
        fetch: Literal["auto", "explicit"] = "auto",
        also: Iterable[Sessions] = (),
        check_ended_every: timedelta | int | None = None,
        close_code: int = 4401,
    ) -> None:
        if fetch not in ("auto", "explicit"):
            msg = f"fetch={fetch!r} is neither 'auto' nor 'explicit'."
            raise ConfigurationError(msg)
        self._group = SessionGroup(sessions, also, form="async")
        self._auto_close: AutoClose | None = None
        if check_ended_every is not None or sessions.is_followed("async"):
            self._auto_close = AutoClose(sessions, every=check_ended_every, code=close_code)
        self._hidden = frozenset(name.encode() for name in self._group.request_headers)
        self.app = app
        self.sessions = sessions
        self._fetches = fetch == "auto"
        # If nothing has to be awaited, a session is read when it is first used.
        self._reads_first = self._fetches and self._group.waits_to_read
        self._is_fetched = self._fetches and not self._group.waits_to_read
        if self._group.devices is not None:
            answer_devices(self, self._group)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        outer: Exchange | None = None
        if KEY in scope or "wsgi_environ" in scope:
            outer = in_scope(scope)
            borrowed = outer_session(outer, self._group)
            if outer is not None and borrowed is not None:
                await self._share(borrowed, outer, scope, receive, send)
                return
        # The exchange refers to the headers, not the scope, because the scope refers to the session: each request
        # would leave a reference cycle for the garbage collector.
        headers = scope["headers"]
        if type(headers) is not list:
            headers = scope["headers"] = list(headers)
        hidden, header = self._hidden, None
        for place, header in enumerate(headers):
            if header[0] in hidden:
                # Hidden, because error reports show local variables, and every layer has the scope as one.
                headers[place] = (header[0], HiddenBytes(header[1]))
        header = None  # the last one may be a cookie
        exchange = Exchange(
            self._group,
            partial(_values, headers),
            scope.get("scheme") in ("https", "wss"),
            partial(_client, headers, scope.get("client")) if self._group.notes_clients else None,
            AsyncSession,
            self._is_fetched,
        )
        exchange.outer = outer
        if self._reads_first and not await self._can_read(exchange.session, exchange, scope, send):
            return
        if "session" in scope:
            # The middleware that put another session there will look for it when the response passes.
            scope = dict(scope)
        scope["session"] = exchange.session
        enter(scope, exchange)
        await respond(self.app, exchange, scope, receive, send, self._auto_close, self.disconnects)

    async def _share(self, session: Session, outer: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application with the *session* of an adapter around it, which created its exchange and ends it."""
        if self._fetches and not await self._can_read(session, exchange_of(outer, session), scope, send):
            return
        if "session" in scope:
            scope = dict(scope)  # as above
        scope["session"] = session
        enter(scope, outer)
        await self.app(scope, receive, send)

    async def _can_read(self, session: Session, exchange: Exchange, scope: Scope, send: Send) -> bool:
        """Read *session*; if its store fails, send the error response and return ``False``."""
        try:
            await self.sessions.load_async(session)
        except StoreError as error:
            await refuse(error, exchange, scope, send)
            return False
        return True


async def fetch_session(scope: Scope, sessions: Sessions | None = None) -> Session:
    """
    Return the session of a request or a WebSocket from its *scope*, reading it first if necessary.

    A second call does nothing more. With ``fetch="explicit"`` this must be called before the session is used.

    Args:
        sessions: One of those passed to ``SessionMiddleware`` in *also*, to get the session that it keeps.

    Raises:
        ConfigurationError: The request did not pass through ``SessionMiddleware``, or *sessions* was not given to it.
        StoreError: The backend failed.
    """
    session = scope.get("session")
    if not isinstance(session, Session):
        msg = "the request has no session: wrap the application in SessionMiddleware(app, sessions)."
        raise ConfigurationError(msg)
    exchange = exchange_of(scope[KEY], session)
    if sessions is None:
        await exchange.group.main.load_async(session)
        return session
    return await exchange.load(sessions)


def _values(headers: Iterable[tuple[bytes, bytes]], name: str) -> list[str]:
    """Return the values of each header called *name*."""
    wanted, values = name.encode("latin-1"), []
    for found, value in headers:
        if found == wanted:
            values.append(value.decode("latin-1"))  # a comprehension is a call on older Pythons
    return values


def _client(
    headers: Iterable[tuple[bytes, bytes]], client: tuple[str, int | None] | None
) -> tuple[str | None, str | None]:
    """Return the user agent and the address of a request's client."""
    user_agent = next((value.decode("latin-1") for name, value in headers if name == b"user-agent"), None)
    return user_agent, client[0] if client else None
