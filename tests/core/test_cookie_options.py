"""Cookie options that are a function of the request."""

import pytest

from holdall import ConfigurationError, CookieOptions, Sessions
from holdall._cookie_options import CookieRequest, OptionsOf
from holdall.adapters import SessionGroup

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"


def sessions(options_of: OptionsOf, **options: object) -> Sessions:
    return Sessions("cookie", key="sid", secret_key_base=SECRET, cookie_options=options_of, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "seen"),
    [
        ("Shop.example:8000", "shop.example"),
        ("[::1]:8000", "[::1]"),
        (["a.example"], "a.example"),
        ("", ""),
    ],
)
def test_the_host_is_given_in_cookie_syntax(host: str | list[str], seen: str) -> None:
    asked: list[tuple[str, str]] = []

    def options_of(request: CookieRequest) -> CookieOptions:
        asked.append((request.host, request.header("Cookie")))
        return {}

    group = SessionGroup(sessions(options_of), form="sync")
    group.begin(lambda name: host if name == "host" else "").session["n"] = 1

    assert asked == [(seen, "")]


def test_the_returned_options_override_those_of_all_cookies_and_are_checked_once() -> None:
    kept = sessions(lambda request: {"domain": request.host}, path="/shop", http_only=False)
    group = SessionGroup(kept, form="sync")

    def line(host: str) -> str:
        exchange = group.begin(lambda name: host if name == "host" else "")
        exchange.session["n"] = 1
        return exchange.headers().cookies[0].line.partition("; ")[2]

    assert line("a.example") == line("a.example") == "path=/shop; domain=a.example; SameSite=Lax"
    assert line("b.example") == "path=/shop; domain=b.example; SameSite=Lax"


def test_the_old_cookies_expiry_has_the_options_too() -> None:
    kept = sessions(lambda request: {"domain": request.host}, old_keys=["old"])
    group = SessionGroup(kept, form="sync")
    value = kept.fetch()
    value["n"] = 1
    cookie = kept.commit(value).cookie

    exchange = group.begin(lambda name: f"sid={cookie}; old={cookie}" if name == "cookie" else "a.example")
    exchange.session.configure(drop=True)

    expired = [each.attributes.domain for each in exchange.headers().cookies]
    assert expired == ["a.example"] * len(expired)


def test_outside_a_request_only_the_cookies_are_available() -> None:
    asked: list[tuple[str, str]] = []

    def options_of(request: CookieRequest) -> CookieOptions:
        asked.append((request.host, request.header("Cookie")))
        return {}

    kept = sessions(options_of)
    for session in (kept.fetch("lang=de"), kept.fetch(["a=1", "b=2"]), kept.resume(None)):
        session["n"] = 1

    assert asked == [("", "lang=de"), ("", "a=1, b=2"), ("", "")]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"key": "other"}, "cookie_options= returned key"), ({"path": "shop"}, "a path begins with '/'")],
)
def test_an_invalid_result_is_an_error_when_it_is_returned(options: CookieOptions, message: str) -> None:
    session = sessions(lambda request: options).fetch()

    with pytest.raises(ConfigurationError, match=message):
        session["n"] = 1


def test_the_repr_hides_the_request() -> None:
    assert "secret" not in repr(CookieRequest(lambda name: "secret", https=True))
