"""Applications that write the requested key into their visitor's session, in each framework and with each library."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.samples import SECRET
from holdall import Sessions

__all__ = ["WRITERS"]


def _sessions(url: str) -> Sessions:
    return Sessions(url, key="session", secret_key_base=SECRET)


def _flask(url: str, *, ours: bool) -> Any:
    import flask

    app = flask.Flask(__name__)
    app.secret_key = SECRET
    if ours:
        from holdall_flask import Holdall

        Holdall(app, _sessions(url))
    else:
        import flask_session
        import redis

        app.config |= {"SESSION_TYPE": "redis", "SESSION_REDIS": redis.Redis.from_url(url)}
        flask_session.Session(app)

    @app.get("/put/<key>")
    def put(key: str) -> str:
        flask.session[key] = 1
        return "put"

    @app.get("/keys")
    def keys() -> str:
        return " ".join(flask.session)

    return app


def _starlette(url: str, *, ours: bool) -> Any:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse

    app = Starlette()
    if ours:
        import holdall_fastapi

        app.add_middleware(holdall_fastapi.SessionMiddleware, sessions=_sessions(url))
    else:
        import starsessions
        from starsessions.stores.redis import RedisStore

        app.add_middleware(starsessions.SessionAutoloadMiddleware)
        app.add_middleware(
            starsessions.SessionMiddleware, store=RedisStore(url), cookie_https_only=False, lifetime=3600
        )

    async def put(request: Request) -> PlainTextResponse:
        request.session[request.path_params["key"]] = 1
        return PlainTextResponse("put")

    async def keys(request: Request) -> PlainTextResponse:
        return PlainTextResponse(" ".join(request.session))

    app.add_route("/put/{key}", put)
    app.add_route("/keys", keys)
    return app


def _django(url: str, folder: Path, *, backend: str) -> Any:
    import django
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    def put(request: HttpRequest, key: str) -> HttpResponse:
        request.session[key] = 1
        return HttpResponse("put")

    def keys(request: HttpRequest) -> HttpResponse:
        return HttpResponse(" ".join(request.session.keys()))

    given: dict[str, Any] = {
        "MIDDLEWARE": ["django.contrib.sessions.middleware.SessionMiddleware"],
        "SESSION_ENGINE": f"django.contrib.sessions.backends.{backend}",
    }
    if backend == "holdall":
        given = {
            "MIDDLEWARE": ["holdall_django.SessionMiddleware"],
            "SESSION_ENGINE": "holdall_django.engine",
            "HOLDALL": {"sessions": _sessions(url)},
        }
    settings.configure(
        SECRET_KEY=SECRET,
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=(path("put/<key>", put), path("keys", keys)),
        INSTALLED_APPS=["django.contrib.sessions"],
        CACHES={"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}},
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "django.db"}},
        LOGGING_CONFIG=None,
        **given,
    )
    django.setup()
    if backend == "db":
        from django.db.utils import OperationalError

        from bench.apps.django import create_the_table

        # Another process may create it at the same time.
        with suppress(OperationalError):
            create_the_table()
    return WSGIHandler()


#: The applications by library. Each is created with the URL of a Redis server and a folder.
WRITERS: dict[str, Callable[[str, Path], Any]] = {
    "holdall in Flask": lambda url, folder: _flask(url, ours=True),
    "Flask-Session": lambda url, folder: _flask(url, ours=False),
    "holdall in Starlette": lambda url, folder: _starlette(url, ours=True),
    "starsessions": lambda url, folder: _starlette(url, ours=False),
    "holdall in Django": lambda url, folder: _django(url, folder, backend="holdall"),
    "Django, cache": lambda url, folder: _django(url, folder, backend="cache"),
    "Django, db (SQLite)": lambda url, folder: _django(url, folder, backend="db"),
}
