"""Test sessions in a header of their own instead of a cookie: ``Sessions(transport=…)``."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest

from holdall import _transport as transport
from holdall._events import Event
from holdall._sessions import Sessions
from holdall.stores import TableStore
from holdall.tables import MemoryTable
from holdall.testing._adapters.failures import FailingTable
from holdall.testing._adapters.suite import KEY, AdapterSuite, Mount, Visit, VisitStore, cookie_store
from holdall.testing._adapters.visitor import Answer, Visitor
from holdall.testing._clients import Client, Request
from holdall.testing._clock import FakeClock

__all__ = ["HeaderClient", "HeaderTests"]

_TRANSPORTS = ["Authorization", "X-Shop-Session"]


class HeaderClient:
    """
    A client without cookies that sends back the value it received in the header *name*.

    Attributes:
        held: The value it sends next.
    """

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self.name = name
        self.held = ""

    def does(self, *actions: list[Any], **script: Any) -> Answer:
        """Send *actions* and the rest of the *script* with the held value, and keep the new one."""
        sent = self.held
        answer = self.sends(*([sent] if sent else []), actions=list(actions), **script)
        self.keep(answer, sent)
        return answer

    def keep(self, answer: Answer, sent: str) -> None:
        """Keep the value from the response to a request sent with *sent*, as the guide tells clients to do."""
        for given in answer.response.all(self.name):
            if self.held == sent or _number(given) >= _number(self.held):
                self.held = given

    def sends(
        self,
        *values: str,
        actions: list[Any],
        others: tuple[tuple[str, str], ...] = (),
        method: str = "POST",
        path: str = "/",
        https: bool = True,
        **script: Any,
    ) -> Answer:
        """Send *actions* with these values of the header instead of the held one."""
        headers = [("Content-Type", "application/json"), *((self.name, value) for value in values), *others]
        body = json.dumps({"actions": actions, **script}).encode()
        return Answer(self._client(Request(method, path, headers, body, https)))


def _number(held: str) -> int:
    """Return the number before the value's first full stop; a value of another shape counts as the highest."""
    number, dot, _ = held.rpartition(" ")[2].partition(".")
    return int(number) if dot and number.isdecimal() else 10**9


