"""
Stores, tables, serializers and adapters that are wrong in one way each, set before the suites.

Not collected with the rest: ``test_suites.py`` runs this file and sees to it that each of these classes fails.
"""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, ClassVar

import pytest

from conformance.bare import Adapter, Headers, mount_asgi, mount_wsgi
from holdall import (
    AsyncStore,
    AsyncTable,
    LostWriteError,
    MemoryTable,
    ResponseHeaders,
    Sessions,
    StoreError,
    TableStore,
)
from holdall.cache_headers import merged_cache_control
from holdall.clock import NEVER
from holdall.devices import Facts
from holdall.serializers import TaggedJSON
from holdall.session import Intent
from holdall.stores import Changes, Draft, Missing, Stored
from holdall.tables import Listed, Replacement, Row
from holdall.testing import (
    AdapterConformance,
    CookieConformance,
    FakeClock,
    SerializerConformance,
    StoreConformance,
    TableConformance,
    as_async,
)
from holdall.testing.adapters.suite import Mount
from holdall.testing.clients import HOST
from races import broken

# Tables


class Tampered(MemoryTable):
    """One whose rows can be had as they are, and put."""

    def peek(self, digest: bytes) -> Row:
        row = self._get(digest)
        assert row is not None
        return row

    def plant(self, digest: bytes, row: Row) -> None:
        with self._lock:
            self._remove(digest)
            self._add(digest, row)

    def rows(self) -> dict[bytes, Row]:
        return {digest: self.peek(digest) for part in self._parts for digest in part.rows}


class Overwrites(MemoryTable):
    def insert(self, digest: bytes, row: Row) -> bool:
        self.delete(digest)
        return super().insert(digest, row)


class ForgetsTheDevice(MemoryTable):
    def insert(self, digest: bytes, row: Row) -> bool:
        return super().insert(digest, row._replace(device=None))


class ReplacesCreatedAndPrincipal(Tampered):
    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        answer = super().replace(digest, row, version=version)
        if answer is Replacement.REPLACED:
            self.plant(digest, row._replace(device=self.peek(digest).device))
        return answer


class ReplacesTheDevice(Tampered):
    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        answer = super().replace(digest, row, version=version)
        if answer is Replacement.REPLACED:
            self.plant(digest, self.peek(digest)._replace(device=row.device))
        return answer


class ReplacesUnseen(MemoryTable):
    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        present = self.read(digest)
        return super().replace(digest, row._replace(seen=present and present.seen), version=version)


class TouchesBackwards(Tampered):
    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        touched = super().touch(digest, expires, seen=seen)
        if touched:
            self.plant(digest, self.peek(digest)._replace(expires=expires))
        return touched


class SeesBackwards(Tampered):
    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        touched = super().touch(digest, expires, seen=seen)
        if touched:
            self.plant(digest, self.peek(digest)._replace(seen=seen))
        return touched


class TouchesUnseen(MemoryTable):
    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        present = self.read(digest)
        return super().touch(digest, expires, seen=(present and present.seen) or seen)


class KeepsTheExpired(Tampered):
    def read(self, digest: bytes) -> Row | None:
        return self._get(digest)


class BuriesNobody(MemoryTable):
    """It puts a tombstone where nothing was."""

    def delete(self, digest: bytes, *, tombstone: datetime | None = None) -> Row | None:
        row = super().delete(digest, tombstone=tombstone)
        if tombstone is not None and row is None and self.read(digest) is None:
            self.insert(digest, Row(b"", 0, tombstone, self.clock()))
        return row


class BuriesNamelessly(Tampered):
    """Its tombstones do not say whose they are."""

    def delete(self, digest: bytes, *, tombstone: datetime | None = None) -> Row | None:
        row = super().delete(digest, tombstone=tombstone)
        if row is not None and tombstone is not None:
            self.plant(digest, self.peek(digest)._replace(principal=None))
        return row


class BuriesWithTheDevice(Tampered):
    def delete(self, digest: bytes, *, tombstone: datetime | None = None) -> Row | None:
        row = super().delete(digest, tombstone=tombstone)
        if row is not None and tombstone is not None:
            self.plant(digest, self.peek(digest)._replace(device=row.device))
        return row


