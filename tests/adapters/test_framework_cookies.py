"""``read_framework_cookies=True``: a framework's own session cookies are read, with the framework's own settings."""

import tests.django_project  # noqa: F401  # sets Django up

# isort: split

import json
from datetime import timedelta
from hashlib import sha512
from typing import Any

import flask
import pytest
from django.conf import settings
from django.contrib.sessions.backends import signed_cookies
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from starlette.applications import Starlette
from starlette.datastructures import Secret
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware as TheirMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from holdall import ConfigurationError, CookieStore, Sessions
from holdall.formats import FlaskFormat, NativeFormat
from holdall.sources.cookie import CookieSource
from holdall.testing import Request as Asked
from holdall.testing import asgi_client
from holdall_django import SessionMiddleware as DjangoSessionMiddleware
from holdall_fastapi import SessionMiddleware
from holdall_flask import Holdall

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"
OLD_SECRET = "0c93fa7d81b6e254-9d40b1c7"  # too short for a secret of our own


# Flask.


class SaltedSessions(SecureCookieSessionInterface):
    salt = "shop"
    digest_method = staticmethod(sha512)
    key_derivation = "django-concat"


def flask_application(interface: SecureCookieSessionInterface | None = None, **config: Any) -> Flask:
    app = Flask(__name__)
    app.config.update({"SECRET_KEY": SECRET, **config})
    if interface is not None:
        app.session_interface = interface

    @app.get("/login")
    def log_in() -> str:
        flask.session.update(_user_id="7", seen=(1, 2))
        flask.session.permanent = True
        flask.flash("Welcome")
        return ""

    @app.get("/")
    def who() -> dict[str, Any]:
        return {"user": flask.session.get("_user_id"), "seen": flask.session.get("seen") == (1, 2)}

    @app.get("/flashed")
    def flashed() -> list[str]:
        return flask.get_flashed_messages()

    return app


def flask_cookie(app: Flask) -> str:
    """Return the cookie of a visitor who is logged in with Flask's own sessions."""
    client = app.test_client()
    client.get("/login")
    return client.get_cookie(app.config["SESSION_COOKIE_NAME"], path="/").value


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({}, {}),
        ({"SECRET_KEY": OLD_SECRET}, {"SECRET_KEY_FALLBACKS": [OLD_SECRET]}),
        ({"SESSION_COOKIE_NAME": "_shop"}, {"SESSION_COOKIE_NAME": "_shop"}),
        ({"interface": SaltedSessions()}, {"interface": SaltedSessions()}),
    ],
    ids=["a secret", "an old secret", "a name", "a custom interface"],
)
def test_a_visitor_logged_in_with_flasks_sessions_stays_logged_in(before: dict[str, Any], now: dict[str, Any]) -> None:
    old = flask_cookie(flask_application(**before))
    app = flask_application(**now)
    Holdall(app, read_framework_cookies=True)
    client = app.test_client()
    name = app.config["SESSION_COOKIE_NAME"]
    client.set_cookie(name, old)

    assert client.get("/").json == {"user": "7", "seen": True}
    assert client.get_cookie(name).value != old
    ours = flask_application(**{**now, "SECRET_KEY_FALLBACKS": []})
    Holdall(ours)
    later = ours.test_client()
    later.set_cookie(name, client.get_cookie(name).value)
    assert later.get("/").json == {"user": "7", "seen": True}
    assert later.get("/flashed").json == ["Welcome"]


@pytest.mark.parametrize("store", ["cookie", "memory://advice"])
def test_sessions_of_the_applications_own_read_flasks_cookies_as_the_error_says(store: str) -> None:
    old = flask_cookie(flask_application())
    reading: dict[str, Any] = {"also_read": [FlaskFormat(SECRET)]}
    if store != "cookie":
        reading = {"migrate_from": [CookieSource(FlaskFormat(SECRET), key="session")]}
    app = flask_application()
    Holdall(app, Sessions(store, key="session", secret_key_base=SECRET, **reading))
    client = app.test_client()
    client.set_cookie("session", old)

    assert client.get("/").json == {"user": "7", "seen": True}


@pytest.mark.filterwarnings("ignore::holdall._keys.WeakSecretWarning")
def test_in_tests_cookies_of_weak_secrets_are_read_too() -> None:
    weak = "0c93fa7d81b6e254"
    old = flask_cookie(flask_application(SECRET_KEY=weak))
    app = flask_application(SECRET_KEY_FALLBACKS=[weak], TESTING=True)
    Holdall(app, read_framework_cookies=True)
    client = app.test_client()
    client.set_cookie("session", old)

    assert client.get("/").json["user"] == "7"


