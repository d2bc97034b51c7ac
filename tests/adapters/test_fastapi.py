"""The adapter for FastAPI and Starlette: the adapter suite, and features that only ASGI has."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from http.client import HTTPConnection as Connection
from typing import Annotated, Any

import anyio
import pytest
import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from holdall import (
    ConfigurationError,
    CookieOverflowError,
    MemoryTable,
    ResponseStartedError,
    Session,
    SessionNotFetchedError,
    Sessions,
    StoreError,
    TableStore,
)
from holdall.nested import KEY
from holdall.stores._principals import owner
from holdall.tables import Replacement, Row, RowInfo, Tombstone
from holdall.testing import METHODS, AdapterConformance, asgi_client, perform_async, stream
from holdall.testing._adapters.suite import Mount as MountApplication
from holdall_fastapi import (
    SessionDep,
    SessionMiddleware,
    clear_session,
    configure_session,
    delete_session,
    fetch_session,
    get_session,
    put_session,
)
from tests.adapters.mounts.fastapi import mount as mount_fastapi

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"


class TestFastAPI(AdapterConformance):
    answers_failures = False
    awaits_tables = True
    websockets = True

    @pytest.fixture
    def mount(self) -> MountApplication:
        return mount_fastapi


class TestStarlette(AdapterConformance):
    answers_failures = False

    @pytest.fixture
    def mount(self) -> MountApplication:
        return lambda sessions, also=(): asgi_client(scripted(sessions, also))


def scripted(sessions: Sessions, also: Sequence[Sessions] = ()) -> Starlette:
    named = {each.key: each for each in also}

    async def act(request: Request) -> Response:
        script = await request.json()
        result, status = await perform_async(request.session, script, lambda key: fetch_session(request, named[key]))
        return JSONResponse(result, status, script.get("headers"))

    async def streamed(request: Request) -> Response:
        for each in also:
            await fetch_session(request, each)
        exchange = request.scope[KEY]
        chunks = stream(request.session, await request.json(), lambda key: exchange.session_of(named[key]))
        return StreamingResponse(chunks)

    routes = [Route("/stream", streamed, methods=["POST"]), Route("/{path:path}", act, methods=METHODS)]
    return Starlette(routes=routes, middleware=[Middleware(SessionMiddleware, sessions=sessions, also=also)])


# The tests below speak ASGI themselves, in asyncio and in trio.

pytestmark = pytest.mark.filterwarnings("error")
Handler = Callable[[Request], Awaitable[Response]]


@pytest.fixture
def table() -> MemoryTable:
    return MemoryTable()


@pytest.fixture
def in_table(table: MemoryTable) -> Sessions:
    return Sessions(TableStore(table), key="sid", principal_key="user_id")


@pytest.fixture
def in_cookie() -> Sessions:
    return Sessions("cookie", key="_shop", secret_key_base=SECRET)


class Wire:
    """A server's side of one connection: what the application has sent, and what it raised."""

    def __init__(self, *incoming: Message) -> None:
        self.incoming = [*incoming]
        self.sent: list[Message] = []
        self.error: Exception | None = None

    @property
    def kinds(self) -> list[str]:
        return [message["type"] for message in self.sent]

    @property
    def status(self) -> int:
        return self.sent[0]["status"]

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    def all(self, name: bytes) -> list[bytes]:
        return [value for found, value in self.sent[0].get("headers", ()) if found == name]

    @property
    def cookie(self) -> bytes:
        """Return the cookie that was set, as the browser sends it back."""
        (line,) = self.all(b"set-cookie")
        return line.partition(b";")[0]

    async def receive(self) -> Message:
        if self.incoming:
            return self.incoming.pop(0)
        await anyio.sleep_forever()
        raise AssertionError

    async def send(self, message: Message) -> None:
        await anyio.lowlevel.checkpoint()
        self.sent.append(message)


async def request(app: ASGIApp, *cookies: bytes, path: str = "/", wire: Wire | None = None, **scope: Any) -> Wire:
    wire = wire or Wire({"type": "http.request", "body": b"", "more_body": False})
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"shop.example"), *((b"cookie", cookie) for cookie in cookies)],
        **scope,
    }
    try:
        await app(scope, wire.receive, wire.send)
    except Exception as exc:  # noqa: BLE001  # a server survives whatever its application raises
        # Older versions of Starlette let their streams' exception groups through.
        wire.error = exc.exceptions[0] if isinstance(exc, ExceptionGroup) else exc
    return wire


async def websocket(app: ASGIApp, *cookies: bytes, incoming: tuple[Message, ...] = (), **scope: Any) -> Wire:
    wire = Wire({"type": "websocket.connect"}, *incoming)
    return await request(app, *cookies, wire=wire, **{"type": "websocket", "scheme": "ws", "subprotocols": [], **scope})


def served(handler: Handler, sessions: Sessions, **options: Any) -> Starlette:
    return Starlette(
        routes=[Route("/", handler)], middleware=[Middleware(SessionMiddleware, sessions=sessions, **options)]
    )


