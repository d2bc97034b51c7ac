"""A mapping that counts as a ``dict`` where code insists on one, as JSON encoders do. Its items are elsewhere."""

from collections.abc import Iterator, Mapping, MutableMapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

__all__ = ["FILLED", "AsDict"]

#: What the dict itself is given, so that it does not look empty: an encoder written in C takes an empty dict for empty
#: without another question, and calls items() of one that is filled, because this is not a plain dict.
FILLED: Mapping[Any, None] = {object(): None}

if TYPE_CHECKING:

    class AsDict(MutableMapping[str, Any]):
        def __init__(self, filled: Mapping[Any, None]) -> None: ...

        def copy(self) -> dict[str, Any]: ...

else:

    class AsDict(MutableMapping, dict):
        """The base of a mapping that defines the five methods of a mapping, and is a dict too, made with ``FILLED``."""

        __slots__ = ()

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
