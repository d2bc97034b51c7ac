"""Tables that each break one guarantee, for the tests to notice."""

import os
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from holdall import MemoryTable
from holdall.tables import Replacement, Row, RowInfo, Tombstone


class Rewritable(MemoryTable):
    """
    A table whose rows can be put over others, including tombstones, and listed.

    A row that is put gets its own digest, and its old digest then leads there.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._stands_in: dict[bytes, bytes] = {}
        self._stands_for: dict[bytes, bytes] = {}
        self.digests: dict[bytes, None] = {}

    def put(self, digest: bytes, row: Row) -> None:
        before = self._stands_in.get(digest, digest)
        place = self._stands_in[digest] = os.urandom(32)
        self._stands_for[place] = digest
        super().insert(place, row)
        super().remove(before)

    def read(self, digest: bytes) -> Row | None:
        return super().read(self._stands_in.get(digest, digest))

    def insert(self, digest: bytes, row: Row) -> bool:
        self.digests[digest] = None
        return super().insert(self._stands_in.get(digest, digest), row)

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        return super().replace(self._stands_in.get(digest, digest), row, version=version)

    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        return super().touch(self._stands_in.get(digest, digest), expires, seen=seen)

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        return super().remove(self._stands_in.get(digest, digest), tombstone=tombstone)

    def find(self, principal: str) -> Sequence[RowInfo]:
        found = [(each, self._stands_for.get(each.digest, each.digest)) for each in super().find(principal)]
        # Except for a tombstone that another row was put over.
        return [
            each._replace(digest=digest) for each, digest in found if self._stands_in.get(digest, digest) == each.digest
        ]


class Upserts(Rewritable):
    """Its ``replace`` creates rows, as in nearly every session library."""

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        answer = super().replace(digest, row, version=version)
        if answer is Replacement.GONE:
            self.put(digest, row)
            return Replacement.REPLACED
        return answer


class IgnoresVersions(MemoryTable):
    """The last writer wins, with everything it has read."""

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        present = self.read(digest)
        return super().replace(digest, row, version=version if present is None else present.version)


class ForgetsRenewals(MemoryTable):
    """It leaves no tombstones."""

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        return super().remove(digest)


class RemovesNothing(MemoryTable):
    """It only claims to remove rows."""

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        return self.read(digest)


class GivesStaleRows(MemoryTable):
    """Its ``remove`` returns the row as it was first inserted."""

    def insert(self, digest: bytes, row: Row) -> bool:
        inserted = super().insert(digest, row)
        self.__dict__.setdefault("first", {}).setdefault(digest, row)
        return inserted

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        row = super().remove(digest, tombstone=tombstone)
        return None if row is None else self.__dict__["first"][digest]


class GivesNothing(MemoryTable):
    """Its ``remove`` reports that there was a row, but not its content."""

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        row = super().remove(digest, tombstone=tombstone)
        return None if row is None else row._replace(data=row.data[: row.data.rindex(b"\0") + 1] + b"{}")


class TouchRevives(Rewritable):
    """Its ``touch`` writes the row as it was read, even if it has changed since."""

    def read(self, digest: bytes) -> Row | None:
        row = super().read(digest)
        if row is not None and not row.is_tombstone:
            self.__dict__.setdefault("seen", {})[digest] = row
        return row

    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        self.put(digest, self.__dict__["seen"][digest]._replace(expires=expires))
        return True


class SeesOneRow(MemoryTable):
    """All IDs lead it to the row that was inserted last."""

    def insert(self, digest: bytes, row: Row) -> bool:
        self.last = digest
        return super().insert(digest, row)

    def read(self, digest: bytes) -> Row | None:
        return super().read(self.last)


class GivesUp(MemoryTable):
    """It treats every conflict as an end."""

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        answer = super().replace(digest, row, version=version)
        return Replacement.GONE if answer is Replacement.CONFLICT else answer


class SweepsLiveRows(Rewritable):
    """Its ``sweep`` removes any row."""

    def sweep(self, limit: int = 1000) -> int:
        swept = list(islice(self.digests, limit))
        for digest in swept:
            del self.digests[digest]
            self.remove(digest)
        return len(swept)


class HidesTombstones(MemoryTable):
    """Its ``find`` lists only live rows."""

    def find(self, principal: str) -> Sequence[RowInfo]:
        return [each for each in super().find(principal) if not each.is_tombstone]


class FindsNothing(MemoryTable):
    """Its ``find`` finds no principal's rows."""

    def find(self, principal: str) -> Sequence[RowInfo]:
        return []


class FindsEverybody(MemoryTable):
    """Its ``find`` lists the rows of all principals."""

    def insert(self, digest: bytes, row: Row) -> bool:
        self.__dict__.setdefault("principals", set()).add(row.principal)
        return super().insert(digest, row)

    def find(self, principal: str) -> Sequence[RowInfo]:
        find = super().find
        found = [each for one in self.__dict__["principals"] - {None} for each in find(one)]
        return sorted(found, key=lambda each: each.created)


class LosesTombstones(MemoryTable):
    """It only claims to have inserted a tombstone."""

    def insert(self, digest: bytes, row: Row) -> bool:
        return True if row.is_tombstone else super().insert(digest, row)


class ClearsTheLivingAlone(Rewritable):
    """Its ``clear`` leaves tombstones."""

    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        return sum(self.remove(digest) is not None for digest in list(self.digests))


class ClearsNothing(MemoryTable):
    """Its ``clear`` does nothing."""

    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        return 0


class Procrastinates(MemoryTable):
    """It deletes only at the next call."""

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        row = self.read(digest)
        put_off = self.__dict__.pop("put_off", None)
        if put_off is not None:
            super().remove(put_off)
        self.__dict__["put_off"] = digest
        return None if row is None or row.is_tombstone else row
