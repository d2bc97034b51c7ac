"""Test that with the application's secret, write access to the table is not enough to read, forge or change a row."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from core.begun import begin
from holdall import ConfigurationError, MemoryTable, Sessions, TableStore
from holdall.stores._table import digest_of
from holdall.tables import Row
from holdall.testing import FakeClock

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"
ANOTHER = "0d4c8e1f6a927b35-9b7e3f50c2d1a864"


class Rewritten(MemoryTable):
    """A table that returns rows as an attacker with write access changed them."""

    change: Callable[[Any], Row] | None = None

    def read(self, digest: bytes) -> Row | None:
        row = super().read(digest)
        return row if self.change is None else self.change(row)


@pytest.fixture
def table(clock: FakeClock) -> Rewritten:
    return Rewritten(clock=clock)


def made(table: MemoryTable, clock: FakeClock, *, key: str = "sid", **options: Any) -> Sessions:
    options = {"secret_key_base": SECRET, "encrypt": True, **options}
    store = TableStore(table, **options)
    return Sessions(store, key=key, principal_key="user", absolute_timeout=timedelta(days=30), clock=clock)


def test_a_row_reveals_nothing_of_the_session(table: Rewritten, clock: FakeClock) -> None:
    cookie = begin(made(table, clock), user=7, note="for nobody else")

    row = table.read(digest_of(cookie))

    assert row is not None
    assert b"nobody" not in row.data
    assert b"user" not in row.data


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row._replace(version=row.version + 1),
        lambda row: row._replace(created=row.created + timedelta(seconds=1)),
        lambda row: row._replace(principal="8"),
        lambda row: row._replace(principal=None),
        lambda row: row._replace(data=row.data[:-1] + bytes([row.data[-1] ^ 1])),
        lambda row: row._replace(data=row.data[:20]),
        lambda row: row._replace(data=b"{}"),
        lambda row: row._replace(data=b'{"user": 8}'),
    ],
    ids=["version", "created", "principal", "no principal", "a bit", "cut off", "in clear", "made up"],
)
def test_an_altered_row_holds_no_session(table: Rewritten, clock: FakeClock, change: Callable[[Row], Row]) -> None:
    sessions = made(table, clock)
    cookie = begin(sessions, user=7)
    assert sessions.resume(cookie) == {"user": 7}

    table.change = change

    assert sessions.resume(cookie) == {}


def test_a_row_does_not_open_in_the_place_of_another(table: Rewritten, clock: FakeClock) -> None:
    sessions = made(table, clock)
    mine, theirs = begin(sessions, user=7), begin(sessions, user=7, role="admin")
    moved = table.read(digest_of(theirs))
    assert moved is not None

    table.change = lambda row: moved

    assert sessions.resume(mine) == {}


def test_a_row_made_with_only_an_id_holds_no_session(table: Rewritten, clock: FakeClock) -> None:
    # An attacker who can write to the table can know an ID of their own, and everything that this library derives from
    # it.
    cookie = begin(made(table, clock, secret_key_base=None), user=7)

    assert made(table, clock, secret_key_base=None).resume(cookie) == {"user": 7}
    assert made(table, clock).resume(cookie) == {}


@pytest.mark.parametrize("options", [{"app_name": "admin"}, {"key": "_admin"}, {"secret_key_base": ANOTHER}], ids=str)
def test_a_row_does_not_open_in_another_application(
    table: Rewritten, clock: FakeClock, options: dict[str, Any]
) -> None:
    cookie = begin(made(table, clock, app_name="shop"), user=7)

    assert made(table, clock, **{"app_name": "shop", **options}).resume(cookie) == {}


def test_an_old_secret_opens_rows_until_it_is_removed(table: Rewritten, clock: FakeClock) -> None:
    cookie = begin(made(table, clock), user=7)
    rotated = made(table, clock, secret_key_base=ANOTHER, fallbacks=[SECRET])

    session = rotated.resume(cookie)
    session["n"] = 1
    rotated.commit(session)

    # Once written under the new secret, it no longer needs the old one.
    assert made(table, clock, secret_key_base=ANOTHER).resume(cookie) == {"user": 7, "n": 1}
    assert made(table, clock).resume(cookie) == {}


@pytest.mark.parametrize("login", [{"user": 7}, {}], ids=["a login", "a renewal"])
def test_a_session_under_an_old_name_is_renewed_under_the_present_one(
    table: Rewritten, clock: FakeClock, login: dict[str, int]
) -> None:
    cookie = begin(made(table, clock, key="_old"), n=1)
    renamed = Sessions(
        TableStore(table, secret_key_base=SECRET, encrypt=True),
        key="sid",
        old_keys=["_old"],
        principal_key="user",
        clock=clock,
    )

    session = renamed.fetch(f"_old={cookie}")
    session.configure(renew=True)
    session.update(login)
    renewed = renamed.commit(session).cookie

    assert renamed.fetch(f"sid={renewed}") == {"n": 1, **login}


def test_a_session_survives_a_change_of_principal_key(table: Rewritten, clock: FakeClock) -> None:
    cookie = begin(made(table, clock), user=7, account=9)
    changed = Sessions(
        TableStore(table, secret_key_base=SECRET, encrypt=True), key="sid", principal_key="account", clock=clock
    )

    session = changed.resume(cookie)
    session["n"] = 1
    changed.commit(session)
    session = changed.resume(cookie)
    session.atomic_update("n", lambda n: n + 1)

    assert changed.resume(cookie) == {"user": 7, "account": 9, "n": 2}


def test_no_row_lives_longer_than_its_sealed_expiry(table: Rewritten, clock: FakeClock) -> None:
    sessions = made(table, clock)
    cookie = begin(sessions, user=7)
    row = table.read(digest_of(cookie))
    assert row is not None
    kept = row._replace(expires=clock() + timedelta(days=365))
    table.change = lambda row: kept
    longer = Sessions(
        TableStore(table, secret_key_base=SECRET, encrypt=True), key="sid", absolute_timeout=None, clock=clock
    )

    clock.advance(timedelta(days=30, seconds=-1))
    assert longer.resume(cookie) == {"user": 7}

    clock.advance(timedelta(seconds=1))
    assert longer.resume(cookie) == {}


def test_rows_that_stay_in_the_process_need_no_secret(clock: FakeClock) -> None:
    assert TableStore(MemoryTable(clock=clock), secret_key_base="short")
    with pytest.raises(ConfigurationError, match="secret_key_base"):
        TableStore(MemoryTable(clock=clock), secret_key_base="short", encrypt=True)


def test_a_single_fallback_must_be_in_a_list(clock: FakeClock) -> None:
    with pytest.raises(ConfigurationError, match="fallbacks is one secret: pass a list"):
        made(MemoryTable(clock=clock), clock, fallbacks=ANOTHER)


@pytest.mark.parametrize("app", ["shop\x1f", "a\0b", "\n", 256 * "a"])
def test_an_applications_name_must_be_plain_text(clock: FakeClock, app: str) -> None:
    with pytest.raises(ConfigurationError, match="app_name="):
        TableStore(MemoryTable(clock=clock), app_name=app)
