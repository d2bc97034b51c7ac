"""
Plug's verbs, for the session of the current request.

Each does what the method of the same name does on ``flask.session``.
"""

from typing import Any, cast

import flask
from flask.sessions import SessionMixin
from werkzeug.local import LocalProxy

from holdall import Sessions
from holdall_flask.session import BorrowedSession, FlaskSession

__all__ = [
    "clear_session",
    "configure_session",
    "delete_session",
    "fetch_session",
    "get_session",
    "put_session",
]


def fetch_session(sessions: Sessions | None = None) -> FlaskSession:
    """
    Return the session of the current request, which is read when it is first looked into.

    Args:
        sessions: Those that ``Holdall`` was given in *also*, to have the session that they keep.

    Raises:
        RuntimeError: The application has no ``Holdall``, or no secret to keep sessions with.
        ConfigurationError: ``Holdall`` was not given these *sessions*.
    """
    # The session itself, and not the proxy that only lasts as long as the request.
    session = cast("LocalProxy[SessionMixin]", flask.session)._get_current_object()
    if not isinstance(session, FlaskSession | BorrowedSession):
        msg = (
            "the session is unavailable: set up Holdall(app, sessions), "
            "or Holdall(app) and a SECRET_KEY in the application's config."
        )
        raise RuntimeError(msg)  # noqa: TRY004  # as Flask says it of its own sessions
    if sessions is None:
        return cast("FlaskSession", session)
    return cast("FlaskSession", session.exchange.session_of(sessions))


def get_session(key: str | None = None, default: Any = None) -> Any:
    """Return the value under *key*, or *default* where there is none; without a key, all of it as a ``dict``."""
    session = fetch_session()
    return dict(session) if key is None else session.get(key, default)


def put_session(key: str, value: Any) -> None:
    """Set *key*."""
    fetch_session().put(key, value)


def delete_session(key: str) -> None:
    """Remove *key*, whether or not it is there."""
    fetch_session().delete(key)


def clear_session() -> None:
    """Remove all keys. The session itself stays, empty; ``configure_session(drop=True)`` ends it."""
    fetch_session().clear()


def configure_session(option: str | None = None, value: Any = True, /, **options: Any) -> None:
    """Say what becomes of the session, or how its cookie is set by this response; see ``Session.configure``."""
    fetch_session().configure(option, value, **options)
