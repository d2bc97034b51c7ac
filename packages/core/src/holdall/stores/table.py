"""
Sessions kept in a table: the cookie holds a secret name, the table holds the rest.

The steps are written once, for all tables; ``TableStore`` and ``AsyncTableStore`` differ in how they take them.
"""

import hashlib
import hmac
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdall._base64url import to_text
from holdall.clock import Clock, utc_now
from holdall.devices import Device
from holdall.errors import ConfigurationError, ContentionError, StoreError
from holdall.events import Listener
from holdall.serializers import Serializer, TaggedJSON
from holdall.sources.contract import AnySource
from holdall.steps import Steps, is_awaited, run, run_async
from holdall.stores import revocation
from holdall.stores.contract import Draft, Missing, Stored, Trail
from holdall.stores.succession import end_successor, follow, lead, succeed
from holdall.stores.verbs import Insert, Read, Remove, Replace, Touch
from holdall.tables import Form
from holdall.tables.contract import AsyncTable, Replacement, Row, Table, Tombstone

if TYPE_CHECKING:
    from holdall.stores.moving import MovingSteps

__all__ = ["NONCE_BYTES", "AsyncTableStore", "TableSteps", "TableStore", "digest_of", "log_id_of"]

_SID_BYTES = 32
_SID = re.compile(r"[A-Za-z0-9_-]{43}")
NONCE_BYTES = 12

# Each conflict means that another request's write went through, so this many in a row means that something is wrong.
_MOST_CONFLICTS = 1000

# When a lease that was given back has run out.
_LONG_AGO = datetime.fromtimestamp(0, UTC)
_LEASE_BYTES = 6

_MALFORMED = Missing("malformed")
_UNKNOWN = Missing("unknown")
_RENEWED = Missing("renewed", late=True)
_UNREADABLE = Missing("unreadable")


class _InRow(Stored):
    """A session in a row. What names it in logs is made when somebody asks for it, which most requests do not."""

    __slots__ = ()

    @property
    def log_id(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]  # nobody sets it
        return log_id_of(self.cookie)


