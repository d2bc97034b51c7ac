"""The state machine behind ``ModelTests``; importing it needs hypothesis."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from holdall.tables import AsyncTable, Listed, Replacement, Row, Tombstone
from holdall.testing.clock import FakeClock
from holdall.testing.tables.rows import new_digest, new_principal

__all__ = ["try_sequences"]

R = TypeVar("R")

_SLOTS = st.integers(0, 2)
_DATA = st.binary(max_size=4)
_LIVES = st.integers(1, 200).map(lambda seconds: timedelta(seconds=seconds))
_PRINCIPALS = st.sampled_from([None, 0, 1])
_CLIENTS = st.none() | st.sampled_from(["", "a \N{TELEPHONE SIGN} at 192.0.2.1"])
_VERSIONS = st.integers(0, 3)
_SINCE = st.integers(-100, 100).map(lambda seconds: timedelta(seconds=seconds))


def try_sequences(table: AsyncTable, clock: FakeClock, runner: asyncio.Runner, **options: Any) -> None:
    """
    Do sequences of verbs to *table* and to a model of it, and compare them after each step.

    The loaded profile of Hypothesis says how many, and *options* are further settings of it.
    """

    def machine() -> RuleBasedStateMachine:
        return _Machine(table, clock, runner)

    limits = settings(
        stateful_step_count=30,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]  # by its type it holds no checks
        **options,
    )
    run_state_machine_as_test(machine, settings=limits)  # type: ignore[arg-type]  # any factory will do


class _Machine(RuleBasedStateMachine):
    """Three digests and two principals of one run; other runs used others of the same table."""

    def __init__(self, table: AsyncTable, clock: FakeClock, runner: asyncio.Runner) -> None:
        super().__init__()
        self._table = table
        self._clock = clock
        self._runner = runner
        self._digests = [new_digest() for _ in range(3)]
        self._principals = [new_principal() for _ in range(2)]
        self._model: dict[bytes, Row] = {}

    # Most sequences would find no row to change, if none was there from the beginning.
    @initialize(lives=st.tuples(_LIVES, _LIVES))
    def begin(self, lives: tuple[timedelta, timedelta]) -> None:
        for slot, each in enumerate(lives):
            self.insert(slot=slot, data=b"", lives=each, principal=0, client=None, since=None)

    @rule(
        slot=_SLOTS,
        data=_DATA,
        lives=_LIVES,
        principal=_PRINCIPALS,
        client=_CLIENTS,
        since=st.none() | _SINCE,
    )
    def insert(
        self,
        slot: int,
        data: bytes,
        lives: timedelta,
        principal: int | None,
        client: str | None,
        since: timedelta | None,
    ) -> None:
        digest, now = self._digests[slot], self._clock()
        owner = None if principal is None else self._principals[principal]
        row = Row(data, 1, now + lives, now, owner, client, None if since is None else now + since)
        expected = self._present(digest) is None
        if expected:
            self._model[digest] = row
        assert self._does(self._table.insert(digest, row)) is expected

    @rule(slot=_SLOTS, data=_DATA, lives=_LIVES, version=_VERSIONS, known=st.booleans())
    def replace(self, slot: int, data: bytes, lives: timedelta, version: int, known: bool) -> None:
        digest, now = self._digests[slot], self._clock()
        live = self._live(digest)
        if live is not None and known:
            version = live.version
        row = Row(data, version + 1, now + lives, now, "another", "another", now)
        expected = Replacement.GONE
        if live is not None:
            expected = Replacement.REPLACED if live.version == version else Replacement.CONFLICT
        if live is not None and expected is Replacement.REPLACED:
            self._model[digest] = row._replace(created=live.created, principal=live.principal, client=live.client)
        assert self._does(self._table.replace(digest, row, version=version)) is expected

    @rule(slot=_SLOTS, lives=_LIVES, since=_SINCE)
    def touch(self, slot: int, lives: timedelta, since: timedelta) -> None:
        digest, now = self._digests[slot], self._clock()
        seen = now + since
        live = self._live(digest)
        if live is not None:
            latest = seen if live.seen is None else max(live.seen, seen)
            self._model[digest] = live._replace(expires=max(live.expires, now + lives), seen=latest)
        assert self._does(self._table.touch(digest, now + lives, seen=seen)) is (live is not None)

    @rule(slot=_SLOTS, lives=st.none() | _LIVES, successor=_DATA)
    def remove(self, slot: int, lives: timedelta | None, successor: bytes) -> None:
        digest = self._digests[slot]
        tombstone = None if lives is None else Tombstone(self._clock() + lives, successor)
        live = self._live(digest)
        if live is not None:
            del self._model[digest]
            if tombstone is not None:
                self._model[digest] = Row(successor, 0, tombstone.until, live.created, live.principal)
        assert self._does(self._table.remove(digest, tombstone=tombstone)) == live

    @rule(seconds=st.sampled_from([1, 59, 60, 61, 200]))
    def wait(self, seconds: int) -> None:
        self._clock.advance(timedelta(seconds=seconds))

    @rule(since=_SINCE, limit=st.integers(1, 5))
    def clear(self, since: timedelta, limit: int) -> None:
        began_by = self._clock() - since
        self._model = {digest: row for digest, row in self._model.items() if row.created > began_by}
        while cleared := self._does(self._table.clear(began_by, limit)):
            assert cleared <= limit

    @rule(limit=st.integers(1, 5))
    def sweep(self, limit: int) -> None:
        assert 0 <= self._does(self._table.sweep(limit)) <= limit

    @invariant()
    def they_agree(self) -> None:
        for digest in self._digests:
            assert self._does(self._table.read(digest)) == self._present(digest)
        for principal in self._principals:
            found = [each for each in self._does(self._table.find(principal)) if each.digest in self._digests]
            created = [each.created for each in found]
            assert created == sorted(created)
            assert sorted(found) == sorted(self._listed(principal))

    def _does(self, verb: Awaitable[R]) -> R:
        async def awaited() -> R:
            return await verb

        return self._runner.run(awaited())

    def _present(self, digest: bytes) -> Row | None:
        row = self._model.get(digest)
        return None if row is None or row.expires <= self._clock() else row

    def _live(self, digest: bytes) -> Row | None:
        row = self._present(digest)
        return None if row is None or row.is_tombstone else row

    def _listed(self, principal: str) -> list[Listed]:
        present = {digest: row for digest in self._digests if (row := self._present(digest)) is not None}
        return [
            Listed(digest, row.created, row.expires, row.client, row.seen, row.is_tombstone)
            for digest, row in present.items()
            if row.principal == principal
        ]
