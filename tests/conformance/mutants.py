"""
Stores, tables, serializers and adapters that are each wrong in one way, for the suites to find.

Not collected with the other tests: ``test_suites.py`` runs this file and checks that each of these classes fails.
"""

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, ClassVar

import pytest

from conformance.bare import Adapter, Headers, mount_asgi, mount_middleware, mount_wsgi
from holdall import AsyncTable, MemoryTable, ResponseHeaders, Session, SessionError, Sessions, StoreError, TableStore
from holdall._cache_headers import merged_cache_control
from holdall._clients import note_client
from holdall._clock import FOREVER, NEVER
from holdall.adapters import Exchange, Failure, Intent, state_of
from holdall.asgi import SessionMiddleware
from holdall.asgi import _middleware as middleware
from holdall.formats import Format, NativeFormat, Record
from holdall.serializers import TaggedJSON
from holdall.steps import run_async
from holdall.stores import Changes, StoredSession, Write
from holdall.stores._contract import ClientInfo
from holdall.tables import Replacement, Row, RowInfo, Tombstone
from holdall.testing import (
    AdapterConformance,
    CookieConformance,
    FakeClock,
    FormatConformance,
    SerializerConformance,
    StoreConformance,
    TableConformance,
    as_async,
)
from holdall.testing._adapters.suite import Mount
from holdall.testing._clients import HOST
from races import broken

# Tables

_LONG_AGO = datetime.fromtimestamp(0, UTC)


class Misleading(MemoryTable):
    """It reports a row as it was *told* to, not as it is."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.told: dict[bytes, dict[str, Any]] = {}

    def read(self, digest: bytes) -> Row | None:
        row = super().read(digest)
        return None if row is None else row._replace(**self.told.get(digest, {}))


class Overwrites(MemoryTable):
    def insert(self, digest: bytes, row: Row) -> bool:
        self.remove(digest)
        return super().insert(digest, row)


class ForgetsTheClient(MemoryTable):
    def insert(self, digest: bytes, row: Row) -> bool:
        return super().insert(digest, row._replace(client=None))


class ReplacesCreatedAndPrincipal(Misleading):
    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        answer = super().replace(digest, row, version=version)
        if answer is Replacement.REPLACED:
            self.told[digest] = {"created": row.created, "principal": row.principal}
        return answer


class ReplacesTheClient(Misleading):
    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        answer = super().replace(digest, row, version=version)
        if answer is Replacement.REPLACED:
            self.told[digest] = {"client": row.client}
        return answer


class ReplacesUnseen(MemoryTable):
    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        present = self.read(digest)
        return super().replace(digest, row._replace(seen=present and present.seen), version=version)


class TouchesBackwards(Misleading):
    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        touched = super().touch(digest, expires, seen=seen)
        if touched:
            self.told[digest] = {"expires": expires}
        return touched


class SeesBackwards(Misleading):
    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        touched = super().touch(digest, expires, seen=seen)
        if touched:
            self.told[digest] = {"seen": seen}
        return touched


class TouchesUnseen(MemoryTable):
    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        present = self.read(digest)
        return super().touch(digest, expires, seen=(present and present.seen) or seen)


class ReturnsExpiredRows(MemoryTable):
    def read(self, digest: bytes) -> Row | None:
        clock, self.clock = self.clock, lambda: _LONG_AGO
        row = super().read(digest)
        self.clock = clock
        return row


class BuriesMissingRows(MemoryTable):
    """It leaves tombstones where there were no rows."""

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        row = super().remove(digest, tombstone=tombstone)
        if tombstone is not None and row is None and self.read(digest) is None:
            self.insert(digest, tombstone.row_replacing(Row(b"", 1, tombstone.until, self.clock())))
        return row


class BuriesNamelessly(Misleading):
    """Its tombstones lack the principal."""

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        row = super().remove(digest, tombstone=tombstone)
        if row is not None and tombstone is not None:
            self.told[digest] = {"principal": None}
        return row


class BuriesWithTheClient(Misleading):
    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        row = super().remove(digest, tombstone=tombstone)
        if row is not None and tombstone is not None:
            self.told[digest] = {"client": row.client}
        return row


class BuriesEmpty(MemoryTable):
    """Its tombstones have no target."""

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        return super().remove(digest, tombstone=tombstone and tombstone._replace(successor=b""))


class BuriesTheData(MemoryTable):
    """Its tombstones keep the row's data."""

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        present = self.read(digest)
        if tombstone is not None and present is not None:
            tombstone = tombstone._replace(successor=tombstone.successor + present.data)
        return super().remove(digest, tombstone=tombstone)


class FindsNoTombstones(MemoryTable):
    def find(self, principal: str) -> list[RowInfo]:
        return [each for each in super().find(principal) if not each.is_tombstone]


class FindsOnlyTimes(MemoryTable):
    def find(self, principal: str) -> list[RowInfo]:
        return [each._replace(client=None, seen=None) for each in super().find(principal)]


class FindsInAnyOrder(MemoryTable):
    def find(self, principal: str) -> list[RowInfo]:
        return sorted(super().find(principal), key=lambda each: each.digest)