@dataclass(frozen=True)
class TableSteps:
    """
    What a table store does, as steps that a table is to take.

    Attributes:
        sealed: Encrypt each row's data under a key derived from its sid, which the table never sees.
        random: Source of secret random bytes.
        sources: Where other libraries keep sessions that are to be moved into the table.
    """

    sealed: bool
    serializer: Serializer
    random: Callable[[int], bytes]
    sources: tuple[Any, ...] = ()

    def get(self, cookie: str, *, key: str) -> Steps[Stored | Missing]:
        if not _SID.fullmatch(cookie):
            return _MALFORMED
        row = yield Read(digest_of(cookie))
        if row is None:
            return _UNKNOWN
        if row.is_tombstone:
            return _RENEWED
        return self._stored(cookie, row) or _UNREADABLE

    def put(self, stored: Stored | None, draft: Draft, *, key: str) -> Steps[Stored | None]:
        if stored is None:
            return (yield from self._insert(draft))
        sid, digest = stored.cookie, digest_of(stored.cookie)
        if not draft.changes:
            alive = yield Touch(digest, draft.expires, draft.seen)
            return stored._replace(expires=draft.expires) if alive else None
        data, version = draft.data, stored.version or 0
        for _ in range(_MOST_CONFLICTS):
            row = self._row(sid, data, version + 1, draft)
            match (yield Replace(digest, row, version)):
                case Replacement.REPLACED:
                    return stored._replace(data=data, version=row.version, expires=draft.expires)
                case Replacement.GONE:
                    return None
            present = yield Read(digest)
            if present is None or present.is_tombstone or (latest := self._stored(sid, present)) is None:
                return None
            _check_unchanged(draft.unchanged, stored.data, latest.data)
            data, version = draft.changes.over(latest.data), present.version
            if not draft.limits:
                draft = draft._replace(expires=latest.expires)
        msg = f"a session was written by others {_MOST_CONFLICTS} times while one request tried to: it gave up."
        raise StoreError(msg)

    def delete(self, stored: Stored, *, key: str, tombstone: datetime | None = None) -> Steps[Stored | None]:
        digest = digest_of(stored.cookie)
        row = yield Remove(digest, None if tombstone is None else Tombstone(tombstone, b""))
        if row is not None:
            return self._stored(stored.cookie, row)
        if tombstone is None and (yield from end_successor(digest)):
            return stored
        return None

    def _insert(self, draft: Draft) -> Steps[Stored | None]:
        succeeds = draft.succeeds
        if succeeds is not None and not succeeds.login:
            sid, digest, row = self._begun(draft)
            came = yield from succeed(digest_of(succeeds.stored.cookie), digest, row, succeeds.until)
            return self._as_put(sid, draft, row) if came else None
        # 256 random bits do not meet twice; a table that says so twice is broken.
        for _ in range(2):
            sid, digest, row = self._begun(draft)
            if succeeds is not None:
                yield from lead(digest_of(succeeds.stored.cookie), digest, row, succeeds.until)
            if (yield Insert(digest, row)):
                return self._as_put(sid, draft, row)
        msg = "the table refuses a row under a new random id: it is full or broken."
        raise StoreError(msg)

    def _begun(self, draft: Draft) -> tuple[str, bytes, Row]:
        """Return a new id, its digest, and the row of *draft* under it."""
        sid = to_text(self.random(_SID_BYTES))
        return sid, digest_of(sid), self._row(sid, draft.data, 1, draft)

    @staticmethod
    def _as_put(sid: str, draft: Draft, row: Row) -> Stored:
        return _InRow(sid, draft.data, row.created, row.expires, "", row.version)

    # A lease is a row that only one request can insert. In the place of a version it has a number that nobody else
    # knows, by which it is given back: another may have it by then. It does not go, but runs out at once.

    def lease(self, stored: Stored, name: str, *, until: datetime) -> Steps[int | None]:
        lease = 1 + int.from_bytes(self.random(_LEASE_BYTES))
        taken = yield Insert(_lease(stored.cookie, name), Row(b"", lease, until, stored.created))
        return lease if taken else None

    def release(self, stored: Stored, name: str, lease: int) -> Steps[None]:
        yield Replace(_lease(stored.cookie, name), Row(b"", lease, _LONG_AGO, stored.created), lease)

    def check(self, key: str, value: Any) -> None:
        """Raise ``TypeError`` if *value* cannot be stored."""
        check = getattr(self.serializer, "check", None)
        if check is not None:
            check(key, value)
        else:
            self.serializer.dumps({key: value})

    def _row(self, sid: str, data: Mapping[str, Any], version: int, draft: Draft) -> Row:
        payload = self.serializer.dumps(data)
        if self.sealed:
            nonce = self.random(NONCE_BYTES)
            payload = nonce + _box(sid).encrypt(nonce, payload, None)
        return Row(payload, version, draft.expires, draft.created, draft.principal, draft.device, draft.seen)

    def _stored(self, sid: str, row: Row) -> Stored | None:
        payload = row.data
        try:
            if self.sealed:
                payload = _box(sid).decrypt(payload[:NONCE_BYTES], payload[NONCE_BYTES:], None)
            data = self.serializer.loads(payload)
        except (InvalidTag, ValueError):
            # Not what we wrote: the row was damaged, or the store is set up in another way now.
            return None
        return _InRow(sid, data, row.created, row.expires, "", row.version)


