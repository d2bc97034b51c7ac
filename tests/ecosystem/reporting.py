"""
Applications that fail in every possible way, with Sentry's own reporter in its default setup.

Called with the names of a store and of frameworks, it prints one JSON object with one for each framework: how often the
visitor's requests failed, the text that must not be in a report, and the reports.
"""

import json
import sqlite3
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from holdall import Sessions
from holdall.testing import Browser, Request, asgi_client, wsgi_client

SECRET = "b1946ac92492d234-7c6235b4d2611184"
CARD = "4111-1111-1111-1111"
HUGE = "large and private " * 400

SENT: list[str] = []


class InMemory(Transport):
    def capture_envelope(self, envelope: Envelope) -> None:
        SENT.append(envelope.serialize().decode(errors="replace"))


# Each uses a session in one way. Sentry does not filter the parameter's name, unlike "session".


def keep(basket: Any) -> None:
    basket["card"] = {"number": CARD}


def read(basket: Any) -> None:
    basket.get("card")


def crash(basket: Any) -> None:
    basket["card"]["again"] = CARD
    raise ZeroDivisionError


def refuse(basket: Any) -> None:
    basket["card"] = {"number": CARD, "object": object()}


def hide(basket: Any) -> None:
    basket["card"]["object"] = object()


def grow(basket: Any) -> None:
    basket["huge"] = HUGE


def renew(basket: Any) -> None:
    basket.configure(renew=True)
    basket["card"]["renewed"] = CARD


def log_in_unnamed(basket: Any) -> None:
    basket["member"] = CARD


def log_in(basket: Any) -> None:
    basket.login("7")


ACTIONS = {act.__name__: act for act in (keep, read, crash, refuse, hide, grow, renew, log_in, log_in_unnamed)}


def flask_client(sessions: Sessions) -> Any:
    import flask

    from holdall_flask import Holdall

    app = flask.Flask("shop")
    Holdall(app, sessions)

    @app.post("/<action>")
    def view(action: str) -> str:
        basket = flask.session
        ACTIONS[action](basket)
        return ""

    @app.post("/late")
    def late() -> flask.Response:
        @flask.stream_with_context
        def body() -> Any:
            basket = flask.session
            yield "x" * 10
            keep(basket)
            yield ""

        flask.session.get("card")
        return flask.Response(body())

    return wsgi_client(app)


def fastapi_client(sessions: Sessions) -> Any:
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse

    from holdall_fastapi import SessionDep, SessionMiddleware

    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions)

    @app.post("/late")
    async def late(basket: SessionDep) -> StreamingResponse:
        async def body() -> Any:
            yield "x" * 10
            keep(basket)
            yield ""

        basket.get("card")
        return StreamingResponse(body())

    @app.post("/{action}")
    async def view(action: str, basket: SessionDep) -> str:
        ACTIONS[action](basket)
        return ""

    return asgi_client(app)


def django_client(sessions: Sessions) -> Any:
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
    from django.urls import path

    def view(request: HttpRequest, action: str) -> HttpResponse:
        basket = request.session
        ACTIONS[action](basket)
        return HttpResponse()

    def late(request: HttpRequest) -> StreamingHttpResponse:
        basket: Any = request.session

        def body() -> Any:
            yield "x" * 10
            keep(basket)
            yield ""

        basket.get("card")
        return StreamingHttpResponse(body())

    settings.configure(
        SECRET_KEY="the secret of the project",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=(path("late", late), path("<action>", view)),
        MIDDLEWARE=["holdall_django.SessionMiddleware"],
        SESSION_ENGINE="holdall_django.engine",
        HOLDALL={"sessions": sessions},
    )
    return wsgi_client(get_wsgi_application())


CLIENTS: dict[str, Callable[[Sessions], Any]] = {
    "flask": flask_client,
    "fastapi": fastapi_client,
    "django": django_client,
}


def main(store: str, *frameworks: str) -> None:
    # Its integrations call functions that the frameworks have deprecated.
    warnings.simplefilter("ignore")
    sentry_sdk.init(dsn="https://key@sentry.invalid/1", transport=InMemory())
    json.dump({framework: reports(framework, store) for framework in frameworks}, sys.stdout)


def reports(framework: str, store: str) -> dict[str, Any]:
    SENT.clear()
    file = Path(tempfile.mkdtemp()) / "sessions.db"
    options = {"table": {"table": f"sqlite:///{file}"}, "cookie": {}}[store]
    sessions = Sessions(store=store, key="sid", secret_key_base=SECRET, **options)
    browser = Browser(CLIENTS[framework](sessions))
    cookies: set[str] = set()
    failed = 0

    def does(action: str) -> None:
        nonlocal failed
        try:
            answer = browser.send(Request("POST", f"/{action}"))
            failed += answer.status >= 500 or answer.error is not None
        except Exception:  # noqa: BLE001  # a body that breaks off counts as a failure too
            failed += 1
        cookies.update(kept.value for kept in browser.jar)

    for action in ("keep", "crash", "refuse", "hide", "late", "grow", "log_in_unnamed"):
        does(action)
    if store == "table":
        sessions.close()
        with sqlite3.connect(file) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            # Rows can be read and not written, and then not read either.
            for name in tables:
                for verb in ("INSERT", "UPDATE", "DELETE"):
                    connection.execute(
                        f"CREATE TRIGGER no_{verb}_{name} BEFORE {verb} ON {name} "
                        "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
                    )
        connection.close()
        for action in ("keep", "renew", "log_in"):
            does(action)
        sessions.close()
        file.write_bytes(b"no database at all" * 100)
        for action in ("read", "keep"):
            does(action)
    sentry_sdk.flush()
    return {"failed": failed, "private": [*cookies, CARD, "large and private", SECRET], "sent": SENT.copy()}


if __name__ == "__main__":
    main(*sys.argv[1:])
