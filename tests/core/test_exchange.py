"""One request and its sessions: what is refused at startup, what an adapter drives, and the order of commits."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from holdall import (
    ConfigurationError,
    CookieOverflowError,
    LostWriteError,
    MemoryTable,
    ResponseStartedError,
    SessionNotFetchedError,
    Sessions,
    StoreError,
    TableStore,
)
from holdall._exchange import Exchange, SessionGroup
from holdall.testing import as_async
from holdall.testing._adapters.failures import FailingTable

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"
FAILING = frozenset({"insert", "replace"})


def in_cookie(key: str, **options: Any) -> Sessions:
    return Sessions("cookie", key=key, secret_key_base=SECRET, **options)


def in_table(key: str, table: MemoryTable | None = None, **options: Any) -> Sessions:
    return Sessions(TableStore(MemoryTable() if table is None else table), key=key, **options)


FORM: Any = "sync"


def group(main: Sessions, *also: Sessions) -> SessionGroup:
    return SessionGroup(main, also, form=FORM)


# Setup.


@pytest.mark.parametrize(
    ("main", "also"),
    [
        (in_cookie("_shop"), [in_table("_shop")]),
        (in_cookie("_shop", path="/a"), [in_table("_shop", path="/b")]),
        (in_cookie("_main"), [in_cookie("_shop"), in_table("_shop")]),
        (in_cookie("_shop"), [in_cookie("_cart", old_keys=["_shop"])]),
        (in_cookie("_main", old_keys=["_shop"]), [in_cookie("_shop")]),
        (in_cookie("_main", old_keys=["_shop"]), [in_cookie("_cart", old_keys=["_shop"])]),
    ],
    ids=["the main one's", "by path", "one another's", "an old name of ours", "ours was an old name", "two old names"],
)
def test_two_of_one_key_are_refused(main: Sessions, also: list[Sessions]) -> None:
    with pytest.raises(ConfigurationError, match=r"the cookie '_shop'.* give each its own key"):
        SessionGroup(main, also, form="sync")


def test_the_same_sessions_twice_are_refused() -> None:
    main = in_cookie("_shop")

    with pytest.raises(ConfigurationError, match="give each its own key"):
        group(main, main)


def test_one_that_is_not_in_a_list_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"takes a list of Sessions: pass also=\[…\]"):
        SessionGroup(in_cookie("_shop"), in_cookie("_cart"), form="sync")  # type: ignore[arg-type]


def test_an_object_that_is_not_sessions_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="contains a str") as refused:
        SessionGroup(in_cookie("_shop"), ["a secret"], form="sync")  # type: ignore[list-item]

    assert "a secret" not in str(refused.value)


def test_two_sessions_in_one_table_are_refused() -> None:
    table = MemoryTable()
    with pytest.raises(
        ConfigurationError, match=r"'_shop' and '_cart' are in one table.* give each a table of its own"
    ):
        group(in_table("_shop", table), in_table("_cart", table))


@pytest.mark.parametrize(
    ("main", "also"),
    [("one", "one"), ("one", "memory://one"), ("sqlite:///{}/one", "sqlite:///{}/one")],
    ids=["name", "name and URL", "URL"],
)
def test_two_sessions_in_one_named_table_are_refused(main: str, also: str, tmp_path: Path) -> None:
    shop = Sessions("table", key="_shop", table=main.format(tmp_path))
    cart = Sessions("table", key="_cart", table=also.format(tmp_path))

    with pytest.raises(ConfigurationError, match="give each a table of its own"):
        group(shop, cart)


def test_two_sessions_in_separate_tables_are_accepted(tmp_path: Path) -> None:
    tables = [f"sqlite:///{tmp_path}/{name}" for name in ("one", "two")]
    sessions = [Sessions("table", key=f"_{index}", table=table) for index, table in enumerate(tables)]

    assert group(*sessions).also == (sessions[1],)


def test_an_async_session_is_refused_by_a_sync_adapter() -> None:
    cart = Sessions(TableStore(as_async(MemoryTable())), key="_cart")

    with pytest.raises(ConfigurationError, match="is async"):
        group(in_cookie("_shop"), cart)


@pytest.mark.parametrize(("blocking", "waits"), [(True, True), (False, False)])
def test_an_adapter_waits_if_one_of_its_sessions_must_wait(blocking: bool, waits: bool) -> None:
    table = MemoryTable()
    table.blocking_writes = blocking

    assert SessionGroup(in_cookie("_shop"), [in_table("_cart", table)], form="async").waits is waits


# Fetching an additional session.


def test_the_main_session_is_found_by_its_sessions_too() -> None:
    main, cart = in_cookie("_shop"), in_cookie("_cart")
    exchange = group(main, cart).begin()

    assert exchange.session_of() is exchange.session_of(main) is exchange.session
    assert exchange.session_of(cart) is exchange.session_of(cart) is not exchange.session


@pytest.mark.parametrize("kept", [group(in_cookie("_shop")), group(in_cookie("_shop"), in_cookie("_wish"))])
def test_a_session_that_is_not_set_up_is_an_error_with_a_hint(kept: SessionGroup) -> None:
    exchange = kept.begin()

    with pytest.raises(ConfigurationError, match=r"without the sessions '_cart': pass also=\[…\]"):
        exchange.session_of(in_cookie("_cart"))
    assert not list(exchange.others)


def test_fetching_with_an_object_that_is_not_sessions_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="without the sessions 'a str'"):
        group(in_cookie("_shop")).begin().session_of("a secret")  # type: ignore[arg-type]


# Committing all sessions, sync and async.

Commit = Callable[..., Any]


@pytest.fixture(params=["at once", "awaited"])
def act(request: pytest.FixtureRequest, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> Commit:
    monkeypatch.setitem(globals(), "FORM", "sync" if request.param == "at once" else "async")

    def act(exchange: Exchange, verb: str, *args: Any, **options: Any) -> Any:
        if request.param == "at once":
            return getattr(exchange, verb)(*args, **options)
        work: Coroutine[Any, Any, Any] = getattr(exchange, f"{verb}_async")(*args, **options)
        return runner.run(work)

    return act


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_all_sessions_are_committed_and_the_headers_include_the_main_ones_cookie(act: Commit) -> None:
    cart = in_table("_cart")
    kept = group(in_cookie("_shop"), cart)
    exchange = kept.begin()
    session = exchange.session
    session["n"] = exchange.session_of(cart)["n"] = 1

    told = act(exchange, "headers")

    assert {each.attributes.key: each.value for each in told.cookies}["_shop"] == told.cookie
    assert [each.attributes.key for each in told.cookies] == ["_cart", "_shop"]
    assert told.vary


@pytest.mark.parametrize("broken", ["_shop", "_cart"])
def test_of_two_sessions_in_tables_the_main_one_is_committed_first(act: Commit, broken: str) -> None:
    tables = {key: FailingTable() for key in ("_shop", "_cart")}
    cart = in_table("_cart", tables["_cart"])
    kept = group(in_table("_shop", tables["_shop"]), cart)
    exchange = kept.begin()
    session = exchange.session
    exchange.session_of(cart)["n"] = session["n"] = 1
    tables[broken].failing = FAILING

    with pytest.raises(StoreError):
        act(exchange, "headers")

    assert {key: len(table) for key, table in tables.items()} == {"_shop": int(broken == "_cart"), "_cart": 0}
    assert [each.attributes.key for each in exchange.error_headers().cookies] == (
        ["_shop"] if broken == "_cart" else []
    )


def test_the_first_failure_is_raised(act: Commit) -> None:
    table = FailingTable()
    cart, wish = in_table("_cart", table), in_cookie("_wish")
    kept = group(in_cookie("_shop"), cart, wish)
    exchange = kept.begin()
    exchange.session_of(wish)["list"] = []
    exchange.session_of(cart)["n"] = 1
    exchange.session_of(wish)["list"].append(object())
    exchange.session_of(wish).configure(renew=True)
    table.failing = FAILING

    with pytest.raises(StoreError):
        act(exchange, "headers")


def test_an_error_that_is_not_ours_is_raised_unchanged(act: Commit) -> None:
    cart = in_cookie("_cart")
    kept = group(in_cookie("_shop"), cart)
    exchange = kept.begin()
    exchange.session_of(cart)["list"] = []
    exchange.session_of(cart)["list"].append(object())

    with pytest.raises(TypeError, match="list"):
        act(exchange, "headers")


def test_an_oversized_cookie_comes_after_sessions_in_tables(act: Commit) -> None:
    table = MemoryTable()
    cart = in_table("_cart", table)
    kept = group(in_cookie("_shop"), cart)
    exchange = kept.begin()
    session = exchange.session
    session["big"] = "x" * 5000
    exchange.session_of(cart)["n"] = 1

    with pytest.raises(CookieOverflowError):
        act(exchange, "headers")

    assert [each.attributes.key for each in exchange.error_headers().cookies] == ["_cart"]
    assert len(table) == 1


@pytest.mark.parametrize("verb", ["body_sent", "failed"])
def test_a_session_that_fails_late_does_not_keep_the_others_from_ending(
    act: Commit, verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    tables = {key: FailingTable() for key in ("_shop", "_cart", "_wish")}
    main, cart, wish = (in_table(key, table) for key, table in tables.items())
    kept = group(main, cart, wish)
    exchange = kept.begin()
    session = exchange.session
    opened = [session, exchange.session_of(cart), exchange.session_of(wish)]
    for each in opened:
        each["n"] = 1
    cookies = "; ".join(f"{each.attributes.key}={each.value}" for each in act(exchange, "headers").cookies)
    exchange = kept.begin(cookies)
    session = exchange.session
    opened = [session, exchange.session_of(cart), exchange.session_of(wish)]
    if verb == "body_sent":
        act(exchange, "headers")
    for each in opened:
        each.configure(drop=True)
    tables["_cart"].failing = frozenset({"remove"})

    # After a failed request the error is only logged, because the failure itself is the one to report.
    with pytest.raises(StoreError) if verb == "body_sent" else nullcontext():
        act(exchange, verb)

    assert [len(table) for table in tables.values()] == [0, 1, 0]
    assert ("could not be ended" in caplog.text) is (verb == "failed")


def test_a_session_that_was_not_fetched_is_finished_by_the_main_one(act: Commit) -> None:
    table = MemoryTable()
    kept = group(in_table("_shop", table), in_cookie("_cart"))
    exchange = kept.begin()
    session = exchange.session
    session["n"] = 1
    (cookie,) = act(exchange, "headers").cookies
    exchange = kept.begin(f"_shop={cookie.value}")
    session = exchange.session
    act(exchange, "headers")
    session["n"] = 2

    act(exchange, "body_sent")

    assert kept.begin(f"_shop={cookie.value}").session["n"] == 2


# Changes that are still possible.


def test_a_session_opened_after_the_headers_cannot_begin() -> None:
    cart = in_cookie("_cart")
    kept = group(in_cookie("_shop"), cart)
    exchange = kept.begin()
    exchange.headers()

    with pytest.raises(ResponseStartedError):
        exchange.session_of(cart)["n"] = 1


def test_after_the_exchange_is_closed_no_session_takes_changes() -> None:
    cart, wish = in_table("_cart"), in_table("_wish")
    kept = group(in_cookie("_shop"), cart, wish)
    exchange = kept.begin()
    exchange.session_of(cart)["n"] = exchange.session_of(wish)["n"] = 1
    cookies = "; ".join(f"{each.attributes.key}={each.value}" for each in exchange.headers().cookies)
    exchange = kept.begin(cookies)
    assert exchange.session_of(cart)["n"] == 1
    exchange.headers()

    exchange.close()

    for each in (cart, wish):
        with pytest.raises(ResponseStartedError):
            exchange.session_of(each)["n"] = 2


def test_a_reopened_exchange_lets_all_take_changes_again() -> None:
    cart, wish = in_cookie("_cart"), in_cookie("_wish")
    kept = group(in_cookie("_shop"), cart, wish)
    exchange = kept.begin()
    session = exchange.session
    assert exchange.session_of(cart).get("n") is None
    exchange.headers()

    exchange.reopen()
    session["n"] = exchange.session_of(cart)["n"] = exchange.session_of(wish)["n"] = 1

    assert len(exchange.headers().cookies) == 3


def test_only_our_errors_have_a_response() -> None:
    exchange = group(in_cookie("_shop")).begin()

    answers = [exchange.failure(error) for error in (StoreError(), LostWriteError(), ValueError())]

    assert [answer and answer.status.value for answer in answers] == [503, 409, None]
    assert answers[0] is not None
    assert (answers[0].headers.cookies, answers[0].headers.vary) == ((), "Cookie")


def test_a_session_that_was_only_read_makes_no_call_to_its_store() -> None:
    table = FailingTable()
    kept = group(in_table("_shop", table))
    exchange = kept.begin()
    exchange.session["n"] = 1
    (cookie,) = exchange.headers().cookies
    exchange = kept.begin(f"_shop={cookie.value}")
    assert exchange.session["n"] == 1
    table.failing = FAILING | {"touch", "read"}

    headers = exchange.headers(500)

    assert (headers.cookies, headers.vary) == ((), "Cookie")


def test_after_the_request_every_change_is_an_error() -> None:
    kept = group(in_table("_shop"))
    exchange = kept.begin()
    exchange.session["n"] = 1
    exchange.headers()
    exchange.session["n"] = 2
    exchange.body_sent(last=True)

    with pytest.raises(ResponseStartedError):
        exchange.session["n"] = 3


def test_sessions_in_an_event_loop_are_touched_after_they_are_loaded(runner: asyncio.Runner) -> None:
    main, cart = in_table("_shop"), in_table("_cart")
    exchange = SessionGroup(main, [cart], form="async").begin(fetched=False)
    with pytest.raises(SessionNotFetchedError):
        exchange.session["n"] = 1

    assert runner.run(exchange.load()) is exchange.session
    runner.run(exchange.load(cart))["n"] = 1

    assert [each.attributes.key for each in runner.run(exchange.headers_async()).cookies] == ["_cart"]
    runner.run(exchange.body_sent_async(last=True))
    with pytest.raises(ResponseStartedError):
        exchange.session_of(cart)["n"] = 2
