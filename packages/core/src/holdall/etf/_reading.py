"""Read terms."""

import math
import re
from collections.abc import Callable, Mapping
from struct import Struct
from struct import error as StructError  # noqa: N812  # an exception, by any name
from typing import Any

from holdall._depth import MAX_DEPTH
from holdall._inflate import inflate
from holdall.etf._terms import (
    F64,
    I32,
    SINGLETONS,
    TOO_DEEP,
    U8,
    U16,
    U32,
    VERSION,
    Atom,
    AtomKey,
    BitString,
    ImproperList,
    Opaque,
)
from holdall.etf._writing import MapKey, identity

__all__ = ["MAX_BYTES", "loads"]

#: The default maximum length of a payload, measured after decompression. No cookie of an honest application comes near
#: it.
MAX_BYTES = 2**16


def loads(payload: bytes, /, *, max_bytes: int = MAX_BYTES) -> Any:
    """
    Return the term in *payload*. Bytes after it are ignored, as in Erlang.

    Time and memory stay proportional to *max_bytes*, whatever lengths the payload claims.

    Raises:
        ValueError: *payload* is not a term, or is one that is refused because it contains a function or a port, is
            nested more than 512 levels deep, or is longer than *max_bytes*.
    """
    if payload[:1] != VERSION:
        msg = "not an external term: the first byte is not 131"
        raise ValueError(msg)
    try:
        return _read(_unpacked(payload, max_bytes))
    except (IndexError, StructError) as exc:
        raise ValueError(_ENDS_EARLY) from exc
    except UnicodeDecodeError:
        # Python's own error contains the payload.
        msg = "an atom's name is not UTF-8"
        raise ValueError(msg) from None


# A reader takes the bytes and the position of the term's body; it returns the term and the position of the next one.
# The reader of a container returns how many terms are in it, and a function that creates the container from them.

_COMPRESSED = b"P"

_ENDS_EARLY = "the payload ends before the term does"

_Reader = Callable[[bytes, int], tuple[Any, int]]
_Finish = Callable[[list[Any]], Any]
_ContainerReader = Callable[[bytes, int], tuple[int, _Finish, int]]


def _unpacked(payload: bytes, max_bytes: int) -> bytes:
    """Return the bytes of the term itself."""
    if payload[1:2] == _COMPRESSED:
        (size,) = U32.unpack_from(payload, 2)
        if size <= max_bytes:
            data = inflate(payload[2 + U32.size :], at_most=size)
            if len(data) != size:
                msg = "a compressed term does not have the size that it states"
                raise ValueError(msg)
            return data
    else:
        data = payload[1:]
        if len(data) <= max_bytes:
            return data
    msg = f"the term is longer than {max_bytes} bytes"
    raise ValueError(msg)


def _read(data: bytes) -> Any:
    # Incomplete containers: how many terms each has, those already read, and the function that creates it.
    incomplete: list[tuple[int, list[Any], _Finish]] = []
    at = 0
    while True:
        mark = data[at]
        if mark in _CONTAINERS:
            count, finish, at = _CONTAINERS[mark](data, at + 1)
            # A term takes at least a byte, so a false count is detected before anything is allocated.
            if count > len(data) - at:
                raise ValueError(_ENDS_EARLY)
            if count:
                if len(incomplete) >= MAX_DEPTH:
                    raise ValueError(TOO_DEEP)
                incomplete.append((count, [], finish))
                continue
            term = finish([])
        elif mark in _READERS:
            term, at = _READERS[mark](data, at + 1)
        else:
            msg = f"no term has the tag {mark}"
            raise ValueError(msg)
        while incomplete:
            count, terms, finish = incomplete[-1]
            terms.append(term)
            if len(terms) < count:
                break
            incomplete.pop()
            term = finish(terms)
        else:
            return term


