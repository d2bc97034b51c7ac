"""The middleware for Starlette and FastAPI: that of ASGI, which takes the arguments of Starlette's own as well."""

from collections.abc import Iterable
from datetime import timedelta
from typing import ClassVar, Literal, Unpack

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp
from starlette.websockets import WebSocketDisconnect

from holdall import ConfigurationError, Sessions, asgi
from holdall_fastapi.configuration import Arguments, sessions_by_arguments

__all__ = ["SessionMiddleware"]


class SessionMiddleware(asgi.SessionMiddleware):
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
        check_ended_every: Check this often whether the session of a WebSocket or of a streamed body has ended, and
            close that connection then; see ``holdall.asgi.SessionMiddleware``.
        close_code: The code that closes such a WebSocket.

    Raises:
        ConfigurationError: An option cannot be used, or the sessions in *also* are not independent.
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
            given = ", ".join(sorted({*options, *(["read_framework_cookies"] if read_framework_cookies else [])}))
            msg = f"SessionMiddleware(app, sessions=…) has its Sessions: give {given} to that, or leave it out."
            raise ConfigurationError(msg)
        super().__init__(
            app, sessions, fetch=fetch, also=also, check_ended_every=check_ended_every, close_code=close_code
        )
