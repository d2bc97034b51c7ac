"""A mapping that is a ``dict`` to those who insist on one, as JSON encoders do, though its items are kept elsewhere."""

from collections.abc import Iterator, Mapping, MutableMapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

__all__ = ["AsDict"]

# As a key it makes the dict itself look filled. An encoder written in C asks no further where that is empty, and else
# asks for items(), since this is no plain dict.
_ELSEWHERE = object()

if TYPE_CHECKING:
    AsDict = MutableMapping[str, Any]
else:

    class AsDict(MutableMapping, dict):
        """The base of a mapping that has the mapping's own five methods, and is a dict besides."""

        __slots__ = ()

        def __init__(self) -> None:
            dict.__setitem__(self, _ELSEWHERE, None)

        # What a dict can do and a mapping can't, or does in another order.

        def copy(self) -> dict[str, Any]:
            return dict(self)

        # A copy is a plain dict, so that the application can keep it and encode it.

        def __copy__(self) -> dict[str, Any]:
            return dict(self)

        def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
            return deepcopy(dict(self), memo)

        def __reduce_ex__(self, protocol: Any) -> Any:
            msg = f"a {type(self).__name__} is of one request and cannot be pickled: use dict(session)."
            raise TypeError(msg)

        def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
            return dict(self) | dict(other)

        def __ror__(self, other: Mapping[str, Any]) -> dict[str, Any]:
            return dict(other) | dict(self)

        def popitem(self) -> tuple[str, Any]:
            for key in reversed(self):
                return key, self.pop(key)
            msg = "popitem(): there is no item"
            raise KeyError(msg)

        def __reversed__(self) -> Iterator[str]:
            return reversed(list(self))