def socketed(handler: Callable[[WebSocket], Awaitable[None]], sessions: Sessions) -> Starlette:
    return Starlette(
        routes=[WebSocketRoute("/", handler)], middleware=[Middleware(SessionMiddleware, sessions=sessions)]
    )


async def answer_with_session(request: Request) -> Response:
    return JSONResponse(dict(request.session))


def kept(sessions: Sessions, **data: Any) -> bytes:
    """Return the cookie of an existing session."""
    session = sessions.fetch()
    session.update(data)
    return f"{sessions.key}={sessions.commit(session).cookie}".encode()


def looked_up(sessions: Sessions, cookie: bytes) -> dict[str, Any]:
    return dict(sessions.fetch(cookie.decode()))


class AwaitedTable:
    """An async table in memory that waits like one behind a network; *steps* counts the calls."""

    leaves_process = False

    def __init__(self) -> None:
        self.table = MemoryTable()
        self.steps: list[str] = []
        self.before: Callable[[str], Awaitable[None]] = lambda step: anyio.lowlevel.checkpoint()

    async def _do(self, step: str, *args: Any, **options: Any) -> Any:
        await self.before(step)
        self.steps.append(step)
        return getattr(self.table, step)(*args, **options)

    async def read(self, digest: bytes) -> Row | None:
        return await self._do("read", digest)

    async def insert(self, digest: bytes, row: Row) -> bool:
        return await self._do("insert", digest, row)

    async def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        return await self._do("replace", digest, row, version=version)

    async def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        return await self._do("touch", digest, expires)

    async def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        return await self._do("remove", digest, tombstone=tombstone)

    async def find(self, principal: str) -> list[RowInfo]:
        return await self._do("find", principal)

    async def sweep(self, limit: int = 1000) -> int:
        return await self._do("sweep", limit)

    @property
    def sessions(self) -> Sessions:
        """Return sessions over the same rows, for a test to check from outside."""
        return Sessions(TableStore(self.table), key="sid", principal_key="user_id")


class BlockingTable(MemoryTable):
    """A table whose calls must be made in a thread; it notes their threads."""

    blocking_reads = blocking_writes = True

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[int] = []

    def read(self, digest: bytes) -> Row | None:
        self.threads.append(threading.get_ident())
        return super().read(digest)

    def insert(self, digest: bytes, row: Row) -> bool:
        self.threads.append(threading.get_ident())
        return super().insert(digest, row)


class BrokenTable(MemoryTable):
    """A table whose backend fails at one verb."""

    def __init__(self, verb: str, *, waits: bool = False) -> None:
        super().__init__()
        self.blocking_reads = self.blocking_writes = waits
        self.broken = False
        self.verb = verb

    def __getattribute__(self, name: str) -> Any:
        if name in ("read", "insert", "replace", "remove") and self.broken and name == self.verb:
            return self._fail
        return super().__getattribute__(name)

    def _fail(self, *args: Any, **options: Any) -> Any:
        msg = "the backend is down"
        raise StoreError(msg)


class TestReading:
    pytestmark = pytest.mark.anyio

    async def test_an_async_store_is_read_before_the_handler_runs(self) -> None:
        rows = AwaitedTable()
        cookie = kept(rows.sessions, n=1)
        seen: list[list[str]] = []

        async def handler(request: Request) -> Response:
            seen.append([*rows.steps])
            return JSONResponse(dict(request.session))

        wire = await request(served(handler, Sessions(TableStore(rows), key="sid")), cookie)

        assert json.loads(wire.body) == {"n": 1}
        assert seen == [["read"]]

    async def test_without_our_cookie_the_store_is_not_called(self) -> None:
        rows = AwaitedTable()

        wire = await request(served(answer_with_session, Sessions(TableStore(rows), key="sid")), b"other=1")

        assert (wire.body, rows.steps) == (b"{}", [])

    async def test_a_blocking_store_is_read_and_written_in_another_thread(self) -> None:
        rows = BlockingTable()
        sessions = Sessions(TableStore(rows), key="sid")

        async def handler(request: Request) -> Response:
            request.session["n"] = request.session.get("n", 0) + 1
            return JSONResponse(dict(request.session))

        first = await request(served(handler, sessions))
        second = await request(served(handler, sessions), first.cookie)

        assert json.loads(second.body) == {"n": 2}
        assert len(rows.threads) == 2
        assert threading.get_ident() not in rows.threads

    async def test_several_cookie_headers_count_as_one(self, in_cookie: Sessions) -> None:
        wire = await request(served(answer_with_session, in_cookie), b"a=1", kept(in_cookie, n=1), b"b=2")

        assert json.loads(wire.body) == {"n": 1}

    async def test_with_fetch_explicit_nothing_is_read_before_the_fetch(self) -> None:
        rows = AwaitedTable()
        cookie = kept(rows.sessions, n=1)

        async def handler(request: Request) -> Response:
            with pytest.raises(SessionNotFetchedError):
                request.session["n"]
            assert rows.steps == []
            assert await fetch_session(request) is await fetch_session(request)
            return JSONResponse(dict(request.session))

        app = served(handler, Sessions(TableStore(rows), key="sid"), fetch="explicit")
        wire = await request(app, cookie)

        assert (wire.error, json.loads(wire.body)) == (None, {"n": 1})
        assert rows.steps == ["read"]

    async def test_with_fetch_explicit_a_request_that_never_fetches_is_left_alone(self) -> None:
        rows = AwaitedTable()
        cookie = kept(rows.sessions, n=1)

        async def handler(request: Request) -> Response:
            return PlainTextResponse("ok")

        app = served(handler, Sessions(TableStore(rows), key="sid"), fetch="explicit")
        wire = await request(app, cookie)

        assert (wire.status, wire.all(b"vary"), rows.steps) == (200, [], [])

    async def test_a_session_dep_parameter_fetches_with_fetch_explicit(self) -> None:
        rows = AwaitedTable()
        app = FastAPI()
        app.add_middleware(SessionMiddleware, sessions=Sessions(TableStore(rows), key="sid"), fetch="explicit")

        @app.get("/")
        async def page(session: SessionDep) -> int:
            return session["n"]

        wire = await request(app, kept(rows.sessions, n=7))

        assert wire.body == b"7"

    def test_an_unknown_fetch_option_is_refused(self, in_cookie: Sessions) -> None:
        with pytest.raises(ConfigurationError, match="neither 'auto' nor 'explicit'"):
            SessionMiddleware(Starlette(), in_cookie, fetch="lazy")


