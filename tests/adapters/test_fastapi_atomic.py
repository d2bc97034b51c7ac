"""``session.atomic_update`` in FastAPI's handlers: async and in threads, under asyncio and trio."""

import threading
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Message

from holdall import MemoryTable, Sessions, TableStore
from holdall.testing import as_async, init_test_session
from holdall_fastapi import SessionDep, SessionMiddleware

pytestmark = pytest.mark.anyio

CLIENTS = 12


@pytest.fixture(params=["in memory", "blocking", "awaited"])
def sessions(request: pytest.FixtureRequest) -> tuple[Sessions, str]:
    """Return sessions, and the Cookie header of one."""
    table = MemoryTable()
    header = init_test_session(Sessions(TableStore(table), key="sid"), {"n": 0})
    table.blocking_reads = table.blocking_writes = request.param == "blocking"
    store = TableStore(as_async(table)) if request.param == "awaited" else TableStore(table)
    return Sessions(store, key="sid"), header


@pytest.mark.parametrize("handler", ["awaited", "in a thread"])
async def test_no_count_of_concurrent_requests_is_lost(sessions: tuple[Sessions, str], handler: str) -> None:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions[0])

    if handler == "awaited":

        @app.post("/")
        async def count(session: SessionDep) -> int:
            counted: int = await session.atomic_update("n", increment)
            return counted

    else:

        @app.post("/")
        def count_in_a_thread(session: SessionDep) -> int:
            counted: int = session.atomic_update("n", increment)
            return counted

    counted = await answers(app, sessions[1])

    assert sorted(map(int, counted)) == list(range(1, CLIENTS + 1))


async def test_as_many_threads_as_there_are_can_wait_at_once() -> None:
    table = MemoryTable()
    table.blocking_reads = table.blocking_writes = True
    sessions = Sessions(TableStore(table), key="sid")
    header = init_test_session(sessions, {"n": 0})
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions, fetch="explicit")

    @app.post("/")
    def count(session: SessionDep) -> int:
        counted: int = session.atomic_update("n", increment)
        return counted

    limiter = anyio.to_thread.current_default_thread_limiter()
    limiter.total_tokens = 2
    try:
        with anyio.fail_after(20):
            await answers(app, header)
    finally:
        limiter.total_tokens = 40

    assert sessions.fetch(header)["n"] == CLIENTS


async def test_an_event_loop_continues_while_a_table_blocks() -> None:
    goes_on = threading.Event()

    class Waiting(MemoryTable):
        blocking_reads = blocking_writes = True

        def replace(self, *args: Any, **options: Any) -> Any:
            assert goes_on.wait(20)
            return super().replace(*args, **options)

    sessions = Sessions(TableStore(Waiting()), key="sid")
    header = init_test_session(sessions, {"n": 0})
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions)

    @app.post("/")
    async def count(session: SessionDep) -> int:
        async def release() -> None:
            goes_on.set()

        async with anyio.create_task_group() as group:
            group.start_soon(release)
            counted: int = await session.atomic_update("n", increment)
        return counted

    assert sorted(map(int, await answers(app, header))) == list(range(1, CLIENTS + 1))


def increment(count: int) -> int:
    return count + 1


async def answers(app: ASGIApp, cookie: str) -> list[bytes]:
    """Return the responses to many concurrent requests that all have this *cookie*."""
    bodies: list[bytes] = []

    async def ask() -> None:
        headers = [(b"cookie", cookie.encode()), (b"host", b"test")]
        scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers}

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                bodies.append(message["body"])

        await app(scope, receive, send)

    async with anyio.create_task_group() as group:
        for _ in range(CLIENTS):
            group.start_soon(ask)
    return bodies