class FindsNoTombstones(MemoryTable):
    def find(self, principal: str) -> list[Listed]:
        return [each for each in super().find(principal) if not each.is_tombstone]


class FindsOnlyTimes(MemoryTable):
    def find(self, principal: str) -> list[Listed]:
        return [each._replace(device=None, seen=None) for each in super().find(principal)]


class FindsInAnyOrder(MemoryTable):
    def find(self, principal: str) -> list[Listed]:
        return sorted(super().find(principal), key=lambda each: each.digest)


class FindsTheDead(MemoryTable):
    def find(self, principal: str) -> list[Listed]:
        former = self.__dict__.setdefault("former", {}).setdefault(principal, {})
        former |= {each.digest: each for each in super().find(principal)}
        return sorted(former.values(), key=lambda each: each.created)


class SweepsWithoutLimit(MemoryTable):
    def sweep(self, limit: int = 1000) -> int:
        return super().sweep(1_000_000)


class ClearsTheNewer(MemoryTable):
    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        return super().clear(NEVER, limit)


class ClearsNotTheLast(MemoryTable):
    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        return super().clear(began_by - timedelta(seconds=1), limit)


class ClearsByUse(Tampered):
    """It spares what was used since."""

    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        unused = (digest for digest, row in self.rows().items() if row.seen is None or row.seen <= began_by)
        return sum(self.delete(digest) is not None for digest in islice(unused, limit))


class ClearsSessionsOnly(Tampered):
    """It leaves tombstones."""

    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        begun = (digest for digest, row in self.rows().items() if row.created <= began_by and not row.is_tombstone)
        return sum(self.delete(digest) is not None for digest in islice(begun, limit))


class ClearsWithoutLimit(MemoryTable):
    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        return super().clear(began_by, 1_000_000)


class CutsAtNUL(MemoryTable):
    def insert(self, digest: bytes, row: Row) -> bool:
        return super().insert(digest, row._replace(data=row.data.split(b"\0")[0]))


class ReplacesInTwoSteps(MemoryTable):
    """Between its look at the version and its write others can come."""

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        present = self.read(digest)
        if present is not None and present.version == version:
            _let_others_run()
            present = self.read(digest)
            version = version if present is None else present.version
        return super().replace(digest, row, version=version)


class DeletesInTwoSteps(MemoryTable):
    def delete(self, digest: bytes, *, tombstone: datetime | None = None) -> Row | None:
        row = self.read(digest)
        _let_others_run()
        super().delete(digest, tombstone=tombstone)
        return None if row is None or row.is_tombstone else row


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
    broken.DeletesNothing,
    broken.GivesStaleRows,
    broken.SweepsTheLiving,
    Overwrites,
    ForgetsTheDevice,
    ReplacesCreatedAndPrincipal,
    ReplacesTheDevice,
    ReplacesUnseen,
    TouchesBackwards,
    SeesBackwards,
    TouchesUnseen,
    KeepsTheExpired,
    BuriesNobody,
    BuriesNamelessly,
    BuriesWithTheDevice,
    FindsNoTombstones,
    FindsOnlyTimes,
    FindsInAnyOrder,
    FindsTheDead,
    ClearsTheNewer,
    ClearsNotTheLast,
    ClearsByUse,
    ClearsSessionsOnly,
    ClearsWithoutLimit,
    SweepsWithoutLimit,
    CutsAtNUL,
    ReplacesInTwoSteps,
    DeletesInTwoSteps,
]
for table in TABLES:
    globals()[f"Test{table.__name__}"] = type(f"Test{table.__name__}", (OfTable,), {"kind": table, "__test__": True})

# Stores


class LosesOthersWrites(TableStore):
    def put(self, stored: Stored | None, draft: Draft, *, key: str) -> Stored | None:
        if stored is not None and draft.changes:
            draft = draft._replace(changes=Changes(draft.data, cleared=True))
        return super().put(stored, draft, key=key)


