"""Our middleware accepts the arguments of Starlette's, and options of ``Sessions`` too."""

from datetime import timedelta
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from holdall import ConfigurationError, Sessions, TableStore
from holdall.testing import Request as Asked
from holdall.testing import asgi_client
from holdall_fastapi import SessionMiddleware

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"


async def count(request: Request) -> JSONResponse:
    request.session["n"] = request.session.get("n", 0) + 1
    return JSONResponse(request.session)


def set_cookie(*, https: bool = False, **arguments: Any) -> dict[str, str]:
    """Return the cookie that is set, by its name and the lower-case names of its attributes."""
    app = Starlette(routes=[Route("/", count)], middleware=[Middleware(SessionMiddleware, **arguments)])
    response = asgi_client(app)(Asked("GET", "/", [], https=https))
    (line,) = (value for name, value in response.headers if name.lower() == "set-cookie")
    (name, value), *attributes = (part.strip().partition("=")[::2] for part in line.split(";"))
    return {name: value} | {attribute.lower(): value for attribute, value in attributes}


def test_a_secret_key_is_enough() -> None:
    cookie = set_cookie(secret_key=SECRET)

    assert cookie.pop("session")
    assert cookie.pop("expires")
    assert cookie == {"path": "/", "max-age": str(14 * 86400), "httponly": "", "samesite": "Lax"}


def test_all_of_starlettes_arguments_are_accepted() -> None:
    cookie = set_cookie(
        secret_key=SECRET,
        session_cookie="_shop",
        max_age=None,
        path="/basket",
        same_site="none",
        https_only=True,
        domain="shop.example",
        partitioned=True,
    )

    assert cookie.pop("_shop")
    assert cookie == {
        "path": "/basket",
        "domain": "shop.example",
        "secure": "",
        "httponly": "",
        "samesite": "None",
        "partitioned": "",
    }


def test_secure_follows_the_request_by_default() -> None:
    assert "secure" in set_cookie(secret_key=SECRET, https=True)
    assert "secure" not in set_cookie(secret_key=SECRET)


def test_a_cookie_is_kept_no_longer_than_browsers_allow() -> None:
    assert set_cookie(secret_key=SECRET, max_age=10 * 365 * 86400)["max-age"] == str(400 * 86400)


@pytest.mark.parametrize(
    ("arguments", "idle_timeout"),
    [
        ({}, 14 * 86400),
        ({"max_age": 60}, 60),
        ({"max_age": timedelta(minutes=1)}, 60),
        ({"max_age": None}, None),
        ({"max_age": 60, "idle_timeout": 30}, 30),
    ],
)
def test_an_unused_session_lives_as_long_as_its_cookie(arguments: dict[str, Any], idle_timeout: int | None) -> None:
    middleware = SessionMiddleware(Starlette(), secret_key=SECRET, **arguments)

    assert middleware.sessions.settings.idle_timeout == idle_timeout


def test_options_of_sessions_are_accepted_too() -> None:
    middleware = SessionMiddleware(Starlette(), store="table", table="arguments", principal_key="user_id")

    assert middleware.sessions.settings.principals.keys == ("user_id",)
    assert middleware.sessions.key == "session"


@pytest.mark.parametrize("arguments", [{}, {"secret_key": "short"}, {"read_framework_cookies": True}])
def test_without_a_good_secret_it_explains_how_to_make_one(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"^secret_key (is missing|has 5 bytes).* Make one with") as raised:
        SessionMiddleware(Starlette(), **arguments)

    assert "secret_key=…" in raised.value.__notes__[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_age": 60}, r"pass max_age to Sessions\(…\) instead\.$"),
        ({"read_framework_cookies": True}, r"its Sessions: instead of .* also_read=\[StarletteFormat\(…\)\]"),
    ],
)
def test_arguments_are_refused_with_an_existing_sessions_object(arguments: dict[str, Any], message: str) -> None:
    sessions = Sessions("table", key="sid", table="arguments")

    with pytest.raises(ConfigurationError, match=message):
        SessionMiddleware(Starlette(), sessions, **arguments)


@pytest.mark.parametrize("given", ["shop", TableStore])
def test_an_object_that_is_not_sessions_is_named(given: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^sessions= takes a Sessions\(…\), not (a str|TableStore)"):
        SessionMiddleware(Starlette(), given)


def test_an_invalid_max_age_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"^max_age='week' is not a"):
        SessionMiddleware(Starlette(), secret_key=SECRET, max_age="week")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_our_options_take_precedence_over_starlettes_arguments() -> None:
    cookie = set_cookie(secret_key="short", secret_key_base=SECRET, key="_shop", session_cookie="session")

    assert cookie.pop("_shop")
