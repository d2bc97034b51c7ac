"""
Endings that no transaction takes back.

A view may run in a transaction (``ATOMIC_REQUESTS``), and a session that it ends at once ends in that. Were it rolled
back, the session would live again whose visitor has been told that it is over. So what a request has ended in a
transaction is ended once more when it is answered, which is outside of the view's.
"""

from collections.abc import Callable
from contextvars import ContextVar

__all__ = ["are_noted", "begin", "note", "repeat", "take"]

_Endings = list[Callable[[], object]]

_noted: ContextVar[_Endings | None] = ContextVar("holdall_endings", default=None)


def begin() -> None:
    """Note the endings of a request from now on, until they are taken."""
    _noted.set([])


def are_noted() -> bool:
    """Say whether endings are noted now: that a request is being answered."""
    return _noted.get() is not None


def note(end: Callable[[], object]) -> None:
    """Remember what was ended in a transaction, if a request did it: to *end* again what has ended does nothing."""
    noted = _noted.get()
    if noted is not None:
        noted.append(end)


def take() -> _Endings:
    """Return what was ended in a transaction, and note no more."""
    noted = _noted.get() or []
    _noted.set(None)
    return noted


def repeat(noted: _Endings) -> None:
    """End again what was *noted*."""
    for end in noted:
        end()
