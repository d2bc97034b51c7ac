"""
The middleware: one layer of plain ASGI between a server and an application.

It makes the session of each request and WebSocket from the Cookie header, and adds what the session asks for to the
headers when they pass on their way out. What it asks for is decided in the core.
"""

import logging
from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import Literal, Unpack

from starlette.types import ASGIApp, Receive, Scope, Send

from holdall import ConfigurationError, Sessions, StoreError
from holdall.adapters import Exchange, SessionGroup
from holdall.nested import enter, in_scope, outer_session
from holdall_fastapi._response import Outgoing, refuse
from holdall_fastapi.auto_close import DISCONNECTS, AutoClose
from holdall_fastapi.configuration import Arguments, sessions_by_arguments

__all__ = ["SessionMiddleware"]

_logger = logging.getLogger("holdall")


class SessionMiddleware:
    """
    Give each request and each WebSocket of an ASGI application its session, as ``scope["session"]``.

    Where another middleware has put a session there already, ours replaces it within *app* and nowhere else.

    If a handler raises an exception of its own, the response is made outside of this layer, where no cookie can be
    added: a session in a table that the handler ended has ended, and all other changes are forgotten. Around the whole
    application, ``SessionMiddleware(app, sessions)``, this layer sees that response too and treats it like any 5xx; a
    ``StoreError`` of the handler then gets that response as well, instead of our 503.

    Args:
        sessions: Where and how sessions are kept. Left out, they are encrypted cookies by the arguments of Starlette's
            own middleware, ``secret_key``, ``session_cookie``, ``max_age``, ``path``, ``same_site``, ``https_only``,
            ``domain`` and ``partitioned``, and by options of ``Sessions``, such as ``principal_key="user_id"``.
        fetch: ``"auto"`` reads a session before the handler runs if its store blocks or is async, and the request has
            its cookie; otherwise when it is touched. ``"explicit"`` reads nothing before
            ``await fetch_session(request)``.
        read_framework_cookies: Read the cookies of Starlette's own middleware too, so that logged-in visitors stay so.
        also: Further sessions that the application keeps, each with a cookie and a store of its own;
            ``await fetch_session(request, cart)`` reads and returns that of *cart*.
        check_ended_every: Check this often whether the session of a WebSocket or of a streamed body has ended, by a
            logout, by ``revoke``, or by its timeouts, and close that connection then. At most 30 (seconds); it needs a
            table. Left out, the session of a connection is only emptied, when the next message passes after five
            seconds or more. Sessions in *also* are not checked.
        close_code: The code that closes such a WebSocket.

    Raises:
        ConfigurationError: An option cannot be used, or the sessions in *also* are not independent.
    """

    def __init__(
        self,
        app: ASGIApp,
        sessions: Sessions | None = None,
        *,
        fetch: Literal["auto", "explicit"] = "auto",
        read_framework_cookies: bool = False,
        also: Iterable[Sessions] = (),
        check_ended_every: timedelta | int | None = None,
        close_code: int = 4401,
        **options: Unpack[Arguments],
    ) -> None:
        if fetch not in ("auto", "explicit"):
            msg = f"fetch={fetch!r} is neither 'auto' nor 'explicit'."
            raise ConfigurationError(msg)
        if sessions is None:
            sessions = sessions_by_arguments(read_framework_cookies=read_framework_cookies, **options)
        elif read_framework_cookies or options:
            given = ", ".join(sorted({*options, *(["read_framework_cookies"] if read_framework_cookies else [])}))
            msg = f"SessionMiddleware(app, sessions=…) has its Sessions: give {given} to that, or leave it out."
            raise ConfigurationError(msg)
        self._group = SessionGroup(sessions, also, form="async")
        self._auto_close: AutoClose | None = None
        if check_ended_every is not None or sessions.is_followed("async"):
            self._auto_close = AutoClose(sessions, every=check_ended_every, code=close_code)
        self.app = app
        self.sessions = sessions
        self._fetches = fetch == "auto"
        # Nothing has to be awaited, so a session can be read when it is touched.
        self._is_fetched = self._fetches and not self._group.waits_to_read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        outer = in_scope(scope)
        borrowed = None if outer is None else outer_session(outer, self._group)
        exchange = self._begin(scope) if borrowed is None or outer is None else outer
        session = exchange.session if borrowed is None else borrowed
        if self._fetches and (self._group.waits_to_read or borrowed is not None):
            try:
                await self.sessions.load_async(session)
            except StoreError as error:
                _logger.exception("a session's store failed, the answer is 503")
                failure = exchange.failure(error)
                assert failure is not None  # noqa: S101  # a StoreError has an answer
                await refuse(failure, exchange, scope, send)
                return
        if "session" in scope:
            # The middleware that put another one there will look for it when the response comes by.
            scope = dict(scope)
        scope["session"] = session
        if borrowed is not None:
            # The adapter that began the exchange ends it.
            enter(scope, exchange)
            await self.app(scope, receive, send)
            return
        exchange.outer = outer
        enter(scope, exchange)
        auto_close = self._auto_close
        outgoing = Outgoing(exchange, scope, send, auto_close)
        try:
            if auto_close is None or scope["type"] == "http":
                await self.app(scope, receive, outgoing.send)
            else:
                await auto_close.run(self.app, session, scope, receive, outgoing.send)
        except Exception as error:
            answer = await outgoing.fail(error)
            if answer is None:
                if outgoing.was_broken_off and isinstance(error, DISCONNECTS):
                    return
                raise
            await refuse(answer, exchange, scope, send)
        except GeneratorExit:
            # The event loop has ended before us, so nothing can be awaited.
            raise
        except BaseException:
            await outgoing.break_off()
            raise
        else:
            await outgoing.end()
        finally:
            exchange.close()

    def _begin(self, scope: Scope) -> Exchange:
        cookies = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
        # Not of the scope, which holds the session: each request would leave a cycle for the garbage collector.
        client = partial(_client, scope["headers"], scope.get("client"))
        return self._group.begin(
            cookies, https=scope.get("scheme") in ("https", "wss"), client=client, fetched=self._is_fetched
        )


def _client(
    headers: Iterable[tuple[bytes, bytes]], client: tuple[str, int | None] | None
) -> tuple[str | None, str | None]:
    """Return the user agent and the address that a request came with."""
    user_agent = next((value.decode("latin-1") for name, value in headers if name == b"user-agent"), None)
    return user_agent, client[0] if client else None
