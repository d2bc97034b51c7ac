"""
What every table keeps to: the contract that makes lost updates and returning sessions impossible.

A table keeps rows under digests. Two verbs carry the promise: ``insert`` never overwrites, and ``replace`` never
creates.
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
    "Form",
    "Replacement",
    "Row",
    "RowInfo",
    "Table",
    "Tombstone",
    "handle_of",
]

#: Which kind of table or store an adapter can use.
Form = Literal["sync", "async"]

#: The longest principal, in UTF-8, that every table can keep and find. Engines index it, and limit what they index:
#: PostgreSQL to 2,704 bytes, SQL Server to 1,700.
MAX_PRINCIPAL_BYTES = 1024
#: The longest text about the client that a session began with (``Row.client``), in UTF-8.
MAX_CLIENT_BYTES = 8192


@redacted
class Row(NamedTuple):
    """
    A session as a table keeps it.

    Attributes:
        data: The session's data, serialized; sealed where the table is outside of the process.
        version: Counts the writes from 1; 0 marks a row that is not a session: a tombstone, or another note of the
            store's.
        expires: When the row is gone, in UTC and whole seconds.
        created: When the session began, in UTC and whole seconds. A ``replace`` leaves it as it was.
        principal: Whose session it is, or was: up to ``MAX_PRINCIPAL_BYTES``. A ``replace`` leaves it as it was.
        client: What it was begun with, for its owner to recognize it by, as text of up to ``MAX_CLIENT_BYTES``. A
            ``replace`` leaves it as it was.
        seen: When it was last used, in UTC and whole seconds, as far as that was written.
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
        """Whether this row is not a session: it says where one went when its ID was renewed."""
        return self.version == 0


@redacted
class Tombstone(NamedTuple):
    """
    What a removed row leaves behind: a pointer to the row that takes its place.

    Attributes:
        until: When the pointer is gone, in UTC and whole seconds.
        successor: What the store keeps in the pointer. A table stores these bytes as the row's data and never reads
            them.
    """

    until: datetime
    successor: bytes

    def in_place_of(self, row: Row) -> Row:
        """Return the row that stands where *row* was: it keeps the principal and when the session began."""
        return Row(self.successor, 0, self.until, row.created, row.principal)


class Replacement(Enum):
    """What became of a ``replace``."""

    REPLACED = "replaced"
    CONFLICT = "another version is there"
    GONE = "no live row is there"


@redacted
class RowInfo(NamedTuple):
    """One of a principal's rows, all but its data. A tombstone is listed too: its session may live on elsewhere."""

    digest: bytes
    created: datetime
    expires: datetime
    client: str | None = None
    seen: datetime | None = None
    is_tombstone: bool = False

    @property
    def handle(self) -> str:
        """A name for people and pages, which leads neither to the id nor to the row: sixteen hexadecimal digits."""
        return handle_of(self.digest)


def handle_of(digest: bytes) -> str:
    """Return the handle of the row under *digest*."""
    return hashlib.sha256(b"holdall handle" + digest).hexdigest()[:16]


class Table(Protocol):
    """
    Rows by digest, 32 bytes each.

    Each verb is atomic, among threads and among processes, and for readers who hold no lock: a reader sees a row as it
    was before a verb or as it is after it, and a row that it can read it can also find.

    A row lives until its ``expires`` by the table's clock, and from then on it is as if it were not there.

    A table whose connections belong to certain threads has ``in_thread(call)`` besides, awaited, which makes a call
    there: an async adapter then leaves it the choice.

    Attributes:
        leaves_process: The rows can be seen from outside of this process, so that their data is to be sealed.
        blocking_reads: ``read`` waits for a network, so that an async adapter makes it in a thread.
        blocking_writes: The other verbs wait for a disk or a network.

    One that has connections of its own closes them with ``close()``, or ``await aclose()`` where it is awaited, and
    opens them again when it is used again.

    Raises:
        StoreError: The backend failed.
    """

    leaves_process: bool
    blocking_reads: bool
    blocking_writes: bool

    def read(self, digest: bytes) -> Row | None:
        """Return the row, a tombstone too, or ``None``."""
        ...

    def insert(self, digest: bytes, row: Row) -> bool:
        """Put *row* where none is. Return whether it was; what is there is never overwritten."""
        ...

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        """Put *row* in the place of a live row of this *version*. Where none is, none is made."""
        ...

    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        """Move a live row's times forward, never back, data and version unchanged. Return whether there is one."""
        ...

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        """
        Remove the live row and return it as it last was; ``None`` if there is none.

        With *tombstone*, its pointer (``tombstone.in_place_of(row)``) takes the row's place in the same step. Where
        there was no live row, no pointer is made.
        """
        ...

    def find(self, principal: str) -> Sequence[RowInfo]:
        """Return the rows of *principal* that have not expired, tombstones among them, oldest first."""
        ...

    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        """
        Remove up to *limit* rows *created* then or before, tombstones among them, and return how many.

        To be called until it returns 0: then none is left.
        """
        ...

    def sweep(self, limit: int = 1000) -> int:
        """
        Remove up to *limit* expired rows and return how many.

        It happens by itself too, a little with each write: nothing has to call this.
        """
        ...


class AsyncTable(Protocol):
    """The same as ``Table``, awaited."""

    leaves_process: bool

    async def read(self, digest: bytes) -> Row | None: ...

    async def insert(self, digest: bytes, row: Row) -> bool: ...

    async def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement: ...

    async def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool: ...

    async def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None: ...

    async def find(self, principal: str) -> Sequence[RowInfo]: ...

    async def clear(self, began_by: datetime, limit: int = 1000) -> int: ...

    async def sweep(self, limit: int = 1000) -> int: ...
