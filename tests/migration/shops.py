"""
A shop in Flask, Django and Starlette, with the framework's own sessions and then with ours.

``/login/7`` logs user 7 in, ``/count`` counts, ``/look`` does nothing; each responds with the session's user and the
count. Only the sessions differ between the stages of a move.
"""

import sqlite3
from collections.abc import MutableMapping
from contextlib import closing
from functools import partial
from pathlib import Path
from socket import socket
from typing import Any, Literal

from holdall import Sessions, TableStore
from holdall.formats import DjangoFormat, FlaskFormat, Format, StarletteFormat
from holdall.sources import Source
from holdall.sources.django import DjangoSource
from holdall.stores import Store
from holdall.stores._migration import MigratingStore
from holdall.tables.sqlite import SQLiteTable
from servers.web import SECONDS, Server, serve, uvicorn, waitress

THEIRS = "5Hx2kQ0vY8mJr1Wc7ZtB4pLs9NfDa3GeUi6ToRXbVqMyKwEjCnPhSgAzFdIuOl+="
OURS = "9a4d17c0e8b35f62-d07c41e95ab8263f"
#: The cookie's name.
KEY = "session"

#: The framework's own sessions; ours, which also read those; ours, which do not.
Stage = Literal["before", "after", "unread"]


def open_shop(name: str, stage: Stage, folder: Path, listener: socket) -> None:
    """Serve a shop that has a *folder*, for as long as the parent process lives."""
    serve({name: (*_MAKERS[name](stage, folder), listener)})


def act(session: MutableMapping[str, Any], path: str) -> dict[str, Any]:
    match path.split("/"):
        case ["login", user]:
            session["user"] = int(user)
        case ["count"]:
            session["count"] = session.get("count", 0) + 1
    return {"user": session.get("user"), "count": session.get("count", 0)}


def sessions(format: Format, stage: Stage) -> Sessions:
    return Sessions("cookie", key=KEY, secret_key_base=OURS, also_read=[format] if stage == "after" else [])


def flask(stage: Stage, folder: Path) -> tuple[Any, Server]:
    from flask import Flask, session

    from holdall_flask import Holdall

    app = Flask(__name__)
    app.secret_key = THEIRS
    if stage != "before":
        Holdall(app, sessions(FlaskFormat(THEIRS), stage))
    app.post("/<path:path>", endpoint="act")(lambda path: act(session, path))
    return app, waitress


def starlette(stage: Stage, folder: Path) -> tuple[Any, Server]:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.sessions import SessionMiddleware as TheirMiddleware
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from holdall_fastapi import SessionMiddleware

    async def answer(request: Request) -> JSONResponse:
        return JSONResponse(act(request.session, request.path_params["path"]))

    middleware = Middleware(TheirMiddleware, secret_key=THEIRS)
    if stage != "before":
        middleware = Middleware(SessionMiddleware, sessions=sessions(StarletteFormat(THEIRS), stage))
    return Starlette(routes=[Route("/{path:path}", answer, methods=["POST"])], middleware=[middleware]), uvicorn


def django_signed_cookies(stage: Stage, folder: Path) -> tuple[Any, Server]:
    engine = "django.contrib.sessions.backends.signed_cookies"
    return _django(stage, SESSION_ENGINE=engine, HOLDALL=sessions(DjangoFormat(THEIRS), stage))


def django_db(stage: Stage, folder: Path) -> tuple[Any, Server]:
    from holdall_django.sources import EngineSource

    return _django_db(stage, folder, EngineSource("db"))


def django_db_from_outside(stage: Stage, folder: Path) -> tuple[Any, Server]:
    connect = partial(sqlite3.connect, folder / "django.db", timeout=SECONDS)
    return _django_db(stage, folder, DjangoSource(lambda: closing(connect()), THEIRS, placeholder="?"))


def _django_db(stage: Stage, folder: Path, source: Source) -> tuple[Any, Server]:
    from django.core.management import call_command

    store: Store = TableStore(SQLiteTable(folder / "ours.db"))
    if stage == "after":
        store = MigratingStore(store, [source])
    # Without these, Django's own requests would fail with "database is locked", or wait for the disk.
    swift = "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF"
    options = {"timeout": SECONDS, "transaction_mode": "IMMEDIATE", "init_command": swift}
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "django.db", "OPTIONS": options}
    app, server = _django(
        stage,
        INSTALLED_APPS=["django.contrib.sessions"],
        DATABASES={"default": database},
        SESSION_ENGINE="django.contrib.sessions.backends.db",
        HOLDALL=Sessions(store, key=KEY),
    )
    call_command("migrate", verbosity=0)
    return app, server


def _django(stage: Stage, **settings: Any) -> tuple[Any, Server]:
    from django.conf import settings as django_settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpRequest, JsonResponse
    from django.urls import path

    def answer(request: HttpRequest, what: str) -> JsonResponse:
        return JsonResponse(act(request.session, what))

    middleware = "django.contrib.sessions.middleware.SessionMiddleware"
    if stage != "before":
        middleware = "holdall_django.SessionMiddleware"
        settings["SESSION_ENGINE"] = "holdall_django.engine"
    django_settings.configure(
        SECRET_KEY=THEIRS,
        SESSION_COOKIE_NAME=KEY,
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=(path("<path:what>", answer),),
        MIDDLEWARE=[middleware],
        **settings,
    )
    return get_wsgi_application(), waitress


_MAKERS = {
    "Flask": flask,
    "Starlette": starlette,
    "Django signed_cookies": django_signed_cookies,
    "Django db": django_db,
    "Django db, from outside": django_db_from_outside,
}

SHOPS = tuple(_MAKERS)