class FindsExpiredRows(MemoryTable):
    def find(self, principal: str) -> list[RowInfo]:
        known = self.__dict__.setdefault("known", {}).setdefault(principal, {})
        known |= {each.digest: each for each in super().find(principal)}
        return sorted(known.values(), key=lambda each: each.created)


class SweepsWithoutLimit(MemoryTable):
    def sweep(self, limit: int = 1000) -> int:
        return super().sweep(1_000_000)


class ClearsTheNewer(MemoryTable):
    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        return super().clear(NEVER, limit)


class ClearsTooFew(MemoryTable):
    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        return super().clear(began_by - timedelta(seconds=1), limit)


class ClearsByUse(broken.Rewritable):
    """It keeps rows that were used since."""

    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        rows = ((digest, self.read(digest)) for digest in list(self.digests))
        unused = (digest for digest, row in rows if row and (row.seen is None or row.seen <= began_by))
        return sum(self.remove(digest) is not None for digest in islice(unused, limit))


class ClearsSessionsOnly(broken.Rewritable):
    """It keeps tombstones."""

    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        rows = ((digest, self.read(digest)) for digest in list(self.digests))
        begun = (digest for digest, row in rows if row and row.created <= began_by)
        return sum(self.remove(digest) is not None for digest in islice(begun, limit))


class ClearsWithoutLimit(MemoryTable):
    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        return super().clear(began_by, 1_000_000)


class CutsAtNUL(MemoryTable):
    def insert(self, digest: bytes, row: Row) -> bool:
        return super().insert(digest, row._replace(data=row.data.split(b"\0")[0]))


class ReplacesInTwoSteps(MemoryTable):
    """Other writers can come between its check of the version and its write."""

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        present = self.read(digest)
        if present is not None and present.version == version:
            _let_others_run()
            present = self.read(digest)
            version = version if present is None else present.version
        return super().replace(digest, row, version=version)


class RemovesInTwoSteps(MemoryTable):
    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        row = self.read(digest)
        _let_others_run()
        super().remove(digest, tombstone=tombstone)
        return None if row is None or row.is_tombstone else row


# The gap in these is a few instructions wide.


class RemovesBeforeItBuries(broken.Rewritable):
    """Between the row and its tombstone there is nothing."""

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        row = super().remove(digest)
        if row is not None and tombstone is not None:
            super().insert(digest, tombstone.row_replacing(row))
        return row


class ReplacesByRemoving(MemoryTable):
    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        answer = super().replace(digest, row, version=version)
        if answer is Replacement.REPLACED and (present := super().remove(digest)) is not None:
            super().insert(digest, present)
        return answer


class ReplacesTheDataFirst(MemoryTable):
    """For a moment its row has the new data and the old expiry."""

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        present = self.read(digest)
        if present is not None:
            answer = super().replace(digest, row._replace(expires=present.expires), version=version)
            if answer is not Replacement.REPLACED:
                return answer
            version = row.version
        return super().replace(digest, row, version=version)


class TouchesByRemoving(MemoryTable):
    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        touched = super().touch(digest, expires, seen=seen)
        if touched and (present := super().remove(digest)) is not None:
            super().insert(digest, present)
        return touched


class InsertsBeforeItIndexes(MemoryTable):
    """For a moment the row can be read but not found."""

    def insert(self, digest: bytes, row: Row) -> bool:
        hidden = self.__dict__.setdefault("hidden", set())
        hidden.add(digest)
        inserted = super().insert(digest, row)
        hidden.discard(digest)
        return inserted

    def find(self, principal: str) -> list[RowInfo]:
        hidden = self.__dict__.setdefault("hidden", set())
        return [each for each in super().find(principal) if each.digest not in hidden]


class InsertsEmptyAtFirst(MemoryTable):
    def insert(self, digest: bytes, row: Row) -> bool:
        if not super().insert(digest, row._replace(data=b"")):
            return False
        return super().replace(digest, row, version=row.version) is Replacement.REPLACED or row.is_tombstone


class RemovesBeforeItUnlists(MemoryTable):
    """For a moment its index still lists a row that is gone."""

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        present = self.read(digest)
        going = self.__dict__.setdefault("going", {})
        if present is not None and tombstone is None:
            going[digest] = RowInfo(digest, present.created, present.expires)
        row = super().remove(digest, tombstone=tombstone)
        going.pop(digest, None)
        return row

    def find(self, principal: str) -> list[RowInfo]:
        found = {each.digest: each for each in super().find(principal)}
        return sorted((self.__dict__.get("going", {}) | found).values(), key=lambda each: each.created)


class OverwritesAndRepairs(broken.Rewritable):
    """A refused insert is visible for a moment."""

    def insert(self, digest: bytes, row: Row) -> bool:
        present = self.read(digest)
        if present is None or present.is_tombstone:
            return super().insert(digest, row)
        self.put(digest, row)
        self.put(digest, present)
        return False


class SweepsAndRepairs(broken.Rewritable):
    """It takes out the newest rows and puts the live ones back."""

    def sweep(self, limit: int = 1000) -> int:
        # Let others run only here: a look before each instruction, for all rows, would be hundreds of thousands of
        # looks.
        for digest in list(self.digests)[-10:]:
            row = super().remove(digest)
            if row is not None:
                super().insert(digest, row)
        return super().sweep(limit)


