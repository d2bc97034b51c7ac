"""Test how the cookie is set: its options for all responses and for one, its prefix, its expiry."""

from typing import Any

import pytest

from holdall.testing._adapters.suite import KEY, AdapterSuite, Visit
from holdall.testing._adapters.visitor import Visitor

__all__ = ["CookieAttributesTests"]

_PLAIN = {"path": "/", "httponly": "", "samesite": "Lax"}
_SECURE = {**_PLAIN, "secure": ""}
_HOUR = {"expires": "Sun, 01 Mar 2026 13:00:00 GMT", "max-age": "3600"}

_OPTIONS: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"path": "/shop"}, {**_SECURE, "path": "/shop"}),
    ({"domain": "shop.example"}, {**_SECURE, "domain": "shop.example"}),
    ({"secure": False}, _PLAIN),
    ({"secure": True}, _SECURE),
    ({"http_only": False}, {"path": "/", "samesite": "Lax", "secure": ""}),
    ({"max_age": 3600}, {**_SECURE, **_HOUR}),
    ({"same_site": "Strict"}, {**_SECURE, "samesite": "Strict"}),
    ({"same_site": None}, {"path": "/", "httponly": "", "secure": ""}),
    ({"same_site": "None", "secure": True}, {**_SECURE, "samesite": "None"}),
    ({"partitioned": True, "secure": True}, {**_SECURE, "partitioned": ""}),
    ({"extra": "Priority=High"}, {**_SECURE, "priority": "High"}),
]

_OVER = {"expires": "Thu, 01 Jan 1970 00:00:00 GMT", "max-age": "0"}


class CookieAttributesTests(AdapterSuite, sealed=True):
    """Set-Cookie lines, and what a browser does with them."""

    @pytest.mark.parametrize(("options", "attributes"), _OPTIONS)
    def test_options_apply_to_all_cookies(
        self, visit: Visit, options: dict[str, Any], attributes: dict[str, str]
    ) -> None:
        visitor = visit(**options)

        answer = visitor.does(["put", "n", 1], path="/shop/cart", https=True)

        assert answer.cookie.attributes == attributes
        assert visitor.does(["get", "n"], path="/shop/cart", https=True).results == [1]

    @pytest.mark.parametrize(("options", "attributes"), _OPTIONS)
    def test_options_can_apply_to_one_response(
        self, visit: Visit, options: dict[str, Any], attributes: dict[str, str]
    ) -> None:
        visitor = visit()

        answer = visitor.does(["configure", options], ["put", "n", 1], path="/shop/cart", https=True)

        assert answer.cookie.attributes == attributes
        assert visitor.does(["get", "n"], path="/shop/cart", https=True).results == [1]

    @pytest.mark.parametrize(("options", "attributes"), _OPTIONS)
    def test_a_deletion_has_the_attributes_of_the_cookie(
        self, visit: Visit, options: dict[str, Any], attributes: dict[str, str]
    ) -> None:
        visitor = visit(**options)
        visitor.does(["put", "n", 1], path="/shop/cart", https=True)

        answer = visitor.does(["configure", {"drop": True}], path="/shop/cart", https=True)

        assert answer.expired.attributes == {**attributes, **_OVER}
        assert KEY not in visitor.browser

    def test_an_option_can_be_given_as_name_and_value(self, visitor: Visitor) -> None:
        answer = visitor.does(["configure", "path", "/admin"], ["put", "n", 1])

        assert answer.cookie.attributes["path"] == "/admin"

    def test_options_alone_set_no_cookie(self, visitor: Visitor) -> None:
        assert visitor.does(["configure", {"path": "/admin"}]).cookies == []

    @pytest.mark.parametrize(
        "option", [{"colour": "red"}, {"path": "no slash"}, {"same_site": "None", "secure": False}]
    )
    def test_an_impossible_option_is_an_error(self, visitor: Visitor, option: dict[str, Any]) -> None:
        answer = visitor.does(["put", "n", 1], ["configure", option])

        assert answer.status == 500
        assert answer.cookies == []

    def test_a_cookie_sent_over_http_is_not_secure(self, visitor: Visitor) -> None:
        assert visitor.does(["put", "n", 1]).cookie.attributes == _PLAIN

    def test_a_cookie_sent_over_https_is_secure(self, visitor: Visitor) -> None:
        assert visitor.does(["put", "n", 1], https=True).cookie.attributes == _SECURE

    @pytest.mark.parametrize(
        ("key", "options"),
        [
            ("__Host-shop", {}),
            ("__Secure-shop", {"path": "/shop", "domain": "shop.example"}),
        ],
    )
    def test_a_prefix_sets_the_attributes_that_browsers_require(
        self, visit: Visit, key: str, options: dict[str, Any]
    ) -> None:
        visitor = visit(key=key, **options)

        answer = visitor.does(["put", "n", 1], path="/shop/", https=True)

        assert answer.cookie.name == key
        assert "secure" in answer.cookie.attributes
        assert visitor.does(["get", "n"], path="/shop/", https=True).results == [1]
        visitor.does(["configure", {"drop": True}], path="/shop/", https=True)
        assert key not in visitor.browser

    @pytest.mark.parametrize("moved", [{"key": "_new"}, {"path": "/shop"}, {"domain": "shop.example"}])
    def test_a_cookie_that_moves_leaves_no_old_one_behind(self, visitor: Visitor, moved: dict[str, Any]) -> None:
        visitor.does(["put", "n", 1], path="/shop/cart")

        answer = visitor.does(["configure", moved], ["put", "n", 2], path="/shop/cart")

        expired, new = answer.cookies
        assert (expired.name, expired.value, expired.attributes) == (KEY, "", {**_PLAIN, **_OVER})
        assert new.name == moved.get("key", KEY)
        assert [kept.value for kept in visitor.browser.jar] == [new.value]

    def test_a_moved_first_cookie_expires_no_other(self, visitor: Visitor) -> None:
        answer = visitor.does(["configure", {"key": "_new"}], ["put", "n", 1])

        assert answer.cookie.name == "_new"
