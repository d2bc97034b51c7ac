"""What Django's own test helpers do to sessions: its clients save them outside of requests, and hold the old cookie."""

import tests.django_project  # noqa: F401  # sets Django up

# isort: split

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory, override_settings
from django.urls import path

from holdall_django import SessionMiddleware, unanswered
from holdall_django.engine import SessionStore


def show(request: HttpRequest) -> HttpResponse:
    return HttpResponse(repr(dict(request.session.items())))


urlpatterns = [path("", show)]


@pytest.fixture(params=["cookie", "table"], autouse=True)
def store(request: pytest.FixtureRequest) -> Iterator[str]:
    options = {"cookie": {"store": "cookie"}, "table": {"store": "table", "table": request.node.nodeid}}[request.param]
    with override_settings(HOLDALL=options, ROOT_URLCONF=__name__):
        yield request.param


@pytest.fixture(autouse=True)
def _a_test_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "outbox", [], raising=False)
    monkeypatch.setattr(unanswered, "_latest", {})


def seen_by(client: Client) -> dict[str, Any]:
    return eval(client.get("/").content)


def cookie_of(client: Client) -> str:
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def test_what_is_saved_in_a_clients_session_is_there_in_its_requests() -> None:
    client = Client()
    for n in range(3):
        session = client.session
        session["n"] = n
        session.save()

        assert seen_by(client) == {"n": n}
        assert client.session["n"] == n


def test_who_is_put_into_a_clients_session_is_there_in_its_requests() -> None:
    client = Client()
    session = client.session
    session["_auth_user_id"] = "7"
    session.save()

    assert seen_by(client) == {"_auth_user_id": "7"}


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_is_saved_in_an_awaited_clients_session_is_there_in_its_requests() -> None:
    client = AsyncClient()
    for n in range(2):
        session = await client.asession()
        await session.aset("n", n)
        await session.asave()

        assert eval((await client.get("/")).content) == {"n": n}
        assert await (await client.asession()).aget("n") == n


@pytest.mark.parametrize("end", ["flush", "cycle_key", "delete"])
def test_a_clients_session_that_is_ended_has_ended_in_its_requests(end: str) -> None:
    client = Client()
    session = client.session
    session["n"] = 1
    session.save()

    getattr(client.session, end)()

    assert seen_by(client) == {}
    assert not SessionStore().exists(cookie_of(client))


def test_where_no_tests_run_a_cookie_stands_for_what_it_holds(monkeypatch: pytest.MonkeyPatch, store: str) -> None:
    client = Client()
    session = client.session
    monkeypatch.delattr(mail, "outbox")
    session["n"] = 1
    session.save()

    assert seen_by(client) == ({} if store == "cookie" else {"n": 1})


def test_of_what_was_saved_the_last_thousand_are_remembered() -> None:
    for n in range(1001):
        unanswered.note(f"before {n}", f"after {n}")

    assert unanswered.latest("before 0") == "before 0"
    assert unanswered.latest("before 1") == "after 1"


# A cookie that is put into request.COOKIES.


def stored() -> str:
    session = SessionStore()
    session["n"] = 1
    session.save()
    return str(session.session_key)


@pytest.mark.parametrize("factory", [RequestFactory(), AsyncRequestFactory()], ids=["WSGI", "ASGI"])
def test_a_cookie_that_is_put_among_the_requests_own_is_taken(factory: RequestFactory) -> None:
    request = factory.get("/")
    request.COOKIES[settings.SESSION_COOKIE_NAME] = stored()

    assert SessionMiddleware(show)(request).content == b"{'n': 1}"


def test_a_cookie_that_was_sent_is_taken_when_others_have_looked_at_it() -> None:
    request = RequestFactory().get("/", headers={"cookie": f"a=b; {settings.SESSION_COOKIE_NAME}={stored()}"})
    assert request.COOKIES["a"] == "b"

    assert SessionMiddleware(show)(request).content == b"{'n': 1}"


def test_other_cookies_among_the_requests_own_make_no_session() -> None:
    request = RequestFactory().get("/")
    request.COOKIES["a"] = stored()

    assert SessionMiddleware(show)(request).content == b"{}"