class TableStore:
    """
    A store that keeps each session in a row of *table*.

    No write is lost to another request's and no session that has ended comes back. The table sees neither an id nor,
    where its rows leave the process, any data.

    Args:
        sealed: Encrypt the rows' data; by default where they leave the process.
        move_from: Where another library keeps sessions that are to be found, and moved here once
            (``holdall.sources``).
        until: From this time on they are not looked for there; aware of its time zone.

    Raises:
        ConfigurationError: The table or a source is awaited, or *until* is no time.
    """

    def __init__(
        self,
        table: Table,
        *,
        sealed: bool | None = None,
        serializer: Serializer | None = None,
        random: Callable[[int], bytes] = os.urandom,
        move_from: Iterable[AnySource] = (),
        until: datetime | None = None,
        clock: Clock = utc_now,
    ) -> None:
        if is_awaited(table.read):
            msg = f"{type(table).__name__} is awaited: keep it in AsyncTableStore, or use its twin that is not."
            raise ConfigurationError(msg)
        self.table = table
        steps = TableSteps(table.leaves_process if sealed is None else sealed, serializer or TaggedJSON(), random)
        sources = tuple(move_from)
        self.steps = _moving(steps, sources, "sync", until, clock)
        self.check = steps.check
        # A source is waited for as well, and a session is moved while it is read.
        self.blocking_reads = table.blocking_reads or self.steps is not steps
        self.blocking_writes = table.blocking_writes or self.steps is not steps
        threads = (getattr(each, "in_thread", None) for each in (table, *sources))
        self.in_thread = next(filter(None, threads), None)

    def listen(self, listener: Listener) -> None:
        """Tell *listener* of what happens in the table by itself, if anything does."""
        _listen(self.table, listener)

    def close(self) -> None:
        """Close the connections of the table and its sources, their own; they are opened again when they are needed."""
        for each in (self.table, *self.steps.sources):
            close = getattr(each, "close", None)
            if close is not None:
                close()

    def get(self, cookie: str, *, key: str) -> Stored | Missing:
        return run(self.steps.get(cookie, key=key), self.table)

    def move(self, stored: Stored, draft: Draft, *, key: str) -> Stored | Missing:
        return run(cast("MovingSteps", self.steps).move(stored, draft, key=key), self.table)

    def put(self, stored: Stored | None, draft: Draft, *, key: str) -> Stored | None:
        return run(self.steps.put(stored, draft, key=key), self.table)

    def delete(self, stored: Stored, *, key: str, tombstone: datetime | None = None) -> Stored | None:
        return run(self.steps.delete(stored, key=key, tombstone=tombstone), self.table)

    def lease(self, stored: Stored, name: str, *, until: datetime) -> int | None:
        return run(self.steps.lease(stored, name, until=until), self.table)

    def release(self, stored: Stored, name: str, lease: int) -> None:
        run(self.steps.release(stored, name, lease), self.table)

    def of(self, principal: str, *, current: Stored | None) -> list[Device]:
        return run(revocation.of(principal, current=_row_of(current)), self.table)

    def revoke(self, principal: str, *, spared: Stored | None, handle: str | None) -> int:
        return run(revocation.revoke(principal, spared=_row_of(spared), handle=handle), self.table)

    def revoke_all(self, began_by: datetime) -> int:
        return run(revocation.revoke_all(began_by), self.table)

    def follow(self, seen: Stored | Trail) -> Trail | None:
        return run(follow(_trail_of(seen)), self.table)

    def sweep(self, limit: int) -> int:
        """Remove up to *limit* expired rows, and return how many."""
        return self.table.sweep(limit)