class HeaderTests(AdapterSuite, sealed=True):
    """A client other than a browser: no cookie is set, and the header follows the rules for cookies."""

    @pytest.fixture(autouse=True)
    def _carries(self, request: pytest.FixtureRequest) -> None:
        if request.function.__name__ in vars(HeaderTests) and not self.carries_headers:
            pytest.skip("the adapter supports only cookies")

    @pytest.fixture(params=_TRANSPORTS)
    def header(self, request: pytest.FixtureRequest) -> str:
        """Return the name of the header that carries the session."""
        name: str = request.param
        return name

    @pytest.fixture
    def carried(self, visit: Visit, header: str) -> HeaderClient:
        """Return a client of an application that keeps its sessions in a cookie store, or in a table."""
        return HeaderClient(visit(transport=header).client, header)

    @pytest.fixture
    def sealed(self, visit_cookie: Visit) -> HeaderClient:
        return HeaderClient(visit_cookie(transport="Authorization").client, "Authorization")

    @pytest.fixture
    def in_table(self, visit_table: Visit) -> HeaderClient:
        return HeaderClient(visit_table(transport="Authorization").client, "Authorization")

    def test_a_session_is_sent_and_received_in_the_header(self, carried: HeaderClient) -> None:
        first = carried.does(["put", "n", 1])

        assert len(first.response.all(carried.name)) == 1
        assert carried.held.startswith("Session ") is (carried.name == "Authorization")
        assert (first.cookies, first.cache_control) == ([], ["no-store"])
        assert first.vary.count(carried.name.lower()) == 1
        assert "cookie" not in first.vary
        assert carried.does(["all"]).results == [{"n": 1}]

    def test_a_session_in_a_header_that_was_only_read_sends_only_vary(self, carried: HeaderClient) -> None:
        carried.does(["put", "n", 1])

        read, untouched = carried.does(["get", "n"]), carried.does()

        assert (read.vary.count(carried.name.lower()), read.cache_control) == (1, [])
        assert read.response.all(carried.name) == []
        assert carried.name.lower() not in untouched.vary
        assert untouched.response.all(carried.name) == []

    @pytest.mark.parametrize("own", ["Accept", "Accept, X-Shop-Session, authorization"])
    def test_vary_adds_the_header_to_the_applications_own(self, carried: HeaderClient, own: str) -> None:
        answer = carried.does(["get", "n"], headers={"Vary": own})

        assert sorted(answer.vary) == sorted({*own.lower().replace(" ", "").split(","), carried.name.lower()})

    def test_no_shared_cache_keeps_a_response_that_carries_a_session(self, carried: HeaderClient) -> None:
        answer = carried.does(["put", "n", 1], headers={"Cache-Control": "public, max-age=60"})

        assert sorted(answer.cache_control) == ["max-age=60", "private"]

    def test_cookies_are_ignored(self, carried: HeaderClient) -> None:
        carried.does(["put", "n", 1])
        value = carried.held.removeprefix("Session ")

        answer = carried.sends(actions=[["all"]], others=(("Cookie", f"{KEY}={value}"),))

        assert (answer.results, answer.cookies) == ([{}], [])

    @pytest.mark.parametrize(
        "values",
        [
            ["Basic dXNlcjpwYXNz", "{}"],
            ["{}", "Bearer abc.def"],
            ['Digest username="a, Session b", realm="c"', "{}"],
            ["Basic dXNlcjpwYXNz, {}"],
            ["{}", "{}"],
            ["Session", "{}"],
        ],
        ids=["before", "after", "quoted", "joined", "twice", "empty"],
    )
    def test_other_schemes_and_repeats_are_ignored(self, visit: Visit, values: list[str]) -> None:
        client = HeaderClient(visit(transport="Authorization").client, "Authorization")
        client.does(["put", "n", 1])

        answer = client.sends(*(value.format(client.held) for value in values), actions=[["all"]])

        assert answer.results == [{"n": 1}]

    def test_the_scheme_is_case_insensitive(self, in_table: HeaderClient) -> None:
        in_table.does(["put", "n", 1])

        assert in_table.sends(in_table.held.replace("Session ", "sESSION  "), actions=[["get", "n"]]).results == [1]
        assert in_table.sends(in_table.held.replace("Session ", "Bearer "), actions=[["get", "n"]]).results == [None]

    def test_two_different_sessions_open_neither(self, carried: HeaderClient, events: list[Event]) -> None:
        carried.does(["put", "n", 1])
        first, carried.held = carried.held, ""
        carried.does(["put", "n", 2])
        events.clear()

        answer = carried.sends(first, carried.held, actions=[["all"]])

        assert answer.results == [{}]
        assert [event.reason for event in events] == ["duplicate"]

    @pytest.mark.parametrize("value", ["AbCd0123_-" * 8, "A" * 6000, "%00", "7.", "é"], ids=ascii)
    def test_a_bad_value_is_an_empty_session(self, carried: HeaderClient, events: list[Event], value: str) -> None:
        scheme = "Session " if carried.name == "Authorization" else ""

        answer = carried.sends(f"{scheme}{value}", actions=[["all"], ["ask", "is_new"]])

        assert (answer.status, answer.results) == (200, [{}, True])
        assert answer.response.all(carried.name) == []
        assert {event.name for event in events} <= {"rejected"}

    def test_a_login_replaces_the_value(self, carried: HeaderClient) -> None:
        carried.does(["put", "n", 1])
        before = carried.held

        carried.does(["login", 7])

        assert carried.held not in ("", before)
        assert carried.does(["ask", "principal"], ["get", "n"]).results == ["7", 1]

    def test_the_old_value_opens_nothing_in_a_table(self, in_table: HeaderClient) -> None:
        in_table.does(["put", "n", 1])
        before = in_table.held
        in_table.does(["login", 7])

        assert in_table.sends(before, actions=[["all"]]).results == [{}]
        assert in_table.sends(before, actions=[["put", "n", 2]]).response.all("Authorization") == []

    @pytest.mark.parametrize("actions", [[["logout"]], [["configure", {"drop": True}]]], ids=["logout", "drop"])
    def test_a_client_that_keeps_each_value_is_logged_out(
        self, carried: HeaderClient, actions: list[list[Any]]
    ) -> None:
        carried.does(["login", 7])
        before = carried.held

        answer = carried.does(*actions)

        assert len(answer.response.all(carried.name)) == 1
        assert answer.cookies == []
        assert carried.held != before
        assert carried.does(["all"], ["ask", "principal"]).results == [{}, None]
        carried.does(["login", 8])
        assert carried.does(["ask", "principal"]).results == ["8"]

    def test_the_end_of_a_row_is_a_header_without_a_value(self, visit_table: Visit, header: str) -> None:
        client = HeaderClient(visit_table(transport=header).client, header)
        client.does(["login", 7])

        client.does(["logout"])

        assert client.held == ("Session" if header == "Authorization" else "")

    def test_a_logout_and_a_new_session_send_one_value(self, carried: HeaderClient) -> None:
        carried.does(["login", 7])

        answer = carried.does(["logout"], ["put", "n", 1])

        assert len(answer.response.all(carried.name)) == 1
        assert carried.does(["all"]).results == [{"n": 1}]

    @pytest.mark.parametrize(
        "last", [["login", 7], ["logout"], ["configure", {"renew": True}]], ids=lambda each: each[0]
    )
    def test_a_late_response_brings_nothing_back(self, carried: HeaderClient, last: list[Any]) -> None:
        carried.does(["put", "n", 1])
        sent = carried.held
        late = carried.sends(sent, actions=[["put", "m", 2]])
        carried.does(last)
        held = carried.held

        carried.keep(late, sent)

        assert carried.held == held

    def test_the_newest_of_several_values_counts(self, sealed: HeaderClient) -> None:
        sealed.does(["put", "n", 1])
        old = sealed.held
        sealed.does(["login", 7])

        answer = sealed.sends(old, sealed.held, actions=[["get", "n"], ["ask", "principal"]])

        assert answer.results == [1, "7"]
        assert answer.response.all("Authorization") == []
        ended = sealed.sends(sealed.held, actions=[["logout"]])
        sealed.keep(ended, sealed.held)
        assert sealed.sends(old, sealed.held, actions=[["all"]]).results == [{}]

    def test_a_client_whose_session_expired_gets_a_new_one(self, visit: Visit, clock: FakeClock, header: str) -> None:
        client = HeaderClient(visit(transport=header, idle_timeout=60).client, header)
        client.does(["login", 7])
        clock.advance(timedelta(seconds=61))

        assert client.does(["all"]).results == [{}]
        client.does(["put", "n", 1])
        assert client.does(["all"]).results == [{"n": 1}]

    def test_a_save_before_the_first_read_is_stored(self, carried: HeaderClient) -> None:
        carried.does(["put", "list", []])

        carried.does(["mutate", "list", 1])
        answer = carried.does(["save"], ["put", "n", 2])

        assert len(answer.response.all(carried.name)) <= 1
        assert carried.does(["all"]).results == [{"list": [1], "n": 2}]

    @pytest.mark.parametrize("status", [204, 302, 304, 404])
    def test_every_status_carries_the_header(self, carried: HeaderClient, status: int) -> None:
        answer = carried.does(["login", 7], status=status, headers={"Location": "/"})

        assert (answer.status, len(answer.response.all(carried.name))) == (status, 1)
        assert carried.does(["ask", "principal"]).results == ["7"]

    def test_an_oversized_session_is_an_error_and_sends_nothing(
        self, sealed: HeaderClient, events: list[Event]
    ) -> None:
        sealed.does(["put", "n", 1])

        answer = sealed.does(["put", "big", "x" * 5000])

        assert (answer.status, answer.response.all("Authorization")) == (500, [])
        assert events[-1].name == "cookie_too_large"
        assert sealed.does(["all"]).results == [{"n": 1}]

    def test_a_cookie_option_is_an_error_without_a_cookie(self, carried: HeaderClient) -> None:
        answer = carried.does(["put", "n", 1], ["configure", {"path": "/shop"}])

        assert (answer.status, answer.response.all(carried.name)) == (500, [])

    def test_a_failed_request_still_carries_out_its_logout(self, carried: HeaderClient) -> None:
        carried.does(["login", 7])
        before = carried.held

        answer = carried.does(["put", "n", 1], ["logout"], fails=True)

        if self.answers_failures:
            assert len(answer.response.all(carried.name)) == 1
            assert carried.held != before
            assert carried.does(["all"]).results == [{}]

    def test_a_failing_table_is_503_and_sends_nothing(
        self, visit_store: VisitStore, clock: FakeClock, header: str
    ) -> None:
        table = FailingTable(clock=clock)
        client = HeaderClient(visit_store(TableStore(table), transport=header).client, header)
        client.does(["put", "n", 1])
        table.failing = frozenset({"read"})
        unread = client.does(["get", "n"])
        table.failing = frozenset({"replace"})
        unwritten = client.does(["put", "n", 2])
        table.failing = frozenset()

        for answer in (unread, unwritten):
            assert (answer.status, answer.response.all(header), answer.cookies) == (503, [], [])
        assert unwritten.vary == [header.lower()]
        assert client.does(["get", "n"]).results == [1]

    def test_a_session_read_in_the_body_sends_vary(self, carried: HeaderClient) -> None:
        if not self.streams:
            pytest.skip("the framework does not stream")
        carried.does(["put", "n", 1])

        answer = carried.does(later=[["get", "n"]], path="/stream")

        assert answer.later == {"results": [1]}
        assert answer.vary == [carried.name.lower()]

    def test_a_login_over_http_warns(
        self, carried: HeaderClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        transport.warn_of_http.cache_clear()
        with caplog.at_level(logging.WARNING, "holdall"):
            for https in (True, False, False):
                carried.sends(actions=[["login", 7]], https=https)

        assert [each for each in caplog.messages if "was sent over http" in each] == [
            each for each in caplog.messages if carried.name in each
        ]
        assert len([each for each in caplog.messages if "was sent over http" in each]) == 1

    def test_a_session_in_a_header_coexists_with_one_in_a_cookie(
        self, mount: Mount, table: MemoryTable, clock: FakeClock
    ) -> None:
        if not self.keeps_several:
            pytest.skip("the adapter keeps one session")
        api = Sessions(TableStore(table), key="_api", transport="X-Api", clock=clock)
        client = mount(Sessions(cookie_store(), key=KEY, clock=clock), also=[api])
        browser, phone = Visitor(client, clock), HeaderClient(client, "X-Api")

        both = phone.does(["put", "n", 1], ["also", "_api", "put", "n", 2])
        alone = phone.does(["also", "_api", "get", "n"])
        browser.does(["put", "n", 3])

        assert ([line.key for line in both.cookies], phone.held == "") == ([KEY], False)
        assert sorted(both.vary) == ["cookie", "x-api"]
        assert (alone.results, "x-api" in alone.vary) == ([2], True)
        answer = browser.does(["get", "n"], ["also", "_api", "get", "n"])
        assert (answer.results, sorted(answer.vary)) == ([3, None], ["cookie", "x-api"])
        assert (answer.cookies, answer.response.all("X-Api")) == ([], [])

    def test_a_session_stored_before_another_failed_is_sent(
        self, mount: Mount, table: MemoryTable, clock: FakeClock
    ) -> None:
        if not self.keeps_several:
            pytest.skip("the adapter keeps one session")
        failing = FailingTable(clock=clock)
        cart = Sessions(TableStore(failing), key="_cart", transport="X-Cart", clock=clock)
        main = Sessions(TableStore(table), key=KEY, transport="Authorization", clock=clock)
        client = HeaderClient(mount(main, also=[cart]), "Authorization")
        failing.failing = frozenset({"insert"})

        answer = client.does(["put", "n", 1], ["also", "_cart", "put", "n", 2])

        assert (answer.status, sorted(answer.vary)) == (503, ["authorization", "x-cart"])
        assert len(answer.response.all("Authorization")) == 1
        assert client.does(["get", "n"]).results == [1]
