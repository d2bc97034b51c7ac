"""
Detect session values that are mutated after the request has ended, when the change can no longer be saved.

Assignments raise an error then. But a thread or task may still hold a list or a dict from the request and mutate it,
which no call of ours could refuse. Such values are compared again while later requests end, and an event reports any
difference. Values that no other code refers to any more are forgotten.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, NamedTuple
from weakref import ref

from holdall._redacted import redacted
from holdall._snapshots import IMMUTABLE
from holdall._tracking import Tracked

__all__ = ["look", "watch", "watched"]

# The maximum number of requests whose values are watched, and of those compared at a time, because an application may
# hold values forever.
_MOST = 64
_AT_ONCE = 4

_MUTABLE = (list, dict, set)
_NESTING = (list, dict, tuple)

# Not every Python implementation counts references. Without a count, a value is forgotten together with its session.
_references: Callable[[object], int] = getattr(sys, "getrefcount", lambda value: 0)


@redacted
class _Watched(NamedTuple):
    session: "ref[Any]"
    copy: Tracked
    report: Callable[[], None]


#: The values of requests that have ended, as long as other code may mutate them.
watched: deque[_Watched] = deque(maxlen=_MOST)


def watch(session: object, copy: Tracked, report: Callable[[], None]) -> None:
    """Call *report* if a value in *copy* is mutated from now on; *session* hands the values out."""
    look()
    # A copy, because requests that end in other threads add theirs concurrently. Without a global lock, this can happen
    # even while the copy is made.
    while True:
        try:
            is_watched = any(each.copy is copy for each in watched.copy())
            break
        except RuntimeError:
            continue
    if not is_watched:
        watched.append(_Watched(ref(session), copy, report))


def look() -> None:
    """Compare a few of the watched values."""
    for _ in range(min(len(watched), _AT_ONCE)):
        try:
            each = watched.popleft()
        except IndexError:
            # Another thread has taken the last one, or the listener to the previous report has.
            return
        if _was_altered(each.copy):
            each.report()
        elif _is_held(each):
            watched.append(each)


def _was_altered(copy: Tracked) -> bool:
    try:
        if not copy.changes():
            return False
        # The application may read another value of the session later; that must not report this change again.
        copy.begin_anew()
    except Exception:  # noqa: BLE001, S110  # one visitor's values must not fail the request of another
        # A thread mutates the values during the comparison, or a typed object can no longer be stored.
        pass
    return True


def _is_held(each: _Watched) -> bool:
    """Return whether other code can still mutate the values."""
    views = each.copy.views.values()
    # A view refers to its session, which therefore stays alive while we hold the view.
    if not views and each.session() is not None:
        return True
    try:
        return _is_shared(each.copy.data.values(), _ALONE) or any(_references(view.value) > _VIEWED for view in views)
    except RuntimeError:
        # A thread mutates a dict while we iterate over it.
        return True


def _is_shared(values: Iterable[Any], alone: int) -> bool:
    for value in values:
        if type(value) in IMMUTABLE:
            continue
        if isinstance(value, _MUTABLE) and _references(value) > alone:
            return True
        if isinstance(value, _NESTING) and _is_shared(value.values() if isinstance(value, dict) else value, alone):
            return True
    return False


# How many references to a value this code holds itself, which differs between Python versions.
_ALONE = next(alone for alone in count() if not _is_shared([[]], alone))
# The references held by the view and by the counting call.
_VIEWED = 2
