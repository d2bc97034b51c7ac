"""
Serialize Python values as JSON, with tags for types that JSON lacks.

A value of such a type is written as an object with one key that begins with ``$``::

    {"seen": {"$datetime": "2026-01-31T12:00:00+00:00"}, "pair": {"$tuple": [1, 2]}}

A dict is tagged too if it looks like a tag or has keys other than text:
``{"$dict": [["$tuple", 1]]}``, ``{"$dict": [[7, "apples"]]}``.
"""

import json
import math
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from holdall._depth import MAX_DEPTH
from holdall._iterative_json import (
    SCALARS,
    SHORT,
    TOO_DEEP,
    Description,
    Nest,
    dicts_of,
    exceeds_depth,
    plain,
    quoted,
    read,
    written,
)
from holdall._markup import markup

__all__ = ["MAX_DEPTH", "Serializer", "TaggedJSON"]


class Serializer(Protocol):
    """
    A converter of a session's data to bytes and back.

    A value must come back equal and of the same type, or of a type that the serializer documents; any other value
    raises ``TypeError``. ``holdall.testing.SerializerConformance`` checks this.

    If it also has ``check(key, value)``, which raises the ``TypeError`` of ``dumps``, the error appears at the line
    that stores the value. If it has a faster ``from_base64url(text)``, the native format uses it.
    """

    def dumps(self, data: Mapping[str, Any], /) -> bytes:
        """Return *data* as bytes; raise ``TypeError`` with the key and path of a value that cannot be stored."""
        ...

    def loads(self, payload: bytes, /) -> dict[str, Any]:
        """Return the data that ``dumps`` was given; raise ``ValueError`` if *payload* is not from ``dumps``."""
        ...


class TaggedJSON:
    """
    The default serializer: compact JSON in UTF-8, with tags for types that JSON lacks.

    It supports ``None``, ``bool``, ``int``, ``float``, ``str``, ``list``, ``dict``, ``datetime``, ``date``, ``time``,
    ``timedelta``, ``UUID``, ``Decimal``, ``bytes``, ``tuple``, ``set``, ``frozenset``, and text marked as safe HTML,
    nested up to ``MAX_DEPTH`` levels deep, including the session itself. A dict's keys may have any of these types that
    is hashable.

    An instance of a subclass of one of them comes back as that type; any object with ``__html__`` as ``Markup``; and
    a dataclass as a dict of its fields. An aware ``datetime`` keeps its offset but loses the name of its zone.
    Any other value, and any that would not come back equal, raises ``TypeError``.
    """

    def dumps(self, data: Mapping[str, Any], /) -> bytes:
        try:
            # Encoded before anything else walks it, because a walk over data that contains itself would never end.
            text = "".join(_encode(data, 0))
            dicts = dicts_of(data, _LEAVES)
            if dicts and not ("$" in text and _TAG_MARK in text and any(map(_is_like_a_tag, dicts))):
                return text.encode("utf-8", "surrogatepass")
        except (TypeError, ValueError, RecursionError):
            # The few values that C code cannot encode are left to the code below, which refuses what cannot be stored.
            pass
        return written(data, _described).encode("utf-8", "surrogatepass")

    def check(self, key: str, value: Any) -> None:
        """Raise the ``TypeError`` of ``dumps`` if *value* cannot be stored."""
        kind = type(value)
        if kind not in _ALWAYS_STORABLE and not (kind is int and -_WORD < value < _WORD):
            self.dumps({key: value})

    def loads(self, payload: bytes, /) -> dict[str, Any]:
        text = payload.decode("utf-8", "surrogatepass")
        # JSON may have space around a tag, or escape its dollar sign. Most sessions contain no dollar sign and no
        # backslash.
        tagged = ("$" in text and '"$' in text) or ("\\" in text and "\\u0024" in text)
        try:
            data, end = (_decode_tagged if tagged else _decode)(text)
        except RecursionError:
            data, end = _decode_in_loops(text, tagged=tagged)
        except json.JSONDecodeError:
            if not text.startswith(_SPACES):
                raise
            return self.loads(payload.lstrip(b" \t\n\r"))
        except (TypeError, AttributeError, ArithmeticError) as exc:
            raise ValueError(_NOT_OURS) from exc
        if end != len(text) and text[end:].strip(" \t\n\r"):
            msg = "the payload is followed by other data"
            raise ValueError(msg)
        if type(data) is not dict:
            msg = "the payload is not an object"
            raise ValueError(msg)
        if end > SHORT and exceeds_depth(data, payload):
            raise ValueError(TOO_DEEP)
        return data


