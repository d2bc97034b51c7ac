"""Two requests at the memory table in every order, three at full size; and that the explorer sees what is broken."""

import asyncio
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import ExitStack, closing
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import pytest

from holdall import AsyncTable, MemoryTable
from holdall._principals import PrincipalKeys
from holdall.steps import Steps, run_async
from holdall.stores import Changes, StoredSession, TableStore, Write
from holdall.stores import _principals as principals
from holdall.stores import _renewal as renewal
from holdall.stores import _table as table_store
from holdall.stores import _verbs as verbs
from holdall.stores._table import digest_of
from holdall.tables import Row, Tombstone
from holdall.tables.sqlite import SQLiteTable
from holdall.testing import ACTS, ATOMIC_ACTS, Act, Explored, FakeClock, InterleavingConformance, as_async, explore
from holdall.testing._acts import KEY
from holdall.testing._interleavings import Run
from holdall.testing._revocations import OWNERS_ACTS, RevocationRun
from races import broken
from races.logins import LOGIN_ACTS, LoginRun
from sizes import FULL


class TestMemoryTable(InterleavingConformance):
    triples = FULL

    @pytest.fixture
    def make_table(self) -> Callable[[FakeClock], AsyncTable]:
        return lambda clock: as_async(MemoryTable(clock=clock))


def test_three_requests_meet_unless_the_suite_declares_that_it_takes_too_long(tmp_path: Path) -> None:
    (tmp_path / "test_both.py").write_text(
        "from holdall.testing import InterleavingConformance\n"
        "class TestFast(InterleavingConformance): pass\n"
        "class TestSlow(InterleavingConformance):\n    triples = False\n",
        encoding="utf-8",
    )

    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path]
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    told = subprocess.run([*collect, tmp_path], env=env, cwd=tmp_path, capture_output=True, text=True, check=True)

    collected = Counter(line.split("::")[1] for line in told.stdout.splitlines() if "::" in line)
    # One skipped test instead of each three.
    assert collected["TestFast"] - collected["TestSlow"] > math.comb(len(ACTS) + 2, 3)


def meet(acts: Mapping[str, Act], *names: str, table: type[MemoryTable] = MemoryTable, **options: Any) -> Explored:
    return asyncio.run(explore([acts[name] for name in names], lambda clock: as_async(table(clock=clock)), **options))


def explored(*names: str, **options: Any) -> Explored:
    return meet({**ACTS, **ATOMIC_ACTS}, *names, **options)


@pytest.mark.parametrize(
    ("names", "steps"),
    [
        (("touch", "touch"), (2, 2)),
        (("touch", "sweep"), (2, 1)),
        (("renew", "sweep"), (4, 1)),
        (("sweep", "sweep", "sweep"), (1, 1, 1)),
        (("touch", "sweep", "sweep"), (2, 1, 1)),
        (("renew", "sweep", "sweep"), (4, 1, 1)),
    ],
)
def test_every_order_is_explored(names: tuple[str, ...], steps: tuple[int, ...]) -> None:
    orders = math.factorial(sum(steps)) // math.prod(map(math.factorial, steps))

    found = explored(*names)

    assert found.schedules == orders
    assert found.outcomes == orders * math.factorial(len(names))


@pytest.mark.parametrize(
    "names",
    [
        ("write", "renew", "drop"),
        ("write", "login", "renew"),
        ("login", "login", "drop"),
        ("write", "write another key", "login"),
        ("touch", "renew", "sweep"),
    ],
    ids=" + ".join,
)
def test_some_of_three_requests_keep_every_guarantee(names: tuple[str, ...]) -> None:
    TestMemoryTable().test_three_requests_keep_every_guarantee_in_every_order(names, meet)


@pytest.mark.parametrize(
    "names", [("revoke", "renew", "write"), ("revoke all", "log in as another", "write")], ids=" + ".join
)
def test_some_revocations_among_three_acts_end_exactly_the_existing_sessions(names: tuple[str, ...]) -> None:
    TestMemoryTable().test_revocations_among_three_acts_end_exactly_the_existing_sessions_in_every_order(names, meet)


def test_a_table_may_still_contain_the_rows_of_earlier_schedules(tmp_path: Path) -> None:
    with ExitStack() as opened:

        def make_table(clock: FakeClock) -> AsyncTable:
            return as_async(opened.enter_context(closing(SQLiteTable(tmp_path / "sessions.db", clock=clock))))

        for names in (("write", "touch"), ("write", "revoke all")):
            acts = [OWNERS_ACTS[name] for name in names]
            assert asyncio.run(explore(acts, make_table, kind=RevocationRun)).schedules > 1


def test_two_atomic_updates_keep_every_guarantee_if_the_session_ends() -> None:
    TestMemoryTable().test_two_atomic_updates_keep_every_guarantee_in_every_order(("count", "count", "drop"), meet)