def _let_others_run() -> None:
    time.sleep(0.0001)


class OfTable(TableConformance):
    __test__ = False
    kind: ClassVar[type[MemoryTable]]

    @pytest.fixture
    def table(self, clock: FakeClock) -> AsyncTable:
        return as_async(self.kind(clock=clock))


TABLES = [
    broken.Upserts,
    broken.IgnoresVersions,
    broken.ForgetsRenewals,
    broken.RemovesNothing,
    broken.GivesStaleRows,
    broken.SweepsLiveRows,
    Overwrites,
    ForgetsTheClient,
    ReplacesCreatedAndPrincipal,
    ReplacesTheClient,
    ReplacesUnseen,
    TouchesBackwards,
    SeesBackwards,
    TouchesUnseen,
    ReturnsExpiredRows,
    BuriesMissingRows,
    BuriesNamelessly,
    BuriesWithTheClient,
    BuriesEmpty,
    BuriesTheData,
    FindsNoTombstones,
    FindsOnlyTimes,
    FindsInAnyOrder,
    FindsExpiredRows,
    ClearsTheNewer,
    ClearsTooFew,
    ClearsByUse,
    ClearsSessionsOnly,
    ClearsWithoutLimit,
    SweepsWithoutLimit,
    CutsAtNUL,
    ReplacesInTwoSteps,
    RemovesInTwoSteps,
    RemovesBeforeItBuries,
    ReplacesByRemoving,
    ReplacesTheDataFirst,
    TouchesByRemoving,
    InsertsBeforeItIndexes,
    InsertsEmptyAtFirst,
    RemovesBeforeItUnlists,
    OverwritesAndRepairs,
    SweepsAndRepairs,
]


class LetsErrorsThrough(MemoryTable):
    """It lets its driver's exceptions through."""

    def _ask(self, digest: bytes = b"") -> Any:
        raise ConnectionRefusedError

    def read(self, digest: bytes) -> Any:
        return self._ask(digest)

    def insert(self, digest: bytes, row: Row) -> Any:
        return self._ask(digest)

    def replace(self, digest: bytes, row: Row, *, version: int) -> Any:
        return self._ask(digest)

    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> Any:
        return self._ask(digest)

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Any:
        return self._ask(digest)

    def find(self, principal: str) -> Any:
        return self._ask()

    def clear(self, began_by: datetime, limit: int = 1000) -> Any:
        return self._ask()

    def sweep(self, limit: int = 1000) -> Any:
        return self._ask()


class AnswersWithoutADatabase(LetsErrorsThrough):
    """It treats a database that is down as an empty one."""

    def _ask(self, digest: bytes = b"") -> Any:
        return None


class ShowsItsQuery(LetsErrorsThrough):
    """Its error shows the statement and its parameters."""

    def _ask(self, digest: bytes = b"") -> Any:
        msg = f"failed: ... WHERE digest = '{digest.hex()}'"
        raise StoreError(msg)


class OfBrokenTable(TableConformance):
    __test__ = False
    kind: ClassVar[type[MemoryTable]]

    @pytest.fixture
    def table(self, clock: FakeClock) -> AsyncTable:
        return as_async(MemoryTable(clock=clock))

    @pytest.fixture
    def broken_table(self, clock: FakeClock) -> AsyncTable:
        return as_async(self.kind(clock=clock))


BROKEN = [LetsErrorsThrough, AnswersWithoutADatabase, ShowsItsQuery]
for table in BROKEN:
    test = f"Test{table.__name__}"
    globals()[test] = type(test, (OfBrokenTable,), {"kind": table, "__test__": True})
for table in TABLES:
    globals()[f"Test{table.__name__}"] = type(f"Test{table.__name__}", (OfTable,), {"kind": table, "__test__": True})

# Stores


class LosesOthersWrites(TableStore):
    def put(self, stored: StoredSession | None, write: Write, *, key: str) -> Any:
        if stored is not None and write.changes:
            write.changes = Changes(write.data, cleared=True)
        return super().put(stored, write, key=key)


class BringsBack(TableStore):
    def put(self, stored: StoredSession | None, write: Write, *, key: str) -> Any:
        return (yield from super().put(stored, write, key=key)) or (yield from super().put(None, write, key=key))


class OnlyClaimsToDelete(TableStore):
    def delete(self, stored: StoredSession, *, key: str, superseded_until: int | None = None) -> Any:
        return stored


class ForgetsThatItRenewed(TableStore):
    def delete(self, stored: StoredSession, *, key: str, superseded_until: int | None = None) -> Any:
        return super().delete(stored, key=key)


class RaisesAtBadCookies(TableStore):
    """It raises an error at an invalid cookie."""

    def get(self, cookie: str, *, key: str) -> Any:
        cookie.encode("ascii")
        return super().get(cookie, key=key)


class SharesItsData(TableStore):
    def __init__(self, table: MemoryTable) -> None:
        super().__init__(table)
        self.shared: dict[str, Any] = {}

    def get(self, cookie: str, *, key: str) -> Any:
        found = yield from super().get(cookie, key=key)
        if isinstance(found, StoredSession):
            found.data = self.shared.setdefault(cookie, found.data)
        return found


