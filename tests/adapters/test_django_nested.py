"""Test that a request that passes several of our adapters has one session."""

from tests.django_project.visits import Configure, configure, environment, requested  # isort: skip

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import RequestFactory, override_settings
from django.urls import path

from holdall import CookieStore, MemoryTable, Sessions, StoreError, TableStore
from holdall.adapters import SessionGroup
from holdall.formats import NativeFormat
from holdall.nested import KEY
from holdall.testing import Browser, Request, asgi_client, wsgi_client
from holdall_django import SessionMiddleware
from holdall_django import _rollback as rollback
from holdall_django.engine import SessionStore

__all__ = ["configure", "environment"]

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"


@pytest.fixture(params=["cookie", "table"])
def sessions(request: pytest.FixtureRequest, configure: Configure) -> Sessions:
    store = CookieStore(NativeFormat(SECRET)) if request.param == "cookie" else TableStore(MemoryTable())
    sessions = Sessions(store, key="sid", principal_key="_auth_user_id")
    configure(HOLDALL={"sessions": sessions})
    return sessions


class Door:
    """An adapter around the project: it holds the session under WSGI, and commits it when the project has responded."""

    def __init__(self, sessions: Sessions, before: Callable[[Any], object]) -> None:
        self.group, self.before = SessionGroup(sessions, form="sync"), before
        self.project = WSGIHandler()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        exchange = environ[KEY] = self.group.begin(environ.get("HTTP_COOKIE", ""))
        self.before(exchange.session)

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            told = exchange.headers(int(status[:3]))
            headers += [("Set-Cookie", str(cookie)) for cookie in told.cookies]
            return start_response(status, headers, *rest)

        return self.project(environ, start)


def mounted(
    sessions: Sessions, view: Callable[..., Any], before: Callable[[Any], object], *, is_async: bool
) -> Browser:
    """Return a browser for an application of another framework, in which a project with one *view* is mounted."""
    if is_async:
        from holdall_fastapi import SessionMiddleware as Outer

        project = ASGIHandler()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            before(scope["session"])
            await project(scope, receive, send)

        client = asgi_client(Outer(app, sessions=sessions))
    else:
        client = wsgi_client(Door(sessions, before))

    def send(request: Request) -> Any:
        with override_settings(ROOT_URLCONF=(path("", view),)):
            return client(request)

    return Browser(send)


@pytest.fixture(params=[False, True], ids=["WSGI", "ASGI"])
def is_async(request: pytest.FixtureRequest) -> bool:
    if request.param:
        pytest.importorskip("holdall_fastapi")
    return bool(request.param)


def test_a_mounted_project_uses_the_outer_applications_session(sessions: Sessions, is_async: bool) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        session = request.session
        session["_auth_user_id"] = "7"
        session["seen"] = session.get("before")
        return HttpResponse(str(sorted(session)))

    browser = mounted(sessions, view, lambda session: session.put("before", 1), is_async=is_async)

    first = browser.send(Request("GET"))
    assert first.body == b"['_auth_user_id', 'before', 'seen']"
    assert len([line for line in first.all("Set-Cookie") if line.startswith("sid") and "Max-Age=0" not in line]) == 1
    cookie = browser["sid"]
    assert dict(sessions.resume(cookie)) == {"before": 1, "_auth_user_id": "7", "seen": 1}


def test_a_login_and_a_logout_in_a_mounted_project_take_effect(sessions: Sessions, is_async: bool) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        if request.session.get("_auth_user_id") == "7":
            request.session.flush()
        else:
            request.session["_auth_user_id"] = "7"
            request.session.cycle_key()
        return HttpResponse(str(request.session.session_key))

    browser = mounted(sessions, view, lambda session: session.get("n"), is_async=is_async)

    browser.send(Request("GET"))
    cookie = browser["sid"]
    assert sessions.resume(cookie)["_auth_user_id"] == "7"
    browser.send(Request("GET"))
    assert dict(sessions.fetch(browser.header("/"))) == {}


def test_an_early_save_in_a_mounted_project_reaches_the_browser(sessions: Sessions, is_async: bool) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        request.session["n"] = 1
        request.session.save()
        request.session["m"] = request.session.__class__(request.session.session_key)["n"] + 1
        return HttpResponse()

    browser = mounted(sessions, view, lambda session: None, is_async=is_async)
    browser.send(Request("GET"))

    assert dict(sessions.resume(browser["sid"])) == {"n": 1, "m": 2}


def test_a_mounted_project_without_sessions_leaves_it_to_the_outer_application(
    sessions: Sessions, is_async: bool
) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        raise StoreError

    browser = mounted(sessions, view, lambda session: session.put("n", 1), is_async=is_async)

    assert browser.send(Request("GET")).status == 503
    assert browser.get("sid") is None


