"""Three adapters around one handler, of which the first and the last keep the same sessions: each session is found."""

import asyncio
from typing import Any

import pytest
from flask import Flask

from holdall import ConfigurationError, Sessions, asgi, wsgi
from holdall.adapters import SessionGroup
from holdall.nested import exchange_of
from holdall.testing import Request, asgi_client, wsgi_client
from holdall_flask import Holdall
from holdall_flask import fetch_session as fetch_in_flask

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"


def kept(key: str) -> Sessions:
    return Sessions("cookie", key=key, secret_key_base=SECRET)


@pytest.fixture
def main() -> Sessions:
    return kept("_main")


@pytest.fixture
def cart() -> Sessions:
    return kept("_cart")


def names(answer: Any) -> list[str]:
    return sorted(line.partition("=")[0] for line in answer.all("Set-Cookie"))


def around(app: Any, middleware: Any, main: Sessions, cart: Sessions) -> Any:
    return middleware(middleware(app, kept("_staff")), main, also=[cart])


def test_in_wsgi(main: Sessions, cart: Sessions) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        wsgi.fetch_session(environ)["n"] = 1
        wsgi.fetch_session(environ, cart)["n"] = 2
        start_response("200 OK", [("Content-Length", "0")])
        return []

    inner = wsgi.SessionMiddleware(app, main, also=[cart])
    answer = wsgi_client(around(inner, wsgi.SessionMiddleware, main, cart))(Request("GET"))

    assert names(answer) == ["_cart", "_main"]


def test_in_asgi(main: Sessions, cart: Sessions) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        (await asgi.fetch_session(scope))["n"] = 1
        (await asgi.fetch_session(scope, cart))["n"] = 2
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    inner = asgi.SessionMiddleware(app, main, also=[cart])
    answer = asgi_client(around(inner, asgi.SessionMiddleware, main, cart))(Request("GET"))

    assert names(answer) == ["_cart", "_main"]


def test_in_flask(main: Sessions, cart: Sessions) -> None:
    app = Flask(__name__)
    Holdall(app, main, also=[cart])

    @app.get("/")
    def act() -> str:
        fetch_in_flask()["n"] = 1
        fetch_in_flask(cart)["n"] = 2
        return ""

    answer = wsgi_client(around(app, wsgi.SessionMiddleware, main, cart))(Request("GET"))

    assert names(answer) == ["_cart", "_main"]


def test_a_handler_without_a_middleware_gets_an_explanation() -> None:
    with pytest.raises(ConfigurationError, match=r"SessionMiddleware\(app, sessions\)"):
        wsgi.fetch_session({})
    with pytest.raises(ConfigurationError, match=r"SessionMiddleware\(app, sessions\)"):
        asyncio.run(asgi.fetch_session({}))


def test_a_session_without_an_adapter_is_searched_from_the_innermost(main: Sessions) -> None:
    exchange = SessionGroup(main, form="sync").begin()

    assert exchange_of(exchange, main.fetch()) is exchange