# Writing. The C encoder usually does everything, and a walk over the containers checks that it can.


def _encoder() -> Callable[[Any, int], Iterable[str]]:
    """Return a function that encodes plain values, and values with a tag of their own, as pieces of compact JSON."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        # Python implementations other than CPython lack it.
        whole = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_leaf).encode
        return lambda value, level: (whole(value),)
    # JSONEncoder.encode creates one in each call, which takes as long as encoding most sessions. The check for circular
    # references is off, because they raise RecursionError anyway.
    pieces: Callable[[Any, int], Iterable[str]] = make(
        None, _leaf, json.encoder.encode_basestring, None, ":", ",", False, False, False
    )
    return pieces


def _leaf(value: Any) -> dict[str, Any]:
    """Return *value* with its tag; raise ``TypeError`` unless its type is exactly one of those in ``_TAGS``."""
    kind = _TAGS.get(type(value))
    if kind is None:
        msg = "JSON has no such type"
        raise TypeError(msg)
    tag, to_json = kind
    return {tag: to_json(value)}


def _described(value: Any) -> Description:
    """Describe how *value* is written; raise ``TypeError`` if it cannot be."""
    describe = _DESCRIBE.get(type(value))
    return _described_by_base(value) if describe is None else describe(value)


def _described_by_base(value: Any) -> Description:
    """Describe a value whose own type is not supported, but may be a subclass of one that is, or convertible."""
    for container in _CONTAINERS:
        if isinstance(value, container):
            return _DESCRIBE[container](value)
    if callable(getattr(value, "__html__", None)):
        return f'{{"$html":{quoted(str(value.__html__()))}}}'
    base = plain(value)
    if type(base) in SCALARS:
        return _DESCRIBE[type(base)](base)
    for tagged in _TAGS:
        if isinstance(value, tagged):
            return _DESCRIBE[tagged](value)
    if is_dataclass(value) and not isinstance(value, type):
        return _dict({field.name: getattr(value, field.name) for field in fields(value)})
    raise TypeError(_REFUSED.format(type(value).__qualname__))


_REFUSED = "it is of type {}. Store plain data (text, numbers, lists, dicts, dates, …) from which it can be recreated"


def _described_hashable(value: Any) -> Description:
    """Describe a key or a set member, which must come back with exactly its own type."""
    if isinstance(value, tuple):
        return _several('{"$tuple":[', value, "]}", _described_hashable)
    if isinstance(value, _KEYS):
        return _described(value)
    raise TypeError(_REFUSED.format(type(value).__qualname__))


def _several(
    opening: str, items: Iterable[Any], closing: str, describe: Callable[[Any], Description] = _described
) -> Nest:
    return Nest(opening, [(place, "", item, "") for place, item in enumerate(items)], closing, describe)


def _dict(value: Mapping[Any, Any]) -> Nest:
    # A list, because the items of some dicts can be iterated only once.
    items = [*value.items()]
    if all(isinstance(key, str) for key, _ in items) and not _is_like_a_tag(dict(items)):
        return Nest("{", [(key, f"{quoted(key)}:", item, "") for key, item in items], "}", _described)
    for key, _ in items:
        if not isinstance(key, _KEYS):
            msg = f"one of its keys is of type {type(key).__qualname__}"
            raise TypeError(msg)
    return Nest('{"$dict":[', _pairs(items), "]}", _described)


class _Key(NamedTuple):
    """A dict's key, which is described by ``_described_hashable``."""

    key: Any


def _pairs(items: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, str, Any, str]]:
    for key, value in items:
        if isinstance(key, str):
            yield key, f"[{quoted(key)},", value, "]"
        else:
            yield key, "[", _Key(key), ""
            yield key, "", value, "]"


def _is_like_a_tag(items: Mapping[str, Any]) -> bool:
    return len(items) == 1 and next(iter(items)).startswith("$")


def _float(value: float) -> str:
    return repr(value) if math.isfinite(value) else f'{{"$float":"{value!r}"}}'


def _datetime(value: datetime) -> str:
    text = datetime.isoformat(value)
    stored = datetime.fromisoformat(text)
    if (value.fold or stored != value) and not _is_same_moment(stored, value):
        msg = "it would come back as a different time. Store it in UTC, without a fold: value.astimezone(UTC)"
        raise TypeError(msg)
    return text


