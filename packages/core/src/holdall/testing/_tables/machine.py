"""The state machine behind ``ModelTests``; importing it needs hypothesis."""

import asyncio
import time
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from holdall.tables import AsyncTable, Replacement, Row, RowInfo, Tombstone
from holdall.testing._clock import FakeClock
from holdall.testing._tables.rows import new_digest, new_principal, new_row

__all__ = ["try_sequences"]

R = TypeVar("R")

# The part of a minute that sequences may take. The rest is for a slow sequence, and for its report.
_SECONDS = 20
_LEAST_SEQUENCES = 5
_STEPS = 30
# Each step is a verb and a comparison of the table with the model.
_VERBS_OF_A_SEQUENCE = _STEPS * 6

_SLOTS = st.integers(0, 2)
_DATA = st.binary(max_size=4)
_LIVES = st.integers(1, 200).map(lambda seconds: timedelta(seconds=seconds))
_PRINCIPALS = st.sampled_from([None, 0, 1])
_CLIENTS = st.none() | st.sampled_from(["", "a \N{TELEPHONE SIGN} at 192.0.2.1"])
_VERSIONS = st.integers(0, 3)
_SINCE = st.integers(-100, 100).map(lambda seconds: timedelta(seconds=seconds))


def try_sequences(table: AsyncTable, clock: FakeClock, runner: asyncio.Runner, **options: Any) -> None:
    """
    Apply sequences of verbs to *table* and to a model of it, and compare them after each step.

    Hypothesis's loaded profile sets the number of sequences, and *options* are further settings of it. A table that
    responds slowly gets fewer sequences, so that this takes less than a minute with any table. Its first failing
    sequence is then reported as it was found, because shrinking it takes minutes.
    """
    slowness = _slowness(table, clock, runner)
    most = max(_LEAST_SEQUENCES, int(_SECONDS / (slowness * _VERBS_OF_A_SEQUENCE)))
    options.setdefault("max_examples", min(settings().max_examples, most))
    if most < settings().max_examples:
        options.setdefault("phases", [Phase.generate])

    def machine() -> RuleBasedStateMachine:
        return _Machine(table, clock, runner)

    limits = settings(
        stateful_step_count=_STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]  # the base type has no checks
        **options,
    )
    run_state_machine_as_test(machine, settings=limits)  # type: ignore[arg-type]  # any factory works


class _Machine(RuleBasedStateMachine):
    """Three digests and two principals of one run; other runs use other rows of the same table."""

    def __init__(self, table: AsyncTable, clock: FakeClock, runner: asyncio.Runner) -> None:
        super().__init__()
        self._table = table
        self._clock = clock
        self._runner = runner
        self._digests = [new_digest() for _ in range(3)]
        self._principals = [new_principal() for _ in range(2)]
        self._model: dict[bytes, Row] = {}
        self._steps: list[str] = []

    # Without an initial row, most sequences would have no row to change.
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
        self._answers(f"insert({slot})", self._table.insert(digest, row), expected)

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
        self._answers(
            f"replace({slot}, version={version})", self._table.replace(digest, row, version=version), expected
        )

    @rule(slot=_SLOTS, lives=_LIVES, since=_SINCE)
    def touch(self, slot: int, lives: timedelta, since: timedelta) -> None:
        digest, now = self._digests[slot], self._clock()
        seen = now + since
        live = self._live(digest)
        if live is not None:
            latest = seen if live.seen is None else max(live.seen, seen)
            self._model[digest] = live._replace(expires=max(live.expires, now + lives), seen=latest)
        self._answers(f"touch({slot})", self._table.touch(digest, now + lives, seen=seen), live is not None)

    @rule(slot=_SLOTS, lives=st.none() | _LIVES, successor=_DATA)
    def remove(self, slot: int, lives: timedelta | None, successor: bytes) -> None:
        digest = self._digests[slot]
        tombstone = None if lives is None else Tombstone(self._clock() + lives, successor)
        live = self._live(digest)
        if live is not None:
            del self._model[digest]
            if tombstone is not None:
                self._model[digest] = Row(successor, 0, tombstone.until, live.created, live.principal)
        name = f"remove({slot})" if tombstone is None else f"remove({slot}, with a tombstone)"
        self._answers(name, self._table.remove(digest, tombstone=tombstone), live)

    @rule(seconds=st.sampled_from([1, 59, 60, 61, 200]))
    def wait(self, seconds: int) -> None:
        self._clock.advance(timedelta(seconds=seconds))
        self._steps.append(f"{seconds} seconds pass")

    @rule(since=_SINCE, limit=st.integers(1, 5))
    def clear(self, since: timedelta, limit: int) -> None:
        began_by = self._clock() - since
        self._model = {digest: row for digest, row in self._model.items() if row.created > began_by}
        self._steps.append(f"clear(rows that began {since} ago or earlier, {limit} at a time)")
        while cleared := self._does(self._table.clear(began_by, limit)):
            assert cleared <= limit, self._said(f"it reports {cleared} removed rows, and may remove {limit}")

    @rule(limit=st.integers(1, 5))
    def sweep(self, limit: int) -> None:
        self._steps.append(f"sweep({limit})")
        swept = self._does(self._table.sweep(limit))
        assert 0 <= swept <= limit, self._said(f"it reports {swept} removed rows, and may remove {limit}")

    @invariant()
    def they_agree(self) -> None:
        for slot, digest in enumerate(self._digests):
            found, expected = self._does(self._table.read(digest)), self._present(digest)
            assert found == expected, self._said(f"read({slot}) returns {found}, and should return {expected}")
        for number, principal in enumerate(self._principals):
            listed = [each for each in self._does(self._table.find(principal)) if each.digest in self._digests]
            created = [each.created for each in listed]
            assert created == sorted(created), self._said(f"find(principal {number}) is not sorted by created")
            wanted = sorted(self._listed(principal))
            assert sorted(listed) == wanted, self._said(
                f"find(principal {number}) returns {sorted(listed)}, and should return {wanted}"
            )

    def _answers(self, step: str, verb: Awaitable[Any], expected: Any) -> None:
        """Take a step, and compare its answer."""
        self._steps.append(step)
        answer = self._does(verb)
        assert answer == expected, self._said(f"it returned {answer}, and should have returned {expected}")

    def _said(self, fault: str) -> str:
        """Return a message with what is wrong after the last step, and the steps before it."""
        *before, last = self._steps or ["the beginning"]
        came = f" Steps before: {'; '.join(before)}." if before else ""
        return f"after step {len(self._steps)}, {last}: {fault}.{came}"

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

    def _listed(self, principal: str) -> list[RowInfo]:
        present = {digest: row for digest in self._digests if (row := self._present(digest)) is not None}
        return [
            RowInfo(digest, row.created, row.expires, row.client, row.seen, row.is_tombstone)
            for digest, row in present.items()
            if row.principal == principal
        ]


def _slowness(table: AsyncTable, clock: FakeClock, runner: asyncio.Runner) -> float:
    """Return how many seconds a verb takes, measured with a few reads and writes."""
    digest, row = new_digest(), new_row(clock, principal=new_principal())

    async def use() -> None:
        for _ in range(3):
            await table.insert(digest, row)
            await table.read(digest)
            await table.find(row.principal or "")
            await table.touch(digest, row.expires, seen=row.created)
            await table.remove(digest)

    # The first use connects, and creates the table.
    runner.run(use())
    began = time.perf_counter()
    runner.run(use())
    return (time.perf_counter() - began) / 15
