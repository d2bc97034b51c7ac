"""
Ending a session for good, although a transaction is rolled back.

A view may run in a transaction (``ATOMIC_REQUESTS``), and a session that it ends at once is ended in that transaction.
A rollback would bring back a session whose visitor has been told that it is over. So a session that was ended in a
transaction is ended once more when the request is answered, outside of the view's transaction.
"""

from collections.abc import Callable
from contextvars import ContextVar

__all__ = ["are_noted", "begin", "note", "repeat", "take"]

_Endings = list[Callable[[], object]]

_noted: ContextVar[_Endings | None] = ContextVar("holdall_endings", default=None)


def begin() -> None:
    """Note the sessions that a request ends from now on, until ``take``."""
    _noted.set([])


def are_noted() -> bool:
    """Return whether they are noted now, because a request is being answered."""
    return _noted.get() is not None


def note(end: Callable[[], object]) -> None:
    """Remember to call *end* again, if a request ended something in a transaction. A second call is harmless."""
    noted = _noted.get()
    if noted is not None:
        noted.append(end)


def take() -> _Endings:
    """Return what was noted, and note no more."""
    noted = _noted.get() or []
    _noted.set(None)
    return noted


def repeat(noted: _Endings) -> None:
    """End what was *noted* once more."""
    for end in noted:
        end()