class WritesWhenItTouches(TableStore):
    def put(self, stored: StoredSession | None, write: Write, *, key: str) -> Any:
        if stored is not None and not write.changes:
            write.changes = Changes(write.data)
        return super().put(stored, write, key=key)


class KeepsNoSession(TableStore):
    def revoke(self, principal: str, *, keys: Iterable[str], keep: StoredSession | None, handle: str | None) -> Any:
        return super().revoke(principal, keys=keys, keep=None, handle=handle)


class RevokesNothing(TableStore):
    def revoke(self, principal: str, *, keys: Iterable[str], keep: StoredSession | None, handle: str | None) -> Any:
        return len((yield from self.list(principal, keys=keys, current=None)))


class KnowsNoHandles(TableStore):
    def revoke(self, principal: str, *, keys: Iterable[str], keep: StoredSession | None, handle: str | None) -> Any:
        return super().revoke(principal, keys=keys, keep=keep, handle=None)


class ResetsTheAge(TableStore):
    """It counts a session's age from its last write."""

    def get(self, cookie: str, *, key: str) -> Any:
        found = yield from super().get(cookie, key=key)
        if isinstance(found, StoredSession):
            found.created = found.expires
        return found


class FollowsNoRenewal(TableStore):
    """Ending the old session does not end the one that it was renewed to."""

    def renew(self, stored: StoredSession, make_write: Any, *, key: str, until: int, followed: bool) -> Any:
        return super().renew(stored, make_write, key=key, until=until, followed=False)


class FollowsEveryRenewal(TableStore):
    """Ending an anonymous session ends the login that followed it."""

    def renew(self, stored: StoredSession, make_write: Any, *, key: str, until: int, followed: bool) -> Any:
        return super().renew(stored, make_write, key=key, until=until, followed=True)


class RenewsWhatWasRead(TableStore):
    """It gives the new session what the request has read, not what the row contains by now."""

    def renew(self, stored: StoredSession, make_write: Any, *, key: str, until: int, followed: bool) -> Any:
        return super().renew(stored, lambda last: make_write(stored), key=key, until=until, followed=followed)


class UpdatesWhatWasRead(TableStore):
    """It gives an update what the request has read, not what the row contains by now."""

    def update(self, stored: StoredSession, make_write: Any, *, key: str) -> Any:
        return super().update(stored, lambda latest: make_write(stored), key=key)


class OfStore(StoreConformance):
    __test__ = False
    kind: ClassVar[type[TableStore]]

    @pytest.fixture
    def store(self, clock: FakeClock) -> Any:
        return as_async(self.kind(MemoryTable(clock=clock)))


STORES = [
    LosesOthersWrites,
    BringsBack,
    OnlyClaimsToDelete,
    ForgetsThatItRenewed,
    RaisesAtBadCookies,
    SharesItsData,
    WritesWhenItTouches,
    KeepsNoSession,
    RevokesNothing,
    KnowsNoHandles,
    ResetsTheAge,
    FollowsNoRenewal,
    FollowsEveryRenewal,
    RenewsWhatWasRead,
    UpdatesWhatWasRead,
]
for store in STORES:
    globals()[f"Test{store.__name__}"] = type(f"Test{store.__name__}", (OfStore,), {"kind": store, "__test__": True})

# Serializers


class TuplesAreLists(TaggedJSON):
    def loads(self, payload: bytes, /) -> dict[str, Any]:
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in super().loads(payload).items()
        }


class KeysAreText(TaggedJSON):
    def loads(self, payload: bytes, /) -> dict[str, Any]:
        return {
            key: {str(name): item for name, item in value.items()} if isinstance(value, dict) else value
            for key, value in super().loads(payload).items()
        }


class SortsKeys(TaggedJSON):
    def dumps(self, data: Mapping[str, Any], /) -> bytes:
        return super().dumps({key: data[key] for key in sorted(data)})


class FoldsTimes(TaggedJSON):
    def dumps(self, data: Mapping[str, Any], /) -> bytes:
        unfolded = {key: value.replace(fold=0) if isinstance(value, datetime) else value for key, value in data.items()}
        return super().dumps(unfolded)


class GivesTheSameAgain(TaggedJSON):
    def __init__(self) -> None:
        self.read: dict[bytes, dict[str, Any]] = {}

    def loads(self, payload: bytes, /) -> dict[str, Any]:
        return self.read.setdefault(payload, super().loads(payload))


class DependsOnTheStack(TaggedJSON):
    def loads(self, payload: bytes, /) -> dict[str, Any]:
        json.loads(payload.decode("utf-8", "surrogatepass"))
        return super().loads(payload)


class ChecksNothing(TaggedJSON):
    def check(self, key: str, value: Any) -> None:
        """Accept everything."""


class OfSerializer(SerializerConformance):
    __test__ = False
    kind: ClassVar[type[TaggedJSON]]

    @pytest.fixture
    def serializer(self) -> TaggedJSON:
        return self.kind()


SERIALIZERS = [
    TuplesAreLists,
    KeysAreText,
    SortsKeys,
    FoldsTimes,
    GivesTheSameAgain,
    DependsOnTheStack,
    ChecksNothing,
]
for serializer in SERIALIZERS:
    test = f"Test{serializer.__name__}"
    globals()[test] = type(test, (OfSerializer,), {"kind": serializer, "__test__": True})

