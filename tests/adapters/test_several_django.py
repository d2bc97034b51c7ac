"""Several sessions in one Django project: its settings, Django's names for each, async views, the command."""

import tests.django_project  # noqa: F401  # sets Django up

# isort: split

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.contrib.sessions.management.commands import clearsessions
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import Client, override_settings
from django.urls import path

from holdall import (
    ConfigurationError,
    MemoryTable,
    ResponseStartedError,
    SessionNotFetchedError,
    Sessions,
    TableStore,
)
from holdall.adapters import state_of
from holdall.testing import FakeClock, Request, Response, as_async, asgi_client, init_test_session, wsgi_client
from holdall_django import DjangoSession, SessionMiddleware, afetch_session, configured_sessions, fetch_session
from holdall_django._configuration import configuration
from holdall_django._names import name_of

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"

main = Sessions("cookie", key="_shop", secret_key_base=SECRET)
cart = Sessions("cookie", key="_cart", secret_key_base=SECRET)


@pytest.fixture
def table() -> MemoryTable:
    return MemoryTable()


@pytest.fixture
def outside(table: MemoryTable) -> Sessions:
    """Return the sessions with which a test reads the table from outside."""
    return Sessions(TableStore(table), key="sid")


def visited(view: Callable[..., Any], *also: Sessions, cookie: str = "", wsgi: bool = False) -> Response:
    """Return the response of an application with one view."""
    with override_settings(HOLDALL={"sessions": main, "also": also}, ROOT_URLCONF=(path("", view),)):
        client = wsgi_client(WSGIHandler()) if wsgi else asgi_client(ASGIHandler())
        return client(Request("GET", headers=[("Cookie", cookie)] if cookie else []))


# Settings.


@pytest.mark.parametrize("named", [cart, f"{__name__}.cart"], ids=["object", "dotted path"])
@pytest.mark.parametrize("given", [{"sessions": main}, {"key": "_shop"}], ids=["sessions", "options"])
def test_additional_sessions_are_given_by_dotted_path_or_as_objects(named: Any, given: dict[str, Any]) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        request.session["n"] = fetch_session(request, cart)["n"] = 1
        assert isinstance(fetch_session(request, cart), DjangoSession)
        assert fetch_session(request, configured_sessions()) is request.session
        return HttpResponse()

    with override_settings(HOLDALL={**given, "also": [named]}, ROOT_URLCONF=(path("", view),)):
        client = Client()
        client.get("/")

    assert sorted(client.cookies) == ["_cart", "_shop"]


@pytest.mark.parametrize("wrong", [f"{__name__}.cart", cart], ids=["dotted path", "object"])
def test_a_value_that_is_not_a_list_is_refused(wrong: Any) -> None:
    with (
        override_settings(HOLDALL={"sessions": main, "also": wrong}),
        pytest.raises(ConfigurationError, match="pass a list of Sessions or of their dotted paths"),
    ):
        configured_sessions()


def test_an_object_that_is_not_sessions_is_refused() -> None:
    with (
        override_settings(HOLDALL={"sessions": main, "also": [f"{__name__}.SECRET"]}),
        pytest.raises(ConfigurationError, match=r"HOLDALL\['also'\] has .* neither a Sessions nor the dotted path"),
    ):
        configured_sessions()


def test_two_sessions_with_the_same_key_are_refused() -> None:
    with (
        override_settings(HOLDALL={"key": "_cart", "also": [cart]}),
        pytest.raises(ConfigurationError, match="give each its own key"),
    ):
        configured_sessions()


def test_an_additional_async_session_is_refused_under_wsgi(table: MemoryTable) -> None:
    awaited = Sessions(TableStore(as_async(table)), key="sid")

    with (
        override_settings(HOLDALL={"sessions": main, "also": [awaited]}),
        pytest.raises(ConfigurationError, match="is async, which this adapter cannot use"),
    ):
        SessionMiddleware(lambda request: HttpResponse())


def test_a_session_that_is_not_set_up_is_an_error() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        with pytest.raises(ConfigurationError, match="without the sessions '_cart'"):
            fetch_session(request, cart)
        return HttpResponse()

    assert visited(view).status == 200


# In views of both kinds.


