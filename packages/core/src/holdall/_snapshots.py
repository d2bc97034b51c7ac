"""
What a value looks like at a moment, to tell later whether it was altered in place.

``repr`` would not do: a dataclass may leave fields out of it, any class may define another, and Python refuses to write
whole numbers of more than some thousands of digits.
"""

import marshal
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any
from uuid import UUID

__all__ = ["IMMUTABLE", "snapshot"]

#: Types whose values cannot change after they were handed out, so that no snapshot is needed.
IMMUTABLE = frozenset({str, int, float, bool, type(None), bytes, datetime, date, time, timedelta, UUID, Decimal})

# The latest version in which the same value always gives the same bytes, whatever else refers to it.
_VERSION = 2

_CONTAINERS = (list, tuple, set, frozenset)


def snapshot(value: Any) -> object:
    """Return what equals another snapshot if nothing in *value* was altered in between."""
    try:
        # In C, and strict about types: a subclass is no value that it knows.
        return marshal.dumps(value, _VERSION)
    except ValueError:
        return _walked(value)


def _walked(value: Any) -> list[Any]:
    """Return the parts of a *value* that holds something else than Python's plain types."""
    parts: list[Any] = []
    todo: list[Any] = [value]
    # With the object itself, because another may get its number once it is gone.
    seen: dict[int, tuple[int, Any]] = {}
    while todo:
        each = todo.pop()
        kind = type(each)
        parts.append(kind)
        if kind in IMMUTABLE:
            # A float may be no number, which does not equal itself.
            parts.append(repr(each) if kind is float else each)
        elif id(each) in seen:
            parts.append(seen[id(each)][0])
        else:
            seen[id(each)] = len(seen), each
            held = [*_held_by(each)]
            parts.append(len(held))
            todo += held
            if not isinstance(each, (dict, *_CONTAINERS)):
                parts.append(_shown(each))
    return parts


def _held_by(value: Any) -> Iterator[Any]:
    """Return what a value holds: its items, and its fields by name."""
    if isinstance(value, dict):
        yield from chain.from_iterable(value.items())
    elif isinstance(value, _CONTAINERS):
        yield from value
    yield from chain.from_iterable(getattr(value, "__dict__", {}).items())
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__"):
                private = name.startswith("__") and not name.endswith("__")
                yield getattr(value, f"_{kind.__name__.lstrip('_')}{name}" if private else name, None)


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except ValueError:
        # A number with more digits than Python writes, in an object that has no fields.
        return ""
