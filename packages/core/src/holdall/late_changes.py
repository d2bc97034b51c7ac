"""
Find what is altered inside a session's values after the request has ended, when nothing can store it any more.

Every assignment raises then. A list or a dict that the request handed out can still be altered by a thread or task that
holds it, and no call of ours could refuse that. Such values are compared again while later requests end, and an event
reports a difference. A look forgets values that no other code refers to any more.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, NamedTuple
from weakref import ref

from holdall._redacted import redacted
from holdall.tracking import Tracked

__all__ = ["look", "watch", "watched"]

# The most requests whose values are watched, and how many are compared in one look: an application may hold values
# for ever.
_MOST = 64
_AT_ONCE = 4

# Not every Python counts references. Without the count, a value is forgotten when its session is.
_references: Callable[[object], int] = getattr(sys, "getrefcount", lambda value: 0)


@redacted
class _Watched(NamedTuple):
    session: "ref[Any]"
    copy: Tracked
    report: Callable[[], None]


#: The values of requests that have ended, as long as other code may alter them.
watched: deque[_Watched] = deque(maxlen=_MOST)


def watch(session: object, copy: Tracked, report: Callable[[], None]) -> None:
    """Call *report* if a value in *copy* is altered from now on; *session* hands the values out."""
    look()
    if not _is_watched(copy):
        watched.append(_Watched(ref(session), copy, report))


def _is_watched(copy: Tracked) -> bool:
    while True:
        try:
            return any(each.copy is copy for each in watched.copy())
        except RuntimeError:
            # A request that ended in another thread put its own in while we copied: without a global lock it can.
            continue


def look() -> None:
    """Compare a few of the values that are watched."""
    for _ in range(min(len(watched), _AT_ONCE)):
        try:
            each = watched.popleft()
        except IndexError:
            # Another thread, or a listener that was told of the one before, has looked at it.
            return
        if _was_altered(each.copy):
            each.report()
        elif _is_held(each):
            watched.append(each)


def _was_altered(copy: Tracked) -> bool:
    try:
        if not copy.changes():
            return False
        # The application may take another value from the session later; that must not report this change again.
        copy.begin_anew()
    except Exception:  # noqa: BLE001, S110  # one visitor's values must not fail the request of another
        # A thread alters it while we look, or a typed object can no longer be stored.
        pass
    return True


def _is_held(each: _Watched) -> bool:
    """Return whether other code can still alter the values."""
    views = each.copy.views.values()
    # A view refers to its session, which therefore does not end while we hold the view.
    if not views and each.session() is not None:
        return True
    try:
        return _is_shared(each.copy.data.values(), _ALONE) or any(_references(view.value) > _VIEWED for view in views)
    except RuntimeError:
        # A thread alters a dict while we look into it.
        return True


def _is_shared(values: Iterable[Any], alone: int) -> bool:
    for value in values:
        if isinstance(value, list | dict | set) and _references(value) > alone:
            return True
        if isinstance(value, list | dict | tuple) and _is_shared(
            value.values() if isinstance(value, dict) else value, alone
        ):
            return True
    return False


# How many references this code itself holds to a value, which differs between Python versions.
_ALONE = next(alone for alone in count() if not _is_shared([[]], alone))
# The references that the view and the counting call hold.
_VIEWED = 2
