"""
Erlang's external term format, both ways (https://www.erlang.org/doc/apps/erts/erl_ext_dist).

Each term of Erlang and Elixir has one form in Python:

=========================  =======================================
``nil``, ``true, false``   ``None``, ``True, False``
other atoms                ``Atom``, which is a ``str``
integer, float             ``int``, ``float``
binary                     ``str`` if it is UTF-8, else ``bytes``
bit string                 ``BitString``
tuple                      ``tuple``
list, charlist             ``list``
improper list              ``ImproperList``
map, struct                ``dict``
pid, reference             ``Opaque``
port, function             refused, as Plug refuses them
=========================  =======================================

No term is read as another one. Some maps have keys that differ in Erlang and are equal in Python (an atom and a binary
of the same name, ``1`` and ``1.0``), or that Python cannot hash (a list, a map). A ``dict`` holds those keys as
``AtomKey`` and ``MapKey``. ``bytes`` that would come back as ``str`` cannot be written.

Neither reading nor writing is recursive, so the result does not depend on how deep the caller's stack is.
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from struct import Struct
from struct import error as StructError  # noqa: N812  # an exception, by any name
from typing import Any, Literal, Self

from holdall._inflate import inflate

__all__ = ["MAX_BYTES", "Atom", "AtomKey", "BitString", "ImproperList", "MapKey", "Opaque", "dumps", "loads"]

#: The longest payload that is read unless told otherwise, measured after decompression. No cookie of an
#: honest application comes near it.
MAX_BYTES = 2**16

# Erlang has no limit. Python has one where values are compared or shown, which happens to values of a session: twice as
# deep, repr() would fail below a web framework's stack.
_MAX_DEPTH = 512

_MAX_ATOM_CHARACTERS = 255


class Atom(str):
    """
    An atom: a name that stands for itself, such as ``Atom("ok")``.

    It is equal to its text. ``nil``, ``true`` and ``false`` are ``None``, ``True`` and ``False`` instead.
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
        return f"{type(self).__name__}({super().__repr__()})"


