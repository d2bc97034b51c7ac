"""Test how a real browser treats our cookies: which it keeps, when it sends them, and whether it removes them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.types import ASGIApp

from holdall import MemoryTable
from tests.browser.conftest import Visited
from tests.browser.sites import site

Visit = Callable[[dict[str, ASGIApp]], Visited]

KINDS = [
    pytest.param({}, id="by default"),
    pytest.param({"key": "__Host-sid"}, id="__Host-"),
    pytest.param({"key": "__Secure-sid", "path": "/shop"}, id="__Secure- under a path"),
    pytest.param({"domain": "shop.example"}, id="for a domain"),
    pytest.param({"path": "/shop"}, id="under a path"),
    pytest.param({"same_site": "Strict"}, id="strict"),
    pytest.param({"same_site": "None", "secure": True}, id="none"),
    pytest.param({"same_site": "None", "secure": True, "partitioned": True}, id="partitioned"),
    pytest.param({"max_age": timedelta(days=2)}, id="with max_age"),
    pytest.param({"http_only": False}, id="visible to scripts"),
]


def act(page: Any, *actions: list[Any], path: str = "/shop/act", seconds: float = 0) -> None:
    """Let a script of the page send a request that performs *actions* on the session."""
    sent = page.evaluate(
        """async ([path, body]) => (await fetch(path, {method: "POST", body})).status""",
        [f"{path}?seconds={seconds}", json.dumps({"actions": actions})],
    )
    assert sent == 200


def shown(page: Any) -> dict[str, Any]:
    """Return the session data that a page shows."""
    return json.loads(page.text_content("p"))


@pytest.mark.parametrize("options", KINDS)
def test_a_cookie_is_kept_as_configured_comes_back_and_is_removed(visit: Visit, options: dict[str, Any]) -> None:
    visited = visit({"shop.example": site(**options)})
    page = visited.tab("shop.example", "/shop/")
    act(page, ["put", "cart", ["hat"]])
    (kept,) = visited.cookies()
    assert kept["name"] == options.get("key", "sid")
    assert kept["path"] == options.get("path", "/")
    assert kept["domain"] == (".shop.example" if "domain" in options else "shop.example")
    assert kept["sameSite"] == options.get("same_site", "Lax")
    assert kept["httpOnly"] is options.get("http_only", True)
    assert kept["secure"] is True
    assert (kept["expires"] > 0) is ("max_age" in options)
    assert ("partitionKey" in kept) is options.get("partitioned", False)
    page.reload()
    assert shown(page) == {"cart": ["hat"]}
    act(page, ["configure", "drop"])
    assert visited.cookies() == []
    page.reload()
    assert shown(page) == {}


@pytest.mark.parametrize(
    ("same_site", "by_link", "by_form"), [("Strict", False, False), ("Lax", True, False), ("None", True, True)]
)
def test_requests_from_another_site_send_the_cookie_as_samesite_says(
    visit: Visit, same_site: str, by_link: bool, by_form: bool
) -> None:
    visited = visit({"shop.example": site(same_site=same_site, secure=True), "other.example": site()})
    shop = visited.address("shop.example", "/shop/")
    act(visited.tab("shop.example", "/shop/"), ["put", "cart", ["hat"]])
    for button, comes in (("a", by_link), ("button", by_form)):
        page = visited.tab("other.example", f"/?link={shop}")
        page.click(button)
        page.wait_for_url(shop)
        assert shown(page) == ({"cart": ["hat"]} if comes else {})


def test_a_partitioned_cookie_lives_only_in_one_sites_frame(visit: Visit) -> None:
    partitioned = site(same_site="None", secure=True, partitioned=True)
    visited = visit({"chat.example": partitioned, "shop.example": site(), "news.example": site()})
    chat = visited.address("chat.example")
    in_shop = visited.tab("shop.example", f"/?frame={chat}").frames[1]
    act(in_shop, ["put", "name", "ada"])
    assert shown(visited.tab("shop.example", f"/?frame={chat}").frames[1]) == {"name": "ada"}
    assert shown(visited.tab("news.example", f"/?frame={chat}").frames[1]) == {}
    assert shown(visited.tab("chat.example")) == {}
    act(in_shop, ["configure", "drop"])
    assert shown(visited.tab("shop.example", f"/?frame={chat}").frames[1]) == {}
    assert visited.cookies() == []


def test_a_path_that_changes_in_production_leaves_one_cookie(visit: Visit) -> None:
    visited = visit({"shop.example": site()})
    page = visited.tab("shop.example", "/shop/")
    act(page, ["put", "cart", ["hat"]])
    act(page, ["configure", {"path": "/shop"}], ["put", "coupon", "SPRING"])
    assert [(each["name"], each["path"]) for each in visited.cookies()] == [("sid", "/shop")]
    page.reload()
    assert shown(page) == {"cart": ["hat"], "coupon": "SPRING"}
    assert shown(visited.tab("shop.example", "/")) == {}


def test_a_key_that_changes_in_production_leaves_one_cookie(visit: Visit) -> None:
    visited = visit({"shop.example": site()})
    page = visited.tab("shop.example", "/shop/")
    act(page, ["put", "cart", ["hat"]])
    act(page, ["configure", {"key": "another"}], ["put", "coupon", "SPRING"])
    assert [each["name"] for each in visited.cookies()] == ["another"]


def test_a_renamed_cookie_takes_over_the_old_ones_session(visit: Visit) -> None:
    table = MemoryTable()
    before = visit({"shop.example": site(table)})
    page = before.tab("shop.example", "/shop/")
    act(page, ["put", "cart", ["hat"]])
    end = datetime.now(UTC) + timedelta(days=30)
    after = before.at(visit({"shop.example": site(table, key="__Host-shop", old_keys=["sid"], read_old_until=end)}))
    page = after.tab("shop.example", "/shop/")
    act(page, ["put", "coupon", "SPRING"])
    assert [each["name"] for each in after.cookies()] == ["__Host-shop"]
    page.reload()
    assert shown(page) == {"cart": ["hat"], "coupon": "SPRING"}


@pytest.mark.parametrize(
    ("old", "new", "gone"),
    [
        ({"domain": "shop.example"}, {}, {"domain": "shop.example"}),
        ({}, {"domain": "shop.example"}, {"domain": None}),
        ({"path": "/shop"}, {}, {"path": "/shop"}),
        ({}, {"path": "/shop"}, {"path": "/"}),
        ({}, {"partitioned": True}, {"partitioned": False}),
    ],
    ids=["a domain less", "a domain", "a path less", "a path", "partitioned"],
)
def test_a_cookie_with_a_new_place_locks_no_user_out_and_leaves_none_behind(
    visit: Visit, old: dict[str, Any], new: dict[str, Any], gone: dict[str, Any]
) -> None:
    table, kind = MemoryTable(), {"same_site": "None", "secure": True}
    before = visit({"shop.example": site(table, **kind, **old)})
    act(before.tab("shop.example", "/shop/"), ["login", "ada"])
    # Without its cookie, the second login does not know about the first.
    unaware = before.at(visit({"shop.example": site(**kind, **new)}))
    act(unaware.tab("shop.example", "/shop/"), ["put", "n", 1])
    assert len(unaware.cookies()) == 2
    after = unaware.at(visit({"shop.example": site(table, old_keys={"sid": gone}, **kind, **new)}))
    page = after.tab("shop.example", "/shop/")
    assert shown(page) == {"user": "ada"}
    act(page, ["login", "bob"])
    assert len(after.cookies()) == 1
    page.reload()
    assert shown(page) == {"user": "bob"}
    act(page, ["configure", "drop"])
    assert after.cookies() == []


def test_two_tabs_that_race_lose_nothing_and_stay_logged_in(visit: Visit) -> None:
    visited = visit({"shop.example": site()})
    one, another = (visited.tab("shop.example", "/shop/") for _ in range(2))
    act(one, ["put", "cart", []])
    # One request reads the session before the login and writes after it, and another writes at the same time.
    race = """([slow, login]) => {
        window.done = Promise.all([
            fetch("/shop/act?seconds=0.5", {method: "POST", body: slow}),
            fetch("/shop/act?seconds=0.2", {method: "POST", body: login}),
        ])
    }"""
    bodies = [json.dumps({"actions": [action]}) for action in (["put", "late", 1], ["login", "ada"])]
    one.evaluate(race, bodies)
    act(another, ["put", "also", 1])
    one.evaluate("async () => { await window.done }")
    for page in (one, another):
        page.reload()
        data = shown(page)
        assert (data["user"], data["cart"], data["also"]) == ("ada", [], 1)
        assert "late" not in data
