"""
Erlang's external term format, both ways (https://www.erlang.org/doc/apps/erts/erl_ext_dist).

What Erlang and Elixir make of a term, and what it is here:

=========================  =======================================
``nil``, ``true, false``   ``None``, ``True, False``
other atoms                ``Atom``, which is a ``str``
integer, float             ``int``, ``float``
binary                     ``str`` if it is UTF-8, else ``bytes``
bit string                 ``BitString``
tuple                      ``tuple``
list, charlist             ``list``
improper list              ``ImproperList``
map                        ``dict``
pid, port, reference       ``Opaque``
function                   refused, for it is code
=========================  =======================================

Nothing is read as something else: a map whose keys are different in Erlang and the same in Python (``1`` and ``1.0``)
is refused, and so are ``bytes`` to write that would come back as ``str``.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from struct import Struct
from struct import error as StructError  # noqa: N812  # an exception, by any name
from typing import Any, Literal, Self

from holdall._inflate import inflate

__all__ = ["MAX_BYTES", "Atom", "BitString", "ImproperList", "Opaque", "dumps", "loads"]

#: The longest payload that is read unless told otherwise, measured after decompression. No cookie of an
#: honest application comes near it.
MAX_BYTES = 2**16

# Deeper than any session, and far from Python's own limit even below a web framework's stack.
_MAX_DEPTH = 128

_MAX_ATOM_CHARACTERS = 255


class Atom(str):
    """
    An atom: a name that stands for itself, such as ``Atom("ok")``.

    It compares as the text it is. ``nil``, ``true`` and ``false`` are ``None``, ``True`` and ``False`` instead.
    """

    __slots__ = ()

    def __new__(cls, name: str) -> Self:
        if len(name) > _MAX_ATOM_CHARACTERS:
            msg = f"an atom has {_MAX_ATOM_CHARACTERS} characters at most, not {len(name)}"
            raise ValueError(msg)
        if name in _SINGLETONS:
            msg = f"the atom {name} is {_SINGLETONS[name]} in Python"
            raise ValueError(msg)
        return super().__new__(cls, name)

    def __repr__(self) -> str:
        return f"Atom({super().__repr__()})"


_SINGLETONS = {"nil": None, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class ImproperList:
    """
    A list that does not end in the empty list: ``[1, 2 | 3]`` is ``ImproperList((1, 2), 3)``.

    Attributes:
        heads: What stands before the bar, one term at least.
        tail: What stands after it, not a list.
    """

    heads: tuple[Any, ...]
    tail: Any

    def __post_init__(self) -> None:
        if not self.heads or isinstance(self.tail, (list, ImproperList)):
            msg = "an improper list has a head at least, and a tail that is not a list"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class BitString:
    """
    Bits that do not fill their last byte: ``<<2::3>>`` is ``BitString(b"@", 3)``.

    Attributes:
        data: The bits from the highest down; those of the last byte that don't count are 0.
        bits: How many bits of the last byte count, 1 to 7.
    """

    data: bytes
    bits: int

    def __post_init__(self) -> None:
        if not self.data or not 1 <= self.bits <= 7 or self.data[-1] & (0xFF >> self.bits):
            msg = "a bit string has a byte at least, of the last one 1 to 7 bits, and zeros after them"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Opaque:
    """
    A pid, port or reference, which means something to its own Erlang node only.

    Attributes:
        external: The term as it came, to be written as it came.
    """

    external: bytes


def loads(payload: bytes, /, *, max_bytes: int = MAX_BYTES) -> Any:
    """
    Return the term that *payload* holds. Bytes after it are ignored, as Erlang does.

    Time and memory stay in proportion to *max_bytes*, whatever lengths the payload claims.

    Raises:
        ValueError: It holds no term, or one that is refused: with a function in it, nested over 128 deep, or
            longer than *max_bytes*.
    """
    if payload[:1] != _VERSION:
        msg = "not an external term: the first byte is not 131"
        raise ValueError(msg)
    try:
        term, _ = _read(_unpacked(payload, max_bytes), 0, 0)
    except (IndexError, StructError) as exc:
        raise ValueError(_ENDS_EARLY) from exc
    except UnicodeDecodeError:
        # Python's own error holds the payload.
        msg = "an atom's name is not UTF-8"
        raise ValueError(msg) from None
    except RecursionError as exc:
        raise ValueError(_TOO_DEEP) from exc
    return term


def dumps(term: Any, /, *, otp: Literal[25, 26] = 26) -> bytes:
    """
    Return *term* as Erlang's ``term_to_binary`` writes it.

    Small maps whose keys are binaries are sorted as Erlang sorts them; all others keep their order.

    Args:
        otp: The release whose atoms are written: 26 writes them in UTF-8, 25 in Latin-1 where it can, which is
            what releases before 26 expect. Either reads both.

    Raises:
        TypeError: *term* or something in it is not in the table above; the message says where.
    """
    out = bytearray(_VERSION)
    try:
        _write(out, term, 0, otp)
    except (TypeError, RecursionError) as exc:
        reason = _TOO_DEEP if isinstance(exc, RecursionError) else str(exc)
        # All the way down to where it became too deep would be a long way.
        where = _where(term, otp, steps=1 if reason == _TOO_DEEP else _MAX_DEPTH)
        msg = f"{where} cannot be stored: {reason}."
        raise TypeError(msg) from exc
    return bytes(out)


# Reading. A reader is given the bytes, where the term's body begins, and how deep it stands; it returns the term and
# where the next one begins.

_VERSION = b"\x83"
_COMPRESSED = b"P"

_U8 = Struct(">B")
_U16 = Struct(">H")
_U32 = Struct(">I")
_I32 = Struct(">i")
_F64 = Struct(">d")

_ENDS_EARLY = "the term ends before its end"
_TOO_DEEP = f"it is nested over {_MAX_DEPTH} deep"

_Reader = Callable[[bytes, int, int], tuple[Any, int]]


def _unpacked(payload: bytes, max_bytes: int) -> bytes:
    """Return the bytes of the term itself."""
    if payload[1:2] == _COMPRESSED:
        (size,) = _U32.unpack_from(payload, 2)
        if size <= max_bytes:
            data = inflate(payload[2 + _U32.size :], at_most=size)
            if len(data) != size:
                msg = "a compressed term has another size than it says"
                raise ValueError(msg)
            return data
    else:
        data = payload[1:]
        if len(data) <= max_bytes:
            return data
    msg = f"the term is longer than {max_bytes} bytes"
    raise ValueError(msg)


def _read(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    reader = _READERS.get(data[at])
    if reader is None:
        msg = f"no term is marked by {data[at]}"
        raise ValueError(msg)
    return reader(data, at + 1, depth)


def _take(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    end = at + size
    if end > len(data):
        raise ValueError(_ENDS_EARLY)
    return data[at:end], end


def _terms(data: bytes, at: int, count: int, depth: int) -> tuple[list[Any], int]:
    # A term has a byte at least, so a claim can be seen through before anything is made of it.
    if count > len(data) - at:
        raise ValueError(_ENDS_EARLY)
    if depth >= _MAX_DEPTH:
        raise ValueError(_TOO_DEEP)
    terms = []
    for _ in range(count):
        term, at = _read(data, at, depth + 1)
        terms.append(term)
    return terms, at


def _small_integer(data: bytes, at: int, depth: int) -> tuple[int, int]:
    return data[at], at + 1


def _integer(data: bytes, at: int, depth: int) -> tuple[int, int]:
    return _I32.unpack_from(data, at)[0], at + 4


def _big(data: bytes, at: int, size: int) -> tuple[int, int]:
    sign = data[at]
    digits, at = _take(data, at + 1, size)
    if sign > 1:
        msg = f"the sign of a number is 0 or 1, not {sign}"
        raise ValueError(msg)
    number = int.from_bytes(digits, "little")
    return -number if sign else number, at


def _small_big(data: bytes, at: int, depth: int) -> tuple[int, int]:
    return _big(data, at + 1, data[at])


def _large_big(data: bytes, at: int, depth: int) -> tuple[int, int]:
    return _big(data, at + 4, _U32.unpack_from(data, at)[0])


def _finite(number: float) -> float:
    if not math.isfinite(number):
        msg = "a float is not a number, or infinite, which no float is in Erlang"
        raise ValueError(msg)
    return number


def _new_float(data: bytes, at: int, depth: int) -> tuple[float, int]:
    return _finite(_F64.unpack_from(data, at)[0]), at + 8


# As "%.20e" prints it, zeros after it.
_OLD_FLOAT = re.compile(rb" *([+-]?[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?)\0*")


def _old_float(data: bytes, at: int, depth: int) -> tuple[float, int]:
    text, at = _take(data, at, 31)
    found = _OLD_FLOAT.fullmatch(text)
    if found is None:
        msg = "an old float is not written as one"
        raise ValueError(msg)
    return _finite(float(found[1])), at


def _atom(encoding: str, length: Struct) -> _Reader:
    def read(data: bytes, at: int, depth: int) -> tuple[Any, int]:
        (size,) = length.unpack_from(data, at)
        name, at = _take(data, at + length.size, size)
        text = name.decode(encoding)
        return _SINGLETONS[text] if text in _SINGLETONS else Atom(text), at

    return read


def _binary(data: bytes, at: int, depth: int) -> tuple[str | bytes, int]:
    (size,) = _U32.unpack_from(data, at)
    content, at = _take(data, at + 4, size)
    return _text_or_bytes(content), at


def _text_or_bytes(content: bytes) -> str | bytes:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def _bit_string(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    (size,) = _U32.unpack_from(data, at)
    bits = data[at + 4]
    content, at = _take(data, at + 5, size)
    if not content or bits > 8:
        msg = "a bit string counts other bits than it has"
        raise ValueError(msg)
    if bits == 8:
        return _text_or_bytes(content), at
    return BitString(content[:-1] + bytes((content[-1] & ~(0xFF >> bits),)), bits), at


def _string(data: bytes, at: int, depth: int) -> tuple[list[int], int]:
    (size,) = _U16.unpack_from(data, at)
    content, at = _take(data, at + 2, size)
    return list(content), at


def _nil(data: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    return [], at


def _list(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    (count,) = _U32.unpack_from(data, at)
    heads, at = _terms(data, at + 4, count, depth)
    tail, at = _read(data, at, depth + 1)
    if isinstance(tail, list):
        return heads + tail, at
    if isinstance(tail, ImproperList):
        return ImproperList((*heads, *tail.heads), tail.tail), at
    return ImproperList(tuple(heads), tail) if heads else tail, at


def _small_tuple(data: bytes, at: int, depth: int) -> tuple[tuple[Any, ...], int]:
    terms, at = _terms(data, at + 1, data[at], depth)
    return tuple(terms), at


def _large_tuple(data: bytes, at: int, depth: int) -> tuple[tuple[Any, ...], int]:
    terms, at = _terms(data, at + 4, _U32.unpack_from(data, at)[0], depth)
    return tuple(terms), at


def _map(data: bytes, at: int, depth: int) -> tuple[dict[Any, Any], int]:
    (count,) = _U32.unpack_from(data, at)
    terms, at = _terms(data, at + 4, 2 * count, depth)
    try:
        found = dict(zip(terms[::2], terms[1::2], strict=True))
    except TypeError as exc:
        msg = "a map has a list or a map in a key, which Python cannot hold"
        raise ValueError(msg) from exc
    if len(found) != count:
        msg = "two keys of a map are the same"
        raise ValueError(msg)
    return found, at


def _opaque(rest: int) -> _Reader:
    """Return the reader of a term that is a node's name and *rest* bytes."""

    def read(data: bytes, at: int, depth: int) -> tuple[Opaque, int]:
        _, end = _take(data, _after_node(data, at), rest)
        return Opaque(data[at - 1 : end]), end

    return read


