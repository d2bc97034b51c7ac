"""Test what an adapter can get wrong between the framework's headers and the core, which handles all cookies."""

import json
from secrets import token_hex
from typing import Any

import pytest

from holdall._cookie_options import CookieRequest
from holdall._cookies import CookieOptions
from holdall._events import Event
from holdall.testing._adapters.suite import KEY, AdapterSuite, Visit
from holdall.testing._adapters.visitor import Visitor
from holdall.testing._clients import Request
from holdall.testing._clock import FakeClock

__all__ = ["CookieTests"]

_ALL_OPTIONS: dict[str, Any] = {
    "path": "/shop",
    "domain": "shop.example",
    "secure": True,
    "http_only": False,
    "max_age": 3600,
    "same_site": "None",
    "partitioned": True,
    "extra": "Priority=High",
}
_ALL_ATTRIBUTES = {
    "path": "/shop",
    "domain": "shop.example",
    "secure": "",
    "max-age": "3600",
    "expires": "Sun, 01 Mar 2026 13:00:00 GMT",
    "samesite": "None",
    "partitioned": "",
    "priority": "High",
}
_OVER = {"expires": "Thu, 01 Jan 1970 00:00:00 GMT", "max-age": "0"}
_DEFAULTS = {"path": "/", "httponly": "", "samesite": "Lax"}


