"""
Django's view of a session that another framework's adapter stores and sends.

A project that is mounted in another application, with the same ``Sessions``, finds the request's session there
already. Two sessions of one cookie would each write, and one would lose. So this one is the other's, under Django's
names.
"""

from typing import Any

from holdall import Session
from holdall._as_dict import FILLED
from holdall.adapters import state_of
from holdall_django.session import DjangoSession

__all__ = ["AdoptedSession"]


class AdoptedSession(DjangoSession):
    """The session *outer* under Django's names."""

    def __new__(cls, outer: Session | str | None = None, *, session_key: str | None = None) -> Any:
        if isinstance(outer, Session):
            return super().__new__(cls)
        # request.session.__class__(session_key), which is not the outer one.
        return DjangoSession(outer, session_key=session_key)

    def __init__(self, outer: Session) -> None:
        # All but the dict's own part, which has no state, is the outer one's: its lifetime too.
        super(Session, self).__init__(FILLED)
        self._state = state_of(outer)
