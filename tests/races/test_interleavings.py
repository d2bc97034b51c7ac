"""Two and three requests at the memory table, in every order; and that the explorer sees what is broken."""

import asyncio
import math
from collections.abc import Callable, Hashable
from datetime import datetime, timedelta
from types import ModuleType

import pytest

from holdall import AsyncTable, MemoryTable
from holdall.steps import Steps
from holdall.stores import Changes, Draft, Stored, Succession, revocation, succession, table, verbs
from holdall.tables import Row
from holdall.testing import ACTS, ATOMIC_ACTS, Explored, FakeClock, InterleavingConformance, as_async, explore
from holdall.testing.interleavings import KEY, Run
from holdall.testing.revocations import OWNERS_ACTS, RevocationRun
from races import broken


class TestMemoryTable(InterleavingConformance):
    @pytest.fixture
    def make_table(self) -> Callable[[FakeClock], AsyncTable]:
        return lambda clock: as_async(MemoryTable(clock=clock))


def explored(*names: str, table: type[MemoryTable] = MemoryTable, kind: type[Run] = Run) -> Explored:
    acts = [{**ACTS, **ATOMIC_ACTS}[name] for name in names]
    return asyncio.run(explore(acts, lambda clock: as_async(table(clock=clock)), kind=kind))


@pytest.mark.parametrize(
    ("names", "steps"),
    [
        (("touch", "touch"), (2, 2)),
        (("touch", "sweep"), (2, 1)),
        (("renew", "sweep"), (5, 1)),
        (("sweep", "sweep", "sweep"), (1, 1, 1)),
        (("touch", "sweep", "sweep"), (2, 1, 1)),
        (("renew", "sweep", "sweep"), (5, 1, 1)),
    ],
)
def test_every_order_is_explored(names: tuple[str, ...], steps: tuple[int, ...]) -> None:
    orders = math.factorial(sum(steps)) // math.prod(map(math.factorial, steps))

    found = explored(*names)

    assert found.schedules == orders
    assert found.outcomes == orders * math.factorial(len(names))


class Unmerged(Run):
    """It goes on from each place as if no other order had come there."""

    async def _state(self) -> Hashable:
        return object()


class UnmergedRevocation(RevocationRun):
    async def _state(self) -> Hashable:
        return object()


@pytest.mark.parametrize(
    "names",
    [
        ("write", "write the same key"),
        ("drop", "renew"),
        ("login", "renew"),
        ("count", "count"),
        ("count", "set the counter"),
        ("touch", "drop", "sweep"),
    ],
    ids=" + ".join,
)
def test_orders_that_meet_are_counted_as_if_each_were_taken_to_its_end(names: tuple[str, ...]) -> None:
    assert explored(*names) == explored(*names, kind=Unmerged)


@pytest.mark.parametrize(
    "names", [("revoke", "renew"), ("revoke the others", "renew"), ("revoke all", "touch")], ids=" + ".join
)
def test_orders_that_meet_are_counted_so_where_sessions_are_ended_too(names: tuple[str, ...]) -> None:
    assert explore_revocation(*names) == explore_revocation(*names, kind=UnmergedRevocation)


def test_a_write_is_given_up_only_where_the_session_has_ended() -> None:
    assert explored("write", "write the same key", "write another key").lost == 0
    assert explored("write", "renew").lost > 0


@pytest.mark.parametrize(
    ("table", "names", "promise"),
    [
        (broken.Upserts, ("write", "drop"), "what was dropped came back"),
        (broken.Upserts, ("write", "login"), "a change to 'a' is lost"),
        (broken.IgnoresVersions, ("write", "write another key"), "a change to '[ab]' is lost"),
        (broken.IgnoresVersions, ("count", "count", "leases run out"), "of 2 counts 1 are there"),
        (broken.IgnoresVersions, ("count", "set the counter"), "the counter was set, and is 1"),
        (broken.ForgetsRenewals, ("write", "login"), "a change to 'a' is lost"),
        (broken.ForgetsRenewals, ("write", "renew"), "the session was dropped"),
        (broken.GivesNothing, ("touch", "renew"), "what nobody changed is gone"),
        (broken.RemovesNothing, ("write", "drop"), "what was dropped came back"),
        (broken.GivesStaleRows, ("write", "renew"), "a change to 'a' is lost"),
        (broken.GivesStaleRows, ("write", "login"), "a change to 'a' is lost"),
        (broken.TouchRevives, ("touch", "drop"), "what was dropped came back"),
        (broken.SeesOneRow, ("touch", "login"), "an id from before the login"),
        (broken.GivesUp, ("write", "write another key"), "a write was given up"),
        (broken.SweepsTheLiving, ("sweep", "touch"), "the browser has lost its session"),
        (broken.SweepsTheLiving, ("sweep", "write"), ""),
    ],
)
def test_a_broken_table_is_found_out(table: type[MemoryTable], names: tuple[str, ...], promise: str) -> None:
    with pytest.raises(AssertionError, match=rf"{promise}.*\n  at the table: .*\n  at the browser: "):
        explored(*names, table=table)