def test_flasks_own_limit_applies_to_its_cookies() -> None:
    old = flask_cookie(flask_application())
    app = flask_application(PERMANENT_SESSION_LIFETIME=timedelta(seconds=-5))
    Holdall(app, read_framework_cookies=True, idle_timeout=timedelta(days=7))
    client = app.test_client()
    client.set_cookie("session", old)

    assert client.get("/").json["user"] is None


def test_flasks_cookies_are_not_read_by_default() -> None:
    old = flask_cookie(flask_application())
    app = flask_application()
    Holdall(app)
    client = app.test_client()
    client.set_cookie("session", old)

    assert client.get("/").json["user"] is None


def test_sessions_that_flask_kept_elsewhere_cause_no_trouble() -> None:
    app = flask_application()
    Holdall(app)
    Holdall(app, read_framework_cookies=True)
    client = app.test_client()
    client.set_cookie("session", flask_cookie(flask_application()))

    assert client.get("/").json["user"] == "7"


@pytest.mark.parametrize(
    "options",
    [{"store": "table", "table": "taken over from flask"}, {"store": "memory://taken over from flask by a URL"}],
    ids=["a table", "its URL"],
)
def test_flasks_sessions_are_moved_into_a_table_too(options: dict[str, str]) -> None:
    old = flask_cookie(flask_application())
    app = flask_application(SECRET_KEY=SECRET)
    Holdall(app, read_framework_cookies=True, **options)
    client = app.test_client()
    client.set_cookie("session", old)

    assert client.get("/").json == {"user": "7", "seen": True}
    assert len(client.get_cookie("session").value) == 40
    assert client.get("/flashed").json == ["Welcome"]


def test_an_old_cookie_sent_again_opens_the_same_row() -> None:
    old = flask_cookie(flask_application())
    app = flask_application()
    Holdall(app, read_framework_cookies=True, store="table", table="taken over once")
    clients = [app.test_client(), app.test_client()]
    for client in clients:
        client.set_cookie("session", old)
        client.get("/")

    first, second = (client.get_cookie("session").value for client in clients)
    assert first == second


def test_a_session_moved_into_a_table_also_ends_for_its_old_cookie() -> None:
    old = flask_cookie(flask_application())
    app = flask_application()
    app.add_url_rule("/logout", view_func=lambda: flask.session.configure(drop=True) or "")
    Holdall(app, read_framework_cookies=True, store="table", table="taken over and ended")
    client = app.test_client()
    client.set_cookie("session", old)
    client.get("/")

    client.get("/logout")

    late = app.test_client()
    late.set_cookie("session", old)
    assert late.get("/").json["user"] is None


@pytest.mark.parametrize("options", [{"store": CookieStore(NativeFormat(SECRET))}, {"format": "flask"}])
def test_another_store_or_format_is_refused(options: dict[str, Any]) -> None:
    app = flask_application()

    with pytest.raises(ConfigurationError, match="read_framework_cookies=True writes cookies of our own format"):
        Holdall(app, read_framework_cookies=True, **options)


# Starlette and FastAPI.


async def log_in_to_starlette(request: Request) -> JSONResponse:
    request.session.update(user=7, seen=[1, 2])
    return JSONResponse({})


async def starlette_session(request: Request) -> JSONResponse:
    return JSONResponse(request.session)


class StarletteApplication:
    """An application with a session *middleware*, and its one visitor."""

    def __init__(self, middleware: Any, **arguments: Any) -> None:
        routes = [Route("/login", log_in_to_starlette), Route("/", starlette_session)]
        arguments = {"secret_key": SECRET, **arguments}
        self._client = asgi_client(Starlette(routes=routes, middleware=[Middleware(middleware, **arguments)]))
        self.cookie = ""

    def get(self, path: str) -> Any:
        response = self._client(Asked("GET", path, [("Cookie", self.cookie)]))
        for name, value in response.headers:
            if name.lower() == "set-cookie":
                self.cookie = value.partition(";")[0]
        return json.loads(response.body)


