"""Test proxies that terminate TLS: each framework trusts their HTTPS header in its own way, and the cookie follows."""

import tests.django_project  # noqa: F401  # sets Django up

# isort: split

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import flask
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from fastapi import FastAPI
from werkzeug.middleware.proxy_fix import ProxyFix

from holdall import MemoryTable, Sessions, TableStore
from holdall.testing import Browser, Client, Request, Response
from holdall_fastapi import SessionDep, SessionMiddleware
from holdall_flask import Holdall
from servers.proxy import tls_proxy
from servers.tls import make_certificate
from servers.web import by_uvicorn, by_waitress, http_client


def sessions(key: str) -> Sessions:
    return Sessions(TableStore(MemoryTable()), key=key)


def flask_app(key: str) -> flask.Flask:
    app = flask.Flask(__name__)
    Holdall(app, sessions(key))

    @app.post("/")
    def count() -> str:
        flask.session["n"] = flask.session.get("n", 0) + 1
        return str(flask.session["n"])

    return app


@contextmanager
def flask_behind_proxy_fix(key: str) -> Iterator[int]:
    # Waitress removes such headers, unless it is told which client may send them.
    with by_waitress(ProxyFix(flask_app(key), x_proto=1), clear_untrusted_proxy_headers=False) as port:
        yield port


@contextmanager
def flask_where_the_server_knows_its_proxy(key: str) -> Iterator[int]:
    with by_waitress(flask_app(key), trusted_proxy="127.0.0.1", trusted_proxy_headers="x-forwarded-proto") as port:
        yield port


@contextmanager
def fastapi_by_uvicorn(key: str) -> Iterator[int]:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions(key))

    @app.post("/")
    async def count(session: SessionDep) -> int:
        session["n"] = session.get("n", 0) + 1
        return session["n"]

    # The default, spelled out here: uvicorn --proxy-headers --forwarded-allow-ips 127.0.0.1
    with by_uvicorn(app, proxy_headers=True, forwarded_allow_ips="127.0.0.1") as port:
        yield port


@contextmanager
def django_with_its_setting(key: str) -> Iterator[int]:
    def count(request: HttpRequest) -> HttpResponse:
        request.session["n"] = request.session.get("n", 0) + 1
        return HttpResponse(str(request.session["n"]))

    settings = {
        "HOLDALL": {"sessions": sessions(key)},
        "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
        "ROOT_URLCONF": (path("", count),),
        "MIDDLEWARE": ["holdall_django.SessionMiddleware"],
    }
    with override_settings(**settings), by_waitress(WSGIHandler(), clear_untrusted_proxy_headers=False) as port:
        yield port


BEHIND = [
    flask_behind_proxy_fix,
    flask_where_the_server_knows_its_proxy,
    fastapi_by_uvicorn,
    django_with_its_setting,
]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def by_https(port: int, certificate: Path) -> Client:
    client = http_client(port, ssl.create_default_context(cafile=certificate))

    def send(request: Request) -> Response:
        return client(replace(request, https=True))

    return send


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("key", ["sid", "__Host-sid"])
def test_behind_a_tls_proxy_the_cookie_is_secure(behind: Callable[[str], Any], key: str, certificate: Path) -> None:
    with behind(key) as port, tls_proxy(port, certificate) as front:
        browser = Browser(by_https(front, certificate), host="localhost")
        answers = [browser.send(Request(https=True)) for _ in range(3)]
        assert [(answer.status, answer.body) for answer in answers] == [(200, b"1"), (200, b"2"), (200, b"3")]
        (kept,) = browser.jar
        assert (kept.name, kept.secure, kept.host_only) == (key, True, True)


@pytest.mark.parametrize("behind", BEHIND)
def test_without_a_trusted_proxys_header_the_cookie_is_not_secure(behind: Callable[[str], Any]) -> None:
    with behind("sid") as port:
        (cookie,) = http_client(port)(Request()).all("Set-Cookie")
        assert "secure" not in cookie.lower()