@pytest.mark.parametrize("is_awaited", [True, False])
def test_an_async_view_awaits_a_session_in_a_slow_table(
    table: MemoryTable, outside: Sessions, is_awaited: bool
) -> None:
    table.blocking_reads = not is_awaited
    waited = Sessions(TableStore(as_async(table)) if is_awaited else TableStore(table), key="sid")
    cookie = init_test_session(outside, {"n": 1})

    async def view(request: HttpRequest) -> HttpResponse:
        with pytest.raises(SessionNotFetchedError):
            fetch_session(request, waited)["n"] = 2
        session = await afetch_session(request, waited)
        session["n"] += 1
        await session.asave()
        return JsonResponse(dict(outside.fetch(cookie)))

    assert visited(view, waited, cookie=cookie).body == b'{"n": 2}'


def test_an_async_view_need_not_await_a_session_that_is_already_read() -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        return JsonResponse(dict(fetch_session(request, cart)))

    assert visited(view, cart, cookie=init_test_session(cart, {"n": 1})).body == b'{"n": 1}'


@pytest.mark.parametrize("is_async", [True, False])
def test_with_fetch_explicit_each_session_is_read_when_it_is_fetched(
    table: MemoryTable, outside: Sessions, is_async: bool
) -> None:
    awaited = Sessions(TableStore(as_async(table)), key="sid")
    cookies = f"{init_test_session(main, {'n': 1})}; {init_test_session(outside, {'n': 2})}"

    async def aview(request: HttpRequest) -> HttpResponse:
        with pytest.raises(SessionNotFetchedError):
            request.session.get("n")
        found = [await afetch_session(request), await afetch_session(request, awaited)]
        return JsonResponse([each["n"] for each in found], safe=False)

    def view(request: HttpRequest) -> HttpResponse:
        found = [fetch_session(request), fetch_session(request, awaited)]
        return JsonResponse([each["n"] for each in found], safe=False)

    settings = {"sessions": main, "also": [awaited], "fetch": "explicit"}
    with override_settings(HOLDALL=settings, ROOT_URLCONF=(path("", aview if is_async else view),)):
        answer = asgi_client(ASGIHandler())(Request("GET", headers=[("Cookie", cookies)]))

    assert answer.body == b"[1, 2]"


def test_a_sync_view_under_asgi_waits_for_an_additional_session(table: MemoryTable, outside: Sessions) -> None:
    awaited = Sessions(TableStore(as_async(table)), key="sid")
    cookie = init_test_session(outside, {"n": 1})

    def view(request: HttpRequest) -> HttpResponse:
        session = fetch_session(request, awaited)
        session["n"] += 1
        session.save()
        return JsonResponse(dict(outside.fetch(cookie)))

    assert visited(view, awaited, cookie=cookie).body == b'{"n": 2}'


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
@pytest.mark.parametrize("is_async", [True, False])
def test_a_body_may_fetch_an_additional_session_late(table: MemoryTable, outside: Sessions, is_async: bool) -> None:
    awaited = Sessions(TableStore(as_async(table)), key="sid")
    cookie = init_test_session(outside, {"n": 1})

    def view(request: HttpRequest) -> StreamingHttpResponse:
        def body() -> Iterator[bytes]:
            yield b"a"
            fetch_session(request, awaited)["n"] = 2

        async def body_async() -> AsyncIterator[bytes]:
            yield b"a"
            (await afetch_session(request, awaited))["n"] = 2

        return StreamingHttpResponse(body_async() if is_async else body())

    assert visited(view, awaited, cookie=cookie).body == b"a"
    assert outside.fetch(cookie)["n"] == 2


@pytest.mark.parametrize("make", [HttpResponse, lambda: FileResponse(BytesIO(b"a file"))], ids=["page", "file"])
def test_after_the_response_an_additional_session_takes_no_more_changes(
    outside: Sessions, make: Callable[[], HttpResponse]
) -> None:
    opened: list[DjangoSession] = []

    def view(request: HttpRequest) -> HttpResponse:
        opened.append(fetch_session(request, outside))
        assert opened[0]["n"] == 1
        return make()

    visited(view, outside, cookie=init_test_session(outside, {"n": 1}), wsgi=True)

    with pytest.raises(ResponseStartedError):
        opened[0]["n"] = 2


# Django's methods, each for its own store.


def named_by(line: str, sessions: Sessions) -> str:
    """Return the name of the session whose cookie *line* sets."""
    session = sessions.fetch(line.partition(";")[0])
    state_of(session).loaded()
    stored = state_of(session).stored
    assert stored is not None
    return name_of(session, stored)


