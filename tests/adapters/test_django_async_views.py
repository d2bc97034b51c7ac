"""Async views of Django use their session, under ASGI and under WSGI, whatever keeps it."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tables.django_databases import migrated, new_alias, of_sqlite

# isort: split

from django.core.exceptions import SynchronousOnlyOperation
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path

from holdall import SessionError
from holdall_django import afetch_session, configured_sessions

#: Returns the body of the response to a visitor's request that an async view handles.
Visit = Callable[[Callable[[HttpRequest], Any]], str]


@pytest.fixture(scope="module")
def alias(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with migrated(new_alias("async_views"), of_sqlite(tmp_path_factory.mktemp("django") / "db.sqlite3")) as alias:
        yield alias


@pytest.fixture(params=["django", "sqlite", "memory"])
def table(request: pytest.FixtureRequest, alias: str, tmp_path: Path) -> Iterator[None]:
    given = {"django": f"django://{alias}", "sqlite": f"sqlite:///{tmp_path / 'sessions.db'}", "memory": "visits"}
    with override_settings(HOLDALL={"store": "table", "table": given[request.param]}):
        yield
        configured_sessions().revoke_all()
        configured_sessions().close()


def by_wsgi() -> Visit:
    client = Client()

    def visit(view: Callable[[HttpRequest], Any]) -> str:
        with override_settings(ROOT_URLCONF=(path("", view),)):
            return client.get("/").content.decode()

    return visit


def by_asgi() -> Visit:
    client = AsyncClient()

    async def get() -> str:
        response: Any = await client.get("/")
        return str(response.content.decode())

    def visit(view: Callable[[HttpRequest], Any]) -> str:
        with override_settings(ROOT_URLCONF=(path("", view),)):
            return asyncio.run(get())

    return visit


@pytest.fixture(params=[by_wsgi, by_asgi], ids=["wsgi", "asgi"])
def visit(request: pytest.FixtureRequest, table: None) -> Visit:
    made: Visit = request.param()
    return made


async def begin(request: HttpRequest) -> HttpResponse:
    await request.session.aset("_auth_user_id", "7")
    return HttpResponse()


async def count(request: HttpRequest) -> HttpResponse:
    return HttpResponse(await request.session.atomic_update("n", lambda n: n + 1, default=0))


async def read_and_count(request: HttpRequest) -> HttpResponse:
    await request.session.aget("n")
    return await count(request)


async def fetch_and_count(request: HttpRequest) -> HttpResponse:
    session = await afetch_session(request)
    return HttpResponse(await session.atomic_update("n", lambda n: n + 1, default=0))


def test_an_atomic_update_is_awaited(visit: Visit) -> None:
    # A new visitor's value is written with the response.
    assert visit(count) == "1"

    assert [visit(view) for view in (count, read_and_count, fetch_and_count)] == ["2", "3", "4"]


def test_an_atomic_update_that_is_not_awaited_does_nothing_and_is_an_error(visit: Visit) -> None:
    async def forget(request: HttpRequest) -> HttpResponse:
        request.session.atomic_update("n", lambda n: n + 1, default=0)
        return HttpResponse()

    visit(count)

    with pytest.raises(SessionError, match=r"write `await session\.atomic_update\(…\)`"):
        visit(forget)
    assert visit(count) == "2"


def test_a_reload_is_awaited(visit: Visit) -> None:
    async def wait(request: HttpRequest) -> HttpResponse:
        # Not read before.
        await request.session.reload()
        key = (await afetch_session(request)).session_key
        other: Any = type(request.session)(key)
        await other.aset("n", 5)
        await other.asave()
        await request.session.reload()
        return HttpResponse(await request.session.aget("n"))

    visit(count)

    assert visit(wait) == "5"


def test_a_users_sessions_are_listed_and_ended_without_reading_this_one_first(visit: Visit) -> None:
    async def devices(request: HttpRequest) -> HttpResponse:
        listed = await configured_sessions().list_async(7, current=request.session)
        return HttpResponse(str(sorted(each.is_current for each in listed)))

    async def end_others(request: HttpRequest) -> HttpResponse:
        return HttpResponse(await configured_sessions().revoke_async(7, keep=request.session))

    visit(begin)
    by_wsgi()(begin)

    assert visit(devices) == "[False, True]"
    assert visit(end_others) == "1"
    assert visit(devices) == "[True]"


@pytest.mark.parametrize("table", ["django"], indirect=True)
@pytest.mark.parametrize("is_known", [True, False], ids=["known visitor", "new visitor"])
@pytest.mark.usefixtures("table")
def test_a_call_that_would_block_the_event_loop_is_an_error_that_names_the_calls_to_await(is_known: bool) -> None:
    visit = by_wsgi()

    async def use(request: HttpRequest) -> HttpResponse:
        if is_known:
            request.session["n"] = 1
        else:
            request.session.save()
        return HttpResponse()

    if is_known:
        visit(count)

    with pytest.raises(SynchronousOnlyOperation) as raised:
        visit(use)
    (note,) = raised.value.__notes__
    assert all(name in note for name in ("aget", "aset", "afetch_session"))


def test_a_fetched_session_is_used_without_await(visit: Visit) -> None:
    async def use(request: HttpRequest) -> HttpResponse:
        await afetch_session(request)
        request.session["n"] = request.session.get("n", 0) + 1
        return HttpResponse(request.session["n"])

    async def fetch(request: HttpRequest) -> HttpResponse:
        await afetch_session(request)
        return HttpResponse(request.session.accessed)

    assert [visit(use), visit(use)] == ["1", "2"]
    # A session that was only fetched does not add Vary: Cookie to the response.
    assert visit(fetch) == "False"
