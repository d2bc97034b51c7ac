"""
Keep the sessions of FastAPI applications, and of any other Starlette application.

``SessionMiddleware`` manages each request's session; handlers find it as ``request.session``, ``websocket.session``
or a parameter of type ``SessionDep``.
"""

from holdall_fastapi._flashes import flash, get_flashed_messages
from holdall_fastapi._middleware import SessionMiddleware
from holdall_fastapi._typed import FromSession, TypedSession
from holdall_fastapi._verbs import (
    SessionDep,
    SessionOf,
    clear_session,
    configure_session,
    configured_sessions,
    delete_session,
    fetch_session,
    get_session,
    put_session,
    template_session,
)

__all__ = [
    "FromSession",
    "SessionDep",
    "SessionMiddleware",
    "SessionOf",
    "TypedSession",
    "clear_session",
    "configure_session",
    "configured_sessions",
    "delete_session",
    "fetch_session",
    "flash",
    "get_flashed_messages",
    "get_session",
    "put_session",
    "template_session",
]
