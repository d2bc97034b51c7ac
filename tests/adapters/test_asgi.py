"""``holdall.asgi`` without a framework: behaviour that only plain ASGI applications show."""

import asyncio
from typing import Any

import pytest

from holdall import Sessions, StoreError, TableStore
from holdall.asgi import SessionMiddleware
from holdall.testing import Request, asgi_client
from holdall.testing._adapters.failures import FailingTable


@pytest.fixture
def table() -> FailingTable:
    return FailingTable()


def test_an_applications_own_answer_to_our_failure_is_discarded(table: FailingTable) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["n"] = 1
        try:
            await send({"type": "http.response.start", "status": 200})
        except StoreError:
            await send({"type": "http.response.start", "status": 500})
            await send({"type": "http.response.body", "body": b"Internal Server Error"})

    table.failing = frozenset({"insert"})
    answer = asgi_client(SessionMiddleware(app, Sessions(TableStore(table), key="sid")))(Request("GET"))

    assert (answer.status, answer.body, answer.error) == (503, b"Service Unavailable", None)


def test_a_shared_session_that_cannot_be_read_is_503(table: FailingTable) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    table.blocking_reads = True
    sessions = Sessions(TableStore(table), key="sid")
    session = sessions.fetch()
    session["n"] = 1
    cookie = sessions.commit(session).cookie
    table.failing = frozenset({"read"})
    inner = SessionMiddleware(app, sessions)
    outer = SessionMiddleware(inner, sessions, fetch="explicit")
    answer = asgi_client(outer)(Request("GET", headers=[("Cookie", f"sid={cookie}")]))

    assert (answer.status, answer.body, answer.error) == (503, b"Service Unavailable", None)


def test_an_os_error_in_a_watched_websocket_propagates(table: FailingTable) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        raise FileNotFoundError

    async def nothing(*message: Any) -> Any:
        return {"type": "websocket.connect"}

    middleware = SessionMiddleware(app, Sessions(TableStore(table), key="sid"), check_ended_every=30)
    with pytest.raises(FileNotFoundError):
        asyncio.run(middleware({"type": "websocket", "path": "/", "headers": []}, nothing, nothing))
