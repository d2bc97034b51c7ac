"""Test which cookie of a request counts, and what caches are told about a response that sets one."""

from tests.django_project.visits import Configure, configure, environment, requested  # isort: skip

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path
from django.utils.cache import patch_cache_control
from django.views.decorators.cache import cache_control

from holdall import MemoryTable, Sessions, TableStore
from holdall.testing import CookieConformance, Request, asgi_client, init_test_session, wsgi_client
from holdall.testing._adapters.suite import Mount
from holdall_django import SessionMiddleware
from tests.adapters.mounts import django as mounts

__all__ = ["configure", "environment"]

KEY = "__Host-sid"


# Django parses and writes cookies itself.


class TestCookies(CookieConformance):
    @pytest.fixture
    def mount(self) -> Mount:
        return mounts.mount


class TestCookiesUnderASGI(CookieConformance):
    @pytest.fixture
    def mount(self) -> Mount:
        return mounts.mount_asgi


@pytest.fixture
def sessions(configure: Configure) -> Sessions:
    sessions = Sessions(TableStore(MemoryTable()), key=KEY)
    configure(HOLDALL={"sessions": sessions}, MIDDLEWARE=[f"{__name__}.outer", "holdall_django.SessionMiddleware"])
    return sessions


def cookie_of(sessions: Sessions, name: str) -> str:
    return init_test_session(sessions, {"name": name}).partition("=")[2]


# A middleware before ours in MIDDLEWARE lets each test change the request.
act: list[Callable[[HttpRequest], object]] = [lambda request: request.COOKIES]


def outer(get_response: Callable[..., Any]) -> Callable[..., Any]:
    def call(request: HttpRequest) -> HttpResponse:
        act[-1](request)
        return get_response(request)

    return call


def who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.session.get("name", "nobody"))


def seen(*headers: str, is_async: bool) -> bytes:
    """Return the user of a request with these Cookie headers, given as text that a server decodes as Latin-1."""
    from django.test import override_settings

    client = asgi_client(ASGIHandler()) if is_async else wsgi_client(WSGIHandler())
    with override_settings(ROOT_URLCONF=(path("", who),)):
        given = [("Cookie", header.encode().decode("latin-1")) for header in headers]
        return client(Request("GET", "/", given, https=True)).body


@pytest.mark.parametrize("is_async", [False, True], ids=["WSGI", "ASGI"])
@pytest.mark.parametrize(
    "tossed",
    [
        "\u2003{key}={theirs}; {key}={own}",
        "{key}={own}; \u2003{key}={theirs}",
        "{key}={own}; \xa0{key}={theirs}",
        "{key}={own}; \x85{key}={theirs}",
        "{key}={own}; {key}\u2003={theirs}",
        '{key}={own}; \u3000{key}="{theirs}"',
    ],
    ids=range(6),
)
def test_only_our_own_parser_decides_which_cookie_is_ours(sessions: Sessions, tossed: str, is_async: bool) -> None:
    own, theirs = cookie_of(sessions, "visitor"), cookie_of(sessions, "attacker")

    assert seen(tossed.format(key=KEY, own=own, theirs=theirs), is_async=is_async) == b"visitor"


@pytest.mark.parametrize("is_async", [False, True], ids=["WSGI", "ASGI"])
def test_an_injected_cookie_alone_opens_nothing(sessions: Sessions, is_async: bool) -> None:
    theirs = cookie_of(sessions, "attacker")

    assert seen(f"\u2003{KEY}={theirs}", is_async=is_async) == b"nobody"


@pytest.mark.parametrize("is_async", [False, True], ids=["WSGI", "ASGI"])
def test_duplicates_are_noticed_although_django_takes_the_last(sessions: Sessions, is_async: bool) -> None:
    one, other = cookie_of(sessions, "one"), cookie_of(sessions, "other")

    assert seen(f"{KEY}={one}; {KEY}={other}", is_async=is_async) == b"nobody"


def test_http_2_may_split_the_cookies(sessions: Sessions) -> None:
    own = cookie_of(sessions, "visitor")

    assert seen("a=1", f"{KEY}={own}", "b=2", is_async=True) == b"visitor"


