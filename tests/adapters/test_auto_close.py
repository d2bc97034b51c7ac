"""Connections that close when their session has ended: ``SessionMiddleware(…, check_ended_every=…)``."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from http.client import HTTPConnection, IncompleteRead
from inspect import isawaitable
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from holdall import ConfigurationError, MemoryTable, ResponseStartedError, Sessions, StoreError, TableStore
from holdall.asgi import _auto_close as auto_close
from holdall.steps import run
from holdall.stores import RowRef
from holdall.stores._principals import owner
from holdall.stores._table import digest_of
from holdall.tables import Row
from holdall.testing import Browser, FakeClock, Request, as_async
from holdall_fastapi import SessionDep, SessionMiddleware, fetch_session
from servers.web import by_uvicorn, http_client

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"
SOON = timedelta(milliseconds=50)


class Table(MemoryTable):
    """A table in memory whose rows can become unavailable."""

    is_away = False
    looks = 0

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    async def looked_at(self) -> None:
        """Wait until the table has been checked a few more times, however slow the machine is."""
        until = self.looks + 4
        while self.looks < until:
            await anyio.sleep(0.01)

    def read(self, digest: bytes) -> Row | None:
        self.looks += 1
        self.threads.add(threading.get_ident())
        if self.is_away:
            msg = "the backend is down"
            raise StoreError(msg)
        return super().read(digest)


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def outside(table: Table) -> Sessions:
    """Return the sessions with which a test reads and changes the table from outside."""
    return Sessions(TableStore(table), key="sid", principal_key="user")


@pytest.fixture(params=["in memory", "blocking", "awaited"])
def sessions(request: pytest.FixtureRequest, table: Table) -> Sessions:
    table.blocking_reads = table.blocking_writes = request.param == "blocking"
    store = TableStore(as_async(table)) if request.param == "awaited" else TableStore(table)
    return Sessions(store, key="sid", principal_key="user")


def kept(sessions: Sessions, **data: Any) -> str:
    """Return the Cookie header of an existing session."""
    session = sessions.fetch()
    session.update(data)
    return f"sid={sessions.commit(session).cookie}"


def renewed(sessions: Sessions, cookie: str, **data: Any) -> str:
    session = sessions.fetch(cookie)
    session.update(data)
    session.configure(renew=True)
    return f"sid={sessions.commit(session).cookie}"


def ended(sessions: Sessions, cookie: str) -> None:
    session = sessions.fetch(cookie)
    session.configure(drop=True)
    sessions.commit(session)


# With a server's side of the protocol only, in asyncio and in trio.


class Line:
    """A server's side of a WebSocket whose visitor sends nothing."""

    def __init__(self, app: ASGIApp, cookie: str = "") -> None:
        self._app = app
        self._cookie = cookie
        self.sent: list[Message] = []
        self.incoming: list[Message] = [{"type": "websocket.connect"}]
        self.accepted = anyio.Event()
        self.said = anyio.Event()
        self.error: Exception | None = None
        self.sends: Callable[[Message], None] = self.sent.append

    async def run(self) -> None:
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "scheme": "ws",
            "path": "/",
            "query_string": b"",
            "headers": [(b"cookie", self._cookie.encode())],
            "subprotocols": [],
        }
        try:
            await self._app(scope, self._receive, self._send)
        except Exception as exc:  # noqa: BLE001  # a server survives whatever its application raises
            self.error = exc

    def say(self, text: str) -> None:
        self.incoming.append({"type": "websocket.receive", "text": text})
        self.said.set()

    async def _receive(self) -> Message:
        while not self.incoming:
            await self.said.wait()
            self.said = anyio.Event()
        return self.incoming.pop()

    async def _send(self, message: Message) -> None:
        # In the order in which they were sent, whichever task runs next.
        self.sends(message)
        await anyio.lowlevel.checkpoint()
        if message["type"] == "websocket.accept":
            self.accepted.set()

    @property
    def closed(self) -> list[int]:
        return [message["code"] for message in self.sent if message["type"] == "websocket.close"]


Handler = Callable[[WebSocket], Any]


def watched(handler: Handler, sessions: Sessions, **options: Any) -> ASGIApp:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions, **{"check_ended_every": SOON, **options})
    app.websocket("/")(handler)
    return app


