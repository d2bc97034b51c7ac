"""Requests that really run at the same time, with cookies of Flask-Session, on real servers."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import msgspec
import pytest

from holdall import Event, Sessions
from holdall.sources.flask_session import FlaskSessionSource
from holdall.stores._principals import owner
from holdall.tables.redis import RedisTable
from servers.redis import RedisServer

ROUNDS = 20
REQUESTS = 8


@pytest.fixture
def server(valkey: RedisServer) -> RedisServer:
    valkey.client.flushall()
    return valkey


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def sessions(server: RedisServer, events: list[Event]) -> Sessions:
    return Sessions(
        "table",
        key="session",
        table=f"{server.url.removesuffix('0')}1",
        principal_key="user_id",
        migrate_from=[FlaskSessionSource(server.url)],
        on_event=events.append,
    )


def begin(server: RedisServer, number: int) -> str:
    """Store a session as Flask-Session would, and return its cookie."""
    cookie = f"{number:043}"
    server.client.set(f"session:{cookie}", msgspec.msgpack.encode({"user_id": number, "_permanent": True}), ex=3600)
    return cookie


def is_as_it_should_be(server: RedisServer, sessions: Sessions, number: int, cookies: list[str | None]) -> None:
    """Check that all requests of a round reached one session, and that each one's write is in it."""
    assert len(set(cookies)) == 1
    written = {f"by {request}": request for request in range(REQUESTS)}
    assert sessions.resume(cookies[0]) == {"user_id": number, "_permanent": True, **written}
    assert len(RedisTable(f"{server.url.removesuffix('0')}1").find(owner(str(number), "", "session"))) == 1
    assert server.client.keys() == []


def test_threads_with_one_old_cookie_reach_one_session_and_lose_nothing(
    server: RedisServer, sessions: Sessions, events: list[Event]
) -> None:
    meet = Barrier(REQUESTS)

    def request(cookie: str, number: int) -> str | None:
        session = sessions.fetch(f"session={cookie}")
        meet.wait()
        session[f"by {number}"] = number
        return sessions.commit(session).cookie

    with ThreadPoolExecutor(REQUESTS) as threads, sessions:
        for number in range(ROUNDS):
            cookie = begin(server, number)
            cookies = [*threads.map(request, [cookie] * REQUESTS, range(REQUESTS))]
            is_as_it_should_be(server, sessions, number, cookies)

    assert [event.name for event in events if event.name != "old_cookie"] == []


def test_tasks_with_one_old_cookie_reach_one_session_and_lose_nothing(
    server: RedisServer, sessions: Sessions, events: list[Event]
) -> None:
    async def request(cookie: str, number: int) -> str | None:
        session = await sessions.fetch_async(f"session={cookie}")
        session[f"by {number}"] = number
        return (await sessions.commit_async(session)).cookie

    async def rounds() -> list[list[str | None]]:
        async with sessions:
            return [
                await asyncio.gather(*map(request, [begin(server, each)] * REQUESTS, range(REQUESTS)))
                for each in range(ROUNDS)
            ]

    answers = asyncio.run(rounds())

    for number, cookies in enumerate(answers):
        is_as_it_should_be(server, sessions, number, cookies)
    assert [event.name for event in events if event.name != "old_cookie"] == []
