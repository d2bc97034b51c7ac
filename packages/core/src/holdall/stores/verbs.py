"""What a table store asks of its table, as steps: each is one of the table's verbs."""

from datetime import datetime
from typing import Any, NamedTuple

from holdall._discreet import discreet
from holdall.tables.contract import Row, Tombstone

__all__ = ["Clear", "Find", "Insert", "Read", "Remove", "Replace", "Touch"]


@discreet
class Read(NamedTuple):
    """Read the row of a digest."""

    digest: bytes

    def on(self, table: Any) -> Any:
        return table.read(self.digest)


@discreet
class Insert(NamedTuple):
    """Put a row where none is."""

    digest: bytes
    row: Row

    def on(self, table: Any) -> Any:
        return table.insert(self.digest, self.row)


@discreet
class Replace(NamedTuple):
    """Put a row in the place of a version of it."""

    digest: bytes
    row: Row
    version: int

    def on(self, table: Any) -> Any:
        return table.replace(self.digest, self.row, version=self.version)


@discreet
class Touch(NamedTuple):
    """Move a row's times forward."""

    digest: bytes
    expires: datetime
    seen: datetime

    def on(self, table: Any) -> Any:
        return table.touch(self.digest, self.expires, seen=self.seen)


@discreet
class Remove(NamedTuple):
    """Remove a row."""

    digest: bytes
    tombstone: Tombstone | None

    def on(self, table: Any) -> Any:
        return table.remove(self.digest, tombstone=self.tombstone)


@discreet
class Find(NamedTuple):
    """List the rows of a principal."""

    principal: str

    def on(self, table: Any) -> Any:
        return table.find(self.principal)


class Clear(NamedTuple):
    """Remove rows that began by a time, some each time that this step is taken."""

    began_by: datetime

    def on(self, table: Any) -> Any:
        return table.clear(self.began_by)
