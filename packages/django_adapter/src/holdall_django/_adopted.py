"""
Wrap a session that another framework's adapter stores and sends.

A project that is mounted in another application with the same ``Sessions`` finds that the request already has a
session. If each kept its own session under the same cookie, both would write it, and one write would be lost. So this
class wraps the other adapter's session and gives it Django's names.
"""

from typing import Any

from holdall import Session
from holdall.adapters import state_of
from holdall_django._session import DjangoSession

__all__ = ["AdoptedSession"]


class AdoptedSession(DjangoSession):
    """The session *outer* under Django's names."""

    # The outer session determines its lifetime.
    _lifetime_of = None

    def __new__(cls, outer: Session | str | None = None, *, session_key: str | None = None) -> Any:
        if isinstance(outer, Session):
            return super().__new__(cls)
        # A call to request.session.__class__(session_key), which opens another session.
        return DjangoSession(outer, session_key=session_key)

    def __init__(self, outer: Session) -> None:
        Session.__init__(self, state_of(outer))
