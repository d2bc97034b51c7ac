"""What ``flask.session`` is: the core's session with the attributes that Flask and its extensions look for."""

from collections.abc import Awaitable, Mapping, MutableMapping
from datetime import timedelta
from typing import Any, cast

import flask
from flask.globals import request_ctx
from flask.sessions import SessionMixin
from werkzeug.local import LocalProxy

from holdall import Session
from holdall.lifetimes import permanent_max_age
from holdall.session import Phase
from holdall.session_view import SessionView
from holdall.several import Kept

__all__ = ["BorrowedSession", "FlaskSession", "TemplateSession", "current_context", "is_current"]


class _Permanent(MutableMapping[str, Any]):
    """Flask's word for a session that outlives the browser."""

    @property
    def permanent(self) -> bool:
        """Whether the browser keeps the cookie when it is closed."""
        return bool(self.get("_permanent", False))

    @permanent.setter
    def permanent(self, value: bool) -> None:
        # Applications say it before every request; only the first time is a change.
        if self.permanent != bool(value):
            self["_permanent"] = bool(value)


class FlaskSession(_Permanent, Session, SessionMixin):
    """
    A visitor's session, for one request to a Flask application.

    It is not permanent unless ``session.permanent = True`` says so: the browser then keeps the cookie for as long
    as the session lives unused, and until it is closed otherwise.
    """

    #: Where it is kept, with what stands beside it.
    sessions: Kept
    # The request failed to store it, and what is sent now is the answer to that.
    failed = False
    # It was changed before the response's headers went, with which that was saved.
    was_modified = False
    # Its response is made piece by piece, and so the request ends with the body.
    streams = False
    # The context that a test keeps when the request has ended, to look into it: ``with client:``.
    kept_context: object = None

    def close(self) -> None:
        if self.kept_context is None:
            super().close()
            return
        # Flask's own sessions take whatever a test does then, and forget it: it is no write that was lost.
        for each in (self, *self.beside.values()):
            each.phase = Phase.ENDED

    def takes_forgotten_changes(self) -> bool:
        # Only of the test itself: not of a thread that the request has left behind.
        return self.kept_context is not None and is_current(self.kept_context)

    @property
    def modified(self) -> bool:
        """Whether this request has changed it, and be it that the change was saved since."""
        return self.was_modified or self.changed

    @modified.setter
    def modified(self, value: bool) -> None:
        self.was_modified = False
        self.marked = value

    def save(self) -> Awaitable[None]:
        self.was_modified = self.modified
        return super().save()

    @property
    def new(self) -> bool:  # type: ignore[override]  # Flask declares a plain attribute, which no code sets
        """Whether no session came with the request."""
        return self.is_new

    @staticmethod
    def lifetime(
        data: Mapping[str, Any], idle_timeout: timedelta | None, max_age: int | None
    ) -> tuple[timedelta | None, int | None]:
        if data.get("_permanent") and max_age is None:
            return idle_timeout, permanent_max_age(idle_timeout)
        return idle_timeout, max_age


class TemplateSession(_Permanent, SessionMixin, SessionView):
    """
    What ``session`` is in a template: a dict with the attributes of Flask's own session, and none of ours.

    So ``{{ session.login }}`` is what the application keeps under that key, or undefined.
    """

    @property
    def accessed(self) -> bool:
        return bool(self._session.accessed)

    @accessed.setter
    def accessed(self, value: bool) -> None:
        self._session.accessed = value

    @property
    def modified(self) -> bool:
        return bool(self._session.modified)

    @modified.setter
    def modified(self, value: bool) -> None:
        self._session.modified = value

    @property
    def new(self) -> bool:  # type: ignore[override]  # Flask declares a plain attribute, which no code sets
        return bool(self._session.new)


class BorrowedSession(TemplateSession):
    """
    The session that the adapter around this one keeps for the request, with the attributes that Flask looks for.

    The outer adapter saves it and sends its cookie, for as long as its own settings say.
    """

    @property
    def new(self) -> bool:  # type: ignore[override]  # as above
        return bool(self._session.is_new)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


def is_current(context: object) -> bool:
    """Say whether *context* is the one that this code runs in."""
    return flask.has_request_context() and context is current_context()


def current_context() -> Any:
    """Return Flask's context of the request itself, and not the proxy."""
    return cast("LocalProxy[Any]", request_ctx)._get_current_object()
