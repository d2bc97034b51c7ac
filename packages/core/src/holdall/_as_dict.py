"""A mapping that counts as a ``dict`` where code insists on one, as JSON encoders do. Its items are elsewhere."""

from collections.abc import Iterator, Mapping, MutableMapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

__all__ = ["AsDict"]

# As a key it makes the dict itself look filled. An encoder written in C takes an empty dict for empty without another
# question; otherwise it calls items(), because this is not a plain dict.
_ELSEWHERE = object()

if TYPE_CHECKING:

    class AsDict(MutableMapping[str, Any]):
        def copy(self) -> dict[str, Any]: ...

else:

    class AsDict(MutableMapping, dict):
        """The base of a mapping that defines the five methods of a mapping, and is a dict too."""

        __slots__ = ()

        def __init__(self) -> None:
            dict.__setitem__(self, _ELSEWHERE, None)

        # A copy is a plain dict, so that the application can keep it and encode it.

        def copy(self) -> dict[str, Any]:
            """Return its items as a ``dict``."""
            return dict(self)

        __copy__ = copy

        def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
            return deepcopy(dict(self), memo)

        def __reduce_ex__(self, protocol: Any) -> Any:
            msg = f"a {type(self).__name__} belongs to its request and cannot be pickled: pickle dict(session)."
            raise TypeError(msg)

        # What a dict can do and a mapping cannot, or does in another order.

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