def _take(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    end = at + size
    if end > len(data):
        raise ValueError(_ENDS_EARLY)
    return data[at:end], end


def _small_integer(data: bytes, at: int) -> tuple[int, int]:
    return data[at], at + 1


def _integer(data: bytes, at: int) -> tuple[int, int]:
    return I32.unpack_from(data, at)[0], at + 4


def _big(data: bytes, at: int, size: int) -> tuple[int, int]:
    is_negative = data[at]
    digits, at = _take(data, at + 1, size)
    number = int.from_bytes(digits, "little")
    return -number if is_negative else number, at


def _small_big(data: bytes, at: int) -> tuple[int, int]:
    return _big(data, at + 1, data[at])


def _large_big(data: bytes, at: int) -> tuple[int, int]:
    return _big(data, at + 4, U32.unpack_from(data, at)[0])


def _finite(number: float) -> float:
    if not math.isfinite(number):
        msg = "a float is NaN or infinite, which Erlang does not support"
        raise ValueError(msg)
    return number


def _new_float(data: bytes, at: int) -> tuple[float, int]:
    return _finite(F64.unpack_from(data, at)[0]), at + 8


# As printed by "%.20e". Anything after the first zero byte is ignored.
_OLD_FLOAT = re.compile(rb" *([+-]?[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?)(?:\0.*)?", re.DOTALL)


def _old_float(data: bytes, at: int) -> tuple[float, int]:
    text, at = _take(data, at, 31)
    found = _OLD_FLOAT.fullmatch(text)
    if found is None:
        msg = "a float in the old text form is malformed"
        raise ValueError(msg)
    return _finite(float(found[1])), at


def _atom(encoding: str, length: Struct) -> _Reader:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        (size,) = length.unpack_from(data, at)
        name, at = _take(data, at + length.size, size)
        text = name.decode(encoding)
        return SINGLETONS[text] if text in SINGLETONS else Atom(text), at

    return read


def _binary(data: bytes, at: int) -> tuple[str | bytes, int]:
    (size,) = U32.unpack_from(data, at)
    content, at = _take(data, at + 4, size)
    return _text_or_bytes(content), at


def _text_or_bytes(content: bytes) -> str | bytes:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def _bit_string(data: bytes, at: int) -> tuple[Any, int]:
    (size,) = U32.unpack_from(data, at)
    bits = data[at + 4]
    content, at = _take(data, at + 5, size)
    if (not content) != (not bits) or bits > 8:
        msg = "a bit string's number of bits is invalid"
        raise ValueError(msg)
    if bits in (0, 8):
        return _text_or_bytes(content), at
    return BitString(content[:-1] + bytes((content[-1] & ~(0xFF >> bits),)), bits), at


def _string(data: bytes, at: int) -> tuple[list[int], int]:
    (size,) = U16.unpack_from(data, at)
    content, at = _take(data, at + 2, size)
    return list(content), at


def _nil(data: bytes, at: int) -> tuple[list[Any], int]:
    return [], at


def _list(data: bytes, at: int) -> tuple[int, _Finish, int]:
    (count,) = U32.unpack_from(data, at)
    return count + 1, _list_of, at + 4


def _list_of(terms: list[Any]) -> Any:
    tail = terms.pop()
    if isinstance(tail, list):
        return terms + tail
    if isinstance(tail, ImproperList):
        return ImproperList((*terms, *tail.heads), tail.tail)
    return ImproperList(tuple(terms), tail) if terms else tail


def _small_tuple(data: bytes, at: int) -> tuple[int, _Finish, int]:
    return data[at], tuple, at + 1


def _large_tuple(data: bytes, at: int) -> tuple[int, _Finish, int]:
    return U32.unpack_from(data, at)[0], tuple, at + 4


def _map(data: bytes, at: int) -> tuple[int, _Finish, int]:
    return 2 * U32.unpack_from(data, at)[0], _map_of, at + 4


def _map_of(terms: list[Any]) -> dict[Any, Any]:
    keys, values = terms[::2], terms[1::2]
    try:
        found = dict(zip(keys, values, strict=True))
    except (TypeError, RecursionError):
        found = {}
    if len(found) != len(keys):
        found = dict(zip(_distinguished(keys), values, strict=True))
    return found


def _distinguished(keys: list[Any]) -> list[Any]:
    """Return *keys*, with those that a ``dict`` cannot hold together as ``AtomKey`` or ``MapKey``."""
    apart = keys.copy()
    held: dict[Any, Any] = {}
    # Strings and integers are never wrapped.
    for place in sorted(range(len(keys)), key=lambda place: type(keys[place]) not in _PLAIN_KEYS):
        key = _distinct(keys[place], held)
        if key in held:
            msg = "two keys of a map are the same"
            raise ValueError(msg)
        apart[place] = held[key] = key
    return apart


_PLAIN_KEYS = frozenset({str, int})


def _distinct(key: Any, held: Mapping[Any, Any]) -> Any:
    """Return *key* in a form that a ``dict`` can hold along with *held*, if Erlang considers it a different key."""
    try:
        if key not in held or identity(held[key]) == identity(key):
            return key
    except (TypeError, RecursionError):
        # It is unhashable, or nested too deeply to be hashed.
        return MapKey(key)
    return AtomKey(key) if isinstance(key, Atom) else MapKey(key)


def _opaque(rest: int) -> _Reader:
    """Return a reader for a term that consists of a node's name and *rest* bytes."""

    def read(data: bytes, at: int) -> tuple[Opaque, int]:
        _, end = _take(data, _after_node(data, at), rest)
        return Opaque(data[at - 1 : end]), end

    return read


def _reference(creation: int) -> _Reader:
    """Return a reader for references whose node's *creation* has that many bytes."""

    def read(data: bytes, at: int) -> tuple[Opaque, int]:
        (words,) = U16.unpack_from(data, at)
        _, end = _take(data, _after_node(data, at + 2), creation + 4 * words)
        return Opaque(data[at - 1 : end]), end

    return read


def _after_node(data: bytes, at: int) -> int:
    if data[at] not in _ATOMS:
        msg = "a node's name is not an atom"
        raise ValueError(msg)
    return _ATOMS[data[at]](data, at + 1)[1]


def _function(data: bytes, at: int) -> tuple[Any, int]:
    msg = "a function is code, and no session holds code"
    raise ValueError(msg)


def _port(data: bytes, at: int) -> tuple[Any, int]:
    msg = "a port belongs to a running node, and Plug refuses it too"
    raise ValueError(msg)


# There is a fifth tag for atoms, 82 (ATOM_CACHE_REF): an index into a table shared by two connected nodes. It means
# nothing outside of their connection, and Erlang refuses it too.
_ATOMS: dict[int, _Reader] = {
    100: _atom("latin-1", U16),
    115: _atom("latin-1", U8),
    118: _atom("utf-8", U16),
    119: _atom("utf-8", U8),
}

_READERS: dict[int, _Reader] = {
    **_ATOMS,
    70: _new_float,
    77: _bit_string,
    88: _opaque(12),  # a pid
    89: _port,
    90: _reference(4),
    97: _small_integer,
    98: _integer,
    99: _old_float,
    101: _opaque(5),  # a reference
    102: _port,
    103: _opaque(9),  # a pid
    106: _nil,
    107: _string,
    109: _binary,
    110: _small_big,
    111: _large_big,
    112: _function,
    113: _function,
    114: _reference(1),
    117: _function,
    120: _port,
}

_CONTAINERS: dict[int, _ContainerReader] = {104: _small_tuple, 105: _large_tuple, 108: _list, 116: _map}
