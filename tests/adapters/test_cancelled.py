"""
Requests that are cancelled at every possible moment: afterwards the session is either the old one or the new one.

A table in memory pauses before each verb. With a driver's table, a request is cancelled whenever anything in its event
loop begins to wait, such as for a server's answer; with a table that is called in threads, before and after each verb.
"""

import tests.django_project  # noqa: F401  # sets Django up

# isort: split

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from typing import Any

import anyio
import pytest
from anyio.from_thread import BlockingPortal
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Message

from holdall import AsyncTable, Session, Sessions, Table, TableStore
from holdall.serializers import TaggedJSON
from holdall.stores._principals import owner
from holdall.tables.postgres import AsyncPostgresTable, PostgresTable
from holdall.tables.redis import AsyncRedisTable, RedisTable
from holdall_django.table import DjangoTable
from servers.postgres import PostgresServer
from servers.redis import RedisServer
from tables.django_databases import migrated, of_postgres
from tests.adapters.test_fastapi import AwaitedTable, Wire, kept, request, served

# More than any request here waits.
_MOMENTS = 300

# What a request does.

Act = Callable[[Session], Awaitable[None]]


async def put(session: Session) -> None:
    session["n"] = 2


async def renew(session: Session) -> None:
    session["n"] = 2
    session.configure(renew=True)


async def log_in(session: Session) -> None:
    session["n"] = 2
    session.login(8)


async def log_out(session: Session) -> None:
    session.logout()


async def save(session: Session) -> None:
    session["n"] = 2
    await session.save()


async def save_late(session: Session) -> None:
    session["n"] = 1
    await session.save()
    session["n"] = 2
    await session.save()


async def count(session: Session) -> None:
    await session.atomic_update("n", lambda n: n + 1)


# What a request does in Django.


async def put_in_django(session: Any) -> None:
    await session.aset("n", 2)


async def renew_in_django(session: Any) -> None:
    await session.aset("n", 2)
    await session.acycle_key()


async def log_in_to_django(session: Any) -> None:
    await session.aupdate({"n": 2, "user_id": 8})


async def save_in_django(session: Any) -> None:
    await session.aset("n", 2)
    await session.asave()


async def log_out_of_django(session: Any) -> None:
    await session.aflush()


OLD = {"user_id": 7, "n": 1}
_WRITTEN, _LOGGED_IN = [{"user_id": 7, "n": 2}], [{"user_id": 8, "n": 2}]
NEW: dict[Act, list[dict[str, Any]]] = {
    put: _WRITTEN,
    renew: _WRITTEN,
    log_in: _LOGGED_IN,
    log_out: [],
    save: _WRITTEN,
    save_late: _WRITTEN,
    count: _WRITTEN,
    put_in_django: _WRITTEN,
    renew_in_django: _WRITTEN,
    log_in_to_django: _LOGGED_IN,
    save_in_django: _WRITTEN,
    log_out_of_django: [],
}
ON_THE_WAY: dict[Act, list[list[dict[str, Any]]]] = {
    # A login as another user leaves the previous session alone, even if the new one is never stored.
    log_in_to_django: [[]],
}
# A new ID cannot be sent any more during the body.
LATE = [put, log_out, save, save_late, count]
WHEN = [(act, False) for act in (*LATE, renew, log_in)] + [(act, True) for act in LATE]
IN_DJANGO = [put_in_django, renew_in_django, log_in_to_django, save_in_django, log_out_of_django]
IDS = [f"{act.__name__}, {'during the body' if late else 'before the headers'}" for act, late in WHEN]


