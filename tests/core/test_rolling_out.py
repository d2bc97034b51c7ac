"""Test that a change that is rolled out while old and new processes alternate for one visitor logs no user out."""

from collections.abc import Callable
from datetime import timedelta
from itertools import cycle, islice
from typing import Any

import pytest

from holdall import CookieStore, MemoryTable, Sessions, TableStore
from holdall.formats import NativeFormat
from holdall.testing import Browser, FakeClock

Place = dict[str, Any]

NEW = "6f1d2c93a8e04b57bb0f1e6d7c5a49382f6b0e1d4c7a85930f2e6b1d8c4a7590"
OLD = "d47c1f0b93e64a2f8b5d7e1c2a9f306854b1e07d9c3f8a62b5e4d1c0f7a69382"


def secrets(write: str, *read: str) -> Sessions:
    return Sessions("cookie", key="_shop", secret_key_base=write, fallbacks=read)


def salts(write: str, *read: str) -> Sessions:
    also_read = [NativeFormat(NEW, signing_salt=salt) for salt in read]
    return Sessions(CookieStore(NativeFormat(NEW, signing_salt=write), also_read=also_read), key="_shop")


def names_in_a_cookie(write: str, *read: str) -> Sessions:
    return Sessions("cookie", key=write, old_keys=read, secret_key_base=NEW)


def names_of_an_id(write: str, *read: str) -> Sessions:
    return Sessions(TableStore(TABLE), key=write, old_keys=read)


def names_of_encrypted_rows(write: str, *read: str) -> Sessions:
    return Sessions(TableStore(TABLE, encrypt=True), key=write, old_keys=read)


def places(write: Place, *read: Place, store: Any = None) -> Sessions:
    old = {"_shop": [{"domain": None, "path": "/", **place} for place in read]}
    return Sessions(store or CookieStore(NativeFormat(NEW)), **{"key": "_shop", "old_keys": old, **write})


def places_of_an_id(write: Place, *read: Place) -> Sessions:
    return places(write, *read, store=TableStore(TABLE))


TABLE = MemoryTable()

CHANGES: dict[str, tuple[Callable[..., Sessions], Any, Any]] = {
    "secret": (secrets, OLD, NEW),
    "salt": (salts, "old", "new"),
    "name": (names_in_a_cookie, "_old", "_new"),
    "name, in a table": (names_of_an_id, "_old", "_new"),
    "name, in encrypted rows": (names_of_encrypted_rows, "_old", "_new"),
    "domain": (places, {"domain": "shop.example"}, {}),
    "no domain": (places, {}, {"domain": "shop.example"}),
    "path": (places, {}, {"path": "/shop"}),
    "no path": (places, {"path": "/shop"}, {}),
    "domain, in a table": (places_of_an_id, {"domain": "shop.example"}, {}),
    "path, in a table": (places_of_an_id, {}, {"path": "/shop"}),
}


# Copies of one session count as one, wherever they are.
PLACES = places, places_of_an_id


def counts(browser: Browser, sessions: Sessions) -> int:
    session = sessions.fetch(browser.header("/shop/"))
    session["n"] = session.get("n", 0) + 1
    browser.keep([str(cookie) for cookie in sessions.commit(session).cookies])
    return int(session["n"])


@pytest.mark.parametrize("change", CHANGES)
def test_rolled_out_in_two_steps_a_change_logs_no_user_out(change: str) -> None:
    make, old, new = CHANGES[change]
    browser = Browser()
    former, both, present, alone = make(old), make(old, new), make(new, old), make(new)
    phases: list[Any] = [[former], [former, both], [both], [both, present], [present], [present, alone], [alone]]

    counted = [counts(browser, sessions) for phase in phases for sessions in islice(cycle(phase), 4)]

    assert counted == [*range(1, 29)]
    assert len(browser.jar) == 1


@pytest.mark.parametrize("change", [change for change, (make, *_) in CHANGES.items() if make not in PLACES])
def test_rolled_out_in_one_step_a_change_would_log_users_out(change: str) -> None:
    make, old, new = CHANGES[change]
    browser = Browser()

    counted = [counts(browser, sessions) for sessions in islice(cycle([make(old), make(new, old)]), 4)]

    assert counted != [1, 2, 3, 4]


def test_a_cookie_is_renamed_although_its_session_is_only_read(clock: FakeClock) -> None:
    table = MemoryTable(clock=clock)
    before, after = (
        Sessions(TableStore(table, encrypt=True), clock=clock, **names)
        for names in ({"key": "_old"}, {"key": "_new", "old_keys": ["_old"]})
    )
    browser = Browser(clock=clock)
    counts(browser, before)
    # Long enough for the expiry to be moved.
    clock.advance(timedelta(days=1))

    for _ in range(2):
        session = after.fetch(browser.header("/shop/"))
        assert session == {"n": 1}
        browser.keep([str(cookie) for cookie in after.commit(session).cookies])

    assert [cookie.name for cookie in browser.jar] == ["_new"]