@pytest.mark.parametrize(
    ("table", "names", "promise"),
    [
        (broken.HidesTombstones, ("revoke", "renew"), "the session of a request lives on"),
        (broken.LosesSignposts, ("revoke", "renew"), "the session of a request lives on"),
        (broken.LosesSignposts, ("revoke the others", "renew"), "the browser has lost its session"),
        (broken.FindsNothing, ("revoke", "touch"), "of the principal's other session"),
        (broken.FindsNothing, ("revoke the others", "touch"), "of the principal's other session"),
        (broken.FindsEverybody, ("revoke", "touch"), "a stranger's session has ended"),
        (broken.FindsEverybody, ("revoke", "log in as another"), "a login has ended|a stranger's"),
        (broken.RemovesNothing, ("revoke", "log in elsewhere"), "of the principal's other session"),
        (broken.Procrastinates, ("revoke", "write"), "the session of a request lives on"),
        (broken.ClearsTheLivingAlone, ("revoke all", "renew"), "the session of a request lives on"),
        (broken.ClearsNothing, ("revoke all", "touch"), "a stranger's session lives on"),
        (broken.Upserts, ("revoke", "write"), "the session of a request lives on"),
        (broken.Upserts, ("revoke all", "write"), "the session of a request lives on"),
        (broken.TouchRevives, ("revoke", "touch"), "the session of a request lives on"),
        (broken.TouchRevives, ("revoke all", "touch"), "the session of a request lives on"),
    ],
)
def test_a_table_that_lets_the_revoked_live_is_found_out(
    table: type[MemoryTable], names: tuple[str, ...], promise: str
) -> None:
    with pytest.raises(AssertionError, match=rf"({promise}).*\n  at the table: "):
        explore_revocation(*names, table=table)


class RenewedBefore(RevocationRun):
    """The browser's session was renewed a moment ago, so that its tombstone is still there."""

    async def _begin_session(self) -> str:
        old = await self._store.get(await super()._begin_session(), key=KEY)
        assert isinstance(old, Stored)
        now = self._clock()
        until = now + timedelta(minutes=1)
        await self._store.delete(old, key=KEY, tombstone=until)
        draft = Draft(old.data, Changes({}), now, old.expires, now, self._principal, succeeds=Succession(old, until))
        renewed = await self._store.put(None, draft, key=KEY)
        assert renewed is not None
        return renewed.cookie


@pytest.mark.parametrize("other", ["write", "touch", "renew", "log in elsewhere", "revoke", "revoke the others"])
def test_a_session_that_was_renewed_before_is_ended_or_spared_as_any_other(other: str) -> None:
    assert explore_revocation("revoke the others", other, kind=RenewedBefore).schedules > 1


def explore_revocation(
    *names: str, table: type[MemoryTable] = MemoryTable, kind: type[Run] = RevocationRun
) -> Explored:
    acts = [OWNERS_ACTS[name] for name in names]
    return asyncio.run(explore(acts, lambda clock: as_async(table(clock=clock)), kind=kind))


# What the steps of a table store have to do, left out one by one.


def _trusts_its_tombstone(old: bytes, new: bytes, row: Row, until: datetime) -> Steps[bool]:
    return (yield verbs.Insert(succession._signpost(old), Row(new, 0, until, row.created))) and (
        yield verbs.Insert(new, row)
    )


def _signs_afterwards(old: bytes, new: bytes, row: Row, until: datetime) -> Steps[bool]:
    yield verbs.Insert(new, row)
    if (yield verbs.Insert(succession._signpost(old), Row(new, 0, until, row.created))):
        return (yield verbs.Read(old)) is not None
    yield verbs.Remove(new, None)
    return False


def _spares_one_row(digest: bytes) -> Steps[set[bytes]]:
    yield verbs.Read(digest)
    return {digest}


def _ends_what_is_there(digest: bytes, passed: set[bytes]) -> Steps[bool]:
    return (yield verbs.Remove(digest, None)) is not None


def _ends_two(principal: str, *, spared: bytes | None = None, handle: str | None = None) -> Steps[int]:
    ended = 0
    for each in (yield verbs.Find(principal))[:2]:
        ended += yield from succession.end(each.digest)
    return ended


def _ends_until_none_is_left(principal: str, *, spared: bytes | None = None, handle: str | None = None) -> Steps[int]:
    ended = 0
    while found := [each for each in (yield verbs.Find(principal)) if not each.is_tombstone and each.digest != spared]:
        for each in found:
            ended += yield from succession.end(each.digest)
    return ended


@pytest.mark.parametrize(
    ("module", "name", "does", "names", "promise"),
    [
        (table, "succeed", _trusts_its_tombstone, ("revoke all", "renew"), "the session of a request lives on"),
        (table, "succeed", _signs_afterwards, ("revoke the others", "renew"), "the browser has lost its session"),
        (revocation, "line_of", _spares_one_row, ("revoke the others", "renew"), "the browser has lost its session"),
        (revocation, "end", _ends_what_is_there, ("revoke", "renew"), "the session of a request lives on"),
        (revocation, "revoke", _ends_two, ("revoke", "log in elsewhere"), "a login from before lives on"),
        (revocation, "revoke", _ends_until_none_is_left, ("revoke", "log in elsewhere"), "a login has ended"),
        (revocation, "revoke", _ends_until_none_is_left, ("revoke", "renew"), "the session of a request lives on"),
    ],
)
def test_a_step_that_is_left_out_is_found_out(
    module: ModuleType,
    name: str,
    does: Callable[..., object],
    names: tuple[str, ...],
    promise: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, name, does)

    with pytest.raises(AssertionError, match=promise):
        explore_revocation(*names)
