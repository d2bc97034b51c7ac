"""
Define the exceptions that the packages raise.

    SessionError
    ├── ConfigurationError      invalid setup; also a ValueError
    ├── SessionNotFetchedError  used before it was fetched; also a RuntimeError
    ├── ResponseStartedError    changed after the headers were sent; also a RuntimeError
    ├── CookieOverflowError     larger than browsers accept
    └── AnsweredError           adapters turn it into a response unless the application handles it
        ├── LoginRequiredError      the user must authenticate, again or more strongly: 403
        ├── TooManySessionsError    the user has as many sessions as ``max_sessions`` allows: 403
        ├── LostWriteError          another request ended the session while this one was using it: 409
        │   └── ContentionError     other requests kept writing what ``session.atomic_update`` changes
        └── StoreError              the backend failed: 503, never an empty session

An invalid cookie from a visitor is not an error: it gives an empty session.
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
    """Base class of all our errors."""


class ConfigurationError(SessionError, ValueError):
    """An option, a secret or a combination of options is invalid; the message says what to do."""


class SessionNotFetchedError(SessionError, RuntimeError):
    """The session was used before it was fetched."""


class ResponseStartedError(SessionError, RuntimeError):
    """The session was changed too late: the response's headers, which carry its cookie, had already been sent."""


class CookieOverflowError(SessionError):
    """The cookie would be larger than browsers accept; raised before anything is sent."""


class AnsweredError(SessionError):
    """
    An error that adapters turn into a response, unless the application handles it.

    Attributes:
        status: The response's status.
    """

    status: ClassVar[HTTPStatus]


class LoginRequiredError(AnsweredError):
    """
    The user must log in, or authenticate again or more strongly; adapters respond with 403.

    Not 401, because that would have to name an HTTP authentication scheme (RFC 9110, section 15.5.2). An application
    that wants to show its login page should handle this error itself.
    """

    status = HTTPStatus.FORBIDDEN


class TooManySessionsError(AnsweredError):
    """
    A login was refused because the user already has ``max_sessions`` sessions; adapters respond with 403.

    Raised only with ``when_full="refuse"``, while the login's response is created; nothing of that request is saved.
    """

    status = HTTPStatus.FORBIDDEN


class LostWriteError(AnsweredError):
    """
    The session was ended or renewed elsewhere while this request changed it.

    Raised only with ``on_lost_write="raise"``; adapters respond with 409.
    """

    status = HTTPStatus.CONFLICT


class ContentionError(LostWriteError):
    """Other requests kept writing the value that ``session.atomic_update`` changes, so nothing was written."""


class StoreError(AnsweredError):
    """The backend could not be reached or did not answer; adapters respond with 503."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
