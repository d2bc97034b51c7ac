"""One session in three frameworks: each can read, change and end what another created."""

from collections.abc import Callable
from itertools import permutations

import pytest

from adapters.mounts import django, fastapi, flask
from holdall import CookieStore, MemoryTable, Sessions, Store, TableStore
from holdall.formats import NativeFormat
from holdall.testing import Browser, FakeClock, Visitor

KEY = "_shop"

MOUNTS = {
    "flask": flask.mount,
    "fastapi": fastapi.mount,
    "django": django.mount,
    "django, async": django.mount_asgi,
}


@pytest.fixture(params=["cookie", "rows", "encrypted rows"])
def store(request: pytest.FixtureRequest, clock: FakeClock) -> Store:
    match request.param:
        case "cookie":
            return CookieStore(NativeFormat("a secret of these tests, which no application has"))
        case "rows":
            return TableStore(MemoryTable(clock=clock))
        case _:
            return TableStore(MemoryTable(clock=clock), encrypt=True)


@pytest.fixture
def browser(clock: FakeClock) -> Browser:
    """Return the one browser that all visits share."""
    return Browser(clock=clock)


@pytest.fixture
def visit(store: Store, clock: FakeClock, browser: Browser) -> Callable[[str], Visitor]:
    """Return a function that makes one visitor for each framework, all with the same browser."""
    sessions = Sessions(store, key=KEY, principal_key="user_id", clock=clock)

    def visit(framework: str) -> Visitor:
        return Visitor(MOUNTS[framework](sessions), clock, browser)

    return visit


each_other = pytest.mark.parametrize(("one", "other"), list(permutations(MOUNTS, 2)))


@each_other
def test_each_framework_reads_and_changes_what_another_put(
    visit: Callable[[str], Visitor], one: str, other: str
) -> None:
    first, second = visit(one), visit(other)
    first.does(["put", "cart", [{"sku": "Zoë"}]], ["put", "n", 1])

    second.does(["mutate", "cart", 2], ["delete", "n"])

    assert first.does(["all"]).results == second.does(["all"]).results == [{"cart": [{"sku": "Zoë"}, 2]}]


@each_other
def test_a_login_in_one_framework_is_a_login_in_the_others(
    visit: Callable[[str], Visitor], browser: Browser, one: str, other: str
) -> None:
    first, second = visit(one), visit(other)
    second.does(["put", "cart", [1]])
    before = browser[KEY]

    first.does(["login", 7])

    assert browser[KEY] != before
    assert second.does(["ask", "principal"], ["get", "cart"]).results == ["7", [1]]
    assert first.does(["ask", "log_id"]).results == second.does(["ask", "log_id"]).results


@each_other
def test_a_logout_in_one_framework_is_a_logout_in_the_others(
    visit: Callable[[str], Visitor], browser: Browser, one: str, other: str
) -> None:
    first, second = visit(one), visit(other)
    first.does(["login", 7])

    second.does(["logout"])

    assert second.does(["all"]).results == first.does(["all"]).results == [{}]


@pytest.mark.parametrize("framework", MOUNTS)
def test_all_frameworks_send_the_same_set_cookie_line(store: Store, clock: FakeClock, framework: str) -> None:
    options = {"max_age": 3600, "path": "/shop", "domain": "shop.example", "same_site": "Strict", "secure": True}
    visitor = Visitor(MOUNTS[framework](Sessions(store, key=KEY, clock=clock, **options)), clock)

    answer = visitor.does(["put", "n", 1], path="/shop/cart", https=True)

    assert answer.cookie.attributes == {
        "path": "/shop",
        "domain": "shop.example",
        "expires": "Sun, 01 Mar 2026 13:00:00 GMT",
        "max-age": "3600",
        "secure": "",
        "httponly": "",
        "samesite": "Strict",
    }
