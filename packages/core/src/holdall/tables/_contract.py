"""
Define the protocol of tables, which makes lost updates and resurrected sessions impossible.

A table keeps rows under digests. Two verbs ensure this: ``insert`` never overwrites, and ``replace`` never creates.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Literal, NamedTuple, Protocol

from holdall._redacted import redacted

__all__ = [
    "MAX_CLIENT_BYTES",
    "MAX_PRINCIPAL_BYTES",
    "AsyncTable",
    "Kind",
    "Replacement",
    "Row",
    "RowInfo",
    "Table",
    "Tombstone",
    "handle_of",
]

#: The form of a table or store, and of the adapter that uses it.
Kind = Literal["sync", "async"]

#: The maximum length of a principal, in UTF-8, that every table can store and find. Database indexes limit it:
#: PostgreSQL's to 2,704 bytes, SQL Server's to 1,700.
MAX_PRINCIPAL_BYTES = 1024
#: The maximum length of the text about a session's client (``Row.client``), in UTF-8.
MAX_CLIENT_BYTES = 8192


@redacted
class Row(NamedTuple):
    """
    A session as stored in a table.

    Attributes:
        data: The session's data, serialized; sealed if the table is outside of the process.
        version: Counts the writes from 1; 0 marks a row that is not a session: a tombstone, or another note left by
            the store.
        expires: When the row expires, in UTC and whole seconds.
        created: When the session began, in UTC and whole seconds. A ``replace`` does not change it.
        principal: The session's user, up to ``MAX_PRINCIPAL_BYTES``; ``None`` for an anonymous session. A ``replace``
            does not change it.
        client: The client that it began with, by which its owner can recognize it, up to ``MAX_CLIENT_BYTES``. A
            ``replace`` does not change it.
        seen: When it was last used, in UTC and whole seconds, as last recorded.
    """

    data: bytes
    version: int
    expires: datetime
    created: datetime
    principal: str | None = None
    client: str | None = None
    seen: datetime | None = None

    @property
    def is_tombstone(self) -> bool:
        """Whether this row is not a session, but a pointer from one whose ID was renewed, or another note."""
        return self.version == 0


@redacted
class Tombstone(NamedTuple):
    """
    The pointer that a removed row leaves behind, to the row that replaces it.

    Attributes:
        until: When the pointer expires, in UTC and whole seconds.
        successor: The store's content for the pointer. A table stores these bytes as the row's data and never reads
            them.
    """

    until: datetime
    successor: bytes

    def row_replacing(self, row: Row) -> Row:
        """Return the row that takes the place of *row*, with the same principal and start of the session."""
        return Row(self.successor, 0, self.until, row.created, row.principal)


class Replacement(Enum):
    """The result of ``replace``."""

    REPLACED = "replaced"
    CONFLICT = "another version is there"
    GONE = "no live row is there"


@redacted
class RowInfo(NamedTuple):
    """One of a principal's rows, without its data. Tombstones are listed too: their sessions may live on elsewhere."""

    digest: bytes
    created: datetime
    expires: datetime
    client: str | None = None
    seen: datetime | None = None
    is_tombstone: bool = False

    @property
    def handle(self) -> str:
        """A name to show to users, which reveals neither the ID nor the digest: 16 hexadecimal digits."""
        return handle_of(self.digest)


def handle_of(digest: bytes) -> str:
    """Return the handle of the row under *digest*."""
    return hashlib.sha256(b"holdall handle" + digest).hexdigest()[:16]


class Table(Protocol):
    """
    A table that keeps each row under a digest of 32 bytes.

    Each verb is atomic across threads and processes, and for readers that take no lock: a reader sees a row as it was
    before a verb or as it is after it, and a row that can be read can also be found.

    A row lives until its ``expires`` by the table's clock; after that the table behaves as if it did not exist.

    A table whose connections belong to certain threads also has an async ``in_thread(call)``, which runs a call in the
    right thread; async adapters then use that.

    A table that evicts rows when it is full, those without a principal first, sets ``evicts = True``. Then each row
    that belongs to a user's session has a principal, including rows that no list shows.

    Attributes:
        leaves_process: Whether the rows can be seen from outside of this process, so that their data must be sealed.
        blocking_reads: Whether ``read`` waits for a network, so that an async adapter runs it in a thread.
        blocking_writes: Whether the other verbs wait for a disk or a network.

    A table with connections of its own closes them with ``close()``, or ``await aclose()`` if it is async, and reopens
    them on the next use.

    Raises:
        StoreError: The backend failed.
    """

    leaves_process: bool
    blocking_reads: bool
    blocking_writes: bool

    def read(self, digest: bytes) -> Row | None:
        """Return the row, even if it is a tombstone, or ``None``."""
        ...

    def insert(self, digest: bytes, row: Row) -> bool:
        """Insert *row* if there is none, and return whether it was inserted; an existing row is never overwritten."""
        ...

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        """Replace a live row of this *version* with *row*. If there is none, none is created."""
        ...

    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        """Move a live row's times forward, never back, without changing its data. Return whether there is one."""
        ...

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        """
        Remove the live row and return it in its last state; ``None`` if there is none.

        With *tombstone*, its pointer (``tombstone.row_replacing(row)``) replaces the row in the same step. If there was
        no live row, no pointer is created.
        """
        ...

    def find(self, principal: str) -> Sequence[RowInfo]:
        """Return the rows of *principal* that have not expired, including tombstones, oldest first."""
        ...

    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        """
        Remove up to *limit* rows *created* by then, including tombstones, and return how many were removed.

        Call it until it returns 0, when none is left.
        """
        ...

    def sweep(self, limit: int = 1000) -> int:
        """
        Remove up to *limit* expired rows and return how many were removed.

        Calling it is optional, because each write also removes a few expired rows.
        """
        ...


class AsyncTable(Protocol):
    """The async version of ``Table``."""

    leaves_process: bool

    async def read(self, digest: bytes) -> Row | None: ...

    async def insert(self, digest: bytes, row: Row) -> bool: ...

    async def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement: ...

    async def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool: ...

    async def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None: ...

    async def find(self, principal: str) -> Sequence[RowInfo]: ...

    async def clear(self, began_by: datetime, limit: int = 1000) -> int: ...

    async def sweep(self, limit: int = 1000) -> int: ...