@pytest.mark.parametrize("is_async", [False, True], ids=["WSGI", "ASGI"])
@pytest.mark.parametrize(("put", "name"), [("theirs", b"found"), (None, b"nobody"), ("a;b", b"nobody")])
def test_a_cookie_replaced_by_a_middleware_is_used(
    sessions: Sessions, put: str | None, name: bytes, is_async: bool
) -> None:
    own, theirs = cookie_of(sessions, "visitor"), cookie_of(sessions, "found")

    def replace(request: HttpRequest) -> None:
        if put is None:
            del request.COOKIES[KEY]
        else:
            request.COOKIES[KEY] = {"theirs": theirs}.get(put, put)

    act.append(replace)
    try:
        assert seen(f"a=1; {KEY}={own}; b=2", is_async=is_async) == name
    finally:
        act.pop()


def test_a_request_made_without_a_server_has_the_cookies_put_there(sessions: Sessions) -> None:
    request = HttpRequest()
    request.COOKIES[KEY] = cookie_of(sessions, "visitor")

    assert SessionMiddleware(who)(request).content == b"visitor"


# Caches.


@pytest.fixture
def in_table(configure: Configure) -> None:
    configure(HOLDALL={"store": TableStore(MemoryTable())})


def written(request: HttpRequest) -> HttpResponse:
    request.session["n"] = 1
    return HttpResponse()


@pytest.mark.usefixtures("in_table")
@pytest.mark.parametrize(
    "said", ["public", "public, max-age=60", "Public,s-maxage=60", "max-age=60, public, immutable", "s-maxage=5"]
)
def test_a_response_that_sets_our_cookie_is_not_public(said: str) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        response = written(request)
        response.headers["Cache-Control"] = said
        return response

    words = requested(view).headers["Cache-Control"].lower()

    assert "public" not in words
    assert "s-maxage" not in words
    assert "private" in words or "no-store" in words
    assert ("max-age=60" in words) is ("max-age=60" in said)


@pytest.mark.usefixtures("in_table")
def test_djangos_own_public_headers_are_undone_and_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    def patched(request: HttpRequest) -> HttpResponse:
        response = written(request)
        patch_cache_control(response, public=True, max_age=60)
        return response

    caplog.set_level(logging.WARNING, "holdall")
    for view in (cache_control(public=True)(written), patched):
        for _ in range(2):
            assert "public" not in requested(view, url="/once/told").headers["Cache-Control"]

    told = [record.getMessage() for record in caplog.records if "marks its response as public" in record.getMessage()]
    assert len(told) == 1
    assert "<path:rest>" in told[0]


@pytest.mark.usefixtures("in_table")
def test_a_response_without_our_cookie_stays_unchanged() -> None:
    client = Client()
    requested(written, client)

    def view(request: HttpRequest) -> HttpResponse:
        response = HttpResponse(str(request.session["n"]))
        patch_cache_control(response, public=True)
        return response

    answer = requested(view, client)

    assert (answer.headers["Cache-Control"], answer.headers["Vary"]) == ("public", "Cookie")


@pytest.mark.parametrize(("allowed", "says"), [(True, "public"), (False, "private")])
def test_a_public_response_can_be_allowed(configure: Configure, allowed: bool, says: str) -> None:
    configure(HOLDALL={"store": TableStore(MemoryTable()), "allow_public": allowed})

    assert requested(cache_control(public=True)(written)).headers["Cache-Control"] == says


@pytest.mark.usefixtures("in_table")
def test_a_public_response_before_url_resolution_is_named_by_its_path(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "holdall")

    SessionMiddleware(cache_control(public=True)(written))(RequestFactory().get("/ahead"))

    assert "/ahead marks" in caplog.text


@pytest.mark.usefixtures("in_table")
def test_under_asgi_a_response_that_sets_our_cookie_is_not_public() -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        response = written(request)
        patch_cache_control(response, public=True)
        return response

    answer = asyncio.run(SessionMiddleware(view)(RequestFactory().get("/")))

    assert "public" not in answer.headers["Cache-Control"]