@pytest.mark.parametrize("names", list(combinations_with_replacement(LOGIN_ACTS, 2)), ids=" + ".join)
def test_one_frameworks_login_or_logout_applies_to_all_in_every_order(names: tuple[str, ...]) -> None:
    assert meet(LOGIN_ACTS, *names, kind=LoginRun).schedules > 1


@pytest.mark.parametrize(
    "names",
    list(combinations_with_replacement(LOGIN_ACTS, 3))
    if FULL
    else [
        ("Django logs in", "FastAPI logs in", "Flask-Login logs out"),
        ("Django logs out", "Flask-Login logs out", "Django learns the login"),
        ("FastAPI logs in", "Django learns the login", "Django learns the login"),
    ],
    ids=" + ".join,
)
def test_logins_and_logouts_by_three_frameworks_apply_in_every_order(names: tuple[str, ...]) -> None:
    assert meet(LOGIN_ACTS, *names, kind=LoginRun, idle=False).schedules > 5


def test_a_logout_that_leaves_the_other_librarys_key_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PrincipalKeys, "without_login", lambda keys, data, kept=(): dict(data))

    with pytest.raises(AssertionError, match="a session of the user who logged out is still there"):
        meet(LOGIN_ACTS, "Flask-Login logs out", "Django learns the login", kind=LoginRun)


class Unmerged(Run):
    """A run that continues from each place as if no other order had reached it."""

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
def test_orders_that_meet_are_counted_as_if_each_were_followed_to_its_end(names: tuple[str, ...]) -> None:
    assert explored(*names) == explored(*names, kind=Unmerged)


@pytest.mark.parametrize(
    "names", [("revoke", "renew"), ("revoke the others", "renew"), ("revoke all", "touch")], ids=" + ".join
)
def test_orders_that_meet_are_counted_the_same_if_sessions_are_ended_too(names: tuple[str, ...]) -> None:
    assert explore_revocation(*names) == explore_revocation(*names, kind=UnmergedRevocation)


def test_a_write_is_lost_only_if_the_session_has_ended() -> None:
    assert explored("write", "write the same key", "write another key").lost == 0
    assert explored("write", "renew").lost > 0


@pytest.mark.parametrize(
    ("table", "names", "promise"),
    [
        (broken.Upserts, ("write", "drop"), "the dropped session came back"),
        (broken.Upserts, ("write", "login"), "a change to 'a' was lost"),
        (broken.IgnoresVersions, ("write", "write another key"), "a change to '[ab]' was lost"),
        (broken.IgnoresVersions, ("count", "count"), "1 of 2 counts were kept"),
        (broken.IgnoresVersions, ("count", "set the counter"), "the counter was set, and is 1"),
        (broken.ForgetsRenewals, ("write", "login"), "a change to 'a' was lost"),
        (broken.ForgetsRenewals, ("write", "renew"), "the session was dropped"),
        (broken.GivesNothing, ("touch", "renew"), "data that no request changed is gone"),
        (broken.RemovesNothing, ("write", "drop"), "the dropped session came back"),
        (broken.GivesStaleRows, ("write", "renew"), "a change to 'a' was lost"),
        (broken.GivesStaleRows, ("write", "login"), "a change to 'a' was lost"),
        (broken.TouchRevives, ("touch", "drop"), "the dropped session came back"),
        (broken.SeesOneRow, ("touch", "login"), "an ID from before the login"),
        (broken.GivesUp, ("write", "write another key"), "a write was lost"),
        (broken.SweepsLiveRows, ("sweep", "touch"), "the browser has lost its session"),
        (broken.SweepsLiveRows, ("sweep", "write"), ""),
    ],
)
def test_a_broken_table_is_noticed(table: type[MemoryTable], names: tuple[str, ...], promise: str) -> None:
    with pytest.raises(AssertionError, match=rf"{promise}.*\n  at the table: .*\n  at the browser: "):
        explored(*names, table=table)


@pytest.mark.parametrize(
    ("table", "names", "promise"),
    [
        (broken.HidesTombstones, ("revoke", "renew"), "a request's session is still alive"),
        (broken.LosesTombstones, ("revoke", "renew"), "a request's session is still alive"),
        (broken.FindsNothing, ("revoke", "touch"), "the principal's other session"),
        (broken.FindsNothing, ("revoke the others", "touch"), "the principal's other session"),
        (broken.FindsEverybody, ("revoke", "touch"), "a stranger's session has ended"),
        (broken.FindsEverybody, ("revoke", "log in as another"), "a login has ended|a stranger's"),
        (broken.RemovesNothing, ("revoke", "log in elsewhere"), "the principal's other session"),
        (broken.Procrastinates, ("revoke", "write"), "a request's session is still alive"),
        (broken.ClearsTheLivingAlone, ("revoke all", "renew"), "a request's session is still alive"),
        (broken.ClearsNothing, ("revoke all", "touch"), "a stranger's session is still alive"),
        (broken.Upserts, ("revoke", "write"), "a request's session is still alive"),
        (broken.Upserts, ("revoke all", "write"), "a request's session is still alive"),
        (broken.TouchRevives, ("revoke", "touch"), "a request's session is still alive"),
        (broken.TouchRevives, ("revoke all", "touch"), "a request's session is still alive"),
    ],
)
def test_a_table_that_keeps_revoked_sessions_alive_is_noticed(
    table: type[MemoryTable], names: tuple[str, ...], promise: str
) -> None:
    with pytest.raises(AssertionError, match=rf"({promise}).*\n  at the table: "):
        explore_revocation(*names, table=table)


