"""Django's async methods of a session, called without await."""

import tests.django_project  # noqa: F401  # sets Django up

# isort: split

import asyncio
import gc
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse, HttpResponseServerError, StreamingHttpResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path

from holdall import MemoryTable, SessionError, TableStore
from holdall.testing import as_async
from holdall_django import DjangoSession
from holdall_django.engine import SessionStore

# A call that changes the session, by the method's name.
CALLS: dict[str, Callable[[Any], Any]] = {
    "acreate": lambda session: session.acreate(),
    "acycle_key": lambda session: session.acycle_key(),
    "adelete": lambda session: session.adelete("n"),
    "adelete_test_cookie": lambda session: session.adelete_test_cookie(),
    "aflush": lambda session: session.aflush(),
    "apop": lambda session: session.apop("n", None),
    "asave": lambda session: session.asave(),
    "aset": lambda session: session.aset("n", 1),
    "aset_expiry": lambda session: session.aset_expiry(60),
    "aset_test_cookie": lambda session: session.aset_test_cookie(),
    "asetdefault": lambda session: session.asetdefault("n", 1),
    "aupdate": lambda session: session.aupdate({"n": 1}),
}

# A missing read is noticed at once. The last method removes expired rows, which also happens automatically.
READS = {
    *("aexists", "aget", "aget_expire_at_browser_close", "aget_expiry_age", "aget_expiry_date", "ahas_key", "aitems"),
    *("akeys", "aload", "atest_cookie_worked", "avalues", "aclear_expired"),
}


@pytest.fixture(params=["at once", "awaited"], autouse=True)
def table(request: pytest.FixtureRequest) -> Iterator[MemoryTable]:
    table = MemoryTable()
    given: Any = as_async(table) if request.param == "awaited" else table
    with override_settings(HOLDALL={"store": TableStore(given)}):
        yield table


def get(view: Callable[[HttpRequest], Any], client: AsyncClient | None = None) -> Any:
    async def visit() -> Any:
        with override_settings(ROOT_URLCONF=(path("", view),)):
            response: Any = await (client or AsyncClient()).get("/")
            return b"".join([each async for each in response]) if response.streaming else response.content

    return asyncio.run(visit())


def test_each_async_method_changes_the_session_or_reads_it() -> None:
    theirs = {name for name in dir(SessionBase) if iscoroutinefunction(getattr(SessionBase, name)) and name[0] != "_"}
    assert theirs - READS == set(CALLS)
    assert all(iscoroutinefunction(getattr(DjangoSession, name)) for name in theirs)


@pytest.mark.parametrize("name", CALLS)
def test_a_request_ends_with_an_error_if_a_change_was_not_awaited(name: str) -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        CALLS[name](request.session)
        return HttpResponse()

    with pytest.raises(SessionError, match=rf"^session\.{name}\(\) was called without await"):
        get(view)


def test_a_request_under_wsgi_ends_with_an_error_if_a_change_was_not_awaited() -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        request.session.aset("n", 1)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
        return HttpResponse()

    with (
        override_settings(ROOT_URLCONF=(path("", view),), HOLDALL={"store": TableStore(MemoryTable())}),
        pytest.raises(SessionError, match="was called without await"),
    ):
        Client().get("/")


def test_a_streamed_body_ends_with_an_error_if_a_change_was_not_awaited() -> None:
    async def view(request: HttpRequest) -> StreamingHttpResponse:
        async def body() -> Any:
            request.session.aset("n", 1)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
            yield b""

        return StreamingHttpResponse(body())

    with pytest.raises(SessionError, match="was called without await"):
        get(view)


def test_awaited_calls_change_the_session_in_any_order() -> None:
    client = AsyncClient()

    async def change(request: HttpRequest) -> HttpResponse:
        session = request.session
        call = session.aset("n", 1)
        await session.aset_test_cookie()
        await call
        # One of them starts to save before the other has started.
        await asyncio.gather(session.asave(), session.aset("m", 2))
        return HttpResponse(str(await session.apop("n")))

    async def read(request: HttpRequest) -> HttpResponse:
        return HttpResponse(repr(dict(await request.session.aitems())))

    assert get(change, client) == b"1"
    assert get(read, client) == b"{'testcookie': 'worked', 'm': 2}"


def test_a_failing_request_keeps_its_own_response() -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        request.session.aset("n", 1)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
        return HttpResponseServerError(b"its own")

    with warnings.catch_warnings():
        # Python warns if nothing else does.
        warnings.simplefilter("ignore", RuntimeWarning)
        assert get(view) == b"its own"
        gc.collect()


def test_python_warns_by_name_about_an_unawaited_call_outside_requests() -> None:
    async def forget() -> None:
        SessionStore().asave()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
        gc.collect()

    with pytest.warns(RuntimeWarning, match=r"^coroutine 'session\.asave' was never awaited"):
        asyncio.run(forget())