def acting(act: Act, *, late: bool, sessions: Sessions) -> ASGIApp:
    """Return a Starlette application that does it *late*, or before the headers are sent."""

    async def handler(request: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"."
            await act(request.session)

        if late:
            return StreamingResponse(body())
        await act(request.session)
        return PlainTextResponse("ok")

    return served(handler, sessions)


def data_in(table: Table) -> list[dict[str, Any]]:
    """Return the data of all sessions in a *table* of unencrypted rows."""
    found = [listed for user in ("7", "8") for listed in table.find(owner(user, "", "sid")) if not listed.is_tombstone]
    rows = (table.read(listed.digest) for listed in found)
    return [TaggedJSON().loads(row.data.removeprefix(b"sid\0\0")) for row in rows if row]


def check(act: Act, states: list[list[dict[str, Any]]]) -> None:
    """Check the sessions after a request that was cancelled at its first moment, at its second, and so on."""
    new = NEW[act]
    assert len(states) > 2
    assert all(state in ([OLD], new, *ON_THE_WAY.get(act, ())) for state in states), states
    assert states[-1] == new


@pytest.mark.anyio
@pytest.mark.parametrize(("act", "late"), WHEN, ids=IDS)
async def test_a_request_cancelled_at_each_verb_of_an_async_table(act: Act, late: bool) -> None:
    states = []
    for n in range(_MOMENTS):
        rows, left = AwaitedTable(), n
        cookie = kept(rows.sessions, **OLD)
        with anyio.CancelScope() as scope:

            async def cancel(verb: str, scope: anyio.CancelScope = scope) -> None:
                nonlocal left
                # Before a verb, which is after the one before it.
                if not left:
                    scope.cancel()
                left -= 1
                await anyio.lowlevel.checkpoint()

            rows.before = cancel
            sessions = Sessions(TableStore(rows), key="sid", principal_key="user_id")
            await request(acting(act, late=late, sessions=sessions), cookie)
        states.append(data_in(rows.table))
        if left >= 0:
            break

    check(act, states)
    assert [OLD] in states


# Real servers.


@pytest.fixture(params=["Valkey", "PostgreSQL"])
def tables(request: pytest.FixtureRequest) -> Iterator[tuple[Table, Callable[[], AsyncTable]]]:
    """Return a table on a server, and a function that opens its async twin."""
    if request.param == "Valkey":
        server: RedisServer = request.getfixturevalue("valkey")
        prefix = f"{secrets.token_hex(8)}:"
        table: Any = RedisTable(server.url, prefix=prefix)
        twin: Any = lambda: AsyncRedisTable(server.url, prefix=prefix)  # noqa: E731
    else:
        postgres: PostgresServer = request.getfixturevalue("postgres")
        url = postgres.new_url()
        table = PostgresTable(url)
        twin = lambda: AsyncPostgresTable(url)  # noqa: E731
    yield table, twin
    table.close()


def outside(table: Table) -> Sessions:
    return Sessions(TableStore(table, encrypt=False), key="sid", principal_key="user_id")


def emptied(table: Table) -> Table:
    """Return *table* without these tests' sessions."""
    for user in (7, 8):
        outside(table).revoke(user)
    return table


class Watched(Coroutine[Any, Any, Any]):
    """A coroutine that reports when it begins to wait."""

    def __init__(self, work: Any, waits: Callable[[], None]) -> None:
        self._work = work
        self._waits = waits

    def send(self, value: Any) -> Any:
        waited = self._work.send(value)
        self._waits()
        return waited

    def throw(self, *error: Any) -> Any:
        waited = self._work.throw(*error)
        self._waits()
        return waited

    def close(self) -> None:
        self._work.close()

    def __getattr__(self, name: str) -> Any:
        # anyio inspects a coroutine's state.
        return getattr(self._work, name)

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._work.__await__()


class Moments:
    """An event loop that can act when anything begins to wait for the nth time."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.runner = runner
        self.left = -1
        self._act: Callable[[], object] = bool
        runner.get_loop().set_task_factory(self._task)

    def _task(self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        return asyncio.Task(Watched(work, self._count), loop=loop, **options)

    def _count(self) -> None:
        self.left -= 1
        if self.left == -1:
            self._act()

    async def cancel(self, n: int, work: Coroutine[Any, Any, Any], leave: Callable[[], None] | None = None) -> bool:
        """Do *work*, cancel it or let the visitor *leave* at the *nth* moment, and return whether it got that far."""
        task = asyncio.ensure_future(work)
        self.left, self._act = n, leave or task.cancel
        await asyncio.wait([task])
        had, self.left = self.left < 0, -1
        assert task.cancelled() or task.exception() is None
        return had


@pytest.fixture
def moments() -> Iterator[Moments]:
    with asyncio.Runner() as runner:
        yield Moments(runner)


@pytest.mark.parametrize("by", ["its task", "a scope of anyio"])
@pytest.mark.parametrize(("act", "late"), WHEN, ids=IDS)
def test_a_request_cancelled_at_each_wait_for_a_server(
    act: Act, late: bool, by: str, tables: Any, moments: Moments
) -> None:
    table, open_twin = tables
    twin = open_twin()
    other = kept(outside(table), user_id=9, n=9)
    sessions = Sessions(TableStore(twin, encrypt=False), key="sid", principal_key="user_id")
    states = []

    async def visit(cookie: bytes, n: int) -> bool:
        scope = anyio.CancelScope()

        async def within() -> None:
            with scope:
                await request(acting(act, late=late, sessions=sessions), cookie)

        return await moments.cancel(n, within(), None if by == "its task" else scope.cancel)

    async def see(cookie: bytes) -> dict[str, Any]:
        return dict(await sessions.fetch_async(cookie.decode()))

    # The connections exist before anything is counted.
    moments.runner.run(see(other))
    for n in range(_MOMENTS):
        cookie = kept(outside(emptied(table)), **OLD)
        was_cancelled = moments.runner.run(visit(cookie, n))
        states.append(data_in(table))
        # A cancelled query has left no answer behind that another request could take for its own.
        assert moments.runner.run(see(other)) == {"user_id": 9, "n": 9}
        if not was_cancelled:
            break
    moments.runner.run(twin.aclose())

    check(act, states)
    assert [OLD] in states


class Threaded:
    """A table that is called in threads, and reports there when a verb begins and when it has ended."""

    def __init__(self, table: Table, moment: Callable[[], None]) -> None:
        self._table = table
        self._moment = moment

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._table, name)
        if name not in ("read", "insert", "replace", "touch", "remove"):
            return found

        def call(*args: Any, **options: Any) -> Any:
            self._moment()
            answer = found(*args, **options)
            self._moment()
            return answer

        return call


@pytest.mark.anyio
@pytest.mark.parametrize(("act", "late"), WHEN, ids=IDS)
async def test_a_request_cancelled_before_and_after_each_verb_in_a_thread(act: Act, late: bool, tables: Any) -> None:
    table, _ = tables
    states = []
    for n in range(_MOMENTS):
        left = n
        cookie = kept(outside(await anyio.to_thread.run_sync(emptied, table)), **OLD)
        async with BlockingPortal() as portal:
            with anyio.CancelScope() as scope:

                def cancel(portal: BlockingPortal = portal, scope: anyio.CancelScope = scope) -> None:
                    nonlocal left
                    left -= 1
                    if left == -1:
                        # The request does not wait for a thread that reads.
                        portal.call(scope.cancel)

                store = TableStore(Threaded(table, cancel), encrypt=False)
                sessions = Sessions(store, key="sid", principal_key="user_id")
                await request(acting(act, late=late, sessions=sessions), cookie)
        states.append(data_in(table))
        if left >= 0:
            break

    check(act, states)


# Django, with visitors who disconnect.


class Leaving(Wire):
    """A server's side of a connection whose visitor disconnects when told to."""

    def __init__(self) -> None:
        super().__init__({"type": "http.request", "body": b"", "more_body": False})
        self.leaves = asyncio.Event()

    async def receive(self) -> Message:
        if self.incoming:
            return self.incoming.pop(0)
        await self.leaves.wait()
        return {"type": "http.disconnect"}


@pytest.mark.parametrize("act", IN_DJANGO, ids=lambda act: act.__name__)
def test_a_visitor_who_disconnects_at_each_wait_for_a_server(act: Act, tables: Any, moments: Moments) -> None:
    table, open_twin = tables
    twin = open_twin()
    other = kept(outside(table), user_id=9, n=9)
    sessions = Sessions(TableStore(twin, encrypt=False), key="sid", principal_key="user_id")
    states = []

    async def view(asked: HttpRequest) -> HttpResponse:
        await act(asked.session)
        return HttpResponse()

    async def visit(cookie: bytes, n: int) -> bool:
        wire = Leaving()
        return await moments.cancel(n, request(ASGIHandler(), cookie, wire=wire), wire.leaves.set)

    async def see(cookie: bytes) -> dict[str, Any]:
        return dict(await sessions.fetch_async(cookie.decode()))

    moments.runner.run(see(other))
    with override_settings(HOLDALL={"sessions": sessions}, ROOT_URLCONF=(path("", view),)):
        for n in range(_MOMENTS):
            cookie = kept(outside(emptied(table)), **OLD)
            has_left = moments.runner.run(visit(cookie, n))
            states.append(data_in(table))
            assert moments.runner.run(see(other)) == {"user_id": 9, "n": 9}
            if not has_left:
                break
    moments.runner.run(twin.aclose())

    check(act, states)
    assert [OLD] in states


@pytest.mark.parametrize("act", IN_DJANGO, ids=lambda act: act.__name__)
def test_a_visitor_who_disconnects_before_and_after_each_verb_in_a_project_database(
    act: Act, postgres: PostgresServer
) -> None:
    states = []
    wire = loop = left = None

    async def view(asked: HttpRequest) -> HttpResponse:
        await act(asked.session)
        return HttpResponse()

    def leave() -> None:
        nonlocal left
        if not left:
            loop.call_soon_threadsafe(wire.leaves.set)
        left -= 1

    async def visit(cookie: bytes) -> None:
        nonlocal wire, loop
        wire, loop = Leaving(), asyncio.get_running_loop()
        await request(ASGIHandler(), cookie, wire=wire)

    with migrated("cancelled", of_postgres(postgres.new_url())) as alias:
        table = DjangoTable(alias)
        sessions = Sessions(TableStore(Threaded(table, leave), encrypt=False), key="sid", principal_key="user_id")
        with override_settings(HOLDALL={"sessions": sessions}, ROOT_URLCONF=(path("", view),)):
            for n in range(_MOMENTS):
                cookie = kept(outside(emptied(table)), **OLD)
                left = n
                asyncio.run(visit(cookie))
                states.append(data_in(table))
                if left >= 0:
                    break

    check(act, states)
