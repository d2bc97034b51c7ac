"""Authlib: the state of an OAuth login stays in the session, in each framework, while the visitor is elsewhere."""

import tests.django_project  # noqa: F401  # sets Django up

# isort: split

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import flask
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from fastapi import FastAPI, Request

from holdall import Sessions
from holdall.testing import Browser, Client, asgi_client, wsgi_client
from holdall.testing import Request as Sent
from holdall_fastapi import SessionMiddleware
from holdall_flask import Holdall

pytest.importorskip("authlib")
pytest.importorskip("httpx2")
pytest.importorskip("requests")

_CALLBACK = "http://www.shop.example/callback"


class _Provider(BaseHTTPRequestHandler):
    """The provider, which knows the visitor and exchanges a code for a token."""

    def do_POST(self) -> None:
        sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        known = sent.get("code") == ["a code"] and "code_verifier" in sent
        answer = json.dumps({"access_token": "a token", "token_type": "bearer"} if known else {"error": "invalid"})
        self.send_response(200 if known else 400)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *args: Any) -> None: ...


@pytest.fixture(scope="module")
def provider() -> Iterator[dict[str, Any]]:
    """Return the provider's metadata."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Provider) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        yield {
            "client_id": "shop",
            "client_secret": "c1d8e40f",
            "authorize_url": f"{address}/authorize",
            "access_token_url": f"{address}/token",
            "client_kwargs": {"code_challenge_method": "S256"},
        }
        server.shutdown()
        thread.join()


def in_flask(sessions: Sessions, stored: dict[str, str], provider: dict[str, Any]) -> Iterator[Client]:
    from authlib.integrations.flask_client import OAuth

    app = flask.Flask(__name__)
    Holdall(app, sessions)
    oauth = OAuth(app)
    oauth.register("provider", **provider)

    @app.get("/login")
    def login() -> Any:
        return oauth.provider.authorize_redirect(_CALLBACK)

    @app.get("/callback")
    def callback() -> Any:
        flask.session["token"] = oauth.provider.authorize_access_token()["access_token"]
        return sorted(flask.session)

    yield wsgi_client(app)


def in_fastapi(sessions: Sessions, stored: dict[str, str], provider: dict[str, Any]) -> Iterator[Client]:
    from authlib.integrations.starlette_client import OAuth

    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions)
    oauth = OAuth()
    oauth.register("provider", **provider)

    @app.get("/login")
    async def login(request: Request) -> Any:
        return await oauth.provider.authorize_redirect(request, _CALLBACK)

    @app.get("/callback")
    async def callback(request: Request) -> Any:
        token = await oauth.provider.authorize_access_token(request)
        request.session["token"] = token["access_token"]
        return sorted(request.session)

    yield asgi_client(app)


def in_django(sessions: Sessions, stored: dict[str, str], provider: dict[str, Any]) -> Iterator[Client]:
    from authlib.integrations.django_client import OAuth
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import JsonResponse

    oauth = OAuth()
    oauth.register("provider", **provider)

    def login(request: HttpRequest) -> HttpResponse:
        return oauth.provider.authorize_redirect(request, _CALLBACK)

    def callback(request: HttpRequest) -> HttpResponse:
        request.session["token"] = oauth.provider.authorize_access_token(request)["access_token"]
        return JsonResponse(sorted(request.session.keys()), safe=False)

    urls = (path("login", login), path("callback", callback))
    with override_settings(HOLDALL={**stored, "key": "sid"}, ROOT_URLCONF=urls):
        yield wsgi_client(WSGIHandler())


@pytest.fixture(params=[in_flask, in_fastapi, in_django], ids=["flask", "fastapi", "django"])
def browser(
    request: pytest.FixtureRequest, sessions: Sessions, stored: dict[str, str], provider: dict[str, Any]
) -> Iterator[Browser]:
    serve: Callable[..., Iterator[Client]] = request.param
    for client in serve(sessions, stored, provider):
        yield Browser(client)


def sent_to_the_provider(browser: Browser) -> dict[str, list[str]]:
    response = browser.send(Sent("GET", "/login"))
    assert response.status == 302, response.error
    return parse_qs(urlsplit(response.all("Location")[0]).query)


def test_a_visitor_who_returns_from_the_provider_is_known(browser: Browser) -> None:
    (state,) = sent_to_the_provider(browser)["state"]
    response = browser.send(Sent("GET", f"/callback?code=a%20code&state={state}"))
    # The state is no longer in the session.
    assert (response.status, json.loads(response.body)) == (200, ["token"]), response.error


def test_a_state_that_is_not_in_the_session_is_refused(browser: Browser) -> None:
    sent_to_the_provider(browser)
    response = browser.send(Sent("GET", "/callback?code=a%20code&state=forged"))
    assert response.status == 500
    assert "MismatchingStateError" in repr(response.error) or response.error is None
