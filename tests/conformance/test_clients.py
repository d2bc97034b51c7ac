"""Test that the clients speak the protocols as servers do, scripts work, and a test can begin with a session."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from holdall import MemoryTable, Session, Sessions, TableStore
from holdall.testing import (
    FakeClock,
    Request,
    ScriptedError,
    as_async,
    asgi_client,
    init_test_session,
    init_test_session_async,
    perform,
    wsgi_client,
)

REQUEST = Request("PUT", "/a/b", [("X-One", "1"), ("Cookie", "a=1"), ("cookie", "b=2")], b"body", https=True)


@pytest.fixture
def sessions(clock: FakeClock) -> Sessions:
    return Sessions(TableStore(MemoryTable(clock=clock)), key="sid", clock=clock)


def test_a_wsgi_application_gets_the_same_as_from_a_server() -> None:
    environ: dict[str, Any] = {}

    def app(given: dict[str, Any], start_response: Any) -> list[bytes]:
        environ.update(given, body=given["wsgi.input"].read())
        start_response("201 Created", [("X-Two", "2")])(b"first, ")
        return [b"second"]

    response = wsgi_client(app)(REQUEST)

    assert (response.status, response.headers, response.body) == (201, [("X-Two", "2")], b"first, second")
    assert (environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["wsgi.url_scheme"]) == ("PUT", "/a/b", "https")
    assert (environ["HTTP_X_ONE"], environ["HTTP_COOKIE"], environ["body"]) == ("1", "a=1; b=2", b"body")


def test_a_wsgi_application_is_closed_and_may_fail() -> None:
    closed: list[bool] = []

    class Body:
        def __init__(self, *chunks: bytes) -> None:
            self.chunks = chunks

        def __iter__(self) -> Iterator[bytes]:
            yield from self.chunks
            raise LookupError

        def close(self) -> None:
            closed.append(True)

    def app(environ: dict[str, Any], start_response: Any) -> Body:
        start_response("200 OK", [("X-Two", "2")])
        return Body() if environ["PATH_INFO"] == "/nothing" else Body(b"first")

    before, after = wsgi_client(app)(Request(path="/nothing")), wsgi_client(app)(Request())

    assert (before.status, before.headers, type(before.error)) == (500, [], LookupError)
    assert (after.status, after.body, type(after.error)) == (200, b"first", LookupError)
    assert closed == [True, True]


def test_a_wsgi_application_may_replace_its_response_before_it_is_sent() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        write = start_response("200 OK", [])
        if environ["PATH_INFO"] == "/late":
            write(b"first")
        try:
            raise LookupError
        except LookupError as exc:
            start_response("500 Oh", [("X", "1")], (type(exc), exc, exc.__traceback__))
        yield b"sorry"

    early, late = wsgi_client(app)(Request()), wsgi_client(app)(Request(path="/late"))

    assert (early.status, early.headers, early.body, early.error) == (500, [("X", "1")], b"sorry", None)
    assert (late.status, late.body, type(late.error)) == (200, b"first", LookupError)


def test_an_asgi_application_gets_the_same_as_from_a_server() -> None:
    seen: dict[str, Any] = {}

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        seen.update(scope, body=await receive())
        gone = asyncio.create_task(receive())
        await send({"type": "http.response.start", "status": 201, "headers": [(b"x-two", b"2")]})
        await send({"type": "http.response.body", "body": b"first, ", "more_body": True})
        await send({"type": "http.response.body", "body": b"second"})
        seen["gone"] = await gone

    response = asgi_client(app)(REQUEST)

    assert (response.status, response.headers, response.body) == (201, [("x-two", "2")], b"first, second")
    assert (seen["method"], seen["path"], seen["scheme"]) == ("PUT", "/a/b", "https")
    assert [value for name, value in seen["headers"] if name == b"cookie"] == [b"a=1", b"b=2"]
    assert seen["body"] == {"type": "http.request", "body": b"body", "more_body": False}
    assert seen["gone"] == {"type": "http.disconnect"}


def test_an_asgi_application_may_fail() -> None:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        raise LookupError

    response = asgi_client(app)(Request())

    assert (response.status, type(response.error)) == (500, LookupError)


def test_a_script_is_performed(sessions: Sessions) -> None:
    session = sessions.fetch()

    result, status = perform(session, {"actions": [["put", "n", 1], ["get", "n"], ["ask", "is_new"]], "status": 201})

    assert (result, status) == ({"results": [None, 1, True]}, 201)
    with pytest.raises(ScriptedError):
        perform(session, {"actions": [["put", "n", 2]], "fails": True})
    assert session["n"] == 2


def test_a_test_can_begin_with_a_session(sessions: Sessions) -> None:
    header = init_test_session(sessions, {"user_id": 7, "cart": [1]})

    assert dict(sessions.fetch(header)) == {"user_id": 7, "cart": [1]}


def test_a_test_can_continue_with_a_session(sessions: Sessions) -> None:
    first = init_test_session(sessions, {"n": 1, "m": 1})

    second = init_test_session(sessions, {"n": 2}, first)

    assert dict(sessions.fetch(second)) == {"n": 2, "m": 1}


def test_a_test_can_begin_with_a_session_in_an_async_table(clock: FakeClock) -> None:
    sessions = Sessions(TableStore(as_async(MemoryTable(clock=clock))), key="sid", clock=clock)

    async def first_and_second() -> dict[str, Any]:
        first = await init_test_session_async(sessions, {"n": 1, "m": 1})
        second = await init_test_session_async(sessions, {"n": 2}, first)
        assert await init_test_session_async(sessions, {}) == ""
        return dict(await sessions.fetch_async(second))

    assert asyncio.run(first_and_second()) == {"n": 2, "m": 1}


def test_a_test_without_data_begins_without_a_session(sessions: Sessions) -> None:
    header = init_test_session(sessions, {})

    assert header == ""
    assert isinstance(sessions.fetch(header), Session)