# Formats

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"
OTHER = "e05c1f7a92b84d63-7d1be04938fa26c5"


class OpensUnderAnyName(NativeFormat):
    def seal(self, record: Record, *, key: str) -> str:
        return super().seal(record, key="")

    def open(self, cookie: str, *, key: str) -> Record | None:
        return super().open(cookie, key="")


class KnowsOneSecret(NativeFormat):
    def __init__(self, secret: str) -> None:
        super().__init__(SECRET)


class RaisesAtGarbage(NativeFormat):
    def open(self, cookie: str, *, key: str) -> Record | None:
        cookie.encode("ascii")
        return super().open(cookie, key=key)


class LosesGenerations(NativeFormat):
    def open(self, cookie: str, *, key: str) -> Record | None:
        found = super().open(cookie, key=key)
        return found and found._replace(generation=0, lines=b"")


class LosesMarks(NativeFormat):
    def open(self, cookie: str, *, key: str) -> Record | None:
        found = super().open(cookie, key=key)
        return found and found._replace(ended=False)


class LosesTimes(NativeFormat):
    def open(self, cookie: str, *, key: str) -> Record | None:
        found = super().open(cookie, key=key)
        return found and found._replace(expires=FOREVER)


class LosesLogIds(NativeFormat):
    def open(self, cookie: str, *, key: str) -> Record | None:
        found = super().open(cookie, key=key)
        return found and found._replace(log_id="0" * 16)


class OpensTheSameAgain(NativeFormat):
    """Mutating an opened session changes what the next request opens."""

    def open(self, cookie: str, *, key: str) -> Record | None:
        found = super().open(cookie, key=key)
        known: dict[str, Any] = self.__dict__.setdefault("known", {})
        return found and found._replace(data=known.setdefault(cookie, found.data))


class LeavesSpace(NativeFormat):
    """Its text is not valid in a cookie."""

    def seal(self, record: Record, *, key: str) -> str:
        return f" {super().seal(record, key=key)}"

    def open(self, cookie: str, *, key: str) -> Record | None:
        return super().open(cookie[1:], key=key) if cookie[:1] == " " else None


class OnlySigns(NativeFormat):
    def __init__(self, secret: str) -> None:
        super().__init__(secret, encrypt=False)


class ShowsItsSecret(NativeFormat):
    def __repr__(self) -> str:
        return f"ShowsItsSecret({SECRET!r})"


class IgnoresTrailingText(NativeFormat):
    """It ignores anything after its own part of a cookie."""

    def seal(self, record: Record, *, key: str) -> str:
        cookie = super().seal(record, key=key)
        return f"{len(cookie)}.{cookie}"

    def open(self, cookie: str, *, key: str) -> Record | None:
        size, _, rest = cookie.partition(".")
        return super().open(rest[: int(size)], key=key) if size.isascii() and size.isdecimal() else None


class OmitsWhatItCannotStore(NativeFormat):
    """It leaves out values that it cannot store."""

    def seal(self, record: Record, *, key: str) -> str:
        try:
            return super().seal(record, key=key)
        except TypeError:
            return super().seal(record._replace(data={}), key=key)


class OfFormat(FormatConformance):
    __test__ = False
    kind: ClassVar[Any]

    @pytest.fixture
    def format(self) -> Format:
        made: Format = self.kind(SECRET)
        return made

    @pytest.fixture
    def other_format(self) -> Format:
        made: Format = self.kind(OTHER)
        return made


FORMATS = [
    OpensUnderAnyName,
    KnowsOneSecret,
    RaisesAtGarbage,
    LosesGenerations,
    LosesMarks,
    LosesTimes,
    LosesLogIds,
    OpensTheSameAgain,
    LeavesSpace,
    OnlySigns,
    ShowsItsSecret,
    IgnoresTrailingText,
    OmitsWhatItCannotStore,
]
for kind in FORMATS:
    globals()[f"Test{kind.__name__}"] = type(f"Test{kind.__name__}", (OfFormat,), {"kind": kind, "__test__": True})

# Adapters


class SendsNoVary(Adapter):
    def vary(self, headers: Headers, told: ResponseHeaders) -> Headers:
        return headers


class AlwaysVaries(Adapter):
    def vary(self, headers: Headers, told: ResponseHeaders) -> Headers:
        return [*headers, ("Vary", "Cookie")]


class LetsCachesKeepIt(Adapter):
    def cache_control(self, headers: Headers, told: ResponseHeaders) -> Headers:
        return headers


class OverridesCacheControl(Adapter):
    def cache_control(self, headers: Headers, told: ResponseHeaders) -> Headers:
        rest = [(name, value) for name, value in headers if name.lower() != "cache-control"]
        return [*rest, ("Cache-Control", "no-store")] if told.no_store else headers


class LetsTheApplicationDecide(Adapter):
    """It lets a response that sets a cookie stay public."""

    def cache_control(self, headers: Headers, told: ResponseHeaders) -> Headers:
        own = any(name.lower() == "cache-control" for name, _ in headers)
        return [*headers, ("Cache-Control", "no-store")] if told.no_store and not own else headers


