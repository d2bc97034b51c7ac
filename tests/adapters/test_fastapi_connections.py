"""Long requests: what is saved and visible before they end."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.websockets import WebSocket

from holdall import (
    LostWriteError,
    MemoryTable,
    ResponseStartedError,
    SessionError,
    Sessions,
    TableStore,
)
from holdall.testing import as_async
from holdall_fastapi import SessionDep, SessionMiddleware
from tests.adapters.test_fastapi import SECRET, kept, looked_up, request, served, socketed, websocket

pytestmark = pytest.mark.anyio


@pytest.fixture
def table() -> MemoryTable:
    return MemoryTable()


@pytest.fixture
def outside(table: MemoryTable) -> Sessions:
    """Return the sessions with which a test reads the table from outside."""
    return Sessions(TableStore(table), key="sid", principal_key="user_id")


@pytest.fixture(params=["in memory", "blocking", "awaited"])
def sessions(request: pytest.FixtureRequest, table: MemoryTable) -> Sessions:
    table.blocking_reads = table.blocking_writes = request.param == "blocking"
    store = TableStore(as_async(table)) if request.param == "awaited" else TableStore(table)
    return Sessions(store, key="sid", principal_key="user_id")


@pytest.fixture
def in_cookie() -> Sessions:
    return Sessions("cookie", key="_shop", secret_key_base=SECRET)


def change(sessions: Sessions, cookie: bytes, **data: Any) -> None:
    """Put *data* in another request."""
    session = sessions.fetch(cookie.decode())
    session.update(data)
    sessions.commit(session)


class TestSaving:
    async def test_a_websocket_saves_while_it_is_open(self, sessions: Sessions, outside: Sessions) -> None:
        cookie = kept(outside, n=1)
        seen = []

        async def handler(websocket: WebSocket) -> None:
            websocket.session["n"] = 2
            await websocket.session.save()
            seen.append(looked_up(outside, cookie)["n"])
            await websocket.accept()
            for n in (3, 4):
                websocket.session["n"] = n
                await websocket.session.save()
                seen.append(looked_up(outside, cookie)["n"])
            change(outside, cookie, m=1)
            await websocket.session.reload()
            seen.append(dict(websocket.session))
            await websocket.close()

        assert (await websocket(socketed(handler, sessions), cookie)).error is None
        assert seen == [2, 3, 4, {"n": 4, "m": 1}]

    async def test_a_new_session_waits_for_the_handshake(self, sessions: Sessions, outside: Sessions) -> None:
        async def handler(websocket: WebSocket) -> None:
            websocket.session["n"] = 1
            await websocket.session.save()
            await websocket.accept()
            websocket.session["n"] = 2
            await websocket.session.save()

        wire = await websocket(socketed(handler, sessions))

        assert looked_up(outside, wire.cookie) == {"n": 2}

    @pytest.mark.parametrize("call", ["save", "reload", "atomic_update"])
    async def test_a_call_without_await_is_an_error(self, sessions: Sessions, outside: Sessions, call: str) -> None:
        cookie = kept(outside, n=1)

        async def handler(websocket: WebSocket) -> None:
            await websocket.accept()
            websocket.session["m"] = 2
            arguments = ("n", lambda n: n + 1) if call == "atomic_update" else ()
            getattr(websocket.session, call)(*arguments)
            await websocket.close()

        error = (await websocket(socketed(handler, sessions), cookie)).error

        assert isinstance(error, SessionError)
        assert f"write `await session.{call}(…)`" in str(error)
        assert looked_up(outside, cookie) == {"n": 1}

    async def test_an_event_stream_saves_while_it_is_sent(self, sessions: Sessions, outside: Sessions) -> None:
        cookie = kept(outside, n=1)

        async def handler(request: Request) -> Response:
            async def events() -> AsyncIterator[str]:
                for n in (2, 3):
                    request.session["n"] = n
                    await request.session.save()
                    yield str(looked_up(outside, cookie)["n"])

            return StreamingResponse(events(), media_type="text/event-stream")

        assert (await request(served(handler, sessions), cookie)).body == b"23"

    async def test_a_sync_body_saves_from_its_thread(self, sessions: Sessions, outside: Sessions) -> None:
        cookie = kept(outside, n=1)
        app = FastAPI()
        app.add_middleware(SessionMiddleware, sessions=sessions)

        @app.get("/")
        def page(session: SessionDep) -> StreamingResponse:
            def body() -> Iterator[str]:
                session["n"] += 1
                session.save()
                change(outside, cookie, m=1)
                session.reload()
                yield json.dumps([looked_up(outside, cookie)["n"], session["m"]])

            session["n"] += 1
            session.save()
            assert looked_up(outside, cookie)["n"] == 2
            return StreamingResponse(body())

        assert (await request(app, cookie)).body == b"[3, 1]"

    async def test_a_logout_through_a_websocket_is_saved_at_once(self, sessions: Sessions, outside: Sessions) -> None:
        cookie = kept(outside, user_id=7)
        left: list[Any] = []

        async def handler(websocket: WebSocket) -> None:
            await websocket.accept()
            websocket.session.logout()
            await websocket.session.save()
            left.append(await outside.list_async(7))

        await websocket(socketed(handler, sessions), cookie)

        assert left == [[]]

    async def test_a_cookie_takes_no_changes_after_the_handshake(self, in_cookie: Sessions) -> None:
        async def handler(websocket: WebSocket) -> None:
            cart = websocket.session["cart"] = ["hat"]
            await websocket.session.save()
            await websocket.accept()
            await websocket.session.save()
            cart.append("shoe")
            with pytest.raises(ResponseStartedError):
                await websocket.session.save()

        wire = await websocket(socketed(handler, in_cookie))

        assert (looked_up(in_cookie, wire.cookie), wire.error) == ({"cart": ["hat"]}, None)

    async def test_a_late_save_can_be_an_error(self, table: MemoryTable, outside: Sessions) -> None:
        cookie = kept(outside, user_id=7)

        async def handler(websocket: WebSocket) -> None:
            await websocket.accept()
            websocket.session["n"] = 2
            outside.revoke(7)
            await websocket.session.save()

        sessions = Sessions(TableStore(table), key="sid", on_lost_write="raise")

        assert isinstance((await websocket(socketed(handler, sessions), cookie)).error, LostWriteError)


class TestLateChanges:
    async def test_a_change_after_a_file_is_refused_or_saved(
        self, sessions: Sessions, outside: Sessions, in_cookie: Sessions, tmp_path: Path
    ) -> None:
        file = tmp_path / "file"
        file.write_bytes(b"a file")

        async def handler(request: Request) -> Response:
            class Late(FileResponse):
                async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                    await super().__call__(scope, receive, send)
                    request.session["n"] = 2

            return Late(file)

        cookie = kept(outside, n=1)
        saved = await request(served(handler, sessions), cookie)
        refused = await request(served(handler, in_cookie), kept(in_cookie, n=1))

        assert (saved.body, looked_up(outside, cookie)) == (b"a file", {"n": 2})
        assert isinstance(refused.error, ResponseStartedError)

    async def test_a_sync_background_tasks_change_is_saved(self, sessions: Sessions, outside: Sessions) -> None:
        app = FastAPI()
        app.add_middleware(SessionMiddleware, sessions=sessions)

        @app.get("/")
        def page(session: SessionDep, tasks: BackgroundTasks) -> str:
            def later() -> None:
                session["n"] = 2
                session.save()
                session["m"] = looked_up(outside, cookie)["n"]

            tasks.add_task(later)
            return "ok"

        cookie = kept(outside, n=1)
        await request(app, cookie)

        assert looked_up(outside, cookie) == {"n": 2, "m": 2}

    async def test_a_websocket_changes_a_cookie_before_it_is_accepted(self, in_cookie: Sessions) -> None:
        async def handler(websocket: WebSocket) -> None:
            websocket.session["n"] += 1
            await websocket.accept()

        wire = await websocket(socketed(handler, in_cookie), kept(in_cookie, n=1))

        assert looked_up(in_cookie, wire.cookie) == {"n": 2}
