"""Represent a table's verbs as steps: the only calls that a table store makes."""

from typing import Any

from holdall.steps import Step
from holdall.tables._contract import Row, Tombstone

__all__ = ["Clear", "Find", "Insert", "Read", "Remove", "Replace", "Sweep", "Touch"]


class _OfRow(Step):
    __slots__ = ("digest",)

    def __init__(self, table: Any, digest: bytes) -> None:
        self.target = table
        self.digest = digest


class Read(_OfRow):
    """Read the row of a digest."""

    __slots__ = ()
    waits = "blocking_reads"

    def take(self) -> Any:
        return self.target.read(self.digest)


class Insert(_OfRow):
    """Insert a row under a digest that has none."""

    __slots__ = ("row",)

    def __init__(self, table: Any, digest: bytes, row: Row) -> None:
        self.target = table
        self.digest = digest
        self.row = row

    def take(self) -> Any:
        return self.target.insert(self.digest, self.row)


class Replace(_OfRow):
    """Replace a version of a row."""

    __slots__ = ("row", "version")

    def __init__(self, table: Any, digest: bytes, row: Row, version: int) -> None:
        self.target = table
        self.digest = digest
        self.row = row
        self.version = version

    def take(self) -> Any:
        return self.target.replace(self.digest, self.row, version=self.version)


class Touch(_OfRow):
    """Move a row's times forward."""

    __slots__ = ("expires", "seen")

    def __init__(self, table: Any, digest: bytes, expires: Any, seen: Any) -> None:
        self.target = table
        self.digest = digest
        self.expires = expires
        self.seen = seen

    def take(self) -> Any:
        return self.target.touch(self.digest, self.expires, seen=self.seen)


class Remove(_OfRow):
    """Remove a row, and leave a tombstone if one is given."""

    __slots__ = ("tombstone",)

    def __init__(self, table: Any, digest: bytes, tombstone: Tombstone | None = None) -> None:
        self.target = table
        self.digest = digest
        self.tombstone = tombstone

    def take(self) -> Any:
        return self.target.remove(self.digest, tombstone=self.tombstone)


class Find(Step):
    """List the rows of a principal."""

    __slots__ = ("principal",)

    def __init__(self, table: Any, principal: str) -> None:
        self.target = table
        self.principal = principal

    def take(self) -> Any:
        return self.target.find(self.principal)


class Clear(Step):
    """Remove rows that began at or before a given time, a limited number each time this step is run."""

    __slots__ = ("began_by",)

    def __init__(self, table: Any, began_by: Any) -> None:
        self.target = table
        self.began_by = began_by

    def take(self) -> Any:
        return self.target.clear(self.began_by)


class Sweep(Step):
    """Remove expired rows."""

    __slots__ = ("limit",)

    def __init__(self, table: Any, limit: int) -> None:
        self.target = table
        self.limit = limit

    def take(self) -> Any:
        return self.target.sweep(self.limit)