async def listen(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.receive_text()


@pytest.mark.anyio
class TestProtocol:
    async def test_the_end_of_a_session_closes_its_connection(self, sessions: Sessions, outside: Sessions) -> None:
        errors: list[Any] = []

        async def handler(websocket: WebSocket) -> None:
            await websocket.accept()
            try:
                await websocket.receive_text()
            except WebSocketDisconnect as exc:
                errors.append(exc.code)
                raise

        cookie = kept(outside, user=7)
        line = Line(watched(handler, sessions), cookie)
        async with anyio.create_task_group() as group:
            group.start_soon(line.run)
            await line.accepted.wait()
            ended(outside, cookie)

        assert (line.closed, errors, line.error) == ([4401], [4401], None)

    async def test_a_session_is_followed_through_several_renewals(
        self, sessions: Sessions, outside: Sessions, table: Table
    ) -> None:
        cookie = kept(outside, user=7)
        line = Line(watched(listen, sessions), cookie)
        async with anyio.create_task_group() as group:
            group.start_soon(line.run)
            await line.accepted.wait()
            second = renewed(outside, cookie)
            third = renewed(outside, second)
            await table.looked_at()
            assert line.closed == []
            fourth = renewed(outside, third)
            await table.looked_at()
            assert line.closed == []
            ended(outside, fourth)

        assert line.closed == [4401]

    async def test_a_session_taken_over_by_another_user_is_closed(self, sessions: Sessions, outside: Sessions) -> None:
        cookie = kept(outside, user=7)
        line = Line(watched(listen, sessions), cookie)
        async with anyio.create_task_group() as group:
            group.start_soon(line.run)
            await line.accepted.wait()
            renewed(outside, cookie, user=8)

        assert line.closed == [4401]

    async def test_an_anonymous_session_is_closed_when_its_visitor_logs_in(
        self, sessions: Sessions, outside: Sessions
    ) -> None:
        cookie = kept(outside, n=1)
        line = Line(watched(listen, sessions), cookie)
        async with anyio.create_task_group() as group:
            group.start_soon(line.run)
            await line.accepted.wait()
            await anyio.sleep(0.2)
            assert line.closed == []
            # An attacker who planted the cookie may have it too.
            renewed(outside, cookie, user=7)

        assert line.closed == [4401]

    async def test_a_logged_out_session_is_closed(self, sessions: Sessions, outside: Sessions) -> None:
        cookie = kept(outside, user=7)
        line = Line(watched(listen, sessions), cookie)
        async with anyio.create_task_group() as group:
            group.start_soon(line.run)
            await line.accepted.wait()
            renewed(outside, cookie, user=None)

        assert line.closed == [4401]

    async def test_a_session_that_begins_with_the_handshake_is_watched(
        self, sessions: Sessions, outside: Sessions
    ) -> None:
        async def handler(websocket: WebSocket) -> None:
            (await fetch_session(websocket)).login(7)
            await listen(websocket)

        line = Line(watched(handler, sessions))
        async with anyio.create_task_group() as group:
            group.start_soon(line.run)
            await line.accepted.wait()
            await outside.revoke_async(7)

        assert line.closed == [4401]

    async def test_a_connection_without_a_session_stays_open(self, sessions: Sessions) -> None:
        line = Line(watched(listen, sessions))
        async with anyio.create_task_group() as group:
            group.start_soon(line.run)
            await line.accepted.wait()
            await anyio.sleep(0.2)
            assert line.closed == []
            group.cancel_scope.cancel()

    async def test_a_session_fetched_by_hand_is_watched_from_then_on(
        self, sessions: Sessions, outside: Sessions
    ) -> None:
        fetched = anyio.Event()

        async def handler(websocket: WebSocket) -> None:
            await websocket.accept()
            await anyio.sleep(0.2)
            await (await fetch_session(websocket)).reload()
            fetched.set()
            await websocket.receive_text()

        cookie = kept(outside, user=7)
        line = Line(watched(handler, sessions, fetch="explicit"), cookie)
        async with anyio.create_task_group() as group:
            group.start_soon(line.run)
            await fetched.wait()
            ended(outside, cookie)

        assert line.closed == [4401]

    async def test_a_handler_that_only_sends_is_stopped(self, sessions: Sessions, outside: Sessions) -> None:
        async def handler(websocket: WebSocket) -> None:
            await websocket.accept()
            while True:
                await websocket.send_text("tick")
                await anyio.sleep(0.01)

        cookie = kept(outside, user=7)
        line = Line(watched(handler, sessions, close_code=1008), cookie)
        async with anyio.create_task_group() as group:
            group.start_soon(line.run)
            await line.accepted.wait()
            ended(outside, cookie)

        assert (line.closed, line.sent[-1]["type"], line.error) == ([1008], "websocket.close", None)

    async def test_a_handler_that_receives_later_is_disconnected_when_it_does(
        self, sessions: Sessions, outside: Sessions
    ) -> None:
        codes: list[int] = []

        async def handler(websocket: WebSocket) -> None:
            await websocket.accept()
            await anyio.sleep(0.3)
            with pytest.raises(WebSocketDisconnect) as raised:
                await websocket.receive_text()
            codes.append(raised.value.code)

        cookie = kept(outside, user=7)
        line = Line(watched(handler, sessions), cookie)
        async with anyio.create_task_group() as group:
            group.start_soon(line.run)
            await line.accepted.wait()
            ended(outside, cookie)

        assert (line.closed, codes) == ([4401], [4401])

    async def test_messages_after_the_close_are_dropped(self, sessions: Sessions, outside: Sessions) -> None:
        async def handler(websocket: WebSocket) -> None:
            try:
                await listen(websocket)
            except WebSocketDisconnect:
                await websocket.send({"type": "websocket.send", "text": "goodbye"})

        cookie = kept(outside, user=7)
        line = Line(watched(handler, sessions), cookie)
        async with anyio.create_task_group() as group:
            group.start_soon(line.run)
            await line.accepted.wait()
            ended(outside, cookie)

        assert [message["type"] for message in line.sent] == ["websocket.accept", "websocket.close"]

    async def test_an_error_after_the_close_is_reported(self, sessions: Sessions, outside: Sessions) -> None:
        async def handler(websocket: WebSocket) -> None:
            try:
                await listen(websocket)
            except WebSocketDisconnect as exc:
                raise KeyError from exc

        cookie = kept(outside, user=7)
        line = Line(watched(handler, sessions), cookie)
        async with anyio.create_task_group() as group:
            group.start_soon(line.run)
            await line.accepted.wait()
            ended(outside, cookie)

        assert isinstance(line.error, KeyError)

    async def test_a_visitor_who_leaves_first_gets_no_close(self, sessions: Sessions, outside: Sessions) -> None:
        async def handler(websocket: WebSocket) -> None:
            with pytest.raises(WebSocketDisconnect):
                await listen(websocket)
            ended(outside, cookie)
            await anyio.sleep(0.2)

        cookie = kept(outside, user=7)
        line = Line(watched(handler, sessions), cookie)
        line.incoming.insert(0, {"type": "websocket.disconnect", "code": 1001})
        await line.run()

        assert (line.closed, line.error) == ([], None)

    async def test_a_connection_closed_by_the_handler_is_not_closed_again(
        self, sessions: Sessions, outside: Sessions
    ) -> None:
        async def handler(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.close(1000)
            ended(outside, cookie)
            await anyio.sleep(0.2)

        cookie = kept(outside, user=7)
        line = Line(watched(handler, sessions), cookie)
        await line.run()

        assert line.closed == [1000]

    async def test_a_server_that_refuses_the_close_causes_no_error(self, sessions: Sessions, outside: Sessions) -> None:
        def refuse(message: Message) -> None:
            if message["type"] == "websocket.close":
                raise OSError

        cookie = kept(outside, user=7)
        line = Line(watched(listen, sessions), cookie)
        line.sends = refuse
        async with anyio.create_task_group() as group:
            group.start_soon(line.run)
            await line.accepted.wait()
            ended(outside, cookie)

        assert line.error is None

    async def test_an_unavailable_backend_closes_nothing(
        self, sessions: Sessions, outside: Sessions, table: Table, caplog: pytest.LogCaptureFixture
    ) -> None:
        cookie = kept(outside, user=7)
        line = Line(watched(listen, sessions), cookie)
        async with anyio.create_task_group() as group:
            group.start_soon(line.run)
            await line.accepted.wait()
            table.is_away = True
            while "could not be checked" not in caplog.text:
                await anyio.sleep(0.01)
            assert line.closed == []
            table.is_away = False
            ended(outside, cookie)

        assert line.closed == [4401]

    async def test_a_check_does_not_count_as_use(self, sessions: Sessions, outside: Sessions, table: Table) -> None:
        cookie = kept(outside, user=7)
        (before,) = await outside.list_async(7)
        line = Line(watched(listen, sessions), cookie)
        async with anyio.create_task_group() as group:
            group.start_soon(line.run)
            await line.accepted.wait()
            await table.looked_at()
            group.cancel_scope.cancel()

        assert await outside.list_async(7) == [before]

    async def test_a_blocking_table_is_checked_in_a_thread(self, table: Table) -> None:
        table.blocking_reads = table.blocking_writes = True
        sessions = Sessions(TableStore(table), key="sid", principal_key="user")
        line = Line(watched(listen, sessions), kept(sessions, user=7))
        table.threads.clear()
        async with anyio.create_task_group() as group:
            group.start_soon(line.run)
            await line.accepted.wait()
            await table.looked_at()
            group.cancel_scope.cancel()

        assert threading.get_ident() not in table.threads


def test_a_backend_that_is_down_when_the_connection_begins_closes_nothing(table: Table, outside: Sessions) -> None:
    cookie = kept(outside, user=7)
    line = Line(watched(listen, outside), cookie)
    table.is_away = True

    async def visit() -> None:
        running = asyncio.create_task(line.run())
        await line.accepted.wait()
        await asyncio.sleep(0.2)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(visit())
    assert line.closed == []


# What is visible during a renewal.


class Renewing(MemoryTable):
    """A table that checks a session after a given number of steps of its renewal."""

    left = 0
    look: Callable[[], Any] = bool

    def insert(self, digest: bytes, row: Row) -> bool:
        inserted = super().insert(digest, row)
        self._step()
        return inserted

    def remove(self, digest: bytes, *, tombstone: Any = None) -> Row | None:
        removed = super().remove(digest, tombstone=tombstone)
        self._step()
        return removed

    def _step(self) -> None:
        self.left -= 1
        if not self.left:
            self.look()


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("user", [7, None], ids=["renewal", "login"])
def test_a_renewal_in_progress_is_in_doubt_and_a_login_is_an_end(
    user: int | None, steps: int, clock: FakeClock
) -> None:
    seen: list[RowRef | None] = []
    table = Renewing(clock=clock)
    store = TableStore(table)
    sessions = Sessions(store, key="sid", principal_key="user", clock=clock)
    cookie = kept(sessions, user=user)
    digest = digest_of(cookie.removeprefix("sid="))
    table.left, table.look = steps, lambda: seen.append(run(store.follow(RowRef(digest))))

    renewed(sessions, cookie, user=7)

    (new,) = (each for each in table.find(owner("7", "", "sid")) if not each.is_tombstone)
    if user is None:
        # An attacker may have planted the anonymous session, so it must not lead to the login.
        assert seen == [None]
        assert run(store.follow(RowRef(digest))) is None
        return
    # After the tombstone, which leads to the new row, and after the insertion of that row.
    assert seen == [RowRef(digest, in_doubt=True) if steps < 2 else RowRef(new.digest)]
    assert run(store.follow(RowRef(digest, in_doubt=True))) == RowRef(new.digest)
    clock.advance(timedelta(days=8))
    assert run(store.follow(RowRef(new.digest))) is None


# Real servers.


def test_all_of_fifty_connections_close_except_the_one_to_keep(
    sessions: Sessions, outside: Sessions, table: Table
) -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(str(websocket.session["user"]))
        await websocket.receive_text()
        await websocket.send_text("still here")

    app = watched(handler, sessions)
    cookies = [kept(outside, user=7) for _ in range(50)]
    others = kept(outside, user=8)

    async def visit(port: int) -> tuple[list[int], list[str]]:
        lines = [
            await connect(f"ws://127.0.0.1:{port}/", additional_headers={"Cookie": cookie})
            for cookie in (*cookies, others)
        ]
        assert [await line.recv() for line in lines] == ["7"] * 50 + ["8"]
        spared = renewed(outside, cookies[0])
        assert await outside.revoke_async(7, keep=outside.fetch(spared)) == 49
        async with asyncio.timeout(120):
            codes = await asyncio.gather(*(_code(line) for line in lines[1:-1]))
        await table.looked_at()
        alive = []
        for line in (lines[0], lines[-1]):
            await line.send("?")
            alive.append(await line.recv())
            await line.close()
        return codes, alive

    with by_uvicorn(app, ws="websockets-sansio") as port:
        codes, alive = asyncio.run(visit(port))

    assert codes == [4401] * 49
    assert alive == ["still here"] * 2


async def _code(line: ClientConnection) -> int:
    try:
        await line.recv()
    except ConnectionClosed:
        assert line.close_code is not None
        return line.close_code
    return 0


def test_connections_end_with_their_visitors_login_or_logout(outside: Sessions) -> None:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=outside, check_ended_every=SOON)

    @app.websocket("/")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            await websocket.send_text(await websocket.receive_text())

    @app.post("/login")
    async def log_in(session: SessionDep) -> None:
        session.login(7)

    @app.post("/logout")
    async def log_out(session: SessionDep) -> None:
        session.logout()

    async def visit(port: int) -> int:
        browser = Browser(http_client(port))
        browser.keep([kept(outside, cart=["hat"])])
        cookie = f"sid={browser.get('sid')}"
        before = await connect(f"ws://127.0.0.1:{port}/", additional_headers={"Cookie": cookie})
        await asyncio.to_thread(browser.send, Request("POST", "/login"))
        assert f"sid={browser.get('sid')}" != cookie
        async with asyncio.timeout(120):
            assert await _code(before) == 4401
        after = await connect(f"ws://127.0.0.1:{port}/", additional_headers={"Cookie": f"sid={browser.get('sid')}"})
        await after.send("still here")
        assert await after.recv() == "still here"
        await asyncio.to_thread(browser.send, Request("POST", "/logout"))
        async with asyncio.timeout(120):
            return await _code(after)

    with by_uvicorn(app, ws="websockets-sansio") as port:
        assert asyncio.run(visit(port)) == 4401


def test_a_streaming_body_is_cut_off(sessions: Sessions, outside: Sessions) -> None:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions, check_ended_every=SOON)

    @app.get("/")
    async def events(session: SessionDep, read: bool, ticks: int) -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            for _ in range(ticks):
                yield b"."
                await asyncio.sleep(0.01)

        if read:
            session.get("user")
        return StreamingResponse(body())

    def body(*, read: bool, ends: bool, ticks: int = 60) -> bytes:
        cookie = kept(outside, user=7)
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", f"/?read={read}&ticks={ticks}", headers={"Cookie": cookie})
        answer = connection.getresponse()
        answer.read(5)
        if ends:
            ended(outside, cookie)
        try:
            return answer.read()
        finally:
            connection.close()

    with by_uvicorn(app, ws="websockets-sansio") as port:
        with pytest.raises(IncompleteRead):
            body(read=True, ends=True, ticks=10_000)
        assert body(read=True, ends=False) == b"." * 55
        # A body that has nothing to do with the session is sent to its end.
        assert body(read=False, ends=True) == b"." * 55