class AtomKey(Atom):
    """
    An atom as the key of a map that also has a binary of the same name.

    It is equal to an ``AtomKey`` only, so that a ``dict`` can hold both: ``value["a"]`` is the binary's value, and
    ``value[AtomKey("a")]`` the atom's.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AtomKey) and super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((AtomKey, str(self)))


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
class MapKey:
    """
    A key that a ``dict`` cannot hold as it is: a list, a map, or ``1.0`` where ``1`` is a key too.

    Two of them are equal if they are one term to Erlang.

    Attributes:
        term: The key as it would be anywhere else.
    """

    term: Any = field(compare=False)
    _identity: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_identity", _identity(self.term))


@dataclass(frozen=True, slots=True)
class Opaque:
    """
    A pid or reference, which means something to its own Erlang node only.

    Attributes:
        external: The term as it came, to be written as it came.
    """

    external: bytes


def loads(payload: bytes, /, *, max_bytes: int = MAX_BYTES) -> Any:
    """
    Return the term that *payload* holds. Bytes after it are ignored, as Erlang does.

    Time and memory stay in proportion to *max_bytes*, whatever lengths the payload claims.

    Raises:
        ValueError: It holds no term, or one that is refused: with a function or a port in it, nested over 512 deep, or
            longer than *max_bytes*.
    """
    if payload[:1] != _VERSION:
        msg = "not an external term: the first byte is not 131"
        raise ValueError(msg)
    try:
        return _read(_unpacked(payload, max_bytes))
    except (IndexError, StructError) as exc:
        raise ValueError(_ENDS_EARLY) from exc
    except UnicodeDecodeError:
        # Python's own error holds the payload.
        msg = "an atom's name is not UTF-8"
        raise ValueError(msg) from None


def dumps(term: Any, /, *, otp: Literal[25, 26] = 26) -> bytes:
    """
    Return *term* as Erlang's ``term_to_binary`` writes it.

    Small maps whose keys are binaries are sorted as Erlang sorts them; all others keep their order.

    Args:
        otp: The release whose atoms are written: 26 writes them in UTF-8, 25 in Latin-1 where it can, which is
            what releases before 26 expect. Either reads both.

    Raises:
        TypeError: *term* or a term in it is not in the table above; the message says where.
    """
    return _dumps(term, otp, as_identity=False)


# Reading. A reader is given the bytes and where the term's body begins; it returns the term and where the next one
# begins. The reader of a container returns how many terms are in it, and what makes the container of these.

_VERSION = b"\x83"
_COMPRESSED = b"P"

_U8 = Struct(">B")
_U16 = Struct(">H")
_U32 = Struct(">I")
_I32 = Struct(">i")
_F64 = Struct(">d")

_ENDS_EARLY = "the term ends before its end"
_TOO_DEEP = f"it is nested over {_MAX_DEPTH} deep"

_Reader = Callable[[bytes, int], tuple[Any, int]]
_Finish = Callable[[list[Any]], Any]
_ContainerReader = Callable[[bytes, int], tuple[int, _Finish, int]]


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


def _read(data: bytes) -> Any:
    # Containers that are not complete: how many terms each has, those that were read, and what makes it of them.
    incomplete: list[tuple[int, list[Any], _Finish]] = []
    at = 0
    while True:
        mark = data[at]
        if mark in _CONTAINERS:
            count, finish, at = _CONTAINERS[mark](data, at + 1)
            # A term has a byte at least, so a false claim is found before anything is made of it.
            if count > len(data) - at:
                raise ValueError(_ENDS_EARLY)
            if count:
                if len(incomplete) >= _MAX_DEPTH:
                    raise ValueError(_TOO_DEEP)
                incomplete.append((count, [], finish))
                continue
            term = finish([])
        elif mark in _READERS:
            term, at = _READERS[mark](data, at + 1)
        else:
            msg = f"no term is marked by {mark}"
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
    return _I32.unpack_from(data, at)[0], at + 4


def _big(data: bytes, at: int, size: int) -> tuple[int, int]:
    is_negative = data[at]
    digits, at = _take(data, at + 1, size)
    number = int.from_bytes(digits, "little")
    return -number if is_negative else number, at


def _small_big(data: bytes, at: int) -> tuple[int, int]:
    return _big(data, at + 1, data[at])


def _large_big(data: bytes, at: int) -> tuple[int, int]:
    return _big(data, at + 4, _U32.unpack_from(data, at)[0])


def _finite(number: float) -> float:
    if not math.isfinite(number):
        msg = "a float is not a number, or infinite, which no float is in Erlang"
        raise ValueError(msg)
    return number


def _new_float(data: bytes, at: int) -> tuple[float, int]:
    return _finite(_F64.unpack_from(data, at)[0]), at + 8


# As "%.20e" prints it. What follows the first zero byte does not count.
_OLD_FLOAT = re.compile(rb" *([+-]?[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?)(?:\0.*)?", re.DOTALL)


def _old_float(data: bytes, at: int) -> tuple[float, int]:
    text, at = _take(data, at, 31)
    found = _OLD_FLOAT.fullmatch(text)
    if found is None:
        msg = "an old float is not written as one"
        raise ValueError(msg)
    return _finite(float(found[1])), at


def _atom(encoding: str, length: Struct) -> _Reader:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        (size,) = length.unpack_from(data, at)
        name, at = _take(data, at + length.size, size)
        text = name.decode(encoding)
        return _SINGLETONS[text] if text in _SINGLETONS else Atom(text), at

    return read


def _binary(data: bytes, at: int) -> tuple[str | bytes, int]:
    (size,) = _U32.unpack_from(data, at)
    content, at = _take(data, at + 4, size)
    return _text_or_bytes(content), at


def _text_or_bytes(content: bytes) -> str | bytes:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def _bit_string(data: bytes, at: int) -> tuple[Any, int]:
    (size,) = _U32.unpack_from(data, at)
    bits = data[at + 4]
    content, at = _take(data, at + 5, size)
    if (not content) != (not bits) or bits > 8:
        msg = "a bit string counts other bits than it has"
        raise ValueError(msg)
    if bits in (0, 8):
        return _text_or_bytes(content), at
    return BitString(content[:-1] + bytes((content[-1] & ~(0xFF >> bits),)), bits), at


def _string(data: bytes, at: int) -> tuple[list[int], int]:
    (size,) = _U16.unpack_from(data, at)
    content, at = _take(data, at + 2, size)
    return list(content), at


def _nil(data: bytes, at: int) -> tuple[list[Any], int]:
    return [], at


def _list(data: bytes, at: int) -> tuple[int, _Finish, int]:
    (count,) = _U32.unpack_from(data, at)
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
    return _U32.unpack_from(data, at)[0], tuple, at + 4


def _map(data: bytes, at: int) -> tuple[int, _Finish, int]:
    return 2 * _U32.unpack_from(data, at)[0], _map_of, at + 4


def _map_of(terms: list[Any]) -> dict[Any, Any]:
    keys, values = terms[::2], terms[1::2]
    try:
        found = dict(zip(keys, values, strict=True))
    except (TypeError, RecursionError):
        found = {}
    if len(found) != len(keys):
        found = dict(zip(_told_apart(keys), values, strict=True))
    return found


def _told_apart(keys: list[Any]) -> list[Any]:
    """Return *keys*, and those that a ``dict`` cannot hold beside the others as ``AtomKey`` or ``MapKey``."""
    apart = keys.copy()
    held: dict[Any, Any] = {}
    # Strings and integers stay what they are, wherever they stand.
    for place in sorted(range(len(keys)), key=lambda place: type(keys[place]) not in _PLAIN_KEYS):
        key = _beside(held, keys[place])
        if key in held:
            msg = "two keys of a map are the same"
            raise ValueError(msg)
        apart[place] = held[key] = key
    return apart


_PLAIN_KEYS = frozenset({str, int})


def _beside(held: Mapping[Any, Any], key: Any) -> Any:
    """Return *key* as a ``dict`` can hold it beside those that are *held* already, if it is another key to Erlang."""
    try:
        if key not in held or _identity(held[key]) == _identity(key):
            return key
    except (TypeError, RecursionError):
        # It cannot be hashed, or is nested too deep to be.
        return MapKey(key)
    return AtomKey(key) if isinstance(key, Atom) else MapKey(key)


def _opaque(rest: int) -> _Reader:
    """Return the reader of a term that is a node's name and *rest* bytes."""

    def read(data: bytes, at: int) -> tuple[Opaque, int]:
        _, end = _take(data, _after_node(data, at), rest)
        return Opaque(data[at - 1 : end]), end

    return read


