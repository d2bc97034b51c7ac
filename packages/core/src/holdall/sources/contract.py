"""What every source keeps to: a place on the server where another library keeps its sessions."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple, Protocol, cast

from holdall._discreet import discreet
from holdall.steps import is_awaited
from holdall.tables import Form

__all__ = ["AnySource", "AsyncSource", "Entry", "Refused", "Source", "TwoFormedSource", "in_form"]


@discreet
class Entry(NamedTuple):
    """
    A session as another library keeps it.

    Attributes:
        expires: When it ends there if it is not used any more, in UTC; where that is not known, no earlier than that.
        created: When it began, in UTC; ``None`` where that is not known.
    """

    data: dict[str, Any]
    expires: datetime
    created: datetime | None = None


class Refused(NamedTuple):
    """
    A session that is there and is not carried over.

    Attributes:
        reason: For the log: ``"pickle"``, ``"unreadable"``.
    """

    reason: str


class Source(Protocol):
    """
    Sessions of another library, each of them to be read once, moved into a table, and removed.

    One that has connections of its own closes them with ``close()``, or ``await aclose()`` where it is awaited.

    Attributes:
        name: Says in events where a session came from, in a word.

    Raises:
        StoreError: The backend failed.
    """

    name: str

    def matches(self, cookie: str) -> bool:
        """Say whether *cookie* looks like one of its library's. If not, the store does not call ``read``."""
        ...

    def read(self, cookie: str) -> Entry | Refused | None:
        """Return the session that *cookie* stands for, or ``None`` if there is none."""
        ...

    def delete(self, cookie: str) -> None:
        """Remove what *cookie* stands for, if anything."""
        ...


class AsyncSource(Protocol):
    """The same as ``Source``, awaited."""

    name: str

    def matches(self, cookie: str) -> bool: ...

    async def read(self, cookie: str) -> Entry | Refused | None: ...

    async def delete(self, cookie: str) -> None: ...


class TwoFormedSource(Protocol):
    """A source that serves stores of either form."""

    name: str

    def opened(self, form: Form) -> Source | AsyncSource | None:
        """Return it as a ``Source`` for ``"sync"``, as an ``AsyncSource`` for ``"async"``; ``None`` if it cannot."""
        ...


AnySource = Source | AsyncSource | TwoFormedSource


def in_form(source: AnySource, form: Form) -> Source | AsyncSource | None:
    """Return *source* in the *form* that a store needs, or ``None`` if it has not got it."""
    open_in: Callable[[Form], Source | AsyncSource | None] | None = getattr(source, "opened", None)
    if open_in is not None:
        return open_in(form)
    plain = cast("Source | AsyncSource", source)
    return plain if is_awaited(plain.read) is (form == "async") else None
