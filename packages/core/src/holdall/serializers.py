"""
Python values as bytes and back: JSON, with a tag where JSON has no such type.

A value beyond JSON stands as an object of one key that begins with ``$``::

    {"seen": {"$datetime": "2026-01-31T12:00:00+00:00"}, "pair": {"$tuple": [1, 2]}}

A dict of the application's that would look like a tag is itself tagged: ``{"$dict": [["$tuple", 1]]}``.
"""

import json
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from holdall._markup import markup

__all__ = ["Serializer", "TaggedJSON"]


class Serializer(Protocol):
    """
    Turns a session's data into bytes and back.

    One that has ``check(key, value)`` too, raising the ``TypeError`` of ``dumps``, lets a developer hear of it at the
    line that puts the value. One that has a quicker ``from_base64url(text)`` lends it to the native format.
    """

    def dumps(self, data: Mapping[str, Any], /) -> bytes:
        """Return *data* as bytes; ``TypeError`` names the key and path of what cannot be stored."""
        ...

    def loads(self, payload: bytes, /) -> dict[str, Any]:
        """Return what ``dumps`` was given; ``ValueError`` if *payload* is not its work."""
        ...


class TaggedJSON:
    """
    The default serializer: compact JSON in UTF-8, and tags for what JSON lacks.

    Carries ``None``, ``bool``, ``int``, ``float``, ``str``, ``list``, ``dict`` with string keys,
    ``datetime``, ``date``, ``time``, ``timedelta``, ``UUID``, ``Decimal``, ``bytes``, ``tuple``, ``set``,
    and text marked as safe HTML (``__html__``). Anything else is a ``TypeError``.
    """

    def dumps(self, data: Mapping[str, Any], /) -> bytes:
        try:
            return _written(data).encode("utf-8", "surrogatepass")
        except (TypeError, ValueError, RecursionError) as exc:
            raise _explained(data, exc) from exc

    def check(self, key: str, value: Any) -> None:
        """Raise the ``TypeError`` of ``dumps`` if *value* is not to be stored."""
        self.dumps({key: value})

    def loads(self, payload: bytes, /) -> dict[str, Any]:
        text = payload.decode("utf-8", "surrogatepass")
        decode = _decode_tagged if "$" in text and _TAG_MARK in text else _decode
        try:
            data, end = decode(text)
        except (TypeError, AttributeError, ArithmeticError, RecursionError) as exc:
            msg = "the payload is not one of ours"
            raise ValueError(msg) from exc
        if end != len(text):
            msg = "something follows the payload"
            raise ValueError(msg)
        if type(data) is not dict:
            msg = "the payload is not an object"
            raise ValueError(msg)
        return data


def _encoder() -> Callable[[Any], str]:
    """Return a function from plain values, and such as take a tag of their own, to compact JSON."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        # CPython has it, other Pythons have not.
        return json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_leaf).encode
    # What JSONEncoder.encode makes anew in each call, which takes as long as the session of most visitors does.
    # Without its list of what it is in the middle of, a circle ends as a RecursionError.
    chunks = make(None, _leaf, json.encoder.encode_basestring, None, ":", ",", False, False, False)
    return lambda value: "".join(chunks(value, 0))


def _leaf(value: Any) -> dict[str, Any]:
    """Return *value* with its tag; ``TypeError`` unless it is of one of the types in ``_TAGS`` to the letter."""
    kind = _TAGS.get(type(value))
    if kind is None:
        msg = "JSON has no such type"
        raise TypeError(msg)
    tag, to_json = kind
    return {tag: to_json(value)}


def _written(data: Mapping[str, Any]) -> str:
    """Return *data* as JSON."""
    try:
        # Before it is looked at, which would go round in a circle for ever.
        text = _encode(data)
        dicts = _dicts_of(data)
        if dicts and not ("$" in text and _TAG_MARK in text and any(map(_is_like_a_tag, dicts))):
            return text
    except (TypeError, ValueError, RecursionError):
        # A few values need more, or cannot be stored.
        pass
    return _encode(_tagged_items(data))


def _dicts_of(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """
    Return all dicts in *data*, itself first, or none if the encoder, which has written it, has lost a value's type.

    Raises:
        TypeError: It has made text of keys that were none.
    """
    dicts = [data]
    todo: list[Iterable[Any]] = [data.values()]
    for values in todo:
        for value in values:
            if type(value) not in _LEAVES:
                if type(value) is dict:
                    dicts.append(value)
                    todo.append(value.values())
                elif type(value) is list:
                    todo.append(value)
                else:
                    return []
    # A union looks at the keys of many dicts at once, and a join takes nothing but text.
    "".join(data if len(dicts) == 1 else set().union(*dicts))
    return dicts


def _tagged_items(data: Mapping[str, Any]) -> Any:
    return _as_object({key: _tagged(value) for key, value in data.items()})


def _tagged(value: Any) -> Any:
    """Return *value* as JSON can write it; ``TypeError`` if that, or what is in it, cannot be stored."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if isinstance(value, str):
        text = str.__str__(value)
        return {"$html": text} if hasattr(value, "__html__") else text
    if isinstance(value, dict):
        return _as_object({_key(key): _tagged(item) for key, item in value.items()})
    if isinstance(value, _SEVERAL):
        items = [_tagged(item) for item in value]
        return items if isinstance(value, list) else {"$tuple" if isinstance(value, tuple) else "$set": items}
    if isinstance(value, (int, float)):
        return value
    for known, (tag, to_json) in _TAGS.items():
        if isinstance(value, known):
            return {tag: to_json(value)}
    msg = (
        f"it is of type {kind.__qualname__}. "
        "Store plain data (text, numbers, lists, dicts, dates, …) that the value can be made from again."
    )
    raise TypeError(msg)