class RenewedBefore(RevocationRun):
    """The browser's session was renewed a moment ago, so its tombstone still exists."""

    async def _begin_session(self) -> str:
        old = await run_async(self._store.get(await super()._begin_session(), key=KEY))
        assert isinstance(old, StoredSession)
        now = self._seconds()

        def make_write(last: StoredSession) -> Write:
            return Write(last.data, Changes({}), now, last.expires, now, self._principal)

        renewed = await run_async(self._store.renew(old, make_write, key=KEY, until=now + 60, followed=True))
        assert isinstance(renewed, StoredSession)
        return renewed.cookie


@pytest.mark.parametrize("other", ["write", "touch", "renew", "log in elsewhere", "revoke", "revoke the others"])
def test_a_renewed_session_is_ended_or_kept_like_any_other(other: str) -> None:
    assert explore_revocation("revoke the others", other, kind=RenewedBefore).schedules > 1


@pytest.mark.parametrize("other", ["write", "renew", "log in again"])
def test_a_user_who_logs_in_again_stays_logged_in(other: str) -> None:
    assert explore_revocation("log in again", other).schedules > 1


def explore_revocation(*names: str, kind: type[Run] = RevocationRun, **options: Any) -> Explored:
    return meet(OWNERS_ACTS, *names, kind=kind, **options)


# Steps of a table store, each left out in turn.


def _trusts_its_tombstone(table: Any, old: bytes, new: bytes, row: Row) -> Steps[bool]:
    return (yield verbs.Insert(table, new, row))


def _inserts_first(
    store: TableStore, stored: StoredSession, make_write: Any, *, key: str, until: int, followed: bool
) -> Steps[StoredSession]:
    new = yield from store._insert(make_write(stored), key)
    tombstone = Tombstone(table_store._time(until), digest_of(new.cookie))
    yield verbs.Remove(store.table, digest_of(stored.cookie), tombstone)
    return new


def _spares_one_row(table: Any, digest: bytes) -> Steps[set[bytes]]:
    yield verbs.Read(table, digest)
    return {digest}


def _ends_what_is_there(table: Any, digest: bytes, passed: set[bytes]) -> Steps[bool]:
    return (yield verbs.Remove(table, digest)) is not None


def _ends_what_it_leads_to(table: Any, digest: bytes, passed: set[bytes]) -> Steps[bool]:
    if (yield verbs.Remove(table, digest)) is not None:
        return True
    row = yield verbs.Read(table, digest)
    # If the new row is not there yet, its place stays free.
    return bool(row and row.data) and (yield verbs.Remove(table, row.data)) is not None


def _ends_two(table: Any, owners: Sequence[str], *, keep: bytes | None = None, handle: str | None = None) -> Steps[int]:
    ended = 0
    for each in (yield verbs.Find(table, owners[0]))[:2]:
        ended += yield from renewal.end(table, each.digest)
    return ended


def _ends_until_none_is_left(
    table: Any, owners: Sequence[str], *, keep: bytes | None = None, handle: str | None = None
) -> Steps[int]:
    ended = 0
    while found := [each for each in (yield verbs.Find(table, owners[0])) if not each.is_tombstone]:
        for each in found:
            ended += yield from renewal.end(table, each.digest)
    return ended


@pytest.mark.parametrize(
    ("owner", "name", "does", "names", "promise"),
    [
        (table_store, "succeed", _trusts_its_tombstone, ("revoke all", "renew"), "a request's session is still alive"),
        (TableStore, "renew", _inserts_first, ("revoke the others", "renew"), "the browser has lost its session"),
        (principals, "line_of", _spares_one_row, ("revoke the others", "renew"), "the browser has lost its session"),
        (principals, "end", _ends_what_is_there, ("revoke", "renew"), "a request's session is still alive"),
        (principals, "end", _ends_what_it_leads_to, ("revoke", "renew"), "a request's session is still alive"),
        (principals, "revoke", _ends_two, ("revoke", "log in elsewhere"), "an earlier login is still alive"),
        (principals, "revoke", _ends_until_none_is_left, ("revoke", "log in elsewhere"), "a login has ended"),
        (principals, "revoke", _ends_until_none_is_left, ("revoke", "renew"), "a request's session is still alive"),
    ],
)
def test_a_missing_step_is_noticed(
    owner: object,
    name: str,
    does: Callable[..., object],
    names: tuple[str, ...],
    promise: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(owner, name, does)

    with pytest.raises(AssertionError, match=promise):
        explore_revocation(*names)
