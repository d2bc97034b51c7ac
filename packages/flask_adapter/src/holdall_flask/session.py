"""What ``flask.session`` is: the core's session with the attributes that Flask and its extensions look for."""

from collections.abc import Awaitable, Mapping
from datetime import timedelta
from typing import Any

from flask.sessions import SessionMixin

from holdall import Session
from holdall.lifetimes import permanent_max_age
from holdall.several import Kept

__all__ = ["FlaskSession"]


class FlaskSession(Session, SessionMixin):
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

    @property
    def permanent(self) -> bool:
        """Whether the browser keeps the cookie when it is closed."""
        return bool(self.get("_permanent", False))

    @permanent.setter
    def permanent(self, value: bool) -> None:
        # Applications say it before every request; only the first time is a change.
        if self.permanent != bool(value):
            self["_permanent"] = bool(value)

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
