"""
Django's view of a session that another framework's adapter stores and sends.

A project that is mounted in another application with the same ``Sessions`` finds that the request already has a
session. If each kept its own session for one cookie, both would write and one would lose. So this class wraps the
other's session and gives it Django's names.
"""

from typing import Any

from holdall import Session
from holdall.adapters import state_of
from holdall_django._session import DjangoSession

__all__ = ["AdoptedSession"]


class AdoptedSession(DjangoSession):
    """The session *outer* under Django's names."""

    # Its lifetime is what the outer session says.
    _lifetime_of = None

    def __new__(cls, outer: Session | str | None = None, *, session_key: str | None = None) -> Any:
        if isinstance(outer, Session):
            return super().__new__(cls)
        # request.session.__class__(session_key), which is not the outer one.
        return DjangoSession(outer, session_key=session_key)

    def __init__(self, outer: Session) -> None:
        Session.__init__(self, state_of(outer))
