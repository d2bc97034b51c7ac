"""What ``flask.session`` is: the core's session with the attributes that Flask and its extensions look for."""

from collections.abc import Awaitable, Iterator, Mapping, MutableMapping
from functools import partial
from typing import Any, cast

import flask
from flask.globals import request_ctx
from flask.sessions import SessionMixin
from werkzeug.local import LocalProxy

from holdall import Session
from holdall._as_dict import AsDict
from holdall.exchange import Exchange
from holdall.framework_defaults import permanent_max_age
from holdall.session import state_of
from holdall.settings import Lifetime

__all__ = ["BorrowedSession", "FlaskSession"]


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

    #: The request's exchange; of one that a test opens, its own.
    exchange: Exchange
    # The request failed to store it, and what is sent now is the answer to that.
    failed = False
    # It was changed before the response's headers were sent, with which that was saved.
    was_modified = False
    # Its response is made piece by piece, so the request ends with the body.
    streams = False

    def keep_for_test(self, context: object) -> None:
        """Accept and forget what a test does in its ``with client:`` after the request, as Flask's own sessions do."""
        # Only from the test itself: not from a thread that the request has left behind.
        state_of(self).takes_forgotten_changes = partial(is_current, context)

    @property
    def modified(self) -> bool:
        """Whether this request changed it, even if the change is already saved."""
        return self.was_modified or state_of(self).modified

    @modified.setter
    def modified(self, value: bool) -> None:
        self.was_modified = False
        state_of(self).marked = value

    def save(self) -> Awaitable[None]:
        self.was_modified = self.modified
        return super().save()

    @property
    def new(self) -> bool:  # type: ignore[override]  # Flask leaves it open, and nobody sets it
        """Whether no session came with the request."""
        return self.is_new

    @staticmethod
    def _lifetime_of(data: Mapping[str, Any], usual: Lifetime) -> Lifetime:
        if data.get("_permanent") and usual.max_age is None:
            return usual._replace(max_age=permanent_max_age(usual.idle))
        return usual


class BorrowedSession(_Permanent, SessionMixin, AsDict):
    """
    The session that the adapter around this one keeps for the request, with the attributes that Flask looks for.

    The outer adapter saves it and sends its cookie, for as long as its own settings say.
    """

    def __init__(self, outer: Session, exchange: Exchange) -> None:
        super().__init__()
        self._outer = outer
        self.exchange = exchange

    def __getitem__(self, key: str) -> Any:
        return self._outer[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._outer[key] = value

    def __delitem__(self, key: str) -> None:
        del self._outer[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outer)

    def __len__(self) -> int:
        return len(self._outer)

    def __contains__(self, key: object) -> bool:
        return key in self._outer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._outer, name)

    def clear(self) -> None:
        self._outer.clear()

    @property
    def accessed(self) -> bool:
        return self._outer.accessed

    @accessed.setter
    def accessed(self, value: bool) -> None:
        self._outer.accessed = value

    @property
    def modified(self) -> bool:
        return self._outer.modified

    @modified.setter
    def modified(self, value: bool) -> None:
        self._outer.modified = value

    @property
    def new(self) -> bool:
        return self._outer.is_new

    def __repr__(self) -> str:
        return repr(self._outer)


def is_current(context: object) -> bool:
    """Say whether *context* is the one that this code runs in."""
    return flask.has_request_context() and context is current_context()


def current_context() -> Any:
    """Return Flask's context of the request itself, and not the proxy."""
    return cast("LocalProxy[Any]", request_ctx)._get_current_object()
