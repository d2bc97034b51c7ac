"""
The errors a caller can tell apart.

    SessionError
    ├── ConfigurationError      set up wrongly; also a ValueError
    ├── SessionNotFetchedError  touched before it was fetched; also a RuntimeError
    ├── ResponseStartedError    changed when the headers had gone; also a RuntimeError
    ├── CookieOverflowError     larger than a browser keeps
    ├── LostWriteError          another request ended the session while this one was using it: an answer of 409
    │   └── ContentionError     other requests kept writing what ``session.atomic_update`` changes
    └── StoreError              the backend failed: an answer of 503, never an empty session

A visitor's bad cookie is not among them: it gives an empty session.
"""

__all__ = [
    "ConfigurationError",
    "ContentionError",
    "CookieOverflowError",
    "LostWriteError",
    "ResponseStartedError",
    "SessionError",
    "SessionNotFetchedError",
    "StoreError",
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


class LostWriteError(SessionError):
    """
    The session was ended or renewed elsewhere while this request changed it.

    Raised only with ``on_lost_write="raise"``; adapters answer it with 409.
    """


class ContentionError(LostWriteError):
    """Other requests kept writing what ``session.atomic_update`` was to change, so nothing was written."""


class StoreError(SessionError):
    """The backend could not be reached or did not answer; adapters answer it with 503."""
