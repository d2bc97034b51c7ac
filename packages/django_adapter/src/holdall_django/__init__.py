"""
holdall's sessions for Django.

``MIDDLEWARE`` takes ``holdall_django.SessionMiddleware`` in the place of Django's own, and ``SESSION_ENGINE`` is
``holdall_django.engine``. How sessions are kept is said by the setting ``HOLDALL``, and where it is silent by Django's.
"""

from holdall_django.configuration import configured_sessions
from holdall_django.flashes import flash, get_flashed_messages
from holdall_django.middleware import SessionMiddleware
from holdall_django.session import DjangoSession, SessionEndedError
from holdall_django.verbs import (
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
