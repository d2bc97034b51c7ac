"""
Django's view of a session that another framework's adapter commits.

A project that is mounted in another application, with the same ``Sessions``, finds the request's session there
already. Two sessions of one cookie would each write, and one would lose. So this one has no state of its own: what is
read and changed through it is the other's.
"""

from typing import Any

from holdall import Session
from holdall_django.session import DjangoSession

__all__ = ["AdoptedSession"]


class AdoptedSession(DjangoSession):
    """The session *outer* under Django's names."""

    def __new__(cls, outer: Session | str | None = None) -> Any:
        if isinstance(outer, Session):
            return super().__new__(cls)
        # request.session.__class__(session_key), which is not the outer one.
        return DjangoSession(outer)

    def __init__(self, outer: Session) -> None:
        self._outer = outer
        # All but the dict's own part, which has no state, is the outer one's.
        super(Session, self).__init__()


def _shared(slot: str) -> Any:
    return property(
        lambda self: getattr(self._outer, slot),
        lambda self, value: setattr(self._outer, slot, value),
    )


for _slot in Session.__slots__:
    if _slot != "__weakref__":
        setattr(AdoptedSession, _slot, _shared(_slot))
