"""
Endings that no transaction takes back.

A view may run in a transaction (``ATOMIC_REQUESTS``), and a session that it ends at once ends in that. Were it rolled
back, the session would live again whose visitor has been told that it is over. So what a request has ended in a
transaction is ended once more when it is answered, which is outside of the view's.
"""

from collections.abc import Callable
from contextvars import ContextVar

__all__ = ["are_in_doubt", "begin", "note", "repeat"]

_noted: ContextVar[list[Callable[[], object]] | None] = ContextVar("holdall_endings", default=None)


def begin() -> None:
    """Note the endings of a request from now on, until they are repeated."""
    _noted.set([])


def note(end: Callable[[], object]) -> None:
    """Remember what was ended in a transaction, if a request did it: to *end* again what has ended does nothing."""
    noted = _noted.get()
    if noted is not None:
        noted.append(end)


def are_in_doubt() -> bool:
    """Say whether there is anything to repeat."""
    return bool(_noted.get())


def repeat() -> None:
    """End again what was ended in a transaction, and note no more."""
    noted = _noted.get() or ()
    _noted.set(None)
    for end in noted:
        end()