@pytest.mark.parametrize(
    "arguments",
    [{}, {"session_cookie": "_shop"}, {"secret_key": Secret(SECRET)}, {"max_age": None}],
    ids=["a secret", "a name", "a secret that hides", "no limit"],
)
def test_a_visitor_logged_in_with_starlettes_sessions_stays_logged_in(arguments: dict[str, Any]) -> None:
    theirs = StarletteApplication(TheirMiddleware, **arguments)
    theirs.get("/login")
    ours = StarletteApplication(SessionMiddleware, **arguments, read_framework_cookies=True)
    ours.cookie = theirs.cookie

    assert ours.get("/") == {"user": 7, "seen": [1, 2]}
    assert ours.cookie != theirs.cookie
    later = StarletteApplication(SessionMiddleware, **arguments)
    later.cookie = ours.cookie
    assert later.get("/") == {"user": 7, "seen": [1, 2]}


def test_starlettes_cookies_are_not_read_by_default() -> None:
    theirs = StarletteApplication(TheirMiddleware)
    theirs.get("/login")
    ours = StarletteApplication(SessionMiddleware)
    ours.cookie = theirs.cookie

    assert ours.get("/") == {}


def test_starlettes_own_limit_applies_to_its_cookies() -> None:
    theirs = StarletteApplication(TheirMiddleware)
    theirs.get("/login")
    ours = StarletteApplication(
        SessionMiddleware, max_age=-1, idle_timeout=timedelta(days=7), read_framework_cookies=True
    )
    ours.cookie = theirs.cookie

    assert ours.get("/") == {}


def test_starlettes_sessions_are_moved_into_a_table_too() -> None:
    theirs = StarletteApplication(TheirMiddleware)
    theirs.get("/login")
    ours = StarletteApplication(
        SessionMiddleware, read_framework_cookies=True, store="table", table="taken over from starlette"
    )
    ours.cookie = theirs.cookie

    assert ours.get("/") == {"user": 7, "seen": [1, 2]}
    assert len(ours.cookie) == len("session=") + 40
    assert ours.get("/") == {"user": 7, "seen": [1, 2]}


# Django.


def django_cookie() -> str:
    """Return a cookie made by Django's engine."""
    session = signed_cookies.SessionStore()
    session["_auth_user_id"] = "7"
    session["seen"] = [1, 2]
    session.save()
    return str(session.session_key)


def django_visit(cookie: str) -> tuple[dict[str, Any], str]:
    """Return the session data of *cookie*, and the cookie that replaces it."""
    seen: dict[str, Any] = {}

    def view(request: Any) -> HttpResponse:
        seen.update(request.session.items())
        return HttpResponse()

    name = settings.SESSION_COOKIE_NAME
    response = DjangoSessionMiddleware(view)(RequestFactory().get("/", headers={"cookie": f"{name}={cookie}"}))
    return seen, response.cookies[name].value if name in response.cookies else ""


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({}, {}),
        ({"SECRET_KEY": OLD_SECRET}, {"SECRET_KEY_FALLBACKS": [OLD_SECRET]}),
        ({}, {"HOLDALL": {"read_framework_cookies": True, "secret_key_base": "0c93fa7d81b6e254-9d40b1c7f3a8e625"}}),
    ],
    ids=["a secret", "an old secret", "a secret of our own"],
)
def test_a_visitor_logged_in_with_djangos_cookies_stays_logged_in(before: dict[str, Any], now: dict[str, Any]) -> None:
    with override_settings(**before):
        old = django_cookie()
    with override_settings(**{"HOLDALL": {"read_framework_cookies": True}, **now}):
        seen, ours = django_visit(old)

        assert seen == {"_auth_user_id": "7", "seen": [1, 2]}
        assert ours
        assert django_visit(ours)[0] == seen


def test_djangos_cookies_are_moved_into_a_table_too() -> None:
    with override_settings(
        HOLDALL={"read_framework_cookies": True, "store": "table", "table": "taken over from django"}
    ):
        seen, ours = django_visit(django_cookie())

        assert seen == {"_auth_user_id": "7", "seen": [1, 2]}
        assert len(ours) == 40
        assert django_visit(ours)[0] == seen


def test_djangos_cookies_are_not_read_by_default() -> None:
    assert django_visit(django_cookie()) == ({}, "")


def test_djangos_own_limit_applies_to_its_cookies() -> None:
    with override_settings(SESSION_COOKIE_AGE=-5, HOLDALL={"read_framework_cookies": True, "idle_timeout": 3600}):
        assert django_visit(django_cookie()) == ({}, "")