def test_an_additional_session_works_with_djangos_methods(table: MemoryTable, outside: Sessions) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        session = fetch_session(request, outside)
        session["n"] = 1
        session.set_expiry(60)
        session.save()
        key = session.session_key
        assert session.exists(key)
        assert not request.session.exists(key)
        assert session.load()["n"] == 1
        assert session.get_session_cookie_age() == 7 * 24 * 60 * 60
        return HttpResponse(key)

    answer = visited(view, outside, wsgi=True)

    (line,) = answer.all("Set-Cookie")
    assert answer.body.decode() == named_by(line, outside)
    assert "Max-Age=60" in line
    assert answer.all("Cache-Control") == ["no-store"]
    assert len(table) == 1


def test_an_additional_session_works_with_their_async_twins(table: MemoryTable, outside: Sessions) -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        session = await afetch_session(request, outside)
        await session.aset("n", 1)
        await session.asave()
        assert await session.aexists(session.session_key)
        assert (await session.aload())["n"] == 1
        return HttpResponse(session.session_key)

    answer = visited(view, outside)

    assert [named_by(line, outside) for line in answer.all("Set-Cookie")] == [answer.body.decode()]
    assert len(table) == 1


@pytest.mark.parametrize("is_async", [True, False])
def test_an_additional_session_can_end_another_of_its_own_store(
    table: MemoryTable, outside: Sessions, is_async: bool
) -> None:
    other = init_test_session(outside, {"n": 1}).partition("=")[2]

    def end(request: HttpRequest) -> HttpResponse:
        fetch_session(request, outside).delete(other)
        return HttpResponse()

    async def aend(request: HttpRequest) -> HttpResponse:
        await (await afetch_session(request, outside)).adelete(other)
        return HttpResponse()

    visited(aend if is_async else end, outside)

    assert len(table) == 0


def test_a_sync_read_in_an_async_method_runs_in_a_thread(table: MemoryTable, outside: Sessions) -> None:
    table.blocking_reads = True
    cookie = init_test_session(outside, {"n": 1})

    def view(request: HttpRequest) -> HttpResponse:
        return JsonResponse({"n": asyncio.run(fetch_session(request, outside).aget("n"))})

    assert visited(view, outside, cookie=cookie, wsgi=True).body == b'{"n": 1}'


def test_the_command_sweeps_the_table_of_each() -> None:
    clock = FakeClock()
    tables = [MemoryTable(clock=clock) for _ in range(2)]
    first, second = (
        Sessions(TableStore(table), key=key, clock=clock) for table, key in zip(tables, ("_shop", "_cart"), strict=True)
    )
    awaited = Sessions(TableStore(as_async(MemoryTable())), key="sid")
    for each in (first, second):
        init_test_session(each, {"n": 1})
    clock.advance(timedelta(days=7))

    with override_settings(HOLDALL={"sessions": first, "also": [second, awaited]}):
        call_command(clearsessions.Command())
        assert configuration().awaited == {awaited}

    assert [len(table) for table in tables] == [0, 0]


# Cookies that an application or a test has put into a request.


def putting(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Put a cookie into each request."""

    def put(request: HttpRequest) -> Any:
        request.COOKIES["_cart"] = os.environ["PUT"]
        return get_response(request)

    return put


@pytest.mark.parametrize("wsgi", [True, False])
def test_a_cookie_put_into_the_request_is_used(wsgi: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {sessions: init_test_session(sessions, {"n": 1}) for sessions in (main, cart)}
    put = init_test_session(cart, {"n": 2}).partition("=")[2]

    def view(request: HttpRequest) -> HttpResponse:
        return JsonResponse([request.session["n"], fetch_session(request, cart)["n"]], safe=False)

    monkeypatch.setenv("PUT", put)
    with override_settings(MIDDLEWARE=[f"{__name__}.putting", "holdall_django.SessionMiddleware"]):
        answer = visited(view, cart, cookie="; ".join(headers.values()), wsgi=wsgi)

    assert answer.body == b"[1, 2]"


def test_a_test_gives_its_client_the_cookie() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        return JsonResponse([dict(request.session), dict(fetch_session(request, cart))], safe=False)

    with override_settings(HOLDALL={"sessions": main, "also": [cart]}, ROOT_URLCONF=(path("", view),)):
        client = Client()
        client.cookies.load(init_test_session(cart, {"n": 2}))
        assert client.get("/").json() == [{}, {"n": 2}]
