"""
What another library alters, kept exactly beside it.

Flask's own sessions return a date as text, Django's and Starlette's a tuple as a list, and all three a key that is a
number as text. The library must find in its cookie what it would have written itself. So the values that it alters
stand there a second time, as our own serializer writes them, in base64url under one reserved key::

    {"cart": {"7": "apples"}, "_holdall_exact": base64url('{"cart":{"$dict":[[7,"apples"]]}}')}

Such a value counts for as long as the library keeps its own as it is.
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
    Return *data* for a library's cookie.

    Args:
        alters: Returns what the library would make of it.

    Raises:
        TypeError: The library or our own serializer cannot store a value; the message names its key and path.
    """
    altered = alters(data)
    # As JSON they can be compared to the type, and however deep they are nested.
    payload = _ours.dumps(data)
    if EXACT_KEY not in data and _ours.dumps(altered) == payload:
        return data
    ours = _ours.loads(payload)
    exact = {key: value for key, value in ours.items() if key == EXACT_KEY or not _is_same(value, altered[key])}
    return {**data, **exact, EXACT_KEY: to_text(_ours.dumps(exact))} if exact else data


def without_exact(data: dict[str, Any], alters: _Alters) -> dict[str, Any]:
    """Return what ``with_exact`` was given, or for a value that the library has changed what that has made of it."""
    text = data.get(EXACT_KEY)
    payload = from_text(text) if isinstance(text, str) else None
    if payload is None:
        return data
    try:
        exact = _ours.loads(payload)
        altered = alters(exact)
    except (TypeError, ValueError):
        # The key is the application's own.
        return data
    del data[EXACT_KEY]
    for key, value in exact.items():
        if key == EXACT_KEY or (key in data and _is_same(data[key], altered[key])):
            data[key] = value
    return data


def _is_same(one: Any, other: Any) -> bool:
    return _ours.dumps({"": one}) == _ours.dumps({"": other})