class TestHeaders:
    pytestmark = pytest.mark.anyio

    async def test_a_response_object_shared_by_all_visitors_carries_no_ones_cookie(self, in_cookie: Sessions) -> None:
        shared = PlainTextResponse("welcome")

        async def handler(request: Request) -> Response:
            if request.headers.get("x-new"):
                request.session["n"] = 1
            return shared

        app = served(handler, in_cookie)
        first = await request(app, headers=[(b"x-new", b"1")])
        second = await request(app)

        assert first.cookie
        assert second.all(b"set-cookie") == []

    @pytest.mark.parametrize(
        ("own", "merged"),
        [
            ([], [b"Cookie"]),
            ([b"Accept"], [b"Accept, Cookie"]),
            ([b"Accept, COOKIE"], [b"Accept, COOKIE"]),
            ([b"*"], [b"*"]),
            ([b"Cookie", b"Accept"], [b"Cookie", b"Accept"]),
            ([b"Origin", b"Accept"], [b"Origin, Accept, Cookie"]),
        ],
    )
    async def test_vary_names_the_cookie_once(self, in_cookie: Sessions, own: list[bytes], merged: list[bytes]) -> None:
        async def handler(request: Request) -> Response:
            response = JSONResponse(dict(request.session))
            response.raw_headers += [(b"vary", value) for value in own]
            return response

        wire = await request(served(handler, in_cookie))

        assert wire.all(b"vary") == merged

    async def test_headers_may_be_missing_from_the_message(self, in_cookie: Sessions) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["session"]["n"] = 1
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body"})

        wire = await request(SessionMiddleware(app, in_cookie))

        assert in_cookie.fetch(wire.cookie.decode())["n"] == 1

    @pytest.mark.parametrize(
        ("start", "expected"),
        [
            ({}, [b"Cookie"]),
            ({"headers": [(b"content-length", b"0")]}, []),
            ({"status": 204}, []),
            ({"status": 304}, []),
        ],
    )
    async def test_a_body_of_unknown_length_may_still_read_the_session(
        self, in_cookie: Sessions, start: Message, expected: list[bytes]
    ) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, **start})
            await send({"type": "http.response.body"})

        wire = await request(SessionMiddleware(app, in_cookie))

        assert wire.all(b"vary") == expected

    async def test_messages_before_the_headers_leave_the_session_open(self, in_cookie: Sessions) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.debug", "info": {}})
            scope["session"]["n"] = 1
            await PlainTextResponse("ok")(scope, receive, send)

        wire = await request(SessionMiddleware(app, in_cookie))
        del wire.sent[0]

        assert looked_up(in_cookie, wire.cookie) == {"n": 1}

    async def test_the_lifespan_is_passed_through(self, in_cookie: Sessions) -> None:
        scopes: list[Scope] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scopes.append(scope)

        await SessionMiddleware(app, in_cookie)({"type": "lifespan"}, Wire().receive, Wire().send)

        assert scopes == [{"type": "lifespan"}]


