"""Define a mapping that is also a ``dict``, because JSON encoders require one, but stores its items elsewhere."""

from collections.abc import Iterator, Mapping, MutableMapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

__all__ = ["FILLED", "AsDict"]

#: The dict's own item, so that it does not look empty: an encoder written in C skips an empty dict, but calls items()
#: on any other instance of a subclass.
FILLED: Mapping[Any, None] = {object(): None}

if TYPE_CHECKING:

    class AsDict(MutableMapping[str, Any]):
        def __init__(self, filled: Mapping[Any, None]) -> None: ...

        def copy(self) -> dict[str, Any]: ...

else:

    class AsDict(MutableMapping, dict):
        """A base for such mappings. A subclass defines the five abstract methods, and is created with ``FILLED``."""

        __slots__ = ()

        # A copy is a plain dict, so that the application can keep it and encode it.

        def copy(self) -> dict[str, Any]:
            """Return the items as a plain ``dict``."""
            return dict(self)

        __copy__ = copy

        def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
            return deepcopy(dict(self), memo)

        def __reduce_ex__(self, protocol: Any) -> Any:
            msg = f"a {type(self).__name__} belongs to its request and cannot be pickled: pickle dict(session)."
            raise TypeError(msg)

        # Operations that a dict has and a mapping lacks, or that a mapping performs in another order.

        def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
            return dict(self) | dict(other)

        def __ror__(self, other: Mapping[str, Any]) -> dict[str, Any]:
            return dict(other) | dict(self)

        def popitem(self) -> tuple[str, Any]:
            for key in reversed(self):
                return key, self.pop(key)
            msg = "popitem(): the session is empty"
            raise KeyError(msg)

        def __reversed__(self) -> Iterator[str]:
            return reversed(list(self))
