"""
Limit how many of our functions one request calls. Unlike a time, the number of calls is the same on every machine.

A generator counts each time it resumes. On newer Pythons a comprehension is not a call, so the numbers are smaller.
"""

import tests.django_project  # noqa: F401  # sets Django up

# isort: split

import asyncio
import gc
import sys
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from io import BytesIO
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from flask import Flask
from flask import session as flask_session
from starlette.types import Message, Receive, Scope, Send

import holdall
import holdall_django
import holdall_fastapi
import holdall_flask
from holdall import MemoryTable, Sessions, TableStore, nested
from holdall import _late_changes as late_changes
from holdall_django import _test_client as test_client
from holdall_fastapi import SessionMiddleware
from holdall_flask import Holdall

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"
OURS = tuple(
    str(Path(package.__file__ or "").parent) for package in (holdall, holdall_flask, holdall_fastapi, holdall_django)
)

Visit = Callable[[str, str | None], "str | None"]


numbers = count()


def use(session: Any, what: str) -> None:
    """Use a request's session as its path says."""
    if what == "read":
        assert session["user_id"] == 7
    elif what == "write":
        session["n"] = next(numbers)
    elif what == "login":
        session["user_id"] = 7


def cookie_of(headers: Iterable[tuple[str, str]]) -> str | None:
    return next((value.partition(";")[0] for name, value in headers if name.lower() == "set-cookie"), None)


def environ_of(what: str, cookie: str | None) -> dict[str, Any]:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET", "PATH_INFO": f"/{what}", "SERVER_NAME": "localhost", "SERVER_PORT": "80",
        "wsgi.input": BytesIO(), "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr, "SERVER_PROTOCOL": "HTTP/1.1",
    }  # fmt: skip
    return environ if cookie is None else environ | {"HTTP_COOKIE": cookie}


def by_wsgi(app: Any) -> Visit:
    def visit(what: str, cookie: str | None) -> str | None:
        answered: list[Any] = []
        body = app(environ_of(what, cookie), lambda status, headers, exc=None: answered.extend(headers))
        assert b"".join(body) == b"seen"
        body.close()
        return cookie_of(answered)

    return visit


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    use(scope["session"], scope["path"][1:]) if scope["path"] != "/nothing" else None
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"seen"})


def asgi(sessions: Sessions) -> Visit:
    app = SessionMiddleware(application, sessions=sessions)

    def visit(what: str, cookie: str | None) -> str | None:
        headers = [] if cookie is None else [(b"cookie", cookie.encode())]
        scope = {"type": "http", "path": f"/{what}", "scheme": "http", "headers": headers, "client": None}
        sent: list[Message] = []

        async def receive() -> Message:
            raise AssertionError

        async def send(message: Message) -> None:
            sent.append(message)

        asyncio.run(app(scope, receive, send))
        return cookie_of((name.decode(), value.decode()) for name, value in sent[0]["headers"])

    return visit


def flask(sessions: Sessions) -> Visit:
    app = Flask(__name__)
    Holdall(app, sessions)

    @app.get("/<what>")
    def seen(what: str) -> str:
        if what != "nothing":
            use(flask_session, what)
        return "seen"

    return by_wsgi(app)


def seen(request: HttpRequest, what: str) -> HttpResponse:
    if what != "nothing":
        use(request.session, what)
    return HttpResponse("seen")


urlpatterns = [path("<what>", seen)]

MOUNTS = {"asgi": asgi, "flask": flask, "django": lambda sessions: by_wsgi(WSGIHandler())}


def sessions(store: str) -> Sessions:
    if store == "cookie":
        return Sessions("cookie", key="sid", secret_key_base=SECRET)
    return Sessions(TableStore(MemoryTable()), key="sid")


@pytest.fixture
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clear what other tests have left for later requests to check: values, cookies, the scope of a request."""
    monkeypatch.setattr(late_changes, "watched", deque())
    monkeypatch.setattr(test_client, "latest_cookies", {})
    monkeypatch.setattr(nested, "_scope", ContextVar("holdall_scope"))


def calls(visit: Visit, what: str, cookie: str) -> int:
    """Return how many of our functions one visit calls."""
    counted: list[str] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(OURS):
            counted.append(frame.f_code.co_qualname)

    # Anything loaded or created on first use does not count.
    for _ in range(3):
        visit(what, cookie)
    before = sys.getprofile()
    # Garbage from other tests may call us when it is collected.
    gc.disable()
    sys.setprofile(note)
    try:
        visit(what, cookie)
    finally:
        sys.setprofile(before)
        gc.enable()
    return len(counted)


#: The highest number of calls of a request that ignores its session, reads it, or writes to it.
MOST = {
    ("asgi", "cookie"): (11, 37, 62),
    ("asgi", "table"): (11, 45, 80),
    ("flask", "cookie"): (22, 51, 88),
    ("flask", "table"): (22, 58, 100),
    ("django", "cookie"): (30, 57, 99),
    ("django", "table"): (30, 64, 103),
}


@pytest.mark.parametrize(("framework", "store"), MOST)
@pytest.mark.usefixtures("nothing_left")
def test_a_request_calls_few_functions(framework: str, store: str) -> None:
    kept = sessions(store)
    with override_settings(
        ROOT_URLCONF=__name__,
        MIDDLEWARE=["holdall_django.SessionMiddleware"],
        ALLOWED_HOSTS=["localhost"],
        HOLDALL={"sessions": kept},
    ):
        visit = MOUNTS[framework](kept)
        cookie = visit("login", None)
        assert cookie is not None

        counted = tuple(calls(visit, what, cookie) for what in ("nothing", "read", "write"))

    assert all(each <= most for each, most in zip(counted, MOST[framework, store], strict=True)), counted