class KnowsCacheControlOnly(Adapter):
    """It keeps headers that only some caches read."""

    def cache_control(self, headers: Headers, told: ResponseHeaders) -> Headers:
        others = [each for each in headers if each[0].lower() != "cache-control"]
        own = ", ".join(value for name, value in headers if name.lower() == "cache-control") or None
        merged = merged_cache_control(own, sets_cookie=bool(told.cookies), allow_public=self.group.allow_public)
        return headers if merged is None else [*others, ("Cache-Control", merged)]


class NeverEnds(Adapter):
    """It accepts changes after the request."""

    def body(self, exchange: Exchange, chunks: Any) -> Any:
        yield from chunks
        exchange.body_sent()


class SendsOneCookieOnly(Adapter):
    def set_cookies(self, headers: Headers, told: ResponseHeaders) -> Headers:
        return [*headers, *(("Set-Cookie", str(cookie)) for cookie in told.cookies[-1:])]


class ForgetsHowToDelete(Adapter):
    """Its deletions repeat only the name."""

    def set_cookies(self, headers: Headers, told: ResponseHeaders) -> Headers:
        lines = (str(each) if each.value else f"{each.attributes.key}=; Max-Age=0; Path=/" for each in told.cookies)
        return [*headers, *(("Set-Cookie", line) for line in lines)]


class KeepsOneCookiePerName(Adapter):
    """It keeps a response's cookies in a dict, as ``http.cookies`` does."""

    def set_cookies(self, headers: Headers, told: ResponseHeaders) -> Headers:
        named = {cookie.attributes.key: str(cookie) for cookie in told.cookies}
        return [*headers, *(("Set-Cookie", line) for line in named.values())]


class NeverWarns(Adapter):
    def warn(self, told: ResponseHeaders, host: str | None) -> None:
        pass


class WarnsOnThisMachineToo(Adapter):
    def warn(self, told: ResponseHeaders, host: str | None) -> None:
        super().warn(told, HOST)


class StripsAllSpace(Adapter):
    """It parses cookies itself, and strips everything that Python counts as space."""

    def cookies(self, headers: list[str]) -> list[str]:
        return ["; ".join(each.strip() for each in ";".join(headers).split(";"))]


class SplitsAtCommas(Adapter):
    def cookies(self, headers: list[str]) -> list[str]:
        return [header.replace(",", ";") for header in headers]


class DropsSecure(Adapter):
    def set_cookies(self, headers: Headers, told: ResponseHeaders) -> Headers:
        return [*headers, *(("Set-Cookie", str(each).replace("; secure", "")) for each in told.cookies)]


class SavesWhatFailed(Adapter):
    def commit(self, exchange: Exchange, status: int, *, streams: bool) -> ResponseHeaders:
        return super().commit(exchange, 200, streams=streams)


class ForgetsThatItStreams(Adapter):
    def commit(self, exchange: Exchange, status: int, *, streams: bool) -> ResponseHeaders:
        return super().commit(exchange, status, streams=False)


class ForgetsToFinish(Adapter):
    def body(self, exchange: Exchange, chunks: Any) -> Any:
        return iter(chunks)


class ReadsOneHeader(Adapter):
    def cookies(self, headers: list[str]) -> list[str]:
        return headers[:1]


class ReadsLeniently(Adapter):
    """It removes quotes, as ``http.cookies`` does."""

    def cookies(self, headers: list[str]) -> list[str]:
        return [header.replace('"', "") for header in headers]


class DropsTheClient(Adapter):
    def client(self, client: ClientInfo) -> ClientInfo | None:
        return None


class AlwaysRecordsTheClient(Adapter):
    """It makes the core record what was not configured."""

    def __init__(self, sessions: Sessions, also: Sequence[Sessions] = ()) -> None:
        super().__init__(sessions, also)
        self.group.backend.settings = replace(sessions.settings, record_client=True, notes=(note_client,))


class KnowsOneSession(Adapter):
    def other(self, exchange: Exchange, key: str) -> Session:
        return exchange.session


class OpensThemAgain(Adapter):
    """It creates another object for each fetch."""

    def other(self, exchange: Exchange, key: str) -> Session:
        rest = {sessions: session for sessions, session in exchange._others.items() if sessions.key != key}
        exchange._others = rest
        return super().other(exchange, key)


class UsesAllThatAreFetched(Adapter):
    def other(self, exchange: Exchange, key: str) -> Session:
        found = super().other(exchange, key)
        state_of(found).loaded()
        return found


class UsesAll(Adapter):
    def commit(self, exchange: Exchange, status: int, *, streams: bool) -> ResponseHeaders:
        for key in self.named:
            state_of(self.other(exchange, key)).loaded()
        return super().commit(exchange, status, streams=streams)


class CommitsOneOnly(Adapter):
    def commit(self, exchange: Exchange, status: int, *, streams: bool) -> ResponseHeaders:
        return self.main.commit(exchange.session, status=status, streams=streams)


class FinishesOneOnly(Adapter):
    def body(self, exchange: Exchange, chunks: Any) -> Any:
        yield from chunks
        self.main.finish(exchange.session)
        exchange.close()