class BringsBack(TableStore):
    def put(self, stored: Stored | None, draft: Draft, *, key: str) -> Stored | None:
        return super().put(stored, draft, key=key) or super().put(None, draft, key=key)


class OnlySaysThatItDeletes(TableStore):
    def delete(self, stored: Stored, *, key: str, tombstone: datetime | None = None) -> Stored:
        return stored


class ForgetsThatItRenewed(TableStore):
    def delete(self, stored: Stored, *, key: str, tombstone: datetime | None = None) -> Stored | None:
        return super().delete(stored, key=key)


class ShedsTears(TableStore):
    """It raises at a cookie that it does not like."""

    def get(self, cookie: str, *, key: str) -> Stored | Missing:
        cookie.encode("ascii")
        return super().get(cookie, key=key)


class SharesItsData(TableStore):
    def __init__(self, table: MemoryTable) -> None:
        super().__init__(table)
        self.shared: dict[str, Any] = {}

    def get(self, cookie: str, *, key: str) -> Stored | Missing:
        found = super().get(cookie, key=key)
        return found._replace(data=self.shared.setdefault(cookie, found.data)) if isinstance(found, Stored) else found


class WritesWhenItTouches(TableStore):
    def put(self, stored: Stored | None, draft: Draft, *, key: str) -> Stored | None:
        if stored is not None and not draft.changes:
            draft = draft._replace(changes=Changes(draft.data))
        return super().put(stored, draft, key=key)


class SparesNobody(TableStore):
    def revoke(self, principal: str, *, spared: Stored | None, handle: str | None) -> int:
        return super().revoke(principal, spared=None, handle=handle)


class EndsNobody(TableStore):
    def revoke(self, principal: str, *, spared: Stored | None, handle: str | None) -> int:
        return len(self.of(principal, current=None))


class KnowsNoHandles(TableStore):
    def revoke(self, principal: str, *, spared: Stored | None, handle: str | None) -> int:
        return super().revoke(principal, spared=spared, handle=None)


class BeginsAnew(TableStore):
    """It counts a session's age from its last write."""

    def get(self, cookie: str, *, key: str) -> Stored | Missing:
        found = super().get(cookie, key=key)
        return found._replace(created=found.expires) if isinstance(found, Stored) else found


class OfStore(StoreConformance):
    __test__ = False
    kind: ClassVar[type[TableStore]]

    @pytest.fixture
    def store(self, clock: FakeClock) -> AsyncStore:
        return as_async(self.kind(MemoryTable(clock=clock)))