def _reference(creation: int) -> _Reader:
    """Return the reader of a reference whose node's *creation* has so many bytes."""

    def read(data: bytes, at: int) -> tuple[Opaque, int]:
        (words,) = _U16.unpack_from(data, at)
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


# Writing. A writer adds to *out*; its ``TypeError`` says why and not yet where.

# Up to here Erlang keeps a map sorted. A larger one is hashed, and its order is nothing that we could follow.
_MAX_SORTED_KEYS = 32

_MAX_STRING = 2**16 - 1


# A step of a path: the key or place of a term in its container, or one of these.
_A_KEY = object()
_NO_NAME = object()

_Inside = Iterator[tuple[Any, Any]]


def _dumps(term: Any, otp: int, *, as_identity: bool) -> bytes:
    out = bytearray(_VERSION)
    # Where we are: what is left of each container, and the step that was last made in it.
    left: list[_Inside] = [iter(((_NO_NAME, term),))]
    steps: list[Any] = [_NO_NAME]
    while left:
        for step, each in left[-1]:
            steps[-1] = step
            try:
                inside = _write(out, each, otp, as_identity)
            except TypeError as exc:
                msg = f"{_where(steps[1:])} cannot be stored: {exc}."
                raise TypeError(msg) from exc
            if inside is None:
                continue
            if len(left) > _MAX_DEPTH:
                # All the way down to where it became too deep would be a long way.
                msg = f"{_where(steps[1:2])} cannot be stored: {_TOO_DEEP}."
                raise TypeError(msg)
            left.append(inside)
            steps.append(_NO_NAME)
            break
        else:
            left.pop()
            steps.pop()
    return bytes(out)


def _identity(term: Any) -> bytes:
    """Return bytes that are the same for the same term and for no other."""
    return hashlib.sha256(_dumps(term, 26, as_identity=True)).digest()


def _where(steps: list[Any]) -> str:
    path = "session"
    for step in steps:
        if step is _A_KEY:
            return f"a key of {path}"
        if step is _NO_NAME:
            break
        path += f"[{str(step) if isinstance(step, str) else step!r}]"
    return path


def _write(out: bytearray, term: Any, otp: int, as_identity: bool) -> _Inside | None:
    """Write *term*. Of a container write the head, and return the steps and terms that are to be written after it."""
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
            return _keys_and_values(term, as_identity) if term else None
        case list():
            return _write_list(out, term)
        case tuple():
            out += b"h" + _U8.pack(len(term)) if len(term) < 256 else b"i" + _U32.pack(len(term))
            return enumerate(term) if term else None
        case bytes():
            _write_bytes(out, term)
        case BitString():
            out += b"M" + _U32.pack(len(term.data)) + _U8.pack(term.bits) + term.data
        case ImproperList():
            out += b"l" + _U32.pack(len(term.heads))
            return ((_NO_NAME, each) for each in (*term.heads, term.tail))
        case Opaque():
            out += term.external
        case MapKey() if as_identity:
            # In place of the term, so that keys in keys in keys are not gone through again and again.
            out += term._identity
        case _:
            msg = f"it is of type {type(term).__qualname__}, for which Erlang has no term"
            raise TypeError(msg)
    return None


def _keys_and_values(items: Mapping[Any, Any], as_identity: bool) -> _Inside:
    keys: Iterable[Any] = items
    if as_identity:
        # A map is the same in any order.
        keys = sorted(items, key=_identity)
    elif len(items) <= _MAX_SORTED_KEYS and _JUST_STR.issuperset(map(type, items)):
        # Python compares code points, Erlang the bytes of UTF-8; they agree.
        keys = sorted(items)
    for key in keys:
        yield _A_KEY, key.term if isinstance(key, MapKey) and not as_identity else key
        yield key, items[key]


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


def _write_list(out: bytearray, terms: list[Any]) -> _Inside | None:
    if not terms:
        out += b"j"
    elif len(terms) <= _MAX_STRING and all(type(term) is int and 0 <= term < 256 for term in terms):
        out += b"k" + _U16.pack(len(terms)) + bytes(terms)
    else:
        out += b"l" + _U32.pack(len(terms))
        return chain(enumerate(terms), ((_NO_NAME, []),))
    return None
