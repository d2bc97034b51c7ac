"""Define ``flask.session``: the core's session with the attributes that Flask and its extensions expect."""

import weakref
from collections.abc import Awaitable, Mapping, MutableMapping
from typing import Any, cast

import flask
from flask.globals import request_ctx
from flask.sessions import SessionMixin
from werkzeug.local import LocalProxy

from holdall import Session
from holdall.adapters import Exchange, Lifetime, SessionView, permanent_max_age, state_of

__all__ = ["BorrowedSession", "FlaskSession", "TemplateSession", "current_context", "is_current"]


class _Permanent(MutableMapping[str, Any]):
    """A mapping with Flask's attribute for sessions that survive closing the browser."""

    @property
    def permanent(self) -> bool:
        """Whether the browser keeps the cookie when it is closed."""
        return bool(self.get("_permanent", False))

    @permanent.setter
    def permanent(self, value: bool) -> None:
        # Applications set it before every request; only the first time is a change.
        if self.permanent != bool(value):
            self["_permanent"] = bool(value)


class FlaskSession(_Permanent, Session, SessionMixin):
    """
    A visitor's session, for one request to a Flask application.

    The browser keeps its cookie until it is closed, or with ``session.permanent = True`` until the session's idle
    timeout.
    """

    #: The request's exchange, or its own if a test opened the session.
    exchange: Exchange
    # Whether storing it failed, and an error response is being sent.
    failed = False
    # Whether it was changed before the response's headers were sent, and the change was saved with them.
    was_modified = False
    # Whether the request's teardown will end it.
    is_the_requests = False
    # Whether the body is produced while it is sent, so that the request ends with the body.
    streams = False
    # Whether the request's own code is running or may run next; a test's code runs only between the pieces of a body.
    is_at_work = True

    def keep_for_test(self, context: object) -> None:
        """Accept and discard changes in a test's ``with client:`` block after the request, as Flask's sessions do."""
        # Only changes by the test itself, not by the body or by a thread that the request has left behind.
        state_of(self).takes_forgotten_changes = lambda: not self.is_at_work and is_current(context)

    def close(self) -> None:
        """End the request."""
        exchange = self.exchange
        exchange.close()
        # Breaks the reference cycle between them, which only the garbage collector could free.
        exchange.session = weakref.proxy(self)

    @property
    def modified(self) -> bool:
        """Whether this request changed it, even if the change is already saved."""
        return self.was_modified or self._state.modified

    @modified.setter
    def modified(self, value: bool) -> None:
        self.was_modified = False
        state_of(self).marked = value

    def save(self) -> Awaitable[None]:
        self.was_modified = self.modified
        return super().save()

    @property
    def new(self) -> bool:  # type: ignore[override]  # Flask declares a plain attribute, which no code sets
        """Whether the request came without a session."""
        return self.is_new

    @staticmethod
    def _lifetime_of(data: Mapping[str, Any], usual: Lifetime) -> Lifetime:
        if data.get("_permanent") and usual.max_age is None:
            return usual._replace(max_age=permanent_max_age(usual.idle))
        return usual


class TemplateSession(_Permanent, SessionMixin, SessionView):
    """
    The ``session`` of a template: a dict with the attributes of Flask's own session, without the methods of ours.

    ``{{ session.login }}`` is therefore the application's value under that key, or undefined.
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
    The session that an outer adapter keeps for the request, with the attributes that Flask expects.

    The outer adapter saves it and sends its cookie, with the lifetime from its own settings.
    """

    def __init__(self, outer: Session, exchange: Exchange) -> None:
        super().__init__(outer)
        self.exchange = exchange

    @property
    def new(self) -> bool:  # type: ignore[override]  # as above
        return bool(self._session.is_new)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


def is_current(context: object) -> bool:
    """Return whether this code runs in *context*."""
    return flask.has_request_context() and context is current_context()


def current_context() -> Any:
    """Return the context of the current request itself instead of Flask's proxy."""
    return cast("LocalProxy[Any]", request_ctx)._get_current_object()