def _reference(creation: int) -> _Reader:
    """Return the reader of a reference whose node's *creation* has so many bytes."""

    def read(data: bytes, at: int, depth: int) -> tuple[Opaque, int]:
        (words,) = _U16.unpack_from(data, at)
        _, end = _take(data, _after_node(data, at + 2), creation + 4 * words)
        return Opaque(data[at - 1 : end]), end

    return read


def _after_node(data: bytes, at: int) -> int:
    if data[at] not in _ATOMS:
        msg = "a node's name is not an atom"
        raise ValueError(msg)
    return _read(data, at, 0)[1]


def _function(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    msg = "a function is code, and no session holds code"
    raise ValueError(msg)


# There is a fifth mark of atoms, 82 (ATOM_CACHE_REF): it counts into a table that only two connected nodes share, so
# that outside of their connection nobody can read it, and Erlang refuses it too.
_ATOMS: dict[int, _Reader] = {
    100: _atom("latin-1", _U16),
    115: _atom("latin-1", _U8),
    118: _atom("utf-8", _U16),
    119: _atom("utf-8", _U8),
}

_READERS: dict[int, _Reader] = {
    **_ATOMS,
    70: _new_float,
    77: _bit_string,
    88: _opaque(12),  # a pid
    89: _opaque(8),  # a port
    90: _reference(4),
    97: _small_integer,
    98: _integer,
    99: _old_float,
    101: _opaque(5),  # a reference
    102: _opaque(5),  # a port
    103: _opaque(9),  # a pid
    104: _small_tuple,
    105: _large_tuple,
    106: _nil,
    107: _string,
    108: _list,
    109: _binary,
    110: _small_big,
    111: _large_big,
    112: _function,
    113: _function,
    114: _reference(1),
    116: _map,
    117: _function,
    120: _opaque(12),  # a port
}


# Writing. A writer adds to *out*; its ``TypeError`` says why and not yet where.

# Up to here Erlang keeps a map sorted. A larger one is hashed, and its order is nothing that we could follow.
_MAX_SORTED_KEYS = 32

_MAX_STRING = 2**16 - 1


def _write(out: bytearray, term: Any, depth: int, otp: int) -> None:
    match term:
        case Atom():
            _write_atom(out, str(term), otp)
        case str():
            _write_text(out, term)
        case None | True | False:
            _write_atom(out, _NAMES[term], otp)
        case int():
            _write_integer(out, int(term))
        case float():
            if not math.isfinite(term):
                msg = "it is not a number, or infinite, which no float is in Erlang"
                raise TypeError(msg)
            out += b"F" + _F64.pack(term)
        case dict():
            out += b"t" + _U32.pack(len(term))
            _write_all(out, _in_order(term), depth, otp)
        case list():
            _write_list(out, term, depth, otp)
        case tuple():
            out += b"h" + _U8.pack(len(term)) if len(term) < 256 else b"i" + _U32.pack(len(term))
            _write_all(out, term, depth, otp)
        case bytes():
            _write_bytes(out, term)
        case BitString():
            out += b"M" + _U32.pack(len(term.data)) + _U8.pack(term.bits) + term.data
        case ImproperList():
            out += b"l" + _U32.pack(len(term.heads))
            _write_all(out, (*term.heads, term.tail), depth, otp)
        case Opaque():
            out += term.external
        case _:
            msg = f"it is of type {type(term).__qualname__}, for which Erlang has no term"
            raise TypeError(msg)


def _write_all(out: bytearray, terms: Iterable[Any], depth: int, otp: int) -> None:
    if depth >= _MAX_DEPTH:
        raise TypeError(_TOO_DEEP)
    for term in terms:
        _write(out, term, depth + 1, otp)


def _in_order(items: Mapping[Any, Any]) -> Iterable[Any]:
    """Return keys and values in turn."""
    keys: Iterable[Any] = items
    if len(items) <= _MAX_SORTED_KEYS and _JUST_STR.issuperset(map(type, items)):
        # Python compares code points, Erlang the bytes of UTF-8; they agree.
        keys = sorted(items)
    return (term for key in keys for term in (key, items[key]))


_JUST_STR = frozenset({str})
_NAMES = {value: name for name, value in _SINGLETONS.items()}


def _write_atom(out: bytearray, name: str, otp: int) -> None:
    if otp < 26:
        try:
            latin = name.encode("latin-1")
        except UnicodeEncodeError:
            pass
        else:
            out += b"d" + _U16.pack(len(latin)) + latin
            return
    encoded = _utf8(name)
    out += b"w" + _U8.pack(len(encoded)) if len(encoded) < 256 else b"v" + _U16.pack(len(encoded))
    out += encoded


def _write_text(out: bytearray, text: str) -> None:
    if hasattr(text, "__html__"):
        msg = "it is text marked as safe HTML, a mark that it would lose; store str() of it"
        raise TypeError(msg)
    encoded = _utf8(text)
    out += b"m" + _U32.pack(len(encoded)) + encoded


def _write_bytes(out: bytearray, content: bytes) -> None:
    try:
        content.decode()
    except UnicodeDecodeError:
        out += b"m" + _U32.pack(len(content)) + content
        return
    msg = "these bytes are UTF-8 and would come back as str; store the str"
    raise TypeError(msg)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        msg = "the text holds half of a surrogate pair, which is no character"
        raise TypeError(msg) from exc


def _write_integer(out: bytearray, number: int) -> None:
    if 0 <= number < 256:
        out += b"a" + _U8.pack(number)
    elif -(2**31) <= number < 2**31:
        out += b"b" + _I32.pack(number)
    else:
        size = (abs(number).bit_length() + 7) // 8
        out += b"n" + _U8.pack(size) if size < 256 else b"o" + _U32.pack(size)
        out += _U8.pack(number < 0) + abs(number).to_bytes(size, "little")


def _write_list(out: bytearray, terms: list[Any], depth: int, otp: int) -> None:
    if not terms:
        out += b"j"
    elif len(terms) <= _MAX_STRING and all(type(term) is int and 0 <= term < 256 for term in terms):
        out += b"k" + _U16.pack(len(terms)) + bytes(terms)
    else:
        out += b"l" + _U32.pack(len(terms))
        _write_all(out, terms, depth, otp)
        out += b"j"


def _where(term: Any, otp: int, *, steps: int, path: str = "session", depth: int = 0) -> str:
    """Return the path of what cannot be written in *term*, *steps* of it at most."""

    def fails(child: Any) -> bool:
        try:
            _write(bytearray(), child, depth + 1, otp)
        except (TypeError, RecursionError):
            return True
        return False

    inside: Iterable[tuple[Any, Any]] = ()
    if isinstance(term, dict):
        if any(map(fails, term)):
            return f"a key of {path}"
        inside = term.items()
    elif isinstance(term, (list, tuple)):
        inside = enumerate(term)
    for step, child in inside if depth < steps else ():
        if fails(child):
            name = str(step) if isinstance(step, str) else step
            return _where(child, otp, steps=steps, path=f"{path}[{name!r}]", depth=depth + 1)
    return path
