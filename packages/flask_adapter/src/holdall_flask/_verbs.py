"""
Offer Plug's verbs as functions, for the session of the current request.

Each is the same as the ``flask.session`` method of that name. ``configured_sessions`` returns an application's
``Sessions``.
"""

from typing import Any, Unpack, cast

import flask
from flask import Flask, current_app
from flask.sessions import SessionMixin
from werkzeug.local import LocalProxy

from holdall import ConfigurationError, Sessions
from holdall.adapters import ConfigureOptions, state_of
from holdall_flask._interface import Interface
from holdall_flask._session import BorrowedSession, FlaskSession

__all__ = [
    "clear_session",
    "configure_session",
    "configured_sessions",
    "delete_session",
    "fetch_session",
    "get_session",
    "put_session",
]

_UNAVAILABLE = (
    "the session is unavailable: set up Holdall(app, sessions), "
    "or Holdall(app) and a SECRET_KEY in the application's config."
)


def configured_sessions(app: Flask | None = None) -> Sessions:
    """
    Return the main ``Sessions`` of an application, also if ``Holdall`` has created them from settings and options.

    If the application's settings change, so may the object.

    Args:
        app: The application; by default the current one.

    Raises:
        ConfigurationError: The application has no ``Holdall``, or no secret for its sessions.
    """
    app = app or current_app
    interface = app.session_interface
    group = interface.group_of(app) if isinstance(interface, Interface) else None
    if group is None:
        raise ConfigurationError(_UNAVAILABLE)
    return group.main


def fetch_session(sessions: Sessions | None = None) -> FlaskSession:
    """
    Return the session of the current request, which is read when it is first used.

    Args:
        sessions: One of those passed to ``Holdall`` in *also*, to get its session.

    Raises:
        RuntimeError: The application has no ``Holdall``, or no secret for its sessions.
        ConfigurationError: ``Holdall`` was not given these *sessions*.
    """
    # The session itself, because the proxy lasts only as long as the request.
    session = cast("LocalProxy[SessionMixin]", flask.session)._get_current_object()
    if not isinstance(session, FlaskSession | BorrowedSession):
        raise RuntimeError(_UNAVAILABLE)  # noqa: TRY004  # Flask raises it for its own sessions
    opened = cast("FlaskSession", session)
    if sessions is None:
        return opened
    found = cast("FlaskSession", opened.exchange.session_of(sessions))
    # A borrowed session has more attributes than the one that it represents.
    return opened if state_of(found) is state_of(opened) else found


def get_session(key: str | None = None, default: Any = None) -> Any:
    """Return the value under *key*, or *default* if there is none; without a key, all data as a ``dict``."""
    session = fetch_session()
    return dict(session) if key is None else session.get(key, default)


def put_session(key: str, value: Any) -> None:
    """Set *key*."""
    fetch_session().put(key, value)


def delete_session(key: str) -> None:
    """Remove *key*, whether or not it exists."""
    fetch_session().delete(key)


def clear_session() -> None:
    """Remove all keys. The session continues, empty; ``configure_session(drop=True)`` ends it."""
    fetch_session().clear()


def configure_session(option: str | None = None, value: Any = True, /, **options: Unpack[ConfigureOptions]) -> None:
    """Set what happens to the session, or how this response sets its cookie; see ``Session.configure``."""
    fetch_session().configure(option, value, **options)
