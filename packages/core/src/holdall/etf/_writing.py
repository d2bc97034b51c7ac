"""Write terms, and compare keys by their written form."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

from holdall._depth import MAX_DEPTH
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
    BitString,
    ImproperList,
    Opaque,
)

__all__ = ["MapKey", "dumps", "identity"]


@dataclass(frozen=True, slots=True)
class MapKey:
    """
    A key that a ``dict`` cannot hold directly: a list, a map, or ``1.0`` if ``1`` is a key too.

    Two of them are equal if Erlang considers them the same term.

    Attributes:
        term: The key itself.
    """

    term: Any = field(compare=False)
    _identity: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_identity", identity(self.term))


def dumps(term: Any, /, *, otp: Literal[25, 26] = 26) -> bytes:
    """
    Encode *term* as Erlang's ``term_to_binary`` does.

    Small maps with only binary keys are sorted as Erlang sorts them; all others keep their order.

    Args:
        otp: The Erlang/OTP release to write atoms for: 26 writes them in UTF-8, 25 in Latin-1 if possible, which
            releases before 26 expect. Both can read either.

    Raises:
        TypeError: *term* or a part of it is not in the table of ``holdall.etf``; the message says where.
    """
    return _dumps(term, otp, as_identity=False)


# A writer appends to *out*; its ``TypeError`` says why, but not yet where.

# Erlang sorts maps up to this size. Larger ones are hashed, and we cannot reproduce their order.
_MAX_SORTED_KEYS = 32

_MAX_STRING = 2**16 - 1


# A step of a path: the key or index of a term in its container, or one of these.
_A_KEY = object()
_NO_NAME = object()

_Inside = Iterator[tuple[Any, Any]]


def _dumps(term: Any, otp: int, *, as_identity: bool) -> bytes:
    out = bytearray(VERSION)
    # The current position: the remaining items of each container, and the last step taken in it.
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
            if len(left) > MAX_DEPTH:
                # Only the key, because the whole path would be very long.
                msg = f"{_where(steps[1:2])} cannot be stored: {TOO_DEEP}."
                raise TypeError(msg)
            left.append(inside)
            steps.append(_NO_NAME)
            break
        else:
            left.pop()
            steps.pop()
    return bytes(out)


def identity(term: Any) -> bytes:
    """Return bytes that are identical for the same term and no other."""
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
    """Write *term*. For a container, write the header, and return the steps and terms to write after it."""
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
                msg = "it is NaN or infinite, which Erlang does not support"
                raise TypeError(msg)
            out += b"F" + F64.pack(term)
        case dict():
            out += b"t" + U32.pack(len(term))
            return _keys_and_values(term, as_identity) if term else None
        case list():
            return _write_list(out, term)
        case tuple():
            out += b"h" + U8.pack(len(term)) if len(term) < 256 else b"i" + U32.pack(len(term))
            return enumerate(term) if term else None
        case bytes():
            _write_bytes(out, term)
        case BitString():
            out += b"M" + U32.pack(len(term.data)) + U8.pack(term.bits) + term.data
        case ImproperList():
            out += b"l" + U32.pack(len(term.heads))
            return ((_NO_NAME, each) for each in (*term.heads, term.tail))
        case Opaque():
            out += term.external
        case MapKey() if as_identity:
            # Used instead of the term, so that nested keys are not traversed again and again.
            out += term._identity
        case _:
            msg = f"it is of type {type(term).__qualname__}, for which Erlang has no term"
            raise TypeError(msg)
    return None


def _keys_and_values(items: Mapping[Any, Any], as_identity: bool) -> _Inside:
    keys: Iterable[Any] = items
    if as_identity:
        # Maps are equal in any order.
        keys = sorted(items, key=identity)
    elif len(items) <= _MAX_SORTED_KEYS and _JUST_STR.issuperset(map(type, items)):
        # Python compares code points and Erlang the bytes of UTF-8; the orders agree.
        keys = sorted(items)
    for key in keys:
        yield _A_KEY, key.term if isinstance(key, MapKey) and not as_identity else key
        yield key, items[key]


_JUST_STR = frozenset({str})
_NAMES = {value: name for name, value in SINGLETONS.items()}


def _write_atom(out: bytearray, name: str, otp: int) -> None:
    if otp < 26:
        try:
            latin = name.encode("latin-1")
        except UnicodeEncodeError:
            pass
        else:
            out += b"d" + U16.pack(len(latin)) + latin
            return
    encoded = _utf8(name)
    out += b"w" + U8.pack(len(encoded)) if len(encoded) < 256 else b"v" + U16.pack(len(encoded))
    out += encoded


def _write_text(out: bytearray, text: str) -> None:
    if hasattr(text, "__html__"):
        msg = "it is text marked as safe HTML, and would lose the mark; store str() of it"
        raise TypeError(msg)
    encoded = _utf8(text)
    out += b"m" + U32.pack(len(encoded)) + encoded


def _write_bytes(out: bytearray, content: bytes) -> None:
    try:
        content.decode()
    except UnicodeDecodeError:
        out += b"m" + U32.pack(len(content)) + content
        return
    msg = "these bytes are UTF-8 and would come back as str; store the str"
    raise TypeError(msg)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        msg = "the text contains half of a surrogate pair, which is not a character"
        raise TypeError(msg) from exc


def _write_integer(out: bytearray, number: int) -> None:
    if 0 <= number < 256:
        out += b"a" + U8.pack(number)
    elif -(2**31) <= number < 2**31:
        out += b"b" + I32.pack(number)
    else:
        size = (abs(number).bit_length() + 7) // 8
        out += b"n" + U8.pack(size) if size < 256 else b"o" + U32.pack(size)
        out += U8.pack(number < 0) + abs(number).to_bytes(size, "little")


def _write_list(out: bytearray, terms: list[Any]) -> _Inside | None:
    if not terms:
        out += b"j"
    elif len(terms) <= _MAX_STRING and all(type(term) is int and 0 <= term < 256 for term in terms):
        out += b"k" + U16.pack(len(terms)) + bytes(terms)
    else:
        out += b"l" + U32.pack(len(terms))
        return chain(enumerate(terms), ((_NO_NAME, []),))
    return None
