"""
Offer Plug's verbs as functions, with the request as the first argument.

Each is the same as the ``request.session`` method of that name.
"""

from typing import Any, Unpack, cast

from asgiref.sync import async_to_sync
from django.http import HttpRequest

from holdall import ConfigurationError, Sessions
from holdall.adapters import ConfigureOptions, state_of
from holdall_django._loading import is_in_event_loop, load, load_at_once
from holdall_django._requests import opened_for
from holdall_django._session import DjangoSession

__all__ = [
    "afetch_session",
    "clear_session",
    "configure_session",
    "delete_session",
    "fetch_session",
    "get_session",
    "put_session",
]


def fetch_session(request: HttpRequest, sessions: Sessions | None = None) -> DjangoSession:
    """
    Return the session of *request*, which is read when it is first used.

    Args:
        sessions: One of those in ``HOLDALL["also"]``; by default, the main ones. In an async view use
            ``afetch_session`` if their store is async.

    Raises:
        ConfigurationError: The middleware is not set up, or not with these *sessions*.
    """
    session = _session_of(request, sessions)
    if not load_at_once(session) and not is_in_event_loop():
        # Under ASGI, in the thread of a sync view.
        async_to_sync(load)(session)
    return session


async def afetch_session(request: HttpRequest, sessions: Sessions | None = None) -> DjangoSession:
    """Return the same as ``fetch_session``, already read if its store is async."""
    session = _session_of(request, sessions)
    await load(session)
    return session


def _session_of(request: HttpRequest, sessions: Sessions | None = None) -> DjangoSession:
    session: object = getattr(request, "session", None)
    if not isinstance(session, DjangoSession):
        msg = "the request has no session: put 'holdall_django.SessionMiddleware' into MIDDLEWARE."
        raise ConfigurationError(msg)
    opened = opened_for(request)
    if sessions is None or opened is None or sessions.settings is state_of(session).backend.settings:
        return session
    return cast("DjangoSession", opened.exchange.session_of(sessions))


def get_session(request: HttpRequest, key: str | None = None, default: Any = None) -> Any:
    """Return the value under *key*, or *default* if there is none; without a key, all data as a ``dict``."""
    session = _session_of(request)
    return dict(session) if key is None else session.get(key, default)


def put_session(request: HttpRequest, key: str, value: Any) -> None:
    """Set *key*."""
    _session_of(request).put(key, value)


def delete_session(request: HttpRequest, key: str) -> None:
    """Remove *key*, whether or not it exists."""
    _session_of(request).delete(key)


def clear_session(request: HttpRequest) -> None:
    """Remove all keys. The session continues, empty; ``configure_session(request, drop=True)`` ends it."""
    _session_of(request).clear()


def configure_session(
    request: HttpRequest, option: str | None = None, value: Any = True, /, **options: Unpack[ConfigureOptions]
) -> None:
    """Set what happens to the session, or how this response sets its cookie; see ``Session.configure``."""
    _session_of(request).configure(option, value, **options)