class TestLateChanges:
    pytestmark = pytest.mark.anyio

    async def test_a_change_in_a_stream_is_saved_before_its_end_is_sent(self, in_table: Sessions) -> None:
        cookie = kept(in_table, n=1)

        async def handler(request: Request) -> Response:
            async def chunks() -> Any:
                yield b"one"
                request.session["n"] = 2
                yield b"two"

            return StreamingResponse(chunks())

        class Watching(Wire):
            async def send(self, message: Message) -> None:
                await super().send({**message, "n": looked_up(in_table, cookie)["n"]})

        wire = await request(served(handler, in_table), cookie, wire=Watching())

        assert wire.body == b"onetwo"
        assert [message["n"] for message in wire.sent] == [1, 1, 1, 2]

    async def test_a_stream_that_its_visitor_leaves_is_saved(self, in_table: Sessions) -> None:
        cookie = kept(in_table, n=1)

        async def handler(request: Request) -> Response:
            async def chunks() -> Any:
                request.session["n"] = 2
                yield b"one"

            return StreamingResponse(chunks())

        class Leaving(Wire):
            async def send(self, message: Message) -> None:
                if message["type"] == "http.response.body":
                    raise OSError
                await super().send(message)

        await request(served(handler, in_table), cookie, wire=Leaving())

        assert looked_up(in_table, cookie) == {"n": 2}

    async def test_a_failing_stream_saves_nothing_but_ends_a_dropped_session(
        self, in_table: Sessions, table: MemoryTable
    ) -> None:
        saved, dropped = kept(in_table, n=1), kept(in_table, n=1)

        async def handler(request: Request) -> Response:
            async def chunks() -> Any:
                yield b"one"
                request.session["n"] = 2
                if request.headers["cookie"] == dropped.decode():
                    request.session.configure(drop=True)
                raise KeyError

            return StreamingResponse(chunks())

        app = served(handler, in_table)
        for cookie in (saved, dropped):
            assert isinstance((await request(app, cookie)).error, KeyError)

        assert looked_up(in_table, saved) == {"n": 1}
        assert len(table) == 1

    async def test_a_background_tasks_change_is_saved(self, in_table: Sessions) -> None:
        cookie = kept(in_table, n=1)

        async def handler(request: Request) -> Response:
            async def later() -> None:
                request.session["n"] = 2

            return PlainTextResponse("ok", background=BackgroundTask(later))

        await request(served(handler, in_table), cookie)

        assert looked_up(in_table, cookie) == {"n": 2}

    async def test_a_cookie_takes_no_change_from_a_background_task(self, in_cookie: Sessions) -> None:
        async def handler(request: Request) -> Response:
            async def later() -> None:
                request.session["n"] = 2

            return PlainTextResponse("ok", background=BackgroundTask(later))

        wire = await request(served(handler, in_cookie), kept(in_cookie, n=1))

        assert isinstance(wire.error, ResponseStartedError)