class CommitsEachByItself(Adapter):
    """If one fails, it commits the others anyway."""

    def commit(self, exchange: Exchange, status: int, *, streams: bool) -> ResponseHeaders:
        told, failure = [], None
        for sessions, each in [*exchange._others.items(), (self.main, exchange.session)]:
            try:
                told.append(sessions.commit(each, status=status, streams=streams))
            except StoreError as exc:
                failure = exc
        if failure is not None:
            exchange._unsent = tuple(cookie for each in told for cookie in each.cookies)
            raise failure
        return ResponseHeaders(tuple(cookie for each in told for cookie in each.cookies), vary=told[-1].vary)


class StopsAtTheFirst(Adapter):
    """If one fails, it does not even end the others."""

    def commit(self, exchange: Exchange, status: int, *, streams: bool) -> ResponseHeaders:
        used = [(self.main, exchange.session), *exchange._others.items()]
        told = [sessions.commit(each, status=status, streams=streams) for sessions, each in used]
        vary = ", ".join(dict.fromkeys(each.vary for each in told))
        return ResponseHeaders(tuple(cookie for each in told for cookie in each.cookies), vary=vary)


class SendsNoCookieWithAFailure(Adapter):
    def unsent(self, failure: Failure) -> ResponseHeaders:
        return ResponseHeaders(vary="Cookie")


class RenewsAll(Adapter):
    def commit(self, exchange: Exchange, status: int, *, streams: bool) -> ResponseHeaders:
        used = (exchange.session, *exchange.others)
        if any(state_of(each).intent is Intent.RENEW for each in used):
            for each in used:
                each.configure(renew=True)
        return super().commit(exchange, status, streams=streams)


class EndsAll(Adapter):
    def commit(self, exchange: Exchange, status: int, *, streams: bool) -> ResponseHeaders:
        used = (exchange.session, *exchange.others)
        if any(state_of(each).intent in (Intent.DROP, Intent.LOGOUT) for each in used):
            for each in used:
                each.configure(drop=True)
        return super().commit(exchange, status, streams=streams)


class TellsTheClientToOneOnly(Adapter):
    def other(self, exchange: Exchange, key: str) -> Session:
        found = super().other(exchange, key)
        state_of(found).client = None
        return found


class SetsAllCookiesForTheRoot(Adapter):
    def set_cookies(self, headers: Headers, told: ResponseHeaders) -> Headers:
        return [*headers, *(("Set-Cookie", re.sub("path=[^;]+", "path=/", str(each))) for each in told.cookies)]


class ForgetsRedirects(Adapter):
    """It adds no cookie to a response with this status; each subclass has another."""

    statuses: ClassVar[tuple[int, ...]] = (301, 302, 303, 307)

    def answer(self, *request: Any) -> Any:
        status, headers, chunks = super().answer(*request)
        if status in self.statuses:
            headers = [each for each in headers if each[0] != "Set-Cookie"]
        return status, headers, chunks


class ForgetsEmptyResponses(ForgetsRedirects):
    statuses = (204,)


class ForgetsUnmodifiedResponses(ForgetsRedirects):
    statuses = (304,)


class ForgetsHead(Adapter):
    """It adds no cookie to the response to a HEAD request."""

    def answer(self, *request: Any) -> Any:
        status, headers, chunks = super().answer(*request)
        if request[-2] == "HEAD":
            headers = [each for each in headers if each[0] != "Set-Cookie"]
        return status, headers, chunks


class SavesABrokenBody(Adapter):
    def broken(self, exchange: Exchange) -> None:
        exchange.body_sent(last=True)


class ForgetsABrokenBody(Adapter):
    """It carries out no logout of a failing body."""

    def broken(self, exchange: Exchange) -> None:
        exchange.close()


class SavesAfterTheEnd(Adapter):
    """It saves the body's changes only when the server closes it."""

    def body(self, exchange: Exchange, chunks: Any) -> Any:
        return _SavedLate(exchange, chunks)


class _SavedLate:
    def __init__(self, exchange: Exchange, chunks: Any) -> None:
        self._exchange = exchange
        self._chunks = chunks

    def __iter__(self) -> Any:
        try:
            yield from self._chunks
        except Exception:
            self._exchange.failed()
            self._exchange.close()
            raise

    def close(self) -> None:
        self._exchange.body_sent(last=True)


class AddsNothingFurther(Adapter):
    def set_cookies(self, headers: Headers, told: ResponseHeaders) -> Headers:
        return [*headers, *(("Set-Cookie", str(each)) for each in told.cookies)]


class KnowsCookiesOnly(Adapter):
    """It sends everything as a cookie."""

    def set_cookies(self, headers: Headers, told: ResponseHeaders) -> Headers:
        return [*headers, *(("Set-Cookie", str(each)) for each in told.cookies), *told.extra]


class VariesByCookiesOnly(Adapter):
    def vary(self, headers: Headers, told: ResponseHeaders) -> Headers:
        return super().vary(headers, told.changed(vary="Cookie") if told.vary else told)


class HandsOnCookiesOnly(Adapter):
    """It passes none of the request's other headers to the core."""

    def answer(self, *request: Any) -> Any:
        return super().answer(*request[:-1])


class SkipsLoginChecks(Adapter):
    def answer(self, *request: Any) -> Any:
        status, headers, chunks = super().answer(*request)
        return 200 if status == 403 else status, headers, chunks


