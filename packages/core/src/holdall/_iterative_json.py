"""
Write and read JSON in loops instead of recursion, with one limit on the nesting depth.

The C ``json`` module is several times faster and handles the usual cases, but it recurses. How deep it can go depends
on how much of the stack is already in use, so a session written near the top of the stack could be unreadable further
down.
These functions take over where it gives up or refuses a value. They also report the path of an invalid value.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from holdall._depth import MAX_DEPTH

__all__ = [
    "SCALARS",
    "SHORT",
    "TOO_DEEP",
    "Description",
    "Nest",
    "dicts_of",
    "exceeds_depth",
    "is_too_deep",
    "key_text",
    "plain",
    "quoted",
    "read",
    "written",
]

#: Payloads up to this length in bytes cannot be nested too deeply.
SHORT = 2 * MAX_DEPTH

TOO_DEEP = f"it holds itself, or is nested over {MAX_DEPTH} deep"

#: The JSON types other than its two containers.
SCALARS: frozenset[type] = frozenset({str, int, float, bool, type(None)})

#: Text as JSON; only what JSON demands is escaped.
quoted = json.encoder.encode_basestring


class Nest(NamedTuple):
    """
    A description of how to write a value that contains others.

    Attributes:
        items: For each contained value its path, the JSON before it, the value itself, and the JSON after it.
        describe: Describes how each item is written.
    """

    opening: str
    items: Iterable[tuple[Any, str, Any, str]]
    closing: str
    describe: "Callable[[Any], Description]"


#: A description of how to write a value: its JSON, or a ``Nest``.
Description = str | Nest


def written(data: Mapping[str, Any], describe: Callable[[Any], Description]) -> str:
    """
    Return *data* as compact JSON.

    Args:
        describe: Describes how a value is written, or raises an error that says why it cannot be.

    Raises:
        TypeError: A value cannot be written, or is nested too deeply; the message names its key and path.
    """
    # The remaining items of each container around the one being written.
    outer: list[tuple[Any, ...]] = []
    items: Iterator[tuple[Any, str, Any, str]] = iter([("", "", data if isinstance(data, dict) else dict(data), "")])
    parts: list[str] = []
    opening = closing = ""
    place: Any = ""
    try:
        while True:
            for place, before, value, after in items:
                found = describe(value)
                if isinstance(found, str):
                    parts.append(before + found + after)
                    continue
                outer.append((place, items, parts, opening, closing, describe))
                if len(outer) > MAX_DEPTH:
                    raise TypeError(TOO_DEEP)
                opening, inner, closing, describe = found
                opening, items, parts, closing = before + opening, iter(inner), [], closing + after
                break
            else:
                text = f"{opening}{','.join(parts)}{closing}"
                if not outer:
                    return text
                place, items, parts, opening, closing, describe = outer.pop()
                parts.append(text)
    except (TypeError, ValueError, ArithmeticError) as exc:
        # The first part of the path is the session itself. For values nested too deeply the key alone is enough.
        places = [*(level[0] for level in outer), place][1 : 2 if len(outer) > MAX_DEPTH else None]
        path = "".join(f"[{_shown(each)}]" for each in places)
        msg = f"session{path} cannot be stored: {str(exc).removesuffix('.')}."
        raise TypeError(msg) from exc


def _shown(place: Any) -> str:
    try:
        return repr(place)
    except ValueError:
        # A number with more digits than Python converts.
        return "…"


def plain(value: Any) -> Any:
    """
    Convert a value of a subclass of a text or number type to its base type; return any other value unchanged.

    Raises:
        TypeError: The converted value is not equal.
    """
    for kind, make in _BASES.items():
        if isinstance(value, kind) and type(value) not in SCALARS:
            base = make(value)
            if base != value and base == base:  # noqa: PLR0124  # no NaN is equal to itself
                msg = f"it is of type {type(value).__qualname__}, and as {kind.__name__} it would not be equal"
                raise TypeError(msg)
            return base
    return value


# Methods of the base types, so that a subclass's own str(), int() or float() is ignored.
_BASES: dict[type, Callable[[Any], Any]] = {str: str.__str__, int: int.__int__, float: float.__float__}


def key_text(key: Any) -> str:
    """Return *key* as the text that Python's JSON encoder makes of it; raise ``TypeError`` if it refuses the key."""
    if isinstance(key, str):
        # Not str(), which gives an enum's name.
        return str.__str__(key)
    if key is None or isinstance(key, (bool, int, float)):
        return json.dumps(key)
    msg = f"one of its keys is of type {type(key).__qualname__}"
    raise TypeError(msg)


