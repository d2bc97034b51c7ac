"""
Hide secrets, IDs and session data from the ``repr`` of the values that hold them.

Error reporters print the local variables of a failed call. They print the items of tuples and dicts, and the ``repr``
of everything else, so these values are neither tuples nor dicts, and their ``repr`` is the name of their class.
"""

import traceback
from typing import Any, NoReturn, TypeVar

__all__ = ["HiddenBytes", "Redacted", "redacted", "without_frames"]

Kind = TypeVar("Kind", bound=type)
Failure = TypeVar("Failure", bound=BaseException)


class Redacted:
    """A base class for small values with ``__slots__`` that compare by their fields and hide them in their ``repr``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Redacted) or self._fields() != other._fields():
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self._fields())

    __hash__ = None  # type: ignore[assignment]  # it must not become a key

    def __reduce__(self) -> NoReturn:
        msg = f"a {type(self).__name__} contains secrets or session data and must not be pickled."
        raise TypeError(msg)

    @classmethod
    def _fields(cls) -> tuple[str, ...]:
        return tuple(name for kind in reversed(cls.__mro__) for name in kind.__dict__.get("__slots__", ()))

    def changed(self, **fields: Any) -> Any:
        """Return a copy with these *fields*."""
        copy = object.__new__(type(self))
        for name in self._fields():
            object.__setattr__(copy, name, fields[name] if name in fields else getattr(self, name))
        return copy


class HiddenBytes(bytes):
    """A secret header value, such as Cookie's: like any other ``bytes``, except that its ``repr`` hides it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<hidden>"


def redacted(kind: Kind) -> Kind:
    """Change a class so that the ``repr`` of its instances shows only the class's name."""

    def name_only(value: Any) -> str:
        return f"<{type(value).__name__}>"

    kind.__repr__ = name_only  # type: ignore[assignment]  # checkers allow no assignment to a method
    return kind


def without_frames(failure: Failure) -> Failure:
    """Return *failure* after clearing the local variables in its traceback and in those of its cause and context."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [failure]
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        traceback.clear_frames(each.__traceback__)
        todo += (each.__cause__, each.__context__)
    return failure
