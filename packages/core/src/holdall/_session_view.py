"""Show a session to templates: its keys, without the methods of ``Session``."""

from collections.abc import Iterator, MutableMapping
from typing import Any

from holdall._as_dict import FILLED, AsDict

__all__ = ["SessionView"]


class SessionView(AsDict):
    """
    A dict of a session's keys, without the methods that a template engine would mistake for keys.

    A template engine looks for an attribute before it looks for a key. With the session itself, ``{{ session.login }}``
    would be a method, which is true for every visitor.
    """

    __slots__ = ("_session",)

    def __init__(self, session: MutableMapping[str, Any]) -> None:
        super().__init__(FILLED)
        # Typed as Any, because an adapter's view also uses other members of the session.
        self._session: Any = session

    def __getitem__(self, key: str) -> Any:
        return self._session[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._session[key] = value

    def __delitem__(self, key: str) -> None:
        del self._session[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._session)

    def __len__(self) -> int:
        return len(self._session)

    def __contains__(self, key: object) -> bool:
        return key in self._session

    def clear(self) -> None:
        self._session.clear()

    def __repr__(self) -> str:
        return repr(self._session)
