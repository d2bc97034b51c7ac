"""
Plug's verbs, with the request first.

Each does what the method of the same name does on ``request.session``.
"""

from typing import Any

from django.http import HttpRequest

from holdall import ConfigurationError
from holdall_django.session import DjangoSession, load

__all__ = [
    "afetch_session",
    "clear_session",
    "configure_session",
    "delete_session",
    "fetch_session",
    "get_session",
    "put_session",
]


def fetch_session(request: HttpRequest) -> DjangoSession:
    """
    Return the session of *request*, which is read when it is first looked into.

    Raises:
        ConfigurationError: The middleware is not set up.
    """
    session: object = getattr(request, "session", None)
    if not isinstance(session, DjangoSession):
        msg = "the request has no session of ours: put 'holdall_django.SessionMiddleware' into MIDDLEWARE."
        raise ConfigurationError(msg)
    return session


async def afetch_session(request: HttpRequest) -> DjangoSession:
    """Return the session of *request*, read by now if its store has to be waited for."""
    session = fetch_session(request)
    await load(session)
    return session


def get_session(request: HttpRequest, key: str | None = None, default: Any = None) -> Any:
    """Return the value under *key*, or *default* where there is none; without a key, all of it as a ``dict``."""
    session = fetch_session(request)
    return dict(session) if key is None else session.get(key, default)


def put_session(request: HttpRequest, key: str, value: Any) -> None:
    """Set *key*."""
    fetch_session(request).put(key, value)


def delete_session(request: HttpRequest, key: str) -> None:
    """Remove *key*, whether or not it is there."""
    fetch_session(request).delete(key)


def clear_session(request: HttpRequest) -> None:
    """Remove all keys. The session itself stays, empty; ``configure_session(request, drop=True)`` ends it."""
    fetch_session(request).clear()


def configure_session(request: HttpRequest, option: str | None = None, value: Any = True, /, **options: Any) -> None:
    """Say what becomes of the session, or how its cookie is set by this response; see ``Session.configure``."""
    fetch_session(request).configure(option, value, **options)
