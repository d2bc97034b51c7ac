"""
Keep the sessions of Flask applications with holdall.

``Holdall(app, sessions)`` makes ``flask.session`` one of ours; ``Holdall(app)`` is configured by Flask's own settings.
"""

from holdall_flask._extension import Holdall
from holdall_flask._session import FlaskSession
from holdall_flask._verbs import (
    clear_session,
    configure_session,
    configured_sessions,
    delete_session,
    fetch_session,
    get_session,
    put_session,
)

__all__ = [
    "FlaskSession",
    "Holdall",
    "clear_session",
    "configure_session",
    "configured_sessions",
    "delete_session",
    "fetch_session",
    "get_session",
    "put_session",
]