def dicts_of(data: Mapping[str, Any], leaves: Collection[type]) -> list[Mapping[str, Any]]:
    """
    Return all dicts in *data*, itself first, or none if *data* is too deep or C code might alter it.

    Args:
        leaves: The exact types that are allowed besides dicts and lists.

    Raises:
        TypeError: A dict has keys that are not text.
    """
    dicts = [data]
    todo: list[Iterable[Any]] = [data.values()]
    for values in todo:
        for value in values:
            if type(value) not in leaves:
                if type(value) is dict:
                    dicts.append(value)
                    todo.append(value.values())
                elif type(value) is list:
                    todo.append(value)
                else:
                    return []
    if len(todo) > MAX_DEPTH and is_too_deep(data):
        return []
    # A union checks the keys of many dicts at once, and join() accepts nothing but text.
    "".join(data if len(dicts) == 1 else set().union(*dicts))
    return dicts


def exceeds_depth(data: Any, payload: bytes) -> bool:
    """Return whether *data*, which is *payload* as JSON, is nested too deeply."""
    # Few sessions have that many containers. Replacing bytes is faster than counting them.
    containers = len(payload) - len(payload.replace(b"{", b"").replace(b"[", b""))
    return containers > MAX_DEPTH and is_too_deep(data)


def is_too_deep(data: Any) -> bool:
    """Return whether *data* nests more than ``MAX_DEPTH`` containers, counting itself."""
    level = [data]
    for _ in range(MAX_DEPTH):
        level = [value for container in level for value in _within(container) if isinstance(value, _CONTAINERS)]
        if not level:
            return False
    return True


def _within(container: Any) -> Iterable[Any]:
    return (*container, *container.values()) if isinstance(container, dict) else container


_CONTAINERS = (dict, list, tuple, set, frozenset)

_SPACES = (" ", "\t", "\n", "\r")
_CLOSING = {"{": "}", "[": "]"}
# A tag adds a dict around its value, and the tag for a dict's items also adds a list and a pair.
_MAX_JSON_DEPTH = 3 * MAX_DEPTH


def read(text: str, decoder: json.JSONDecoder) -> tuple[Any, int]:
    """
    Return the value at the start of *text* and the position where it ends, as the *decoder*'s own ``raw_decode`` does.

    Raises:
        ValueError: It is not JSON, or nested too deeply.
    """
    make: Callable[[Any], Any] | None = decoder.object_hook
    outer: list[tuple[Any, str]] = []
    box: Any = None
    key = ""
    at = 0
    while True:
        at = _skip(text, at)
        closing = _CLOSING.get(text[at : at + 1])
        if closing is None:
            value, at = _scalar(text, at, decoder)
        else:
            if len(outer) >= _MAX_JSON_DEPTH:
                raise ValueError(TOO_DEEP)
            new: Any = {} if closing == "}" else []
            at = _skip(text, at + 1)
            if not text.startswith(closing, at):
                outer.append((box, key))
                box = new
                if closing == "}":
                    key, at = _name(text, at, decoder)
                continue
            value, at = new, at + 1
        # A value is complete, and so may be the containers whose last item it is.
        while True:
            if make is not None and isinstance(value, dict):
                value = make(value)
            if box is None:
                return value, at
            if isinstance(box, list):
                box.append(value)
            else:
                box[key] = value
            at = _skip(text, at)
            if text.startswith(",", at):
                at += 1
                if isinstance(box, dict):
                    key, at = _name(text, _skip(text, at), decoder)
                break
            if not text.startswith("}" if isinstance(box, dict) else "]", at):
                raise ValueError(_NO_JSON)
            value, at = box, at + 1
            box, key = outer.pop()


_NO_JSON = "the text is not JSON"


def _skip(text: str, at: int) -> int:
    while text.startswith(_SPACES, at):
        at += 1
    return at


def _scalar(text: str, at: int, decoder: json.JSONDecoder) -> tuple[Any, int]:
    try:
        value, end = decoder.scan_once(text, at)  # type: ignore[attr-defined]  # missing from the type stubs
    except StopIteration:
        raise ValueError(_NO_JSON) from None
    return value, end


def _name(text: str, at: int, decoder: json.JSONDecoder) -> tuple[str, int]:
    """Return an object's next key and the position of its value."""
    if text.startswith('"', at):
        name, at = _scalar(text, at, decoder)
        at = _skip(text, at)
        if text.startswith(":", at):
            return name, at + 1
    raise ValueError(_NO_JSON)