class HidesABrokenBackend(Adapter):
    def answer(self, *request: Any) -> Any:
        status, headers, chunks = super().answer(*request)
        return 200 if status == 503 else status, headers, chunks


class Mutated:
    kind: ClassVar[type[Adapter]]

    @pytest.fixture
    def mount(self) -> Mount:
        # Only ASGI passes on more than one Cookie header.
        mount = mount_asgi if self.kind is ReadsOneHeader else mount_wsgi
        return lambda sessions, also=(): mount(self.kind(sessions, also))


# Adapters for event loops: the ASGI middleware with a faulty exchange.


class CutsCommitsInTwo(Exchange):
    """Cancelling a request also cancels its commit."""

    async def remaining_headers_async(self, status: int = 200, *, streams: bool = False) -> ResponseHeaders:
        headers: ResponseHeaders = await run_async(self._commit(status, streams))
        return headers


class HidesForgottenSaves(Exchange):
    """It ignores calls that were not awaited."""

    async def body_sent_async(self, *, last: bool = False) -> None:
        with _forgotten():
            await super().body_sent_async(last=last)


class HidesForgottenSavesOfHandlers(Exchange):
    def headers_at_once(self, status: int = 200, *, streams: bool = False) -> ResponseHeaders | None:
        with _forgotten():
            return super().headers_at_once(status, streams=streams)
        return super().headers_at_once(status, streams=streams)


@contextmanager
def _forgotten() -> Iterator[None]:
    try:
        yield
    except SessionError as error:
        if type(error) is not SessionError:
            raise


class ForgetsHandshakes(Exchange):
    """It stores a WebSocket's changes, and sends no cookie."""

    def headers_at_once(self, status: int = 200, *, streams: bool = False) -> ResponseHeaders | None:
        return None

    async def remaining_headers_async(self, status: int = 200, *, streams: bool = False) -> ResponseHeaders:
        headers = await super().remaining_headers_async(status, streams=streams)
        return headers if self.is_http else ResponseHeaders(vary=headers.vary)

    is_http = True


class ForgetsMessages(Exchange):
    """It stores none of the changes made by a WebSocket's messages."""

    is_http = True

    async def body_sent_async(self, *, last: bool = False) -> None:
        if self.is_http:
            await super().body_sent_async(last=last)


class OfExchange(AdapterConformance):
    answers_failures = False
    binds_devices = False
    awaits_tables = True
    websockets = True

    __test__ = False
    kind: ClassVar[type[Exchange]]

    @pytest.fixture
    def mount(self) -> Mount:
        kind = self.kind

        class Wrong(SessionMiddleware):
            async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                exchange = type(kind.__name__, (kind,), {"is_http": scope["type"] == "http"})
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(middleware, "Exchange", exchange)
                    await super().__call__(scope, receive, send)

        return lambda sessions, also=(): mount_middleware(sessions, also, Wrong)


EXCHANGES = [
    CutsCommitsInTwo,
    HidesForgottenSaves,
    HidesForgottenSavesOfHandlers,
    ForgetsHandshakes,
    ForgetsMessages,
]
for exchange in EXCHANGES:
    test = f"Test{exchange.__name__}"
    globals()[test] = type(test, (OfExchange,), {"kind": exchange, "__test__": True})


class OfAdapter(Mutated, AdapterConformance):
    binds_devices = False

    __test__ = False


class OfParser(Mutated, CookieConformance):
    __test__ = False


ADAPTERS = [
    SendsNoVary,
    AlwaysVaries,
    LetsCachesKeepIt,
    OverridesCacheControl,
    LetsTheApplicationDecide,
    KnowsCacheControlOnly,
    NeverEnds,
    SendsOneCookieOnly,
    ForgetsHowToDelete,
    DropsSecure,
    KeepsOneCookiePerName,
    NeverWarns,
    WarnsOnThisMachineToo,
    SavesWhatFailed,
    ForgetsThatItStreams,
    ForgetsToFinish,
    ReadsOneHeader,
    ReadsLeniently,
    DropsTheClient,
    AlwaysRecordsTheClient,
    KnowsOneSession,
    OpensThemAgain,
    UsesAllThatAreFetched,
    UsesAll,
    CommitsOneOnly,
    FinishesOneOnly,
    CommitsEachByItself,
    StopsAtTheFirst,
    SendsNoCookieWithAFailure,
    RenewsAll,
    EndsAll,
    TellsTheClientToOneOnly,
    SetsAllCookiesForTheRoot,
    AddsNothingFurther,
    KnowsCookiesOnly,
    VariesByCookiesOnly,
    HandsOnCookiesOnly,
    SkipsLoginChecks,
    HidesABrokenBackend,
    ForgetsRedirects,
    ForgetsEmptyResponses,
    ForgetsUnmodifiedResponses,
    ForgetsHead,
    SavesABrokenBody,
    ForgetsABrokenBody,
    SavesAfterTheEnd,
]
# These parse cookies themselves, so they need the other suite.
PARSERS = [StripsAllSpace, SplitsAtCommas]
for adapter in (*ADAPTERS, *PARSERS):
    name = f"Test{adapter.__name__}"
    base = OfParser if adapter in PARSERS else OfAdapter
    globals()[name] = type(name, (base,), {"kind": adapter, "__test__": True})
