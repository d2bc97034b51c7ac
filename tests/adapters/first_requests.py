"""
A program that answers requests in a framework with sessions in a store, and prints the modules imported by the first.

``python first_requests.py flask cookie``. It does not count the framework's own imports for a first request.
"""

import asyncio
import io
import secrets
import sys
import tempfile
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

from holdall import Sessions

SECRET = secrets.token_urlsafe(64)
KEY = "_shop"

#: Requests a path with a Cookie header, and returns the Cookie header that follows.
Browse = Callable[[str, str], str]


def act(path: str, session: MutableMapping[str, Any]) -> None:
    if path == "/login":
        session["user"] = 7
        session["cart"] = [1]
    elif path == "/buy":
        session["cart"].append(2)
    else:
        del session["user"]


def flask(options: dict[str, Any] | None) -> Browse:
    from flask import Flask, session

    from holdall_flask import Holdall

    app = Flask("shop")
    if options is not None:
        Holdall(app, Sessions(**options))

    @app.get("/<name>")
    def page(name: str) -> str:
        if options is not None:
            act(f"/{name}", session)
        return name

    return by_wsgi(app)


def fastapi(options: dict[str, Any] | None) -> Browse:
    from fastapi import FastAPI, Request

    from holdall_fastapi import SessionMiddleware

    app = FastAPI()
    if options is not None:
        app.add_middleware(SessionMiddleware, sessions=Sessions(**options))
    # Otherwise it is created with the first request.
    app.middleware_stack = app.build_middleware_stack()

    @app.get("/{name}")
    def page(name: str, request: Request) -> str:
        if options is not None:
            act(f"/{name}", request.session)
        return name

    return by_asgi(app)


def django(options: dict[str, Any] | None) -> Browse:
    import django as framework
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    def page(request: HttpRequest, name: str) -> HttpResponse:
        if settings.MIDDLEWARE:
            act(f"/{name}", request.session)
        return HttpResponse(name)

    if options is None:
        urls = type(sys)("urls")
        urls.urlpatterns = [path("<name>", page)]
        settings.configure(SECRET_KEY=SECRET, ROOT_URLCONF=urls, ALLOWED_HOSTS=["shop.example"], MIDDLEWARE=[])
        framework.setup()
    else:
        settings.SESSION_ENGINE = "holdall_django.engine"
        settings.HOLDALL = options
        settings.MIDDLEWARE = ["holdall_django.SessionMiddleware"]
    return by_wsgi(WSGIHandler())


def by_wsgi(app: Callable[..., Any]) -> Browse:
    def browse(path: str, cookie: str) -> str:
        told: list[tuple[str, str]] = []
        environ = {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "HTTP_COOKIE": cookie,
            "HTTP_HOST": "shop.example",
            "SERVER_NAME": "shop.example",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.version": (1, 0),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
            assert status == "200 OK", status
            told.extend(headers)

        answer = app(environ, start_response)
        b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        # Older versions of Django begin the value with a space.
        return next((value.strip().partition(";")[0] for name, value in told if name.lower() == "set-cookie"), "")

    return browse


def by_asgi(app: Callable[..., Any]) -> Browse:
    def browse(path: str, cookie: str) -> str:
        told: list[Any] = []
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"shop.example"), (b"cookie", cookie.encode())],
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            told.append(message)

        asyncio.run(app(scope, receive, send))
        assert told[0]["status"] == 200, told[0]
        set_cookies = [value.decode() for name, value in told[0]["headers"] if name == b"set-cookie"]
        return next((line.partition(";")[0] for line in set_cookies), "")

    return browse


def main(framework: str, store: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        options = {
            "cookie": {"store": "cookie", "secret_key_base": SECRET},
            "memory": {"store": "table", "table": "memory://shop"},
            "sqlite": {"store": "table", "table": f"sqlite:///{Path(folder) / 'shop.db'}"},
        }[store]
        serve = {"flask": flask, "fastapi": fastapi, "django": django}[framework]
        serve(None)("/login", "")
        browse = serve({**options, "key": KEY, "principal_key": "user", "record_client": store != "cookie"})
        before = set(sys.modules)
        cookie = ""
        for path in ("/login", "/buy", "/logout"):
            cookie = browse(path, cookie) or cookie
        assert cookie.startswith(KEY)
        sys.stdout.write(" ".join(sorted(set(sys.modules) - before)))


main(*sys.argv[1:])
