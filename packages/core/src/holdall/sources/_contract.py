"""Define the protocol of sources: places on the server where another library keeps its sessions."""

from datetime import datetime
from typing import Any, NamedTuple, Protocol

from holdall._redacted import redacted
from holdall.tables import Kind

__all__ = ["AnySource", "AsyncSource", "Entry", "Refused", "Source", "SyncOrAsyncSource"]


@redacted
class Entry(NamedTuple):
    """
    A session as another library stores it.

    Attributes:
        expires: When it ends there if it is not used again, in UTC; if that is unknown, a time that is not earlier.
        created: When it began, in UTC; ``None`` if unknown.
    """

    data: dict[str, Any]
    expires: datetime
    created: datetime | None = None


class Refused(NamedTuple):
    """
    A session that exists but is not migrated.

    Attributes:
        reason: A word for the log: ``"pickle"``, ``"unreadable"``.
    """

    reason: str


class Source(Protocol):
    """
    The protocol of a source: another library's sessions, each of which is read once, moved into a table, and removed.

    A source with connections of its own closes them with ``close()``, or ``await aclose()`` if it is async. A source
    that blocks sets ``blocking_reads = blocking_writes = True``; an async adapter then calls it in a thread.

    Attributes:
        name: One word that says in events where a session came from.

    Raises:
        StoreError: The backend failed.
    """

    name: str

    def matches(self, cookie: str) -> bool:
        """Return whether *cookie* looks like one from this library. If not, the store does not call ``read``."""
        ...

    def read(self, cookie: str) -> Entry | Refused | None:
        """Return the session for *cookie*, or ``None`` if there is none."""
        ...

    def delete(self, cookie: str) -> None:
        """Remove the session for *cookie*, if there is one."""
        ...


class AsyncSource(Protocol):
    """The async version of ``Source``. Its sessions move into an async table."""

    name: str

    def matches(self, cookie: str) -> bool: ...

    async def read(self, cookie: str) -> Entry | Refused | None: ...

    async def delete(self, cookie: str) -> None: ...


class SyncOrAsyncSource(Protocol):
    """A source that can be opened in the form of the table that its sessions move into."""

    name: str

    def opened(self, form: Kind) -> Source | AsyncSource:
        """Return it as a ``Source`` for ``"sync"``, and for ``"async"`` preferably as an ``AsyncSource``."""
        ...


#: What ``migrate_from`` accepts: a source that is sync, async, or both.
AnySource = Source | AsyncSource | SyncOrAsyncSource