STORES = [
    LosesOthersWrites,
    BringsBack,
    OnlySaysThatItDeletes,
    ForgetsThatItRenewed,
    ShedsTears,
    SharesItsData,
    WritesWhenItTouches,
    SparesNobody,
    EndsNobody,
    KnowsNoHandles,
    BeginsAnew,
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
        """Let everything pass."""


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
    """It leaves a response public that sets a cookie."""

    def cache_control(self, headers: Headers, told: ResponseHeaders) -> Headers:
        own = any(name.lower() == "cache-control" for name, _ in headers)
        return [*headers, ("Cache-Control", "no-store")] if told.no_store and not own else headers


class KnowsCacheControlOnly(Adapter):
    """It leaves what only some caches read."""

    def cache_control(self, headers: Headers, told: ResponseHeaders) -> Headers:
        others = [each for each in headers if each[0].lower() != "cache-control"]
        own = ", ".join(value for name, value in headers if name.lower() == "cache-control") or None
        merged = merged_cache_control(own, sets_cookie=bool(told.cookies), allow_public=self.sessions.allow_public)
        return headers if merged is None else [*others, ("Cache-Control", merged)]


class NeverEnds(Adapter):
    """It takes what comes after the request."""

    def body(self, session: Any, chunks: Any) -> Any:
        yield from chunks
        self.sessions.finish(session)


class SendsOneCookieOnly(Adapter):
    def set_cookies(self, headers: Headers, told: ResponseHeaders) -> Headers:
        return [*headers, *(("Set-Cookie", str(cookie)) for cookie in told.cookies[-1:])]


class ForgetsHowToDelete(Adapter):
    """Its deletions have the name alone."""

    def set_cookies(self, headers: Headers, told: ResponseHeaders) -> Headers:
        lines = (str(each) if each.value else f"{each.attributes.key}=; Max-Age=0; Path=/" for each in told.cookies)
        return [*headers, *(("Set-Cookie", line) for line in lines)]


class KeepsOneCookieOfAName(Adapter):
    """It has the cookies of a response in a dict, as ``http.cookies`` does."""

    def set_cookies(self, headers: Headers, told: ResponseHeaders) -> Headers:
        named = {cookie.attributes.key: str(cookie) for cookie in told.cookies}
        return [*headers, *(("Set-Cookie", line) for line in named.values())]


class WarnsOfNothing(Adapter):
    def warn(self, told: ResponseHeaders, host: str | None) -> None:
        pass


class WarnsOnThisMachineToo(Adapter):
    def warn(self, told: ResponseHeaders, host: str | None) -> None:
        super().warn(told, HOST)


class StripsAllSpace(Adapter):
    """It parses cookies itself, and takes for space what Python does."""

    def cookies(self, headers: list[str]) -> list[str]:
        return ["; ".join(each.strip() for each in ";".join(headers).split(";"))]


class SplitsAtCommas(Adapter):
    def cookies(self, headers: list[str]) -> list[str]:
        return [header.replace(",", ";") for header in headers]


class DropsSecure(Adapter):
    def set_cookies(self, headers: Headers, told: ResponseHeaders) -> Headers:
        return [*headers, *(("Set-Cookie", str(each).replace("; secure", "")) for each in told.cookies)]


class SavesWhatFailed(Adapter):
    def commit(self, session: Any, status: int, *, streams: bool) -> ResponseHeaders:
        return super().commit(session, 200, streams=streams)


class ForgetsThatItStreams(Adapter):
    def commit(self, session: Any, status: int, *, streams: bool) -> ResponseHeaders:
        return super().commit(session, status, streams=False)


class ForgetsToFinish(Adapter):
    def body(self, session: Any, chunks: Any) -> Any:
        return iter(chunks)


class ReadsOneHeader(Adapter):
    def cookies(self, headers: list[str]) -> list[str]:
        return headers[:1]


class ReadsLeniently(Adapter):
    """It takes the quotes off, as ``http.cookies`` does."""

    def cookies(self, headers: list[str]) -> list[str]:
        return [header.replace('"', "") for header in headers]


class AsksNobody(Adapter):
    def facts(self, facts: Facts) -> Facts | None:
        return None


class TellsEverything(Adapter):
    """It has the core note what nobody has asked for."""

    def __init__(self, sessions: Sessions, beside: Sequence[Sessions] = ()) -> None:
        super().__init__(sessions, beside)
        sessions.policy = replace(sessions.policy, devices=True)


class KnowsOneSession(Adapter):
    def beside(self, session: Any, key: str) -> Any:
        return session


class OpensThemAnew(Adapter):
    """Each time that one is asked for it is another object."""

    def beside(self, session: Any, key: str) -> Any:
        session.beside.pop(self.named[key], None)
        return super().beside(session, key)


class UsesAllThatIsAskedFor(Adapter):
    def beside(self, session: Any, key: str) -> Any:
        found = super().beside(session, key)
        found.data()
        return found


class UsesAll(Adapter):
    def commit(self, session: Any, status: int, *, streams: bool) -> ResponseHeaders:
        for each in self.named.values():
            session.beside[each].data()
        return super().commit(session, status, streams=streams)


class CommitsOneOnly(Adapter):
    def commit(self, session: Any, status: int, *, streams: bool) -> ResponseHeaders:
        return self.main.commit(session, status=status, streams=streams)


class FinishesOneOnly(Adapter):
    def body(self, session: Any, chunks: Any) -> Any:
        yield from chunks
        self.main.finish(session)
        session.close()


class CommitsEachByItself(Adapter):
    """If one fails it is nothing to the others."""

    def commit(self, session: Any, status: int, *, streams: bool) -> ResponseHeaders:
        told, failure = [], None
        for sessions, each in [*session.beside.items(), (self.main, session)]:
            try:
                told.append(sessions.commit(each, status=status, streams=streams))
            except StoreError as exc:
                failure = exc
        if failure is not None:
            failure.unsent = tuple(cookie for each in told for cookie in each.cookies)
            raise failure
        return ResponseHeaders(tuple(cookie for each in told for cookie in each.cookies), vary=told[-1].vary)


class StopsAtTheFirst(Adapter):
    """If one fails the others are not even ended."""

    def commit(self, session: Any, status: int, *, streams: bool) -> ResponseHeaders:
        used = [(self.main, session), *session.beside.items()]
        told = [sessions.commit(each, status=status, streams=streams) for sessions, each in used]
        return ResponseHeaders(
            tuple(cookie for each in told for cookie in each.cookies), vary=any(each.vary for each in told)
        )


class SendsNoCookieWithAFailure(Adapter):
    def unsent(self, error: StoreError | LostWriteError) -> ResponseHeaders:
        return ResponseHeaders(vary=True)


class RenewsAll(Adapter):
    def commit(self, session: Any, status: int, *, streams: bool) -> ResponseHeaders:
        if session.intent is Intent.RENEW or any(each.intent is Intent.RENEW for each in session.beside.values()):
            for each in (session, *session.beside.values()):
                each.configure(renew=True)
        return super().commit(session, status, streams=streams)


class EndsAll(Adapter):
    def commit(self, session: Any, status: int, *, streams: bool) -> ResponseHeaders:
        if any(each.intent in (Intent.DROP, Intent.LOGOUT) for each in (session, *session.beside.values())):
            for each in (session, *session.beside.values()):
                each.configure(drop=True)
        return super().commit(session, status, streams=streams)


class TellsTheFactsOfOneOnly(Adapter):
    def beside(self, session: Any, key: str) -> Any:
        found = super().beside(session, key)
        found.facts = None
        return found


class SetsAllCookiesForTheRoot(Adapter):
    def set_cookies(self, headers: Headers, told: ResponseHeaders) -> Headers:
        return [*headers, *(("Set-Cookie", re.sub("path=[^;]+", "path=/", str(each))) for each in told.cookies)]


class HidesABrokenBackend(Adapter):
    def answer(self, *request: Any) -> Any:
        status, headers, chunks = super().answer(*request)
        return 200 if status == 503 else status, headers, chunks


class Mutated:
    kind: ClassVar[type[Adapter]]

    @pytest.fixture
    def mount(self) -> Mount:
        # Only ASGI hands on more Cookie headers than one.
        mount = mount_asgi if self.kind is ReadsOneHeader else mount_wsgi
        return lambda sessions, beside=(): mount(self.kind(sessions, beside))


class OfAdapter(Mutated, AdapterConformance):
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
    KeepsOneCookieOfAName,
    WarnsOfNothing,
    WarnsOnThisMachineToo,
    SavesWhatFailed,
    ForgetsThatItStreams,
    ForgetsToFinish,
    ReadsOneHeader,
    ReadsLeniently,
    AsksNobody,
    TellsEverything,
    KnowsOneSession,
    OpensThemAnew,
    UsesAllThatIsAskedFor,
    UsesAll,
    CommitsOneOnly,
    FinishesOneOnly,
    CommitsEachByItself,
    StopsAtTheFirst,
    SendsNoCookieWithAFailure,
    RenewsAll,
    EndsAll,
    TellsTheFactsOfOneOnly,
    SetsAllCookiesForTheRoot,
    HidesABrokenBackend,
]
# They parse cookies themselves, which takes the other suite.
PARSERS = [StripsAllSpace, SplitsAtCommas]
for adapter in (*ADAPTERS, *PARSERS):
    name = f"Test{adapter.__name__}"
    base = OfParser if adapter in PARSERS else OfAdapter
    globals()[name] = type(name, (base,), {"kind": adapter, "__test__": True})
