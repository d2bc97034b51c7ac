"""Several sessions in one application: what is refused at set-up, and in which order they are committed."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdall import (
    AsyncTableStore,
    ConfigurationError,
    CookieOverflowError,
    MemoryTable,
    ResponseStartedError,
    Sessions,
    StoreError,
    TableStore,
)
from holdall.several import Kept, SeveralSessions, find_session, side_by_side
from holdall.testing import as_async
from holdall.testing.adapters.failures import FailingTable

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"
FAILING = frozenset({"insert", "replace"})


def in_cookie(key: str, **options: Any) -> Sessions:
    return Sessions("cookie", key=key, secret_key_base=SECRET, **options)


def in_table(key: str, table: MemoryTable | None = None, **options: Any) -> Sessions:
    return Sessions(TableStore(MemoryTable() if table is None else table), key=key, **options)


def several(main: Sessions, *beside: Sessions) -> SeveralSessions:
    kept = side_by_side(main, beside)
    assert isinstance(kept, SeveralSessions)
    kept.prepare("sync")
    return kept


# Set-up.


def test_sessions_alone_are_driven_by_themselves() -> None:
    main = in_cookie("_shop")

    assert side_by_side(main, []) is main


@pytest.mark.parametrize(
    ("main", "beside"),
    [
        (in_cookie("_shop"), [in_table("_shop")]),
        (in_cookie("_shop", path="/a"), [in_table("_shop", path="/b")]),
        (in_cookie("_main"), [in_cookie("_shop"), in_table("_shop")]),
        (in_cookie("_shop"), [in_cookie("_cart", former_keys=["_shop"])]),
        (in_cookie("_main", former_keys=["_shop"]), [in_cookie("_shop")]),
        (in_cookie("_main", former_keys=["_shop"]), [in_cookie("_cart", former_keys=["_shop"])]),
    ],
    ids=["the main one's", "by path alone", "one another's", "a former of ours", "ours was a former", "two formers"],
)
def test_two_of_one_key_are_refused(main: Sessions, beside: list[Sessions]) -> None:
    with pytest.raises(ConfigurationError, match=r"the cookie '_shop'.* give each a key of its own"):
        side_by_side(main, beside)


def test_the_same_sessions_twice_are_refused() -> None:
    main = in_cookie("_shop")

    with pytest.raises(ConfigurationError, match="give each a key of its own"):
        side_by_side(main, [main])


def test_one_that_is_not_in_a_list_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"give a list of Sessions, beside=\[…\]"):
        side_by_side(in_cookie("_shop"), in_cookie("_cart"))  # type: ignore[arg-type]


def test_what_is_no_sessions_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="has a str in it") as refused:
        side_by_side(in_cookie("_shop"), ["a secret"])  # type: ignore[list-item]

    assert "a secret" not in str(refused.value)


def test_two_in_one_table_are_refused() -> None:
    table = MemoryTable()
    kept = side_by_side(in_table("_shop", table), [in_table("_cart", table)])

    with pytest.raises(
        ConfigurationError, match=r"'_shop' and '_cart' are in one table.* give each a table of its own"
    ):
        kept.prepare("sync")


@pytest.mark.parametrize(
    ("main", "beside"),
    [("one", "one"), ("one", "memory://one"), ("sqlite:///{}/one", "sqlite:///{}/one")],
    ids=["name", "name and URL", "URL"],
)
def test_two_in_one_named_table_are_refused(main: str, beside: str, tmp_path: Path) -> None:
    shop = Sessions("table", key="_shop", table=main.format(tmp_path))
    cart = Sessions("table", key="_cart", table=beside.format(tmp_path))

    with pytest.raises(ConfigurationError, match="give each a table of its own"):
        side_by_side(shop, [cart]).prepare("sync")


def test_two_in_tables_of_their_own_are_welcome(tmp_path: Path) -> None:
    tables = [f"sqlite:///{tmp_path}/{name}" for name in ("one", "two")]
    sessions = [Sessions("table", key=f"_{index}", table=table) for index, table in enumerate(tables)]

    assert several(*sessions).beside == (sessions[1],)


def test_one_that_is_awaited_is_refused_where_nothing_is() -> None:
    cart = Sessions(AsyncTableStore(as_async(MemoryTable())), key="_cart")

    with pytest.raises(ConfigurationError, match="is awaited"):
        side_by_side(in_cookie("_shop"), [cart]).prepare("sync")


@pytest.mark.parametrize(("blocking", "waits"), [(True, True), (False, False)])
def test_who_drives_them_waits_if_one_has_to_be_waited_for(blocking: bool, waits: bool) -> None:
    table = MemoryTable()
    table.blocking_writes = blocking

    assert several(in_cookie("_shop"), in_table("_cart", table)).waits is waits


# To ask for one.


def test_the_main_one_is_found_by_its_sessions_too() -> None:
    main, cart = in_cookie("_shop"), in_cookie("_cart")
    session = several(main, cart).fetch()

    assert find_session(session, None) is find_session(session, main) is session
    assert find_session(session, cart) is session.beside[cart] is not session


@pytest.mark.parametrize("kept", [in_cookie("_shop"), several(in_cookie("_shop"), in_cookie("_wish"))])
def test_one_that_is_not_set_up_is_an_error_that_says_what_to_do(kept: Kept) -> None:
    session = kept.fetch()

    with pytest.raises(ConfigurationError, match=r"without these sessions, '_cart': give beside=\[…\]"):
        find_session(session, in_cookie("_cart"))
    assert not session.beside


def test_what_is_no_sessions_at_all_is_such_an_error() -> None:
    with pytest.raises(ConfigurationError, match="without these sessions, 'a str'"):
        in_cookie("_shop").fetch().beside["a secret"]  # type: ignore[index]


# To commit them, at once and awaited.

Commit = Callable[..., Any]


@pytest.fixture(params=["at once", "awaited"])
def act(request: pytest.FixtureRequest, runner: asyncio.Runner) -> Commit:
    def act(kept: Kept, verb: str, *args: Any, **options: Any) -> Any:
        if request.param == "at once":
            return getattr(kept, verb)(*args, **options)
        work: Coroutine[Any, Any, Any] = getattr(kept, f"{verb}_async")(*args, **options)
        return runner.run(work)

    return act


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_all_are_committed_and_the_main_ones_cookie_is_told(act: Commit) -> None:
    cart = in_table("_cart")
    kept = several(in_cookie("_shop"), cart)
    session = kept.fetch()
    session["n"] = session.beside[cart]["n"] = 1

    told = act(kept, "commit", session)

    assert {each.attributes.key: each.value for each in told.cookies}["_shop"] == told.cookie
    assert [each.attributes.key for each in told.cookies] == ["_cart", "_shop"]
    assert told.vary


@pytest.mark.parametrize("broken", ["_shop", "_cart"])
def test_of_two_in_tables_the_main_one_goes_first(act: Commit, broken: str) -> None:
    tables = {key: FailingTable() for key in ("_shop", "_cart")}
    cart = in_table("_cart", tables["_cart"])
    kept = several(in_table("_shop", tables["_shop"]), cart)
    session = kept.fetch()
    session.beside[cart]["n"] = session["n"] = 1
    tables[broken].failing = FAILING

    with pytest.raises(StoreError) as failed:
        act(kept, "commit", session)

    assert {key: len(table) for key, table in tables.items()} == {"_shop": int(broken == "_cart"), "_cart": 0}
    assert [each.attributes.key for each in failed.value.unsent] == (["_shop"] if broken == "_cart" else [])


def test_the_first_failure_is_the_one_that_is_told(act: Commit) -> None:
    table = FailingTable()
    cart, wish = in_table("_cart", table), in_cookie("_wish")
    kept = several(in_cookie("_shop"), cart, wish)
    session = kept.fetch()
    session.beside[wish]["list"] = []
    session.beside[cart]["n"] = 1
    session.beside[wish]["list"].append(object())
    session.beside[wish].configure(renew=True)
    table.failing = FAILING

    with pytest.raises(StoreError):
        act(kept, "commit", session)


def test_what_is_no_error_of_ours_is_raised_as_it_is(act: Commit) -> None:
    cart = in_cookie("_cart")
    kept = several(in_cookie("_shop"), cart)
    session = kept.fetch()
    session.beside[cart]["list"] = []
    session.beside[cart]["list"].append(object())

    with pytest.raises(TypeError, match="list"):
        act(kept, "commit", session)


def test_a_cookie_too_large_comes_after_what_is_in_tables(act: Commit) -> None:
    table = MemoryTable()
    cart = in_table("_cart", table)
    kept = several(in_cookie("_shop"), cart)
    session = kept.fetch()
    session["big"] = "x" * 5000
    session.beside[cart]["n"] = 1

    with pytest.raises(CookieOverflowError) as failed:
        act(kept, "commit", session)

    assert [each.attributes.key for each in failed.value.unsent] == ["_cart"]
    assert len(table) == 1


@pytest.mark.parametrize("verb", ["finish", "abandon"])
def test_one_that_fails_late_does_not_keep_the_others_from_their_end(act: Commit, verb: str) -> None:
    tables = {key: FailingTable() for key in ("_shop", "_cart", "_wish")}
    main, cart, wish = (in_table(key, table) for key, table in tables.items())
    kept = several(main, cart, wish)
    session = kept.fetch()
    opened = [session, session.beside[cart], session.beside[wish]]
    for each in opened:
        each["n"] = 1
    cookies = "; ".join(f"{each.attributes.key}={each.value}" for each in act(kept, "commit", session).cookies)
    session = kept.fetch(cookies)
    opened = [session, session.beside[cart], session.beside[wish]]
    if verb == "finish":
        act(kept, "commit", session)
    for each in opened:
        each.configure(drop=True)
    tables["_cart"].failing = frozenset({"remove"})

    with pytest.raises(StoreError):
        act(kept, verb, session)

    assert [len(table) for table in tables.values()] == [0, 1, 0]


def test_one_that_nobody_asked_for_is_finished_by_the_main_one(act: Commit) -> None:
    table = MemoryTable()
    kept = several(in_table("_shop", table), in_cookie("_cart"))
    session = kept.fetch()
    session["n"] = 1
    (cookie,) = act(kept, "commit", session).cookies
    session = kept.fetch(f"_shop={cookie.value}")
    act(kept, "commit", session)
    session["n"] = 2

    act(kept, "finish", session)

    assert kept.fetch(f"_shop={cookie.value}")["n"] == 2


# What can still be changed.


def test_one_that_is_opened_when_the_headers_have_gone_cannot_begin() -> None:
    cart = in_cookie("_cart")
    kept = several(in_cookie("_shop"), cart)
    session = kept.fetch()
    kept.commit(session)

    with pytest.raises(ResponseStartedError):
        session.beside[cart]["n"] = 1


def test_where_nothing_is_saved_any_more_no_other_takes_a_change() -> None:
    cart, wish = in_table("_cart"), in_table("_wish")
    kept = several(in_cookie("_shop"), cart, wish)
    session = kept.fetch()
    session.beside[cart]["n"] = session.beside[wish]["n"] = 1
    cookies = "; ".join(f"{each.attributes.key}={each.value}" for each in kept.commit(session).cookies)
    session = kept.fetch(cookies)
    assert session.beside[cart]["n"] == 1
    kept.commit(session)

    session.close()

    for each in (cart, wish):
        with pytest.raises(ResponseStartedError):
            session.beside[each]["n"] = 2


def test_where_another_response_is_made_all_take_changes_again() -> None:
    cart, wish = in_cookie("_cart"), in_cookie("_wish")
    kept = several(in_cookie("_shop"), cart, wish)
    session = kept.fetch()
    assert session.beside[cart].get("n") is None
    kept.commit(session)

    session.reopen()
    session["n"] = session.beside[cart]["n"] = session.beside[wish]["n"] = 1

    assert len(kept.commit(session).cookies) == 3


def test_a_session_alone_is_closed_and_opened_again_by_itself() -> None:
    session, other = (in_cookie("_shop").fetch() for _ in range(2))

    session.close()
    with pytest.raises(ResponseStartedError):
        session["n"] = 1
    session.reopen()

    session["n"] = other["n"] = 1