def _key(key: Any) -> str:
    if isinstance(key, str):
        # Not str(), which gives an enum's name.
        return str.__str__(key)
    msg = f"one of its keys is of type {type(key).__qualname__}, and keys must be strings."
    raise TypeError(msg)


def _is_like_a_tag(items: Mapping[str, Any]) -> bool:
    return len(items) == 1 and next(iter(items)).startswith("$")


def _as_object(items: dict[str, Any]) -> dict[str, Any]:
    if _is_like_a_tag(items):
        return {"$dict": [list(item) for item in items.items()]}
    return items


def _seconds(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


# A datetime is a date too, so it comes first.
_TAGS: dict[type, tuple[str, Callable[[Any], Any]]] = {
    datetime: ("$datetime", datetime.isoformat),
    date: ("$date", date.isoformat),
    time: ("$time", time.isoformat),
    timedelta: ("$timedelta", _seconds),
    UUID: ("$uuid", str),
    Decimal: ("$decimal", str),
    bytes: ("$bytes", lambda value: b2a_base64(value, newline=False).decode("ascii")),
}

_SCALARS = frozenset({str, int, float, bool, type(None)})
_LEAVES = _SCALARS | _TAGS.keys()
_SEVERAL = (list, tuple, set)

_FROM_TAG: dict[str, Callable[[Any], Any]] = {
    "$datetime": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$time": time.fromisoformat,
    "$timedelta": lambda parts: timedelta(*parts),
    "$uuid": UUID,
    "$decimal": Decimal,
    "$bytes": a2b_base64,
    "$tuple": tuple,
    "$set": set,
    "$html": markup,
    "$dict": dict,
}


def _untagged(items: dict[str, Any]) -> Any:
    if len(items) == 1:
        ((tag, value),) = items.items()
        make = _FROM_TAG.get(tag)
        if make is not None:
            return make(value)
    return items


# An object's first key is the one place where these three characters can stand unescaped. One is found much quicker
# than three, and most sessions have not even that.
_TAG_MARK = '{"$'

_encode = _encoder()
_decode = json.JSONDecoder().raw_decode
_decode_tagged = json.JSONDecoder(object_hook=_untagged).raw_decode


def _explained(data: Mapping[str, Any], cause: Exception) -> TypeError:
    """Say what cannot be stored, and where it stands."""
    if isinstance(cause, RecursionError):
        why = "it holds itself, or is nested too deeply."
        return TypeError(f"{_refused(data, 'session', RecursionError, 1)} cannot be stored: {why}")
    return TypeError(f"{_refused(data, 'session', type(cause))} cannot be stored: {cause}")


def _refused(value: Any, path: str, cause: type[Exception], depth: int = -1) -> str:
    """Return the path of the innermost value that is refused because of *cause*, *depth* steps down at most."""
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, _SEVERAL) else ()
    for place, item in items if depth else ():
        try:
            _encode(_tagged(item))
        except (TypeError, ValueError, RecursionError) as exc:
            if isinstance(exc, cause):
                return _refused(item, f"{path}[{place!r}]", cause, depth - 1)
    return path
