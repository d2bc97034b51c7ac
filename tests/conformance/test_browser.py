"""Test that the suites' browser keeps and sends the same cookies as a real one."""

from datetime import timedelta

import pytest

from holdall.testing import Browser, FakeClock, Request, Response


@pytest.fixture
def browser(clock: FakeClock) -> Browser:
    return Browser(clock=clock)


@pytest.mark.parametrize(
    "line",
    [
        "sid=1",
        "sid=1; Path=/",
        "sid=1; Domain=shop.example",
        "sid=1; Domain=.shop.example",
        "sid=1; Domain=www.shop.example",
        "sid=1; Max-Age=1",
        "sid=1; expires=Sun, 01 Mar 2026 12:00:01 GMT",
        "sid=1; Max-Age=1; expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "sid=1; path=not-a-path",
        f"sid={'x' * 4093}",
    ],
)
def test_the_browser_keeps_a_cookie(browser: Browser, line: str) -> None:
    browser.keep([line], "/")

    assert "sid" in browser
    assert browser.header("/").startswith("sid=")


@pytest.mark.parametrize(
    "line",
    [
        "sid",
        "=1",
        "sid=1; Domain=example",
        "sid=1; Domain=other.shop.example",
        "sid=1; Domain=wwwshop.example.evil",
        "sid=1; Secure",
        "sid=1; Max-Age=0",
        "sid=1; Max-Age=-1; expires=Sun, 01 Mar 2027 12:00:00 GMT",
        "sid=1; expires=Thu, 01 Jan 1970 00:00:00 GMT",
        f"sid={'x' * 4094}",
        "sid=1; SameSite=None",
        "sid=1; Partitioned",
        "__Secure-sid=1",
        "__Host-sid=1; path=/",
    ],
)
def test_the_browser_refuses_a_cookie(browser: Browser, line: str) -> None:
    browser.keep([line], "/")

    assert browser.jar == []


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("__Host-sid=1; Path=/; Secure", True),
        ("__host-sid=1; Path=/; Secure", True),
        ("__Host-sid=1; Path=/", False),
        ("__Host-sid=1; Secure", False),
        ("__Host-sid=1; Path=/shop; Secure", False),
        ("__Host-sid=1; Path=/; Secure; Domain=www.shop.example", False),
        ("__Secure-sid=1; Secure; Domain=shop.example", True),
        ("__SECURE-sid=1", False),
        ("sid=1; SameSite=None; Secure", True),
        ("sid=1; Partitioned; Secure", True),
        ("__Http-sid=1; Secure; HttpOnly; Domain=shop.example", True),
        ("__http-sid=1; Secure", False),
        ("__Http-sid=1; HttpOnly", False),
        ("__Host-Http-sid=1; Path=/; Secure; HttpOnly", True),
        ("__Host-Http-sid=1; Path=/; Secure", False),
    ],
)
def test_the_browser_knows_the_prefixes(browser: Browser, line: str, kept: bool) -> None:
    browser.keep([line], "/", https=True)

    assert bool(browser.jar) is kept


def test_a_secure_cookie_is_sent_only_over_https(browser: Browser) -> None:
    browser.keep(["sid=1; Secure"], https=True)

    assert browser.header(https=True) == "sid=1"
    assert browser.header() == ""


@pytest.mark.parametrize(
    ("path", "sent"), [("/shop", True), ("/shop/cart", True), ("/shopping", False), ("/", False), ("/a/shop", False)]
)
def test_a_cookie_is_sent_to_its_path(browser: Browser, path: str, sent: bool) -> None:
    browser.keep(["sid=1; Path=/shop"])

    assert bool(browser.header(path)) is sent


def test_a_cookie_without_a_path_gets_its_requests_folder(browser: Browser) -> None:
    browser.keep(["sid=1"], "/shop/cart")

    assert [kept.path for kept in browser.jar] == ["/shop"]


def test_the_longest_path_comes_first_and_then_the_oldest(browser: Browser) -> None:
    browser.keep(["a=1; path=/", "b=2; path=/shop", "c=3; path=/"])
    browser.keep(["a=4; path=/"])

    assert browser.header("/shop") == "b=2; a=4; c=3"
    assert browser.get("c") == "3"
    assert browser.get("d") is None


def test_name_path_and_domain_distinguish_cookies(browser: Browser) -> None:
    browser.keep(["sid=1; path=/", "sid=2; path=/shop", "sid=3; path=/; domain=shop.example"])
    assert len(browser.jar) == 3

    browser.keep(["sid=; path=/; Max-Age=0"])

    assert [kept.value for kept in browser.jar] == ["2", "3"]


def test_a_cookie_expires_with_max_age(browser: Browser, clock: FakeClock) -> None:
    browser.keep(["short=1; Max-Age=60", "long=1; Max-Age=99999999", "open=1"])

    clock.advance(timedelta(seconds=60))
    assert [kept.name for kept in browser.jar] == ["long", "open"]
    clock.advance(timedelta(days=400))
    assert [kept.name for kept in browser.jar] == ["open"]


def test_the_browser_sends_the_cookies_it_keeps_and_keeps_those_it_receives(clock: FakeClock) -> None:
    seen: list[list[tuple[str, str]]] = []

    def client(request: Request) -> Response:
        seen.append(request.headers)
        return Response(200, [("set-cookie", f"n={len(seen)}"), ("Set-Cookie", "m=1")])

    browser = Browser(client, clock=clock)
    browser.send(Request(headers=[("Accept", "*/*")]))
    browser.at(client).send(Request())

    assert seen == [[("Accept", "*/*")], [("Cookie", "n=1; m=1")]]
    assert browser["n"] == "2"


def test_without_an_application_it_cannot_send_a_request(browser: Browser) -> None:
    with pytest.raises(TypeError, match=r"Browser\(client\)"):
        browser.send(Request())


def test_a_host_only_cookie_and_one_for_its_domain_are_distinct(browser: Browser) -> None:
    browser.keep(["sid=1; path=/", "sid=2; path=/; domain=www.shop.example"])
    assert browser.header() == "sid=1; sid=2"

    browser.keep(["sid=; path=/; domain=.WWW.shop.example; Max-Age=0"])

    assert browser.header() == "sid=1"


def test_a_partitioned_cookie_is_distinct(browser: Browser) -> None:
    browser.keep(["sid=1; path=/; secure", "sid=2; path=/; secure; partitioned"], https=True)

    assert browser.header(https=True) == "sid=1; sid=2"


def test_an_attribute_over_1024_bytes_is_ignored(browser: Browser) -> None:
    browser.keep(["sid=1; Path=/" + "a" * 1024], "/shop/cart")

    assert [kept.path for kept in browser.jar] == ["/shop"]


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("sid=2; path=/shop", "1"),
        ("sid=2; path=/shop/cart", "1"),
        ("sid=2; path=/shop; domain=shop.example", "1"),
        ("sid=2; path=/", "2"),
        ("sid=2; path=/shopping", "2"),
    ],
)
def test_a_cookie_over_http_does_not_hide_one_from_https(browser: Browser, line: str, kept: str) -> None:
    browser.keep(["sid=1; path=/shop; secure"], https=True)

    browser.keep([line])

    assert {each.value for each in browser.jar} == {"1", kept}
