"""Read and write JSON as other libraries do, without our tags."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from holdall._iterative_json import (
    SCALARS,
    SHORT,
    TOO_DEEP,
    Description,
    Nest,
    dicts_of,
    exceeds_depth,
    key_text,
    plain,
    read,
    written,
)

__all__ = ["PlainJSON", "from_json", "to_json"]


class PlainJSON:
    """
    A serializer for plain JSON: text, numbers, ``True``, ``False``, ``None``, lists, and dicts with string keys.

    Args:
        spaces: Whether to write a space after each comma and colon.
        strict: Whether to follow RFC 8259, in UTF-8. Python's own JSON also allows ``NaN``, ``Infinity`` and unpaired
            surrogates, and writes ASCII.
        alters: Whether to write what Python's own JSON writes: a tuple as a list, a numeric key as text. Otherwise
            these raise ``TypeError``, because they would come back as something else.
    """

    def __init__(self, *, spaces: bool = False, strict: bool = False, alters: bool = False) -> None:
        separators = (", ", ": ") if spaces else (",", ":")
        self._encode = json.JSONEncoder(ensure_ascii=not strict, allow_nan=not strict, separators=separators).encode
        self._decoder = json.JSONDecoder(parse_constant=_refused if strict else None)
        self._strict = strict
        self._alters = alters

    def dumps(self, data: Mapping[str, Any], /) -> bytes:
        return to_json(data, self._encode, self._is_written, self._described)

    def check(self, key: str, value: Any) -> None:
        """Raise ``TypeError`` if ``dumps`` would for this *value*."""
        self.dumps({key: value})

    def loads(self, payload: bytes, /) -> dict[str, Any]:
        return from_json(payload, self._decoder)

    def _is_written(self, data: Mapping[str, Any], text: str) -> bool:
        if self._alters:
            return len(text) <= SHORT or not exceeds_depth(data, text.encode())
        return bool(dicts_of(data, SCALARS)) and "\\ud" not in text

    def _described(self, value: Any) -> Description:
        match value:
            case dict():
                return Nest("{", [(key, self._key(key), item, "") for key, item in value.items()], "}", self._described)
            case list() | tuple() if self._alters or isinstance(value, list):
                return Nest("[", [(place, "", item, "") for place, item in enumerate(value)], "]", self._described)
            case str() if self._alters or not hasattr(value, "__html__"):
                return self._text(str.__str__(value if self._alters else plain(value)))
            case None | bool() | int() | float():
                return json.dumps(value if self._alters else plain(value), allow_nan=not self._strict)
        msg = f"it is of type {type(value).__qualname__}, which this cookie's JSON cannot hold"
        raise TypeError(msg)

    def _key(self, key: Any) -> str:
        if self._alters or isinstance(key, str):
            return f"{self._text(key_text(key))}:"
        msg = f"one of its keys is of type {type(key).__qualname__}, not a string"
        raise TypeError(msg)

    def _text(self, value: str) -> str:
        text = json.dumps(value, ensure_ascii=not self._strict)
        if self._strict:
            # Raises an error for an unpaired surrogate.
            text.encode()
        elif not self._alters and "\\ud" in text and json.loads(text) != value:
            msg = "it contains two halves of a surrogate pair, which JSON joins into one character"
            raise TypeError(msg)
        return text


def to_json(
    data: Mapping[str, Any],
    encode: Callable[[Any], str],
    is_written: Callable[[Mapping[str, Any], str], bool],
    describe: Callable[[Any], Description],
) -> bytes:
    """
    Return *data* as JSON.

    Args:
        encode: Encodes it in C.
        is_written: Returns whether the output of *encode* can be used.
        describe: Describes how to write each value otherwise.

    Raises:
        TypeError: A value cannot be stored; the message names its key and path.
    """
    try:
        text = encode(data)
        if is_written(data, text):
            return text.encode()
    except (TypeError, ValueError, RecursionError):
        # The code below finds out which value it was, and whether it can be written after all.
        pass
    return written(data, describe).encode()


def from_json(payload: bytes, decoder: json.JSONDecoder) -> dict[str, Any]:
    """
    Return the object in *payload*.

    Raises:
        ValueError: *payload* does not contain an object.
    """
    text = payload.decode()
    try:
        data = _decoded(text, decoder)
    except (TypeError, ArithmeticError) as exc:
        msg = "the payload contains a date out of range, or a tag on the wrong type of value"
        raise ValueError(msg) from exc
    if not isinstance(data, dict):
        msg = "the payload is not an object"
        raise ValueError(msg)  # noqa: TRY004  # its type is wrong in JSON, not in Python
    if len(payload) > SHORT and exceeds_depth(data, payload):
        raise ValueError(TOO_DEEP)
    return data


def _decoded(text: str, decoder: json.JSONDecoder) -> Any:
    text = text.strip(" \t\n\r")
    try:
        data, end = decoder.raw_decode(text)
    except RecursionError:
        data, end = read(text, decoder)
    if end != len(text):
        msg = "the payload is followed by other data"
        raise ValueError(msg)
    return data


def _refused(constant: str) -> Any:
    msg = f"{constant} is not JSON"
    raise ValueError(msg)
