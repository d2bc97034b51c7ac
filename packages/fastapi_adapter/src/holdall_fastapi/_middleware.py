"""Extend the ASGI middleware for Starlette and FastAPI with the arguments of Starlette's own middleware."""

from collections.abc import Iterable
from datetime import timedelta
from typing import ClassVar, Literal, Unpack

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp
from starlette.websockets import WebSocketDisconnect

from holdall import Sessions, asgi
from holdall.adapters import refuse_options
from holdall_fastapi._configuration import Arguments, sessions_by_arguments

__all__ = ["SessionMiddleware"]


class SessionMiddleware(asgi.SessionMiddleware):
    """
    Give each request and each WebSocket of an ASGI application its session, as ``scope["session"]``.

    If another middleware has already put a session there, ours replaces it only inside *app*.

    If a handler raises an exception, the application creates the error response outside of this layer, where no cookie
    can be added: sessions in a table that the handler ended are still ended, and all other changes are discarded. If
    this layer is wrapped around the whole application, ``SessionMiddleware(app, sessions)``, it sees that response too
    and treats it like any 5xx; a ``StoreError`` in the handler then also leads to that response, instead of our 503.

    Args:
        sessions: The configuration of the main session. If left out, sessions are encrypted cookies, configured by the
            arguments of Starlette's own middleware, ``secret_key``, ``session_cookie``, ``max_age``, ``path``,
            ``same_site``, ``https_only``, ``domain`` and ``partitioned``, and by options of ``Sessions``, such as
            ``principal_key="user_id"``.
        fetch: ``"auto"`` reads a session before the handler runs if its store blocks or is async and the request has
            its cookie; otherwise when it is first used. ``"explicit"`` reads nothing before
            ``await fetch_session(request)``.
        read_framework_cookies: Also read the cookies of Starlette's own middleware, so that users stay logged in.
        also: Additional sessions of the application, each with its own cookie and store;
            ``await fetch_session(request, cart)`` reads and returns the session of *cart*.
        check_ended_every: How often to check whether the session of a WebSocket or streamed body has ended, and close
            the connection in that case; see ``holdall.asgi.SessionMiddleware``.
        close_code: The status code for closing such a WebSocket.

    Raises:
        ConfigurationError: An option is invalid, or the sessions in *also* are not independent.
    """

    disconnects: ClassVar[tuple[type[Exception], ...]] = (ClientDisconnect, WebSocketDisconnect)

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
        if sessions is None:
            sessions = sessions_by_arguments(read_framework_cookies=read_framework_cookies, **options)
        elif read_framework_cookies or options:
            given = {**options, **({"read_framework_cookies": True} if read_framework_cookies else {})}
            refuse_options("SessionMiddleware(app, sessions=…)", given, format="StarletteFormat")
        super().__init__(
            app, sessions, fetch=fetch, also=also, check_ended_every=check_ended_every, close_code=close_code
        )
