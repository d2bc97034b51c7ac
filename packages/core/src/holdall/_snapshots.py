"""
Take snapshots of values, to detect later whether they were mutated in place.

``repr`` would not work: a dataclass may leave fields out of it, any class may override it, and Python refuses to
convert integers of more than a few thousand digits.
"""

import marshal
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any
from uuid import UUID

__all__ = ["IMMUTABLE", "snapshot"]

#: Types whose values are immutable, so that no snapshot is needed.
IMMUTABLE = frozenset({str, int, float, bool, type(None), bytes, datetime, date, time, timedelta, UUID, Decimal})

# The last version of the format in which equal values always give the same bytes, whatever refers to them.
_VERSION = 2

_CONTAINERS = (list, tuple, set, frozenset)


def snapshot(value: Any) -> object:
    """Return an object that equals a later snapshot if nothing in *value* was mutated in between."""
    try:
        # Written in C and strict about types: it refuses subclasses.
        return marshal.dumps(value, _VERSION)
    except ValueError:
        return _walked(value)


def _walked(value: Any) -> list[Any]:
    """Return the parts of a *value* that contains types other than Python's plain ones."""
    parts: list[Any] = []
    todo: list[Any] = [value]
    # Includes the object itself, because its id may be reused once it is gone.
    seen: dict[int, tuple[int, Any]] = {}
    while todo:
        each = todo.pop()
        kind = type(each)
        parts.append(kind)
        if kind in IMMUTABLE:
            # A float may be NaN, which does not equal itself.
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
    """Yield the contents of a value: its items, and its fields with their names."""
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
        # A number with more digits than Python converts, in an object without fields.
        return ""