# Without check_ended_every, nothing is closed.


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check at each message."""
    monkeypatch.setattr(auto_close, "CHECK_INTERVAL", 1e-6)


Ending = Callable[[Sessions, str], Any]
ENDINGS: list[Ending] = [ended, lambda outside, cookie: outside.revoke_async(7), lambda *known: renewed(*known, user=8)]


@pytest.mark.anyio
@pytest.mark.usefixtures("at_once")
class TestSeenByDefault:
    @pytest.mark.parametrize("ends", ENDINGS)
    async def test_the_data_of_an_ended_session_is_gone(
        self, sessions: Sessions, outside: Sessions, ends: Ending
    ) -> None:
        seen: list[Any] = []

        async def handler(websocket: WebSocket) -> None:
            session = await fetch_session(websocket)
            await websocket.accept()
            for _ in range(3):
                seen.append((session.principal, dict(session)))
                await websocket.receive_text()
            seen.append((session.principal, dict(session)))

        cookie = kept(outside, user=7)
        line = Line(watched(handler, sessions, check_ended_every=None), cookie)
        async with anyio.create_task_group() as group:
            group.start_soon(line.run)
            await line.accepted.wait()
            line.say("first")
            while len(seen) < 2:
                await anyio.sleep(0.01)
            ending = ends(outside, cookie)
            if isawaitable(ending):
                await ending
            # At first, a renewal is in doubt.
            line.say("second")
            while len(seen) < 3:
                await anyio.sleep(0.01)
            line.say("third")

        assert seen[:2] == [("7", {"user": 7})] * 2
        assert seen[-1] == (None, {})
        assert (line.closed, line.error) == ([], None)

    async def test_the_handlers_changes_are_reported_as_lost(self, table: Table) -> None:
        events: list[Any] = []
        sessions = Sessions(TableStore(table), key="sid", principal_key="user", on_event=events.append)

        async def handler(websocket: WebSocket) -> None:
            session = await fetch_session(websocket)
            await websocket.accept()
            session["n"] = 1
            await websocket.receive_text()
            assert dict(session) == {}
            with pytest.raises(ResponseStartedError):
                session["n"] = 2

        cookie = kept(sessions, user=7)
        line = Line(watched(handler, sessions, check_ended_every=None), cookie)
        async with anyio.create_task_group() as group:
            group.start_soon(line.run)
            await line.accepted.wait()
            ended(sessions, cookie)
            line.say("hello")

        assert line.error is None
        assert [event.reason for event in events if event.name == "lost_write"] == ["ended"]

    async def test_a_handler_that_only_sends_sees_it_too(self, sessions: Sessions, outside: Sessions) -> None:
        async def handler(websocket: WebSocket) -> None:
            session = await fetch_session(websocket)
            await websocket.accept()
            while session.principal is not None:
                await websocket.send_text("tick")
                await anyio.sleep(0.01)

        cookie = kept(outside, user=7)
        line = Line(watched(handler, sessions, check_ended_every=None), cookie)
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(line.run)
                await line.accepted.wait()
                ended(outside, cookie)

        assert (line.closed, line.error) == ([], None)

    async def test_a_session_that_was_renewed_keeps_its_data(self, sessions: Sessions, outside: Sessions) -> None:
        seen: list[Any] = []

        async def handler(websocket: WebSocket) -> None:
            session = await fetch_session(websocket)
            assert session.principal == "7"
            await websocket.accept()
            await websocket.receive_text()
            seen.append(session.principal)

        cookie = kept(outside, user=7)
        line = Line(watched(handler, sessions, check_ended_every=None), cookie)
        async with anyio.create_task_group() as group:
            group.start_soon(line.run)
            await line.accepted.wait()
            renewed(outside, cookie)
            line.say("hello")

        assert seen == ["7"]


@pytest.mark.usefixtures("at_once")
def test_a_streaming_body_sees_that_its_session_has_ended(sessions: Sessions, outside: Sessions) -> None:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions)

    @app.get("/")
    async def events(session: SessionDep) -> StreamingResponse:
        async def body() -> AsyncIterator[str]:
            while "user" in session:
                yield "7 "
                await asyncio.sleep(0.01)
            yield "gone"

        return StreamingResponse(body())

    with by_uvicorn(app) as port:
        cookie = kept(outside, user=7)
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/", headers={"Cookie": cookie})
        answer = connection.getresponse()
        assert answer.read(4) == b"7 7 "
        ended(outside, cookie)
        assert answer.read().endswith(b"gone")
        connection.close()


@pytest.mark.anyio
async def test_a_session_is_checked_at_most_every_few_seconds(table: Table) -> None:
    sessions = Sessions(TableStore(table), key="sid", principal_key="user")
    seen: list[Any] = []

    async def handler(websocket: WebSocket) -> None:
        session = await fetch_session(websocket)
        assert session.principal == "7"
        await websocket.accept()
        await websocket.receive_text()
        seen.append(session.principal)

    cookie = kept(sessions, user=7)
    line = Line(watched(handler, sessions, check_ended_every=None), cookie)
    async with anyio.create_task_group() as group:
        group.start_soon(line.run)
        await line.accepted.wait()
        ended(sessions, cookie)
        line.say("hello")

    assert seen == ["7"]


# Refused settings.


@pytest.mark.parametrize("every", [0, 31, timedelta(0), timedelta(minutes=1)])
def test_the_interval_must_be_shorter_than_tombstones_last(outside: Sessions, every: Any) -> None:
    with pytest.raises(ConfigurationError, match="at most 30 seconds"):
        SessionMiddleware(FastAPI(), outside, check_ended_every=every)


@pytest.mark.parametrize("code", [1000, 1006, 5000])
def test_a_close_code_reserved_by_the_protocol_is_refused(outside: Sessions, code: int) -> None:
    with pytest.raises(ConfigurationError, match="close_code"):
        SessionMiddleware(FastAPI(), outside, check_ended_every=30, close_code=code)


def test_a_session_in_a_cookie_cannot_be_watched() -> None:
    with pytest.raises(ConfigurationError, match="keeps no rows"):
        SessionMiddleware(FastAPI(), Sessions("cookie", key="k", secret_key_base=SECRET), check_ended_every=30)


def test_the_lifespan_is_passed_through(outside: Sessions) -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)

    asyncio.run(SessionMiddleware(app, outside, check_ended_every=30)({"type": "lifespan"}, Any, Any))

    assert scopes == [{"type": "lifespan"}]
