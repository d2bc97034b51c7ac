"""
The errors a caller can tell apart.

    SessionError
    ├── ConfigurationError      set up wrongly; also a ValueError
    ├── SessionNotFetchedError  touched before it was fetched; also a RuntimeError
    ├── ResponseStartedError    changed when the headers had gone; also a RuntimeError
    ├── CookieOverflowError     larger than a browser keeps
    └── AnsweredError           has an answer, which adapters give unless the application handles the error
        ├── LoginRequiredError      the user must authenticate, again or more strongly: 403
        ├── TooManySessionsError    the user has as many sessions as ``max_sessions`` allows: 403
        ├── LostWriteError          another request ended the session while this one was using it: 409
        │   └── ContentionError     other requests kept writing what ``session.atomic_update`` changes
        └── StoreError              the backend failed: 503, never an empty session

A visitor's bad cookie is not among them: it gives an empty session.
"""

from http import HTTPStatus
from typing import ClassVar

__all__ = [
    "AnsweredError",
    "ConfigurationError",
    "ContentionError",
    "CookieOverflowError",
    "LoginRequiredError",
    "LostWriteError",
    "ResponseStartedError",
    "SessionError",
    "SessionNotFetchedError",
    "StoreError",
    "TooManySessionsError",
]


class SessionError(Exception):
    """What every error of ours is."""


class ConfigurationError(SessionError, ValueError):
    """An option, a secret or a combination of options cannot be used; the message says what to do."""


class SessionNotFetchedError(SessionError, RuntimeError):
    """The session was touched before it was fetched."""


class ResponseStartedError(SessionError, RuntimeError):
    """The session was changed after its cookie could still be sent."""


class CookieOverflowError(SessionError):
    """The cookie would be larger than browsers keep; raised before anything is sent."""


class AnsweredError(SessionError):
    """
    An error that adapters answer by themselves, unless the application handles it.

    Attributes:
        status: That of the answer.
    """

    status: ClassVar[HTTPStatus]


class LoginRequiredError(AnsweredError):
    """
    The user must log in, or authenticate again or more strongly; adapters answer it with 403.

    403 and not 401, which would have to name a scheme of HTTP authentication (RFC 9110, section 15.5.2). An application
    that wants to show its login page handles this error itself.
    """

    status = HTTPStatus.FORBIDDEN


class TooManySessionsError(AnsweredError):
    """
    A login was refused, because the user has as many sessions as ``max_sessions`` allows; adapters answer it with 403.

    Raised only with ``when_full="refuse"``, when the login's response is made; nothing of that request is saved.
    """

    status = HTTPStatus.FORBIDDEN


class LostWriteError(AnsweredError):
    """
    The session was ended or renewed elsewhere while this request changed it.

    Raised only with ``on_lost_write="raise"``; adapters answer it with 409.
    """

    status = HTTPStatus.CONFLICT


class ContentionError(LostWriteError):
    """Other requests kept writing what ``session.atomic_update`` was to change, so nothing was written."""


class StoreError(AnsweredError):
    """The backend could not be reached or did not answer; adapters answer it with 503."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
