"""Test several sessions in one application: they are independent of each other."""

import secrets
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

import pytest

from holdall._events import Event
from holdall._sessions import Sessions
from holdall.stores import Store, TableStore
from holdall.stores._principals import owner
from holdall.testing._adapters.failures import FailingTable
from holdall.testing._adapters.suite import KEY, AdapterSuite, Mount, cookie_store
from holdall.testing._adapters.visitor import Visitor
from holdall.testing._clock import FakeClock

__all__ = ["SeveralTests"]

CART = "_cart"
OTHER_SECRET = secrets.token_hex(32)

#: Where the main session and the other one are kept. With these two, each is once in a cookie and once in a table.
KINDS = ["cookie, table", "table, cookie"]


class Both(NamedTuple):
    """
    Where the two sessions of an application are kept: the main one and the other one.

    Attributes:
        tables: The tables of those that are in one, by key.
    """

    main: Store
    cart: Store
    tables: dict[str, FailingTable]


class VisitBoth(Protocol):
    """Creates a visitor of an application that keeps two sessions, with options for the main one and for the other."""

    def __call__(self, options: dict[str, Any] | None = None, **cart: Any) -> Visitor: ...


class SeveralTests(AdapterSuite, sealed=True):
    """A main session and another one."""

    @pytest.fixture(autouse=True)
    def _keeps_several(self, request: pytest.FixtureRequest) -> None:
        if request.function.__name__ in vars(SeveralTests) and not self.keeps_several:
            pytest.skip("the adapter keeps one session")

    @pytest.fixture
    def stores(self, request: pytest.FixtureRequest, clock: FakeClock) -> Both:
        """Return where the sessions are kept, as a parameter of the test: ``"cookie, table"``, the main one first."""
        kinds = request.param.split(", ")
        tables = {
            key: FailingTable(clock=clock) for key, kind in zip((KEY, CART), kinds, strict=True) if kind == "table"
        }
        main, cart = (TableStore(tables[key]) if key in tables else cookie_store() for key in (KEY, CART))
        return Both(main, cart, tables)

    @pytest.fixture
    def visit_both(self, mount: Mount, stores: Both, clock: FakeClock, events: list[Event]) -> VisitBoth:
        def visit_both(options: dict[str, Any] | None = None, **cart: Any) -> Visitor:
            given: dict[str, Any] = {"principal_key": "user_id", "clock": clock, "on_event": events.append}
            main = Sessions(stores.main, key=KEY, **{**given, **(options or {})})
            return Visitor(mount(main, [Sessions(stores.cart, key=CART, **{**given, **cart})]), clock)

        return visit_both

    # Independence.

    @pytest.mark.parametrize("stores", KINDS, indirect=True)
    def test_each_session_has_its_own_data(self, visit_both: VisitBoth) -> None:
        visitor = visit_both()
        visitor.does(["put", "n", 1], in_cart("put", "n", 2), in_cart("put", "m", 3))

        assert visitor.does(["all"], in_cart("all")).results == [{"n": 1}, {"n": 2, "m": 3}]

    @pytest.mark.parametrize("stores", KINDS, indirect=True)
    def test_each_session_sets_only_its_own_cookie(self, visit_both: VisitBoth) -> None:
        visitor = visit_both()

        assert visitor.does(in_cart("put", "n", 1)).cookie.key == CART
        assert visitor.does(["put", "n", 1], in_cart("get", "n")).cookie.key == KEY

    @pytest.mark.parametrize("stores", KINDS, indirect=True)
    def test_cache_headers_are_added_once(self, visit_both: VisitBoth) -> None:
        answer = visit_both().does(["put", "n", 1], in_cart("put", "n", 2))

        assert sorted(line.name for line in answer.cookies) == [CART, KEY]
        assert answer.vary.count("cookie") == 1
        assert answer.cache_control == ["no-store"]

    @pytest.mark.parametrize("stores", KINDS, indirect=True)
    def test_cache_headers_are_added_for_a_session_that_was_only_read(self, visit_both: VisitBoth) -> None:
        answer = visit_both().does(in_cart("get", "n"))

        assert answer.vary == ["cookie"]
        assert answer.cookies == []

    @pytest.mark.parametrize("stores", ["cookie, cookie", "table, cookie"], indirect=True)
    def test_a_session_that_is_fetched_but_not_read_does_not_count_as_used(
        self, visit_both: VisitBoth, clock: FakeClock
    ) -> None:
        visitor = visit_both()
        visitor.does(in_cart("put", "n", 1))
        clock.advance(timedelta(days=1))

        assert visitor.does(in_cart()).cookies == []
        assert visitor.does(in_cart("get", "n")).cookie.key == CART

    @pytest.mark.parametrize("stores", ["cookie, table", "table, table"], indirect=True)
    def test_a_session_that_is_not_fetched_is_not_read(self, visit_both: VisitBoth, stores: Both) -> None:
        visitor = visit_both()
        visitor.does(["put", "n", 1], in_cart("put", "n", 1))
        stores.tables[CART].failing = frozenset({"read"})

        assert visitor.does(["get", "n"]).results == [1]

    @pytest.mark.parametrize("stores", KINDS, indirect=True)
    def test_a_session_that_is_fetched_twice_is_the_same_object(self, visit_both: VisitBoth) -> None:
        answer = visit_both().does(in_cart("put", "list", []), in_cart("mutate", "list", 1), in_cart("all"))

        assert answer.results[-1] == {"list": [1]}
        assert answer.cookie.key == CART

    @pytest.mark.parametrize("stores", KINDS, indirect=True)
    def test_a_login_in_one_session_does_not_renew_the_other(self, visit_both: VisitBoth) -> None:
        visitor = visit_both()
        visitor.does(["put", "n", 1], in_cart("put", "n", 2))

        assert visitor.does(["login", 7], in_cart("get", "n")).cookie.key == KEY
        assert visitor.does(["get", "n"], in_cart("login", 8)).cookie.key == CART
        asked = visitor.does(["ask", "principal"], in_cart("ask", "principal"), ["get", "n"], in_cart("get", "n"))
        assert asked.results == ["7", "8", 1, 2]

    @pytest.mark.parametrize("stores", KINDS, indirect=True)
    @pytest.mark.parametrize("end", [["logout"], ["configure", {"drop": True}]], ids=["logout", "drop"])
    def test_the_end_of_one_session_leaves_the_other_alone(self, visit_both: VisitBoth, end: list[Any]) -> None:
        visitor = visit_both()
        visitor.does(["put", "n", 1], in_cart("put", "n", 2))

        answer = visitor.does(in_cart(*end), ["get", "n"])

        assert (answer.expired.key, answer.expired.value) == (CART, "")
        assert visitor.does(["all"], in_cart("all")).results == [{"n": 1}, {}]
        visitor.does(in_cart("put", "n", 3), end)
        assert visitor.does(["all"], in_cart("all")).results == [{}, {"n": 3}]

    @pytest.mark.parametrize("stores", KINDS, indirect=True)
    def test_each_session_has_its_own_timeouts(self, visit_both: VisitBoth, clock: FakeClock) -> None:
        visitor = visit_both(idle_timeout=60)
        visitor.does(["put", "n", 1], in_cart("put", "n", 2))
        clock.advance(timedelta(minutes=2))

        assert visitor.does(["get", "n"], in_cart("get", "n")).results == [1, None]

    @pytest.mark.parametrize("stores", KINDS, indirect=True)
    def test_each_session_has_its_own_cookie_attributes(self, visit_both: VisitBoth) -> None:
        visitor = visit_both({"max_age": 60}, path="/cart")

        answer = visitor.does(
            ["put", "n", 1], ["configure", {"same_site": "Strict"}], in_cart("put", "n", 2), path="/cart"
        )

        attributes = {line.name: line.attributes for line in answer.cookies}
        told = {key: (each["path"], each["samesite"], each.get("max-age")) for key, each in attributes.items()}
        assert told == {KEY: ("/", "Strict", "60"), CART: ("/cart", "Lax", None)}
        assert visitor.does(in_cart("get", "n"), path="/").results == [None]
        assert visitor.does(in_cart("get", "n"), path="/cart/n").results == [2]

    @pytest.mark.parametrize("stores", ["cookie, table"], indirect=True)
    def test_each_session_is_listed_and_ended_by_its_own_principal(self, visit_both: VisitBoth, stores: Both) -> None:
        visitor = visit_both(record_client=True)
        visitor.does(["login", 7], in_cart("login", 7))
        cart = Sessions(stores.cart, key=CART, principal_key="user_id")

        (info,) = cart.list(7)
        assert info.address == "127.0.0.1"
        assert cart.revoke(7) == 1
        assert visitor.does(["ask", "principal"], in_cart("ask", "principal")).results == ["7", None]

    @pytest.mark.parametrize("stores", ["cookie, table"], indirect=True)
    def test_a_session_in_a_table_saves_and_counts_at_once(self, visit_both: VisitBoth) -> None:
        visitor = visit_both()
        visitor.does(["put", "n", 1], in_cart("put", "n", 1))

        visitor.does(["put", "n", 2], in_cart("put", "n", 2), in_cart("save"), in_cart("count", "hits"), status=500)

        assert visitor.does(["all"], in_cart("all")).results == [{"n": 1}, {"n": 2, "hits": 1}]

    # Failures.

    @pytest.mark.parametrize("stores", KINDS, indirect=True)
    @pytest.mark.parametrize("failure", [{"status": 500}, {"fails": True}], ids=str)
    def test_a_failed_request_saves_no_plain_write_of_any(self, visit_both: VisitBoth, failure: dict[str, Any]) -> None:
        visitor = visit_both()
        visitor.does(["put", "n", 1], in_cart("put", "n", 1))

        assert visitor.does(["put", "n", 2], in_cart("put", "n", 2), **failure).cookies == []
        assert visitor.does(["get", "n"], in_cart("get", "n")).results == [1, 1]

    @pytest.mark.parametrize("stores", ["cookie, table", "table, table"], indirect=True)
    def test_an_unreadable_session_is_503(self, visit_both: VisitBoth, stores: Both) -> None:
        visitor = visit_both()
        visitor.does(["put", "n", 1], in_cart("put", "n", 1))
        stores.tables[CART].failing = frozenset({"read"})

        assert visitor.does(["put", "n", 2], in_cart("get", "n")).status == 503
        assert visitor.does(["get", "n"]).results == [1]

    @pytest.mark.parametrize(
        ("stores", "broken"),
        [("cookie, table", CART), ("table, cookie", KEY), ("table, table", KEY)],
        indirect=["stores"],
        ids=lambda each: each,
    )
    def test_if_one_session_cannot_be_written_no_plain_write_of_the_other_is_saved(
        self, visit_both: VisitBoth, stores: Both, broken: str
    ) -> None:
        visitor = visit_both()
        visitor.does(["put", "n", 1], in_cart("put", "n", 1))
        stores.tables[broken].failing = frozenset({"replace"})

        answer = visitor.does(["put", "n", 2], in_cart("put", "n", 2))

        assert answer.status == 503
        assert answer.cookies == []
        assert answer.vary.count("cookie") == 1
        stores.tables[broken].failing = frozenset()
        assert visitor.does(["get", "n"], in_cart("get", "n")).results == [1, 1]

    @pytest.mark.parametrize("stores", ["cookie, table", "table, table"], indirect=True)
    @pytest.mark.parametrize("asked", [[], ["put", "n", 3]], ids=["logout", "logout and a message"])
    def test_if_one_session_cannot_be_written_the_other_still_ends(
        self, visit_both: VisitBoth, stores: Both, asked: list[Any]
    ) -> None:
        visitor = visit_both()
        visitor.does(["login", 7], in_cart("put", "n", 1))
        stores.tables[CART].failing = frozenset({"replace"})

        answer = visitor.does(["logout"], *([asked] if asked else []), in_cart("put", "n", 2))

        assert answer.status == 503
        assert answer.cookie.key == KEY
        assert answer.cache_control == ["no-store"]
        assert visitor.does(["ask", "principal"]).results == [None]

    @pytest.mark.parametrize("stores", ["table, cookie", "table, table"], indirect=True)
    def test_if_the_main_session_cannot_be_written_the_other_still_ends(
        self, visit_both: VisitBoth, stores: Both
    ) -> None:
        visitor = visit_both()
        visitor.does(["put", "n", 1], in_cart("login", 7))
        stores.tables[KEY].failing = frozenset({"replace"})

        answer = visitor.does(["put", "n", 2], in_cart("logout"))

        assert answer.status == 503
        assert (answer.expired.key, answer.expired.value) == (CART, "")
        assert visitor.does(in_cart("ask", "principal")).results == [None]

    @pytest.mark.parametrize("stores", ["table, table"], indirect=True)
    def test_a_login_saved_before_the_other_failed_reaches_the_browser(
        self, visit_both: VisitBoth, stores: Both
    ) -> None:
        visitor = visit_both()
        visitor.does(["put", "n", 1], in_cart("put", "n", 1))
        stores.tables[CART].failing = frozenset({"replace"})

        assert visitor.does(["login", 7], in_cart("put", "n", 2)).status == 503
        assert visitor.does(["ask", "principal"], ["get", "n"]).results == ["7", 1]

    @pytest.mark.parametrize("stores", ["cookie, table"], indirect=True)
    def test_a_lost_write_of_one_session_is_an_error_for_the_other_too(self, visit_both: VisitBoth) -> None:
        visitor = visit_both(on_lost_write="raise")
        visitor.does(["put", "n", 1], in_cart("put", "n", 1))
        late = [f"{key}={visitor.browser[key]}" for key in (KEY, CART)]
        visitor.does(in_cart("login", 7))

        answer = visitor.sends("; ".join(late), actions=[["put", "n", 2], in_cart("put", "n", 2)])

        assert answer.status == 409
        assert answer.cookies == []

    @pytest.mark.parametrize("stores", ["cookie, cookie"], indirect=True)
    def test_an_oversized_cookie_is_an_error_and_sets_no_other(self, visit_both: VisitBoth) -> None:
        visitor = visit_both()
        visitor.does(["put", "n", 1], in_cart("put", "n", 1))

        answer = visitor.does(["put", "n", 2], in_cart("put", "big", "x" * 5000))

        assert answer.status == 500
        assert answer.cookies == []
        assert visitor.does(["all"], in_cart("all")).results == [{"n": 1}, {"n": 1}]

    @pytest.mark.parametrize("stores", ["cookie, table"], indirect=True)
    def test_an_exception_after_a_logout_ends_that_sessions_row(self, visit_both: VisitBoth, stores: Both) -> None:
        visitor = visit_both()
        visitor.does(["put", "n", 1], in_cart("login", 7))
        assert len(stores.tables[CART].find(owner("7", "", CART))) == 1

        visitor.does(["get", "n"], in_cart("logout"), fails=True)

        assert stores.tables[CART].find(owner("7", "", CART)) == []

    # While a body is sent.

    @pytest.fixture
    def _streams_several(self) -> None:
        if not self.streams:
            pytest.skip("the framework does not stream")

    @pytest.mark.usefixtures("_streams_several")
    @pytest.mark.parametrize("stores", ["cookie, table", "table, table"], indirect=True)
    @pytest.mark.parametrize("first", [[], [["also", CART, "get", "n"]]], ids=["not asked for", "read"])
    def test_a_session_in_a_row_takes_changes_until_the_body_ends(
        self, visit_both: VisitBoth, first: list[list[Any]]
    ) -> None:
        visitor = visit_both()
        visitor.does(in_cart("put", "n", 1))

        answer = visitor.does(*first, path="/stream", later=[in_cart("put", "n", 2)])

        assert answer.later == {"results": [None]}
        assert answer.vary.count("cookie") == 1
        assert visitor.does(in_cart("get", "n")).results == [2]

    @pytest.mark.usefixtures("_streams_several")
    @pytest.mark.parametrize("stores", ["cookie, cookie", "table, cookie"], indirect=True)
    @pytest.mark.parametrize("first", [[], [["also", CART, "get", "n"]]], ids=["not asked for", "read"])
    def test_a_session_in_a_cookie_takes_no_more_changes(self, visit_both: VisitBoth, first: list[list[Any]]) -> None:
        visitor = visit_both()
        visitor.does(in_cart("put", "n", 1))

        answer = visitor.does(*first, path="/stream", later=[in_cart("put", "n", 2)])

        assert answer.later == {"error": "ResponseStartedError"}

    @pytest.mark.usefixtures("_streams_several")
    @pytest.mark.parametrize("stores", ["table, table"], indirect=True)
    def test_both_sessions_are_saved_when_the_body_ends(self, visit_both: VisitBoth) -> None:
        visitor = visit_both()
        visitor.does(["put", "n", 1], in_cart("put", "n", 1))

        visitor.does(in_cart("get", "n"), path="/stream", later=[["put", "n", 2], in_cart("put", "n", 3)])

        assert visitor.does(["get", "n"], in_cart("get", "n")).results == [2, 3]


def in_cart(*action: Any) -> list[Any]:
    """Return *action* on the session that is not the main one."""
    return ["also", CART, *action]
