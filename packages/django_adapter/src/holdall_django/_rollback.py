"""
End a session for good even if a transaction is rolled back.

A view may run in a transaction (``ATOMIC_REQUESTS``), and a session that it ends immediately is ended in that
transaction. A rollback would restore a session whose user was told that it is over. So a session that was ended in a
transaction is ended again when the response is created, outside of the view's transaction.
"""

from collections.abc import Callable
from contextvars import ContextVar

__all__ = ["are_noted", "begin", "note", "repeat", "take"]

_Endings = list[Callable[[], object]]

_noted: ContextVar[_Endings | None] = ContextVar("holdall_endings", default=None)


def begin() -> None:
    """Record the sessions that a request ends from now on, until ``take``."""
    _noted.set([])


def are_noted() -> bool:
    """Return whether endings are being recorded, because a request is in progress."""
    return _noted.get() is not None


def note(end: Callable[[], object]) -> None:
    """Remember to call *end* again if a request ended something in a transaction. A second call is harmless."""
    noted = _noted.get()
    if noted is not None:
        noted.append(end)


def take() -> _Endings:
    """Return the recorded endings, and stop recording."""
    noted = _noted.get() or []
    _noted.set(None)
    return noted


def repeat(noted: _Endings) -> None:
    """Repeat the endings in *noted*."""
    for end in noted:
        end()
