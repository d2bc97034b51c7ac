"""Represent terms that Python has no type for, and define the format's constants."""

from dataclasses import dataclass
from struct import Struct
from typing import Any, Self

from holdall._depth import MAX_DEPTH

__all__ = [
    "F64",
    "I32",
    "SINGLETONS",
    "TOO_DEEP",
    "U8",
    "U16",
    "U32",
    "VERSION",
    "Atom",
    "AtomKey",
    "BitString",
    "ImproperList",
    "Opaque",
]

#: The first byte of every payload.
VERSION = b"\x83"

U8 = Struct(">B")
U16 = Struct(">H")
U32 = Struct(">I")
I32 = Struct(">i")
F64 = Struct(">d")

# Erlang has no limit, but Python has one.
TOO_DEEP = f"it is nested over {MAX_DEPTH} deep"

_MAX_ATOM_CHARACTERS = 255


class Atom(str):
    """
    An atom: a constant name, such as ``Atom("ok")``.

    It equals its text. ``nil``, ``true`` and ``false`` are ``None``, ``True`` and ``False`` instead.
    """

    __slots__ = ()

    def __new__(cls, name: str) -> Self:
        if len(name) > _MAX_ATOM_CHARACTERS:
            msg = f"an atom has at most {_MAX_ATOM_CHARACTERS} characters, not {len(name)}"
            raise ValueError(msg)
        if name in SINGLETONS:
            msg = f"the atom {name} is {SINGLETONS[name]} in Python"
            raise ValueError(msg)
        return super().__new__(cls, name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})"


class AtomKey(Atom):
    """
    An atom as the key of a map that also has a binary of the same name.

    It equals only another ``AtomKey``, so that a ``dict`` can hold both: ``value["a"]`` is the binary's value, and
    ``value[AtomKey("a")]`` the atom's.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AtomKey) and super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((AtomKey, str(self)))


SINGLETONS = {"nil": None, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class ImproperList:
    """
    A list that does not end in the empty list: ``[1, 2 | 3]`` is ``ImproperList((1, 2), 3)``.

    Attributes:
        heads: The terms before the bar, at least one.
        tail: The term after it, which is not a list.
    """

    heads: tuple[Any, ...]
    tail: Any

    def __post_init__(self) -> None:
        if not self.heads or isinstance(self.tail, (list, ImproperList)):
            msg = "an improper list needs at least one head, and a tail that is not a list"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class BitString:
    """
    Bits that do not fill their last byte: ``<<2::3>>`` is ``BitString(b"@", 3)``.

    Attributes:
        data: The bits, highest first; unused bits of the last byte are 0.
        bits: The number of bits used in the last byte, 1 to 7.
    """

    data: bytes
    bits: int

    def __post_init__(self) -> None:
        if not self.data or not 1 <= self.bits <= 7 or self.data[-1] & (0xFF >> self.bits):
            msg = "a bit string needs at least one byte, 1 to 7 used bits in the last one, and zeros after them"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Opaque:
    """
    A pid or reference, which means something only to its own Erlang node.

    Attributes:
        external: The term as it was read, to be written unchanged.
    """

    external: bytes