def test_a_mounted_project_that_cannot_repeat_an_ending_leaves_the_session_to_the_outer_application(
    sessions: Sessions, is_async: bool
) -> None:
    def fail() -> None:
        raise StoreError

    def view(request: HttpRequest) -> HttpResponse:
        request.session["n"] = 1
        rollback.note(fail)
        return HttpResponse()

    browser = mounted(sessions, view, lambda session: session.put("m", 1), is_async=is_async)

    assert browser.send(Request("GET")).status == 503
    assert browser.get("sid") is None


class GoneTable(MemoryTable):
    """A blocking table whose backend is down."""

    blocking_reads = True

    def read(self, digest: bytes) -> Any:
        msg = "gone"
        raise StoreError(msg)


def test_a_mounted_project_that_cannot_read_the_session_responds_503(configure: Configure) -> None:
    outer = pytest.importorskip("holdall_fastapi").SessionMiddleware
    sessions = Sessions(TableStore(GoneTable()), key="sid")
    configure(HOLDALL={"sessions": sessions})
    # The outer application has not read it, because of fetch="explicit".
    client = asgi_client(outer(ASGIHandler(), sessions=sessions, fetch="explicit"))

    answer = client(Request("GET", headers=[("Cookie", "sid=" + "k" * 40)]))

    assert (answer.status, answer.body) == (503, b"Service Unavailable")


def test_an_unhandled_exception_in_a_mounted_project_is_left_to_the_outer_application(
    sessions: Sessions, is_async: bool
) -> None:
    exchange = SessionGroup(sessions, form="async" if is_async else "sync").begin()

    def view(request: HttpRequest) -> HttpResponse:
        request.session["n"] = 1
        raise ZeroDivisionError

    async def aview(request: HttpRequest) -> HttpResponse:
        return view(request)

    request: Any = RequestFactory().get("/")
    request.META[KEY] = exchange
    with pytest.raises(ZeroDivisionError):
        asyncio.run(SessionMiddleware(aview)(request)) if is_async else SessionMiddleware(view)(request)

    exchange.session["m"] = 2
    assert exchange.headers().cookies


def test_a_project_ignores_other_sessions_around_it(configure: Configure, is_async: bool) -> None:
    configure(HOLDALL={"store": TableStore(MemoryTable())})
    outer = Sessions(TableStore(MemoryTable()), key="outer")

    def view(request: HttpRequest) -> HttpResponse:
        request.session["n"] = 1
        return HttpResponse()

    browser = mounted(outer, view, lambda session: session.put("n", 2), is_async=is_async)
    browser.send(Request("GET"))

    assert {kept.name for kept in browser.jar} == {"outer", "sessionid"}


@pytest.mark.parametrize("is_async", [True, False])
def test_our_second_middleware_leaves_the_session_to_the_first(sessions: Sessions, is_async: bool) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        request.session["n"] = 1
        return HttpResponse()

    async def aview(request: HttpRequest) -> HttpResponse:
        return view(request)

    twice = SessionMiddleware(SessionMiddleware(aview if is_async else view))
    request = RequestFactory().get("/")
    answer = asyncio.run(twice(request)) if is_async else twice(request)

    assert len(answer.cookies) == 1
    assert dict(sessions.resume(answer.cookies["sid"].value)) == {"n": 1}


def test_a_request_object_may_be_handled_twice(sessions: Sessions) -> None:
    request = RequestFactory().get("/")
    handler = SessionMiddleware(lambda request: HttpResponse(str(request.session.setdefault("n", 1))))

    assert [len(handler(request).cookies) for _ in range(2)] == [1, 1]


def test_a_mounted_project_does_not_close_its_stream(configure: Configure) -> None:
    table = Sessions(TableStore(MemoryTable()), key="sid")
    configure(HOLDALL={"sessions": table})

    def view(request: HttpRequest) -> StreamingHttpResponse:
        request.session["n"] = 1
        return StreamingHttpResponse([b"a"])

    browser = mounted(table, view, lambda session: None, is_async=False)

    assert browser.send(Request("GET")).body == b"a"
    assert dict(SessionStore(browser["sid"])) == {"n": 1}


def test_an_unmounted_project_has_its_own_session() -> None:
    assert requested(lambda request: type(request.session).__name__).json() == {"is": "DjangoSession"}


def test_an_empty_outer_session_is_shared_too(sessions: Sessions, is_async: bool) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(type(request.session).__name__)

    browser = mounted(sessions, view, lambda session: None, is_async=is_async)

    assert browser.send(Request("GET")).body == b"AdoptedSession"
