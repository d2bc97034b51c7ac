"""
Report Django's async session methods, such as ``asave``, if they change the session and are not awaited.

In that case the request ends with an error. An un-awaited ``aget`` needs no report, because its value is a coroutine.
"""

from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any

from asgiref.sync import markcoroutinefunction

from holdall import Session
from holdall.adapters import state_of, to_be_awaited

__all__ = ["report_unawaited"]

_CHANGING = (
    "acreate",
    "acycle_key",
    "adelete",
    "adelete_test_cookie",
    "aflush",
    "apop",
    "asave",
    "aset",
    "aset_expiry",
    "aset_test_cookie",
    "asetdefault",
    "aupdate",
)

Method = Callable[..., Coroutine[Any, Any, Any]]


def report_unawaited(kind: type[Session]) -> None:
    """Report the async methods that *kind* defines, or inherits from Django, when they are not awaited."""
    for name in _CHANGING:
        method = getattr(kind, name)
        if not getattr(method, "is_reported", False):
            setattr(kind, name, _reported(name, method))


def _reported(name: str, method: Method) -> Method:
    @wraps(method)
    def call(self: Session, *args: Any, **options: Any) -> Coroutine[Any, Any, Any]:
        return to_be_awaited(state_of(self), name, partial(method, self, *args, **options))

    call.is_reported = True  # type: ignore[attr-defined]  # as functions allow
    marked: Method = markcoroutinefunction(call)
    return marked
