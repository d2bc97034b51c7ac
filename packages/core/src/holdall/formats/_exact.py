"""
Keep exact copies of values that another library would alter.

Flask's own sessions return a date as text, Django's and Starlette's a tuple as a list, and all three a numeric key as
text. The library must find in its cookie what it would have written itself. So the values that it alters are stored
a second time, as our own serializer writes them, in base64url under one reserved key::

    {"cart": {"7": "apples"}, "_holdall_exact": base64url('{"cart":{"$dict":[[7,"apples"]]}}')}

Such a copy is used as long as the library's own value has not changed.
"""

from collections.abc import Callable
from typing import Any

from holdall._base64url import from_text, to_text
from holdall.serializers import TaggedJSON

__all__ = ["EXACT_KEY", "with_exact", "without_exact"]

EXACT_KEY = "_holdall_exact"

_ours = TaggedJSON()

_Alters = Callable[[dict[str, Any]], dict[str, Any]]


def with_exact(data: dict[str, Any], alters: _Alters) -> dict[str, Any]:
    """
    Return *data* for a library's cookie, with exact copies added.

    Args:
        alters: Returns the library's version of the data.

    Raises:
        TypeError: The library or our own serializer cannot store a value; the message names its key and path.
    """
    altered = alters(data)
    # Compared as JSON, which includes their types and works at any depth.
    payload = _ours.dumps(data)
    if EXACT_KEY not in data and _ours.dumps(altered) == payload:
        return data
    ours = _ours.loads(payload)
    exact = {key: value for key, value in ours.items() if key == EXACT_KEY or not _is_same(value, altered[key])}
    return {**data, **exact, EXACT_KEY: to_text(_ours.dumps(exact))} if exact else data


def without_exact(data: dict[str, Any], alters: _Alters) -> dict[str, Any]:
    """Return the data that ``with_exact`` was given, except that values changed by the library take precedence."""
    text = data.get(EXACT_KEY)
    payload = from_text(text) if isinstance(text, str) else None
    if payload is None:
        return data
    try:
        exact = _ours.loads(payload)
        altered = alters(exact)
    except (TypeError, ValueError):
        # The key belongs to the application.
        return data
    del data[EXACT_KEY]
    for key, value in exact.items():
        if key == EXACT_KEY or (key in data and _is_same(data[key], altered[key])):
            data[key] = value
    return data


def _is_same(one: Any, other: Any) -> bool:
    return _ours.dumps({"": one}) == _ours.dumps({"": other})
