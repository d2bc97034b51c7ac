"""Test sessions that tests use outside requests: Django's clients save them and keep the old cookie."""

import tests.django_project  # noqa: F401  # sets Django up

# isort: split

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory, override_settings
from django.test.utils import setup_test_environment, teardown_test_environment
from django.urls import path

from holdall_django import SessionMiddleware
from holdall_django import _test_client as test_client
from holdall_django.engine import SessionStore

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356-c05e7719ad3f8246-91b4e60d52c8fa73"


def show(request: HttpRequest) -> HttpResponse:
    return HttpResponse(repr(dict(request.session.items())))


urlpatterns = [path("", show)]


@pytest.fixture(params=["cookie", "signed", "table"], autouse=True)
def store(request: pytest.FixtureRequest) -> Iterator[str]:
    table = {"store": "table", "table": request.node.name}
    # A cookie that is only signed, in Plug's format, is identical if its content is.
    signed = {"store": "cookie", "format": "plug", "secret_key_base": SECRET, "signing_salt": "a salt"}
    options = {"cookie": {"store": "cookie"}, "signed": signed, "table": table}[request.param]
    with override_settings(HOLDALL=options, ROOT_URLCONF=__name__):
        yield request.param


@pytest.fixture(autouse=True)
def _a_test_runner(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(test_client, "latest_cookies", {})
    setup_test_environment()
    yield
    teardown_test_environment()


def seen_by(client: Client) -> dict[str, Any]:
    return eval(client.get("/").content)


def cookie_of(client: Client) -> str:
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def test_a_save_in_a_clients_session_is_seen_by_its_requests() -> None:
    client = Client()
    for n in (0, 1, 0, 2):
        session = client.session
        session["n"] = n
        session.save()

        assert seen_by(client) == {"n": n}
        assert client.session["n"] == n


def test_a_login_in_a_clients_session_is_seen_by_its_requests() -> None:
    client = Client()
    session = client.session
    session["_auth_user_id"] = "7"
    session.save()

    assert seen_by(client) == {"_auth_user_id": "7"}


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_save_in_an_async_clients_session_is_seen_by_its_requests() -> None:
    client = AsyncClient()
    for n in range(2):
        session = await client.asession()
        await session.aset("n", n)
        await session.asave()

        assert eval((await client.get("/")).content) == {"n": n}
        assert await (await client.asession()).aget("n") == n


@pytest.mark.parametrize("end", ["flush", "cycle_key", "delete"])
def test_a_clients_ended_session_has_ended_in_its_requests(end: str) -> None:
    client = Client()
    session = client.session
    session["n"] = 1
    session.save()

    getattr(client.session, end)()

    assert seen_by(client) == {}
    assert not SessionStore().exists(cookie_of(client))


def test_another_sessions_end_by_the_application_works_as_in_production(store: str) -> None:
    client = Client()
    session = client.session
    session["n"] = 1
    session.save()

    def end(request: HttpRequest) -> HttpResponse:
        SessionStore(session.session_key).flush()
        return HttpResponse()

    with override_settings(ROOT_URLCONF=(path("", end),)):
        Client().get("/")

    assert seen_by(client) == ({} if store == "table" else {"n": 1})


def test_outside_tests_a_save_does_not_change_the_content_of_an_old_cookie(store: str) -> None:
    client = Client()
    session = client.session
    teardown_test_environment()
    try:
        session["n"] = 1
        session.save()
    finally:
        setup_test_environment()

    assert seen_by(client) == ({"n": 1} if store == "table" else {})


def test_the_last_thousand_saves_are_remembered() -> None:
    for n in range(1001):
        test_client.note(f"before {n}", f"after {n}")

    assert test_client.latest("before 0") == "before 0"
    assert test_client.latest("before 1") == "after 1"


# Cookies that are put into request.COOKIES.


def stored() -> str:
    session = SessionStore()
    session["n"] = 1
    session.save()
    return str(session.session_key)


@pytest.mark.parametrize("factory", [RequestFactory(), AsyncRequestFactory()], ids=["WSGI", "ASGI"])
def test_a_cookie_put_into_the_requests_cookies_is_used(factory: RequestFactory) -> None:
    request = factory.get("/")
    request.COOKIES[settings.SESSION_COOKIE_NAME] = stored()

    assert SessionMiddleware(show)(request).content == b"{'n': 1}"


def test_a_cookie_that_was_sent_is_used_after_others_have_read_the_cookies() -> None:
    request = RequestFactory().get("/", headers={"cookie": f"a=b; {settings.SESSION_COOKIE_NAME}={stored()}"})
    assert request.COOKIES["a"] == "b"

    assert SessionMiddleware(show)(request).content == b"{'n': 1}"


def test_other_cookies_in_the_requests_cookies_make_no_session() -> None:
    request = RequestFactory().get("/")
    request.COOKIES["a"] = stored()

    assert SessionMiddleware(show)(request).content == b"{}"
