"""What every source keeps to: a place on the server where another library keeps its sessions."""

from datetime import datetime
from typing import Any, NamedTuple, Protocol

from holdall._redacted import redacted
from holdall.tables import Form

__all__ = ["AnySource", "AsyncSource", "Entry", "Refused", "Source", "TwoFormedSource"]


@redacted
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

    One that has connections of its own closes them with ``close()``, or ``await aclose()`` where it is async.
    One that blocks says so by ``blocking_reads = blocking_writes = True``; an async adapter then asks it in a thread.

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
    """The same as ``Source``, async. Its sessions move into an async table."""

    name: str

    def matches(self, cookie: str) -> bool: ...

    async def read(self, cookie: str) -> Entry | Refused | None: ...

    async def delete(self, cookie: str) -> None: ...


class TwoFormedSource(Protocol):
    """A source that is opened in the form of the table that its sessions move into."""

    name: str

    def opened(self, form: Form) -> Source | AsyncSource:
        """Return it as a ``Source`` for ``"sync"``, and better as an ``AsyncSource`` for ``"async"``, if it can."""
        ...


#: What ``migrate_from`` accepts: a source that is sync, async, or both.
AnySource = Source | AsyncSource | TwoFormedSource
