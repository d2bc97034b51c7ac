"""What ``flask.session`` is: the core's session with the attributes that Flask and its extensions look for."""

from collections.abc import Awaitable, Iterator, Mapping, MutableMapping
from datetime import timedelta
from typing import Any, cast

import flask
from flask.globals import request_ctx
from flask.sessions import SessionMixin
from werkzeug.local import LocalProxy

from holdall import Session
from holdall._as_dict import AsDict
from holdall.lifetimes import permanent_max_age
from holdall.session import Phase
from holdall.several import Kept

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
    def new(self) -> bool:  # type: ignore[override]  # Flask leaves it open, and nobody sets it
        """Whether no session came with the request."""
        return self.is_new

    @staticmethod
    def lifetime(
        data: Mapping[str, Any], idle_timeout: timedelta | None, max_age: int | None
    ) -> tuple[timedelta | None, int | None]:
        if data.get("_permanent") and max_age is None:
            return idle_timeout, permanent_max_age(idle_timeout)
        return idle_timeout, max_age


class BorrowedSession(_Permanent, SessionMixin, AsDict):
    """
    The session that the adapter around this one keeps for the request, with the attributes that Flask looks for.

    The outer adapter saves it and sends its cookie, for as long as its own settings say.
    """

    def __init__(self, outer: Session) -> None:
        super().__init__()
        self._outer = outer

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