class CookieTests(AdapterSuite, sealed=True):
    """Cookie headers reach the core unchanged, and its Set-Cookie lines reach the browser unchanged."""

    @pytest.mark.parametrize(
        "headers",
        [
            [f" a = 1 ;; {KEY}x=bad; {KEY.upper()}=bad; x{KEY}=bad;  {KEY}={{}}  ; b=2"],
            [f'a="{KEY}=bad"; {KEY}={{}}'],
            [f"{KEY}2=bad", f"{KEY}={{}}", "b=2"],
            [f"{KEY}=bad", f"{KEY}={{}}"],
        ],
        ids=["among others", "after a quoted one", "in the second of three headers", "after a bad one"],
    )
    def test_our_cookie_reaches_the_core(self, visitor: Visitor, headers: list[str]) -> None:
        visitor.does(["put", "n", 1])
        cookie = visitor.browser[KEY]

        answer = visitor.sends(*(header.format(cookie) for header in headers), actions=[["get", "n"]])

        assert answer.results == [1]

    def test_options_of_the_cookie_may_depend_on_the_request(self, visit: Visit) -> None:
        asked: list[str] = []

        def options_of(request: CookieRequest) -> CookieOptions:
            asked.append(request.header("Content-Type"))
            same_site: CookieOptions = {"same_site": "None", "secure": True} if request.https else {}
            return {"domain": request.host.removeprefix("www."), **same_site}

        visitor = visit(cookie_options=options_of)
        visitor.does()
        assert asked == []

        first = visitor.does(["put", "n", 1])
        by_https = visitor.another().does(["put", "n", 1], https=True)
        last = visitor.does(["configure", {"drop": True}])

        assert asked == ["application/json"] * 3
        assert (first.cookie.attributes["domain"], first.cookie.attributes["samesite"]) == ("shop.example", "Lax")
        assert by_https.cookie.attributes["samesite"] == "None"
        assert {line.attributes["domain"] for line in last.cookies} == {"shop.example"}
        assert visitor.does(["all"]).results == [{}]

    @pytest.mark.parametrize(
        "value",
        ["", "AbCd0123_-" * 8, '"{}', "%00%0a{}", "{} x", "\0", "é{}", "\xc3", "\x01\x7f{}", "A" * 10_000],
        ids=ascii,
    )
    def test_a_bad_cookie_is_an_empty_session_however_the_framework_parses_it(
        self, visitor: Visitor, events: list[Event], value: str
    ) -> None:
        if value < " " and value and not self.passes_control_characters:
            pytest.skip("the server refuses them")  # pragma: no cover  # only behind a server, as in nox -s frameworks
        visitor.does(["put", "n", 1])
        bad = value.format(visitor.browser[KEY])
        events.clear()

        answer = visitor.sends(f"{KEY}={bad}", actions=[["all"], ["ask", "is_new"]])

        assert (answer.status, answer.results, answer.cookies) == (200, [{}, True], [])
        assert [event.name for event in events] == ["rejected"]

    def test_two_cookies_with_different_sessions_open_neither(self, visitor: Visitor) -> None:
        visitor.does(["put", "n", 1])
        other = visitor.another()
        other.does(["put", "n", 2])

        both = f"{KEY}={visitor.browser[KEY]}; {KEY}={other.browser[KEY]}"

        assert visitor.sends(both, actions=[["all"]]).results == [{}]

    @pytest.mark.parametrize("https", [False, True])
    def test_secure_follows_the_scheme(self, visitor: Visitor, https: bool) -> None:
        answer = visitor.does(["put", "n", 1], https=https)

        assert answer.cookie.attributes == (_DEFAULTS | {"secure": ""} if https else _DEFAULTS)

    def test_every_attribute_reaches_the_browser(self, visit: Visit) -> None:
        visitor = visit(**_ALL_OPTIONS)

        answer = visitor.does(["put", "n", 1], path="/shop/cart", https=True)

        assert answer.cookie.attributes == _ALL_ATTRIBUTES
        assert visitor.does(["get", "n"], path="/shop/cart", https=True).results == [1]

    def test_every_attribute_can_be_set_for_one_response(self, visitor: Visitor) -> None:
        answer = visitor.does(["configure", _ALL_OPTIONS], ["put", "n", 1], path="/shop/cart", https=True)

        assert answer.cookie.attributes == _ALL_ATTRIBUTES

    def test_a_deletion_repeats_every_attribute(self, visit: Visit) -> None:
        visitor = visit(**_ALL_OPTIONS)
        visitor.does(["put", "n", 1], path="/shop/cart", https=True)
        before = {each.place for each in visitor.browser.jar}

        answer = visitor.does(["configure", {"drop": True}], path="/shop/cart", https=True)

        assert answer.expired.attributes == {**_ALL_ATTRIBUTES, **_OVER}
        assert before.isdisjoint(each.place for each in visitor.browser.jar)

    def test_a_cookie_with_a_prefix_comes_back(self, visit: Visit) -> None:
        visitor = visit(key="__Host-shop")
        visitor.does(["put", "n", 1], https=True)

        assert visitor.does(["get", "n"], https=True).results == [1]

    @pytest.mark.parametrize("moved", [{"key": "_new"}, {"path": "/shop"}])
    def test_a_response_can_set_two_cookies(self, visitor: Visitor, moved: dict[str, Any]) -> None:
        visitor.does(["put", "n", 1], path="/shop/cart")

        answer = visitor.does(["configure", moved], ["put", "n", 2], path="/shop/cart")

        expired, new = answer.cookies
        assert (expired.name, expired.value, expired.attributes) == (KEY, "", {**_DEFAULTS, **_OVER})
        assert new.name == moved.get("key", KEY)
        assert [kept.value for kept in visitor.browser.jar] == [new.value]

    @pytest.mark.parametrize("option", [{"colour": "red"}, {"path": "no slash"}])
    def test_an_impossible_option_fails_the_request(self, visitor: Visitor, option: dict[str, Any]) -> None:
        answer = visitor.does(["put", "n", 1], ["configure", option])

        assert (answer.status, answer.cookies) == (500, [])

    def test_a_session_under_an_old_name_is_read_and_moved_by_a_write(self, visit: Visit, clock: FakeClock) -> None:
        old = visit(key="_old")
        old.does(["put", "n", 1])
        visitor = Visitor(visit(old_keys=["_old"]).client, clock, old.browser)

        assert visitor.does(["get", "n"]).cookies == []
        visitor.does(["put", "m", 2])

        assert [kept.name for kept in visitor.browser.jar] == [KEY]
        assert visitor.does(["all"]).results == [{"n": 1, "m": 2}]

    @pytest.mark.parametrize(
        ("host", "https", "action", "warns"),
        [
            ("www.shop.example", False, ["login", 7], True),
            ("192.0.2.7:8000", False, ["login", 7], True),
            ("www.shop.example", True, ["login", 7], False),
            ("www.shop.example", False, ["put", "n", 1], False),
            ("localhost:8000", False, ["login", 7], False),
            ("127.0.0.1:8000", False, ["login", 7], False),
        ],
    )
    def test_a_login_without_secure_warns_unless_it_is_on_this_machine(
        self, visit: Visit, caplog: pytest.LogCaptureFixture, host: str, https: bool, action: list[Any], warns: bool
    ) -> None:
        # The warning is logged once per process.
        visitor = visit(key=f"_shop{token_hex(4)}", principal_key="user_id")
        headers = [("Content-Type", "application/json"), ("Host", host)]

        response = visitor.client(Request("POST", "/", headers, json.dumps({"actions": [action]}).encode(), https))

        assert len(response.all("Set-Cookie")) == 1
        assert ("without Secure" in caplog.text) is warns
