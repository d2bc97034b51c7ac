"""
Keep the sessions of Django projects with holdall.

Put ``holdall_django.SessionMiddleware`` into ``MIDDLEWARE`` instead of Django's own, and set ``SESSION_ENGINE`` to
``holdall_django.engine``. The setting ``HOLDALL`` contains the options, and Django's own settings are the defaults.
"""

from holdall_django._configuration import configured_sessions
from holdall_django._flashes import flash, get_flashed_messages
from holdall_django._middleware import SessionMiddleware
from holdall_django._session import DjangoSession, SessionEndedError
from holdall_django._verbs import (
    afetch_session,
    clear_session,
    configure_session,
    delete_session,
    fetch_session,
    get_session,
    put_session,
)

__all__ = [
    "DjangoSession",
    "SessionEndedError",
    "SessionMiddleware",
    "afetch_session",
    "clear_session",
    "configure_session",
    "configured_sessions",
    "delete_session",
    "fetch_session",
    "flash",
    "get_flashed_messages",
    "get_session",
    "put_session",
]