class AsyncTableStore:
    """The same as ``TableStore`` over a table that is awaited."""

    def __init__(
        self,
        table: AsyncTable,
        *,
        sealed: bool | None = None,
        serializer: Serializer | None = None,
        random: Callable[[int], bytes] = os.urandom,
        move_from: Iterable[AnySource] = (),
        until: datetime | None = None,
        clock: Clock = utc_now,
    ) -> None:
        if not is_awaited(table.read):
            msg = f"{type(table).__name__} is not awaited: keep it in TableStore, which async adapters take as well."
            raise ConfigurationError(msg)
        self.table = table
        steps = TableSteps(table.leaves_process if sealed is None else sealed, serializer or TaggedJSON(), random)
        self.steps = _moving(steps, tuple(move_from), "async", until, clock)
        self.check = steps.check

    def listen(self, listener: Listener) -> None:
        """Do what ``listen`` of ``TableStore`` does."""
        _listen(self.table, listener)

    async def aclose(self) -> None:
        """Do what ``close`` of ``TableStore`` does."""
        for each in (self.table, *self.steps.sources):
            aclose = getattr(each, "aclose", None)
            if aclose is not None:
                await aclose()

    async def get(self, cookie: str, *, key: str) -> Stored | Missing:
        return await run_async(self.steps.get(cookie, key=key), self.table)

    async def move(self, stored: Stored, draft: Draft, *, key: str) -> Stored | Missing:
        return await run_async(cast("MovingSteps", self.steps).move(stored, draft, key=key), self.table)

    async def put(self, stored: Stored | None, draft: Draft, *, key: str) -> Stored | None:
        return await run_async(self.steps.put(stored, draft, key=key), self.table)

    async def delete(self, stored: Stored, *, key: str, tombstone: datetime | None = None) -> Stored | None:
        return await run_async(self.steps.delete(stored, key=key, tombstone=tombstone), self.table)

    async def lease(self, stored: Stored, name: str, *, until: datetime) -> int | None:
        return await run_async(self.steps.lease(stored, name, until=until), self.table)

    async def release(self, stored: Stored, name: str, lease: int) -> None:
        await run_async(self.steps.release(stored, name, lease), self.table)

    async def of(self, principal: str, *, current: Stored | None) -> list[Device]:
        return await run_async(revocation.of(principal, current=_row_of(current)), self.table)

    async def revoke(self, principal: str, *, spared: Stored | None, handle: str | None) -> int:
        return await run_async(revocation.revoke(principal, spared=_row_of(spared), handle=handle), self.table)

    async def revoke_all(self, began_by: datetime) -> int:
        return await run_async(revocation.revoke_all(began_by), self.table)

    async def follow(self, seen: Stored | Trail) -> Trail | None:
        return await run_async(follow(_trail_of(seen)), self.table)

    async def sweep(self, limit: int) -> int:
        """Do what ``sweep`` of ``TableStore`` does."""
        return await self.table.sweep(limit)


def _moving(
    steps: TableSteps, sources: tuple[AnySource, ...], form: Form, until: datetime | None, clock: Clock
) -> TableSteps:
    """Return *steps* that look for a session in *sources* too, if there are any."""
    if not sources:
        return steps
    from holdall.stores.moving import MovingSteps

    return MovingSteps.over(steps, sources, form=form, until=until, clock=clock)


def _listen(table: Table | AsyncTable, listener: Listener) -> None:
    listen = getattr(table, "listen", None)
    if listen is not None:
        listen(listener)


def digest_of(sid: str) -> bytes:
    """Return what the row of *sid* stands under."""
    return hashlib.sha256(sid.encode("ascii")).digest()


def _row_of(stored: Stored | None) -> bytes | None:
    return None if stored is None else digest_of(stored.cookie)


def _trail_of(seen: Stored | Trail) -> Trail:
    return seen if isinstance(seen, Trail) else Trail(digest_of(seen.cookie))


def _lease(sid: str, name: str) -> bytes:
    return hashlib.sha256(b"holdall lease" + digest_of(sid) + name.encode("utf-8", "surrogatepass")).digest()


def _check_unchanged(names: frozenset[str], before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for name in names:
        if (name in before) is not (name in now) or before.get(name) != now.get(name):
            msg = f"session[{name!r}] was changed by another request while a block of session.atomic held it."
            raise ContentionError(msg)


def log_id_of(sid: str) -> str:
    """Return the name of *sid* in logs."""
    # Not the digest: who reads the log must not be able to name a row.
    return hashlib.sha256(b"holdall log" + sid.encode("ascii")).hexdigest()[:16]


def _box(sid: str) -> AESGCM:
    return AESGCM(hmac.digest(sid.encode("ascii"), b"holdall row 1", "sha256"))