def _is_same_moment(stored: datetime, value: datetime) -> bool:
    # Python never considers times in different zones equal if either falls in an hour that its zone repeats or skips.
    offset = value.utcoffset()
    is_same_wall_clock = stored.replace(tzinfo=None) == value.replace(tzinfo=None)
    return offset is not None and offset == stored.utcoffset() and is_same_wall_clock


def _date(value: date) -> str:
    text = date.isoformat(value)
    if date.fromisoformat(text) != value:
        msg = f"it is of type {type(value).__qualname__}, and would come back as a different day"
        raise TypeError(msg)
    return text


def _time(value: time) -> str:
    text = time.isoformat(value)
    named = value.tzinfo is not None and value.utcoffset() is None
    if named or value.fold or time.fromisoformat(text) != value:
        msg = "it would come back as a different time. Store it without a fold, and the name of its zone separately"
        raise TypeError(msg)
    return text


def _timedelta(value: timedelta) -> list[int]:
    parts = [value.days, value.seconds, value.microseconds]
    if timedelta(*parts) != value:
        msg = f"it is of type {type(value).__qualname__}, and would come back as a different duration"
        raise TypeError(msg)
    return parts


# ``datetime`` comes before ``date``, because it is a subclass.
_TAGS: dict[type, tuple[str, Callable[[Any], Any]]] = {
    datetime: ("$datetime", _datetime),
    date: ("$date", _date),
    time: ("$time", _time),
    timedelta: ("$timedelta", _timedelta),
    UUID: ("$uuid", UUID.__str__),
    Decimal: ("$decimal", Decimal.__str__),
    bytes: ("$bytes", lambda value: b2a_base64(value, newline=False).decode("ascii")),
}

_LEAVES = SCALARS | _TAGS.keys()
_CONTAINERS: tuple[type, ...] = (dict, list, tuple, set, frozenset)

#: The types allowed for keys and set members.
_KEYS: tuple[type, ...] = (*SCALARS, *_TAGS, tuple, frozenset)


def _tagged_leaf(tag: str, to_json: Callable[[Any], Any]) -> Callable[[Any], str]:
    return lambda value: f'{{"{tag}":{json.dumps(to_json(value), separators=(",", ":"))}}}'


_DESCRIBE: dict[type, Callable[[Any], Description]] = {
    str: quoted,
    int: int.__repr__,
    float: _float,
    bool: lambda value: "true" if value else "false",
    type(None): lambda value: "null",
    dict: _dict,
    list: lambda value: _several("[", value, "]"),
    tuple: lambda value: _several('{"$tuple":[', value, "]}"),
    set: lambda value: _several('{"$set":[', value, "]}", _described_hashable),
    frozenset: lambda value: _several('{"$frozenset":[', value, "]}", _described_hashable),
    _Key: lambda value: _described_hashable(value.key),
    **{kind: _tagged_leaf(tag, to_json) for kind, (tag, to_json) in _TAGS.items()},
}

# Types that can always be stored, whatever their content, length or offset.
_ALWAYS_STORABLE = frozenset({str, float, bool, type(None), bytes, date, timedelta, UUID, Decimal})
_WORD = 2**63


# Reading.

_FROM_TAG: dict[str, Callable[[Any], Any]] = {
    "$datetime": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$time": time.fromisoformat,
    "$timedelta": lambda parts: timedelta(*parts),
    "$uuid": UUID,
    "$decimal": Decimal,
    "$float": float,
    "$bytes": a2b_base64,
    "$tuple": tuple,
    "$set": set,
    "$frozenset": frozenset,
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


# The encoder writes these three characters only where an object's first key begins with a dollar sign. Searching for
# the dollar sign alone is much faster, and most sessions contain none.
_TAG_MARK = '{"$'

_SPACES = (" ", "\t", "\n", "\r")

_NOT_OURS = "the payload is not one of ours"

_encode = _encoder()
_decoder = json.JSONDecoder()
_tag_decoder = json.JSONDecoder(object_hook=_untagged)
_decode = _decoder.raw_decode
_decode_tagged = _tag_decoder.raw_decode


def _decode_in_loops(text: str, *, tagged: bool) -> tuple[Any, int]:
    try:
        return read(text, _tag_decoder if tagged else _decoder)
    except (TypeError, AttributeError, ArithmeticError) as exc:
        raise ValueError(_NOT_OURS) from exc
