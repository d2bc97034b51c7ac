"""JSON as other libraries write it; what it would not give back as it was is refused."""

import json
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["PlainJSON", "from_json", "to_json"]


class PlainJSON:
    """
    JSON with nothing added: text, numbers, ``True``, ``False``, ``None``, lists, and dicts with string keys.

    Args:
        spaces: Write a space after each comma and colon.
        strict: Keep to RFC 8259, in UTF-8. Python's own JSON has ``NaN`` and ``Infinity`` too, and halves of
            surrogate pairs, and writes ASCII.
    """

    def __init__(self, *, spaces: bool = False, strict: bool = False) -> None:
        separators = (", ", ": ") if spaces else (",", ":")
        self._encode = json.JSONEncoder(ensure_ascii=not strict, allow_nan=not strict, separators=separators).encode
        self._decode = json.JSONDecoder(parse_constant=_refused if strict else None).decode

    def dumps(self, data: Mapping[str, Any], /) -> bytes:
        return to_json(data, _plain, self._encode)

    def check(self, key: str, value: Any) -> None:
        """Raise ``TypeError`` if ``dumps`` would for this *value*."""
        self.dumps({key: value})

    def loads(self, payload: bytes, /) -> dict[str, Any]:
        return from_json(payload, self._decode)


def to_json(data: Mapping[str, Any], prepare: Callable[[Any, str], Any], encode: Callable[[Any], str]) -> bytes:
    """
    Return *data* as JSON.

    Args:
        prepare: Returns a value as JSON can write it, or raises a ``TypeError`` that names the path it is given.

    Raises:
        TypeError: A value cannot be stored; the message names its key.
    """

    def encoded(items: Mapping[str, Any]) -> bytes:
        return encode(prepare(items, "session")).encode()

    def fails(key: str) -> bool:
        try:
            encoded({key: data[key]})
        except (ValueError, RecursionError):
            return True
        return False

    try:
        return encoded(data)
    except (ValueError, RecursionError) as exc:
        # A float that is no number, a circle, an endless int: JSON says what and not where.
        culprit = next(filter(fails, data))
        msg = f"session[{culprit!r}] cannot be stored: {exc}"
        raise TypeError(msg) from exc


def from_json(payload: bytes, decode: Callable[[str], Any]) -> dict[str, Any]:
    """
    Return the object that *payload* holds.

    Raises:
        ValueError: It holds none.
    """
    try:
        data = decode(payload.decode())
    except (RecursionError, ArithmeticError) as exc:
        msg = "the payload is nested too deep, or holds a date beyond the calendar"
        raise ValueError(msg) from exc
    if not isinstance(data, dict):
        msg = "the payload is not an object"
        raise ValueError(msg)  # noqa: TRY004  # its type is wrong in JSON, not in Python
    return data


def _plain(value: Any, path: str) -> Any:
    """Return *value* if JSON gives it back as it was."""
    match value:
        case None | bool() | int() | float():
            return value
        case str() if not hasattr(value, "__html__"):
            return value
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    msg = f"{path} cannot be stored: one of its keys is of type {type(key).__qualname__}, not a string."
                    raise TypeError(msg)
                _plain(item, f"{path}[{key!r}]")
            return value
        case list():
            for place, item in enumerate(value):
                _plain(item, f"{path}[{place}]")
            return value
    msg = f"{path} cannot be stored: it is of type {type(value).__qualname__}, which this cookie's JSON has not."
    raise TypeError(msg)


def _refused(constant: str) -> Any:
    msg = f"{constant} is no JSON"
    raise ValueError(msg)
