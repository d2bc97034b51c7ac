"""Restrict which session methods a template may call, because others would take effect whenever a page is shown."""

from functools import update_wrapper
from types import FunctionType
from typing import Any

__all__ = ["guard"]

# All methods that templates may call; methods added later are not included.
_READ_ONLY = frozenset(
    {
        "copy",
        "decode",
        "exists",
        "get",
        "get_expire_at_browser_close",
        "get_expiry_age",
        "get_expiry_date",
        "get_session_cookie_age",
        "has_key",
        "is_empty",
        "items",
        "keys",
        "test_cookie_worked",
        "values",
    }
)


def guard(kind: type) -> None:
    """
    Set ``alters_data`` on the methods of *kind*, including inherited ones, that a template must not call.

    Inherited methods are copied first, so that their own class does not change.
    """
    for name in dir(kind):
        if name.startswith("_") or name in _READ_ONLY:
            continue
        found = _static(kind, name)
        function = getattr(found, "__func__", found)
        if not isinstance(function, FunctionType) or getattr(function, "alters_data", False):
            continue
        copy: Any = _copied(function)
        copy.alters_data = True
        setattr(kind, name, type(found)(copy) if function is not found else copy)


def _static(kind: type, name: str) -> Any:
    return next(base.__dict__[name] for base in kind.__mro__ if name in base.__dict__)


def _copied(function: FunctionType) -> FunctionType:
    copy = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    update_wrapper(copy, function)
    del copy.__wrapped__  # type: ignore[attr-defined]  # the copy wraps nothing
    return copy