class TestFailures:
    pytestmark = pytest.mark.anyio

    @pytest.mark.parametrize(
        ("verb", "waits"), [("read", False), ("read", True), ("replace", False), ("replace", True)]
    )
    async def test_a_backend_that_is_down_is_a_503(
        self, verb: str, waits: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        rows = BrokenTable(verb, waits=waits)
        sessions = Sessions(TableStore(rows), key="sid")
        cookie = kept(sessions, n=1)
        rows.broken = True

        async def handler(request: Request) -> Response:
            request.session["n"] = 2
            return PlainTextResponse("ok")

        wire = await request(served(handler, sessions), cookie)

        assert (wire.status, wire.body, wire.error) == (503, b"Service Unavailable", None)
        assert "the backend is down" in caplog.text

    async def test_an_application_may_handle_its_handlers_store_error_itself(self) -> None:
        rows = BrokenTable("read")
        sessions = Sessions(TableStore(rows), key="sid")
        cookie = kept(sessions, n=1)
        rows.broken = True
        app = served(answer_with_session, sessions)

        async def sorry(request: Request, exc: Exception) -> Response:
            return PlainTextResponse("sorry", 200)

        app.add_exception_handler(StoreError, sorry)

        assert (await request(app, cookie)).body == b"sorry"

    async def test_a_store_error_at_the_commit_is_a_503_however_the_application_handles_it(self) -> None:
        rows = BrokenTable("insert")
        app = served(_put_n, Sessions(TableStore(rows), key="sid"))
        rows.broken = True

        async def sorry(request: Request, exc: Exception) -> Response:
            return PlainTextResponse("sorry", 200)

        # By then Starlette has seen the response start, and raises its own RuntimeError.
        app.add_exception_handler(StoreError, sorry)

        assert (await request(app)).status == 503

    async def test_a_lost_write_is_a_409_if_configured(self, table: MemoryTable) -> None:
        sessions = Sessions(TableStore(table), key="sid", on_lost_write="raise")
        cookie = kept(sessions, n=1)

        async def handler(request: Request) -> Response:
            request.session["n"] = 2
            elsewhere = sessions.fetch(cookie.decode())
            elsewhere.configure(drop=True)
            sessions.commit(elsewhere)
            return PlainTextResponse("ok")

        wire = await request(served(handler, sessions), cookie)

        assert (wire.status, wire.body, wire.all(b"set-cookie")) == (409, b"Conflict", [])

    async def test_a_store_error_after_the_response_started_is_raised(self) -> None:
        rows = BrokenTable("replace")
        sessions = Sessions(TableStore(rows), key="sid")
        cookie = kept(sessions, n=1)

        async def handler(request: Request) -> Response:
            async def chunks() -> Any:
                yield b"one"
                request.session["n"] = 2
                rows.broken = True

            return StreamingResponse(chunks())

        wire = await request(served(handler, sessions), cookie)

        assert isinstance(wire.error, StoreError)
        # The body has no end, so the client can see that something was lost.
        assert [message.get("more_body") for message in wire.sent[1:]] == [True]

    async def test_an_oversized_cookie_is_raised_before_anything_is_sent(self, in_cookie: Sessions) -> None:
        async def handler(request: Request) -> Response:
            request.session["text"] = "x" * 5000
            return PlainTextResponse("ok")

        wire = await request(served(handler, in_cookie))

        assert isinstance(wire.error, CookieOverflowError)
        assert (wire.status, wire.all(b"set-cookie")) == (500, [])

    @pytest.mark.parametrize("end", ["drop", "logout"])
    async def test_a_failing_handler_has_still_ended_the_session_that_it_dropped(
        self, in_table: Sessions, table: MemoryTable, end: str
    ) -> None:
        cookie = kept(in_table, user_id=7)

        async def handler(request: Request) -> Response:
            if end == "drop":
                request.session.configure(drop=True)
            else:
                request.session.logout()
            raise KeyError

        wire = await request(served(handler, in_table), cookie)

        assert isinstance(wire.error, KeyError)
        assert (wire.status, len(table)) == (500, 0)

    async def test_around_the_whole_application_the_failure_response_removes_the_cookie(
        self, in_table: Sessions, table: MemoryTable
    ) -> None:
        async def handler(request: Request) -> Response:
            request.session.configure(drop=True)
            raise KeyError

        app = SessionMiddleware(Starlette(routes=[Route("/", handler)]), in_table)
        wire = await request(app, kept(in_table, user_id=7))

        assert isinstance(wire.error, KeyError)
        assert (wire.status, wire.cookie, len(table)) == (500, b"sid=", 0)

    async def test_a_failing_handler_leaves_the_session_unchanged(self, in_table: Sessions) -> None:
        cookie = kept(in_table, n=1)

        async def handler(request: Request) -> Response:
            request.session["n"] = 2
            request.session.configure(renew=True)
            raise KeyError

        await request(served(handler, in_table), cookie)

        assert looked_up(in_table, cookie) == {"n": 1}

    async def test_the_first_failure_is_raised_if_ending_the_session_fails_too(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        rows = BrokenTable("remove")
        sessions = Sessions(TableStore(rows), key="sid")
        cookie = kept(sessions, n=1)
        rows.broken = True

        async def handler(request: Request) -> Response:
            request.session.configure(drop=True)
            raise KeyError

        wire = await request(served(handler, sessions), cookie)

        assert isinstance(wire.error, KeyError)
        assert "could not be ended" in caplog.text

    async def test_an_application_that_never_responds_has_still_ended_the_session_that_it_dropped(
        self, in_table: Sessions, table: MemoryTable
    ) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["session"].configure(drop=True)

        await request(SessionMiddleware(app, in_table), kept(in_table, n=1))

        assert len(table) == 0

    async def test_a_response_to_an_exception_is_treated_like_any_other(self, in_table: Sessions) -> None:
        cookie = kept(in_table, n=1)
        app = FastAPI()
        app.add_middleware(SessionMiddleware, sessions=in_table)

        @app.get("/")
        async def page(session: SessionDep) -> None:
            session["n"] = 2
            raise HTTPException(404)

        wire = await request(app, cookie)

        assert (wire.status, looked_up(in_table, cookie)) == (404, {"n": 2})


async def _put_n(request: Request) -> Response:
    request.session["n"] = 1
    return PlainTextResponse("ok")


class TestCancellation:
    """A visitor who disconnects in the middle of a renewal has the old session or the new one."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def rows(self) -> AwaitedTable:
        return AwaitedTable()

    @pytest.fixture
    def app(self, rows: AwaitedTable) -> Starlette:
        async def handler(request: Request) -> Response:
            request.session.configure(renew=True)
            return PlainTextResponse("ok")

        return served(handler, Sessions(TableStore(rows), key="sid", principal_key="user_id"))

    @pytest.mark.parametrize("step", ["read", "remove", "insert"])
    async def test_cancelled_through_anyio(self, rows: AwaitedTable, app: Starlette, step: str) -> None:
        cookie = kept(rows.sessions, user_id=7)
        with anyio.CancelScope() as scope:

            async def cancel(at: str) -> None:
                if at == step:
                    scope.cancel()
                await anyio.lowlevel.checkpoint()

            rows.before = cancel
            await request(app, cookie)

        assert scope.cancelled_caught
        assert [each.is_tombstone for each in rows.table.find(owner("7", "", "sid"))].count(False) == 1

    @pytest.mark.parametrize("anyio_backend", ["asyncio"])
    @pytest.mark.parametrize("step", ["read", "remove", "insert"])
    async def test_cancelled_as_a_task_of_asyncio(self, rows: AwaitedTable, app: Starlette, step: str) -> None:
        cookie = kept(rows.sessions, user_id=7)

        async def cancel(at: str) -> None:
            if at == step:
                task.cancel()
            await asyncio.sleep(0)

        rows.before = cancel
        task = asyncio.create_task(request(app, cookie))
        with suppress(asyncio.CancelledError):
            await task

        assert task.cancelled()
        assert [each.is_tombstone for each in rows.table.find(owner("7", "", "sid"))].count(False) == 1

    @pytest.mark.parametrize("started", [False, True], ids=["before the headers", "during the body"])
    async def test_a_session_has_ended_if_cancelled_after_a_logout(self, rows: AwaitedTable, started: bool) -> None:
        async def handler(request: Request) -> Response:
            request.session.logout()
            scope.cancel()
            await anyio.sleep_forever()
            raise AssertionError

        async def body(session: Session) -> AsyncIterator[bytes]:
            yield b"a"
            session.configure(drop=True)
            scope.cancel()
            await anyio.sleep_forever()

        async def streams(request: Request) -> Response:
            request.session.get("n")
            return StreamingResponse(body(request.session))

        app = served(streams if started else handler, Sessions(TableStore(rows), key="sid", principal_key="user_id"))
        cookie = kept(rows.sessions, user_id=7)
        with anyio.CancelScope() as scope:
            await request(app, cookie)

        assert scope.cancelled_caught
        assert len(rows.table.find(owner("7", "", "sid"))) == 0

    @pytest.mark.parametrize("anyio_backend", ["asyncio"])
    async def test_a_session_has_ended_if_cancelled_as_a_task_after_a_logout(self, rows: AwaitedTable) -> None:
        async def cancel(at: str) -> None:
            if at == "remove":
                task.cancel()
            await asyncio.sleep(0)

        async def handler(request: Request) -> Response:
            request.session.logout()
            task.cancel()
            await anyio.sleep_forever()
            raise AssertionError

        cookie = kept(rows.sessions, user_id=7)
        rows.before = cancel
        task = asyncio.create_task(
            request(served(handler, Sessions(TableStore(rows), key="sid", principal_key="user_id")), cookie)
        )
        with suppress(asyncio.CancelledError):
            await task

        assert task.cancelled()
        assert len(rows.table.find(owner("7", "", "sid"))) == 0

    async def test_a_cancelled_requests_plain_write_is_discarded(self, in_table: Sessions) -> None:
        async def handler(request: Request) -> Response:
            request.session["n"] = 2
            scope.cancel()
            await anyio.sleep_forever()
            raise AssertionError

        cookie = kept(in_table, n=1)
        with anyio.CancelScope() as scope:
            await request(served(handler, in_table), cookie)

        assert looked_up(in_table, cookie) == {"n": 1}

    async def test_the_cancellation_is_raised_if_ending_the_session_fails(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def handler(request: Request) -> Response:
            request.session.logout()
            scope.cancel()
            await anyio.sleep_forever()
            raise AssertionError

        table = BrokenTable("remove", waits=True)
        sessions = Sessions(TableStore(table), key="sid")
        cookie = kept(sessions, n=1)
        table.broken = True
        with anyio.CancelScope() as scope:
            await request(served(handler, sessions), cookie)

        assert scope.cancelled_caught
        assert "could not be ended" in caplog.text

    async def test_the_cancellation_of_a_body_is_raised_if_its_changes_cannot_be_stored(
        self, in_table: Sessions, caplog: pytest.LogCaptureFixture
    ) -> None:
        cookie = kept(in_table, tags=[])

        async def handler(request: Request) -> Response:
            async def chunks() -> AsyncIterator[bytes]:
                request.session["tags"].append(object())
                yield b"one"
                scope.cancel()
                await anyio.sleep_forever()

            return StreamingResponse(chunks())

        with anyio.CancelScope() as scope:
            await request(served(handler, in_table), cookie)

        assert scope.cancelled_caught
        (record,) = (each for each in caplog.records if "could not be ended" in each.getMessage())
        assert isinstance(record.exc_info[1], TypeError)

    @pytest.mark.parametrize("anyio_backend", ["asyncio"])
    async def test_a_coroutine_that_is_only_closed_waits_for_nothing(self, rows: AwaitedTable) -> None:
        async def handler(request: Request) -> Response:
            request.session.logout()
            await anyio.sleep_forever()
            raise AssertionError

        visit = request(
            served(handler, Sessions(TableStore(rows), key="sid", principal_key="user_id")),
            kept(rows.sessions, user_id=7),
        )
        visit.send(None)
        visit.send(None)
        visit.close()

        assert "remove" not in rows.steps


class TestWebSockets:
    pytestmark = pytest.mark.anyio

    async def test_the_handshake_carries_the_cookie(self, in_cookie: Sessions) -> None:
        async def handler(websocket: WebSocket) -> None:
            websocket.session["n"] = 1
            await websocket.accept(headers=[(b"x-own", b"1")])
            await websocket.send_json(dict(websocket.session))
            await websocket.close()

        wire = await websocket(socketed(handler, in_cookie), scheme="wss")

        assert wire.kinds == ["websocket.accept", "websocket.send", "websocket.close"]
        assert [name for name, _ in wire.sent[0]["headers"]] == [b"x-own", b"set-cookie"]
        assert b"; secure" in wire.all(b"set-cookie")[0]
        assert looked_up(in_cookie, wire.cookie) == {"n": 1}

    async def test_a_row_takes_changes_until_the_close_is_sent(self, in_table: Sessions) -> None:
        cookie = kept(in_table, n=1)

        async def handler(websocket: WebSocket) -> None:
            await websocket.accept()
            websocket.session["n"] = 2
            await websocket.close()

        class Watching(Wire):
            async def send(self, message: Message) -> None:
                await super().send({**message, "n": looked_up(in_table, cookie)["n"]})

        scope = {"type": "websocket", "scheme": "ws", "subprotocols": []}
        wire = await request(socketed(handler, in_table), cookie, wire=Watching({"type": "websocket.connect"}), **scope)

        assert [(message["type"], message["n"]) for message in wire.sent] == [
            ("websocket.accept", 1),
            ("websocket.close", 2),
        ]

    async def test_a_visitor_who_disconnects_is_not_a_failure(self, in_table: Sessions) -> None:
        cookie = kept(in_table, n=1)

        async def handler(websocket: WebSocket) -> None:
            await websocket.accept()
            websocket.session["n"] = 2
            await websocket.receive_text()

        wire = await websocket(
            socketed(handler, in_table), cookie, incoming=({"type": "websocket.disconnect", "code": 1001},)
        )

        assert isinstance(wire.error, WebSocketDisconnect)
        assert looked_up(in_table, cookie) == {"n": 2}

    async def test_a_cookie_takes_no_change_after_the_handshake(self, in_cookie: Sessions) -> None:
        async def handler(websocket: WebSocket) -> None:
            await websocket.accept()
            websocket.session["n"] = 2

        wire = await websocket(socketed(handler, in_cookie))

        assert isinstance(wire.error, ResponseStartedError)

    async def test_a_refusal_saves_changes_to_a_row(self, in_table: Sessions) -> None:
        cookie = kept(in_table, n=1)

        async def handler(websocket: WebSocket) -> None:
            websocket.session["n"] = 2
            await websocket.close()

        wire = await websocket(socketed(handler, in_table), cookie)

        assert wire.kinds == ["websocket.close"]
        assert looked_up(in_table, cookie) == {"n": 2}

    async def test_a_refusal_with_a_response_carries_the_cookie(self, in_cookie: Sessions) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["session"]["n"] = 1
            await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b"log in"})

        wire = await websocket(SessionMiddleware(app, in_cookie))

        assert (looked_up(in_cookie, wire.cookie), wire.all(b"vary")) == ({"n": 1}, [b"Cookie"])

    @pytest.mark.parametrize(
        ("extensions", "kinds"),
        [
            ({}, ["websocket.close"]),
            (None, ["websocket.close"]),
            ({"websocket.http.response": {}}, ["websocket.http.response.start", "websocket.http.response.body"]),
        ],
    )
    async def test_a_backend_that_is_down_refuses_the_handshake(self, extensions: Any, kinds: list[str]) -> None:
        rows = BrokenTable("read", waits=True)
        sessions = Sessions(TableStore(rows), key="sid")
        cookie = kept(sessions, n=1)
        rows.broken = True

        async def handler(websocket: WebSocket) -> None:
            await websocket.accept()

        wire = await websocket(socketed(handler, sessions), cookie, extensions=extensions)

        assert (wire.kinds, wire.error) == (kinds, None)

    async def test_session_dep_is_a_parameter_of_websocket_routes_too(self, in_cookie: Sessions) -> None:
        app = FastAPI()
        app.add_middleware(SessionMiddleware, sessions=in_cookie)

        @app.websocket("/")
        async def page(websocket: WebSocket, session: SessionDep) -> None:
            put_session(websocket, "n", session["n"] + 1)
            await websocket.accept()

        wire = await websocket(app, kept(in_cookie, n=1))

        assert looked_up(in_cookie, wire.cookie) == {"n": 2}


class TestSeveral:
    pytestmark = pytest.mark.anyio

    async def test_a_mounted_application_has_its_own_session(self, in_table: Sessions, in_cookie: Sessions) -> None:
        async def outside(scope: Scope, receive: Receive, send: Send) -> None:
            scope["session"]["n"] = "outer"
            await inner(scope, receive, send)
            assert scope["session"]["n"] == "outer"
            assert await fetch_session(Request(scope)) is scope["session"]

        async def handler(request: Request) -> Response:
            (await fetch_session(request))["n"] = "inner"
            return PlainTextResponse("ok")

        inner = Starlette(routes=[Mount("/", served(handler, in_cookie))])
        wire = await request(SessionMiddleware(outside, in_table))

        assert wire.error is None
        cookies = {line.partition(b"=")[0]: line.partition(b";")[0] for line in wire.all(b"set-cookie")}
        assert looked_up(in_table, cookies[b"sid"]) == {"n": "outer"}
        assert looked_up(in_cookie, cookies[b"_shop"]) == {"n": "inner"}

    async def test_the_same_sessions_twice_count_as_one(self, in_table: Sessions) -> None:
        async def between(scope: Scope, receive: Receive, send: Send) -> None:
            scope["session"]["outer"] = 1
            await served(_put_n, in_table)(scope, receive, send)

        wire = await request(SessionMiddleware(between, in_table))

        assert looked_up(in_table, wire.cookie) == {"outer": 1, "n": 1}


class TestVerbs:
    pytestmark = pytest.mark.anyio

    async def test_plugs_verbs_are_functions_of_the_request(self, in_cookie: Sessions) -> None:
        app = FastAPI()
        app.add_middleware(SessionMiddleware, sessions=in_cookie)

        @app.get("/")
        async def page(request: Request) -> list[Any]:
            assert await fetch_session(request) is request.session
            assert get_session(request) == {"a": 1}
            assert type(get_session(request)) is dict
            put_session(request, "b", None)
            delete_session(request, "a")
            delete_session(request, "never there")
            configure_session(request, "path", "/shop")
            configure_session(request, max_age=60)
            return [get_session(request, key, "default") for key in ("a", "b")]

        wire = await request(app, kept(in_cookie, a=1))

        assert json.loads(wire.body) == ["default", None]
        assert looked_up(in_cookie, wire.all(b"set-cookie")[1]) == {"b": None}
        assert b"path=/shop" in wire.all(b"set-cookie")[1]
        assert b"Max-Age=60" in wire.all(b"set-cookie")[1]

    async def test_clear_empties_the_session(self, in_table: Sessions) -> None:
        cookie = kept(in_table, a=1)

        async def handler(request: Request) -> Response:
            clear_session(request)
            return PlainTextResponse("ok")

        await request(served(handler, in_table), cookie)

        assert looked_up(in_table, cookie) == {}

    async def test_a_sync_handler_can_use_them_too(self, in_table: Sessions) -> None:
        app = FastAPI()
        app.add_middleware(SessionMiddleware, sessions=in_table)

        def user(session: SessionDep) -> int:
            return session["user_id"]

        @app.get("/")
        def page(session: SessionDep, user_id: Annotated[int, Depends(user)]) -> dict[str, Any]:
            session["seen"] = True
            return {"session": dict(session), "user_id": user_id}

        cookie = kept(in_table, user_id=7)
        wire = await request(app, cookie)

        assert json.loads(wire.body) == {"session": {"user_id": 7, "seen": True}, "user_id": 7}
        assert looked_up(in_table, cookie)["seen"] is True

    async def test_without_the_middleware_they_explain_what_to_do(self) -> None:
        async def handler(request: Request) -> Response:
            with pytest.raises(ConfigurationError, match="add_middleware"):
                await fetch_session(request)
            with pytest.raises(ConfigurationError, match="add_middleware"):
                get_session(request, "a")
            return PlainTextResponse("ok")

        assert (await request(Starlette(routes=[Route("/", handler)]))).error is None


@contextmanager
def running(app: ASGIApp) -> Iterator[int]:
    """Serve *app* on a free port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def test_a_real_server_streams_and_the_next_request_sees_the_changes(in_table: Sessions) -> None:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=in_table)

    @app.get("/")
    async def page(session: SessionDep) -> StreamingResponse:
        async def chunks() -> Any:
            for chunk in range(3):
                session["chunks"] = chunk + 1
                yield b"%d" % chunk

        session["visits"] = session.get("visits", 0) + 1
        return StreamingResponse(chunks(), headers={"Vary": "Accept"})

    with running(app) as port:
        connection = Connection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/")
        first = connection.getresponse()
        body = first.read()
        cookie = first.getheader("Set-Cookie").partition(";")[0]
        after_first = looked_up(in_table, cookie.encode())
        connection.request("GET", "/", headers={"Cookie": cookie})
        second = connection.getresponse()
        second.read()
        connection.close()

    assert (first.status, body) == (200, b"012")
    assert (first.getheader("Vary"), first.getheader("Cache-Control")) == ("Accept, Cookie", "no-store")
    assert after_first == {"visits": 1, "chunks": 3}
    assert second.getheader("Set-Cookie") is None
    assert looked_up(in_table, cookie.encode()) == {"visits": 2, "chunks": 3}
