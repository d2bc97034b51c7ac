"""Lessons from other libraries' advisories that concern a whole request; others are tested with their subject."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from holdall import MemoryTable, Sessions, TableStore
from holdall.testing import FakeClock

SECRET = "6f1d2c93a8e04b57bb0f1e6d7c5a49382f6b0e1d4c7a85930f2e6b1d8c4a7590"


@pytest.fixture(params=["cookie", "table"])
def visitor(request: pytest.FixtureRequest, clock: FakeClock, visit: Callable[[Sessions], Any]) -> Any:
    options: dict[str, Any] = {"key": "sid", "clock": clock, "principal_key": "user"}
    if request.param == "cookie":
        return visit(Sessions("cookie", secret_key_base=SECRET, **options))
    return visit(Sessions(TableStore(MemoryTable(clock=clock)), **options))


@pytest.mark.parametrize("began", [True, False], ids=["with a session", "without one"])
@pytest.mark.parametrize(
    "act",
    [
        len,
        lambda session: "user" in session,
        lambda session: session.get("user"),
        lambda session: session.put("cart", 1),
        lambda session: session.clear(),
        lambda session: session.configure(renew=True),
        lambda session: session.configure(drop=True),
        lambda session: session.configure(ignore=True),
        lambda session: session.login(7),
        lambda session: session.logout(),
        lambda session: session.is_new,
        lambda session: setattr(session, "accessed", True),
    ],
)
@pytest.mark.parametrize("status", [200, 304, 500])
def test_cve_2023_30861_and_cve_2025_48947_a_response_that_reads_the_session_varies_and_one_that_sets_it_is_not_cached(
    visitor: Any, clock: FakeClock, act: Callable[[Any], Any], began: bool, status: int
) -> None:
    if began:
        with visitor.request() as session:
            session["cart"] = 0
        # By then, a reading request refreshes the cookie.
        clock.advance(timedelta(days=1))

    with visitor.request(status=status) as session:
        act(session)

    assert visitor.answer.vary
    assert visitor.answer.no_store is bool(visitor.set_cookies)


def test_a_response_that_did_not_use_the_session_may_be_cached(visitor: Any) -> None:
    with visitor.request() as session:
        session["cart"] = 0
    with visitor.request():
        pass

    assert not visitor.answer.vary
    assert not visitor.answer.no_store


def test_cve_2024_31999_a_cookie_replayed_after_the_logout_is_empty_on_a_table_and_ends_with_its_limits_in_a_cookie(
    visitor: Any, clock: FakeClock
) -> None:
    with visitor.request() as session:
        session.login(7)
    copied = visitor.browser["sid"]
    with visitor.request() as session:
        session.logout()

    in_a_table = len(copied) == 40
    assert visitor.sessions.resume(copied).is_new is in_a_table
    clock.advance(timedelta(days=7))
    assert visitor.sessions.resume(copied).is_new


def test_cve_2023_46733_a_second_factor_renews_the_id_of_the_same_principal(visitor: Any) -> None:
    with visitor.request() as session:
        session.login(7)
    before = visitor.browser["sid"]

    with visitor.request() as session:
        session.login(7)
        session["second_factor"] = True

    assert visitor.browser["sid"] != before
    assert visitor.look() == {"user": 7, "second_factor": True}


def test_cve_2026_110024_an_option_for_one_response_does_not_affect_others(
    clock: FakeClock, visit: Callable[[Sessions], Any]
) -> None:
    options: dict[str, Any] = {"same_site": "Strict", "secure": True, "max_age": 600}
    visitor = visit(Sessions("cookie", key="sid", secret_key_base=SECRET, clock=clock, **options))
    with visitor.request(https=True) as session:
        session["cart"] = 0
        session.configure(max_age=60)

    assert [line.partition("; ")[2] for line in visitor.set_cookies] == [
        "path=/; expires=Sun, 01 Mar 2026 12:01:00 GMT; Max-Age=60; secure; HttpOnly; SameSite=Strict"
    ]
