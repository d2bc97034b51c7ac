"""Several sessions in one ASGI application: parameters, WebSockets, when each is read, mounted applications."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import anyio
import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from holdall import (
    ConfigurationError,
    MemoryTable,
    ResponseStartedError,
    Session,
    SessionNotFetchedError,
    Sessions,
    TableStore,
)
from holdall.nested import KEY
from holdall.testing import Browser, Client, asgi_client
from holdall.testing import Request as Asked
from holdall.testing._adapters.failures import FailingTable
from holdall.testing._adapters.several import SeveralTests
from holdall.testing._adapters.suite import Mount as MountApplication
from holdall_fastapi import FromSession, SessionDep, SessionMiddleware, SessionOf, fetch_session
from holdall_fastapi.testing import force_login, session_transaction
from tests.adapters.mounts.fastapi import mount as mount_fastapi
from tests.adapters.test_fastapi import SECRET, AwaitedTable, BlockingTable, kept, looked_up, request, websocket

pytestmark = pytest.mark.anyio


@pytest.fixture
def main() -> Sessions:
    return Sessions("cookie", key="_shop", secret_key_base=SECRET)


@pytest.fixture
def rows() -> AwaitedTable:
    return AwaitedTable()


@pytest.fixture
def cart(rows: AwaitedTable) -> Sessions:
    """Keep a cart in an async table."""
    return Sessions(TableStore(rows), key="sid", principal_key="user_id")


class TestInThreads(SeveralTests):
    """Blocking tables, from which nothing is read before it is fetched."""

    @pytest.fixture
    def mount(self) -> MountApplication:
        def mount(sessions: Sessions, also: Sequence[Sessions] = ()) -> Client:
            for each in (sessions, *also):
                table = each.prepare("sync").table
                if table is not None:
                    table.blocking_reads = table.blocking_writes = True
                assert each.prepare("async").waits_to_read is (table is not None)
            return mount_fastapi(sessions, also, fetch="explicit")

        return mount


def served(handler: Any, main: Sessions, *also: Sessions, **options: Any) -> Starlette:
    route = WebSocketRoute("/", handler) if "websocket" in handler.__annotations__ else Route("/", handler)
    return Starlette(routes=[route], middleware=[Middleware(SessionMiddleware, sessions=main, also=also, **options)])


def keys_of(lines: list[bytes]) -> list[str]:
    return [line.partition(b"=")[0].decode() for line in lines]


# Setup.


def test_one_that_has_the_name_of_starlettes_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="give each its own key"):
        SessionMiddleware(
            FastAPI(), secret_key=SECRET, also=[Sessions("cookie", key="session", secret_key_base=SECRET)]
        )


async def test_a_session_that_is_not_set_up_is_an_error(main: Sessions, cart: Sessions) -> None:
    async def handler(request: Request) -> Response:
        with pytest.raises(ConfigurationError, match="without the sessions 'sid'"):
            await fetch_session(request, cart)
        assert await fetch_session(request, main) is request.session
        return Response()

    assert (await request(served(handler, main))).status == 200


# Reading.


@pytest.mark.parametrize("fetch", ["auto", "explicit"])
async def test_an_additional_session_is_read_when_it_is_fetched(
    main: Sessions, cart: Sessions, rows: AwaitedTable, fetch: Any
) -> None:
    steps: list[list[str]] = []

    async def handler(request: Request) -> Response:
        for _ in range(2):
            steps.append([*rows.steps])
            session = await fetch_session(request, cart)
        return JSONResponse(dict(session))

    wire = await request(served(handler, main, cart, fetch=fetch), kept(rows.sessions, n=7))

    assert wire.body == b'{"n":7}'
    assert steps == [[], ["read"]]
    assert rows.steps == ["read"]


async def test_a_session_that_is_not_fetched_is_left_alone(main: Sessions, cart: Sessions, rows: AwaitedTable) -> None:
    async def handler(request: Request) -> Response:
        request.session["n"] = 1
        return Response()

    wire = await request(served(handler, main, cart), kept(rows.sessions, n=7))

    assert rows.steps == []
    assert keys_of(wire.all(b"set-cookie")) == ["_shop"]


async def test_a_session_that_was_not_awaited_cannot_be_used(
    main: Sessions, cart: Sessions, rows: AwaitedTable
) -> None:
    async def handler(request: Request) -> Response:
        with pytest.raises(SessionNotFetchedError, match="await fetch_session"):
            request.scope[KEY].session_of(cart)["n"] = 1
        return Response()

    assert (await request(served(handler, main, cart), kept(rows.sessions, n=7))).status == 200


async def test_an_additional_session_in_a_blocking_table_is_used_in_threads(main: Sessions) -> None:
    table = BlockingTable()
    cart = Sessions(TableStore(table), key="sid")

    async def handler(request: Request) -> Response:
        (await fetch_session(request, cart))["n"] = 2
        return Response()

    cookie = kept(cart, n=1)
    before = len(table.threads)
    await request(served(handler, main, cart), cookie)

    assert looked_up(cart, cookie) == {"n": 2}
    assert len(table.threads) > before


# Parameters.


@dataclass
class Basket:
    items: list[str] = field(default_factory=list)


def test_a_parameter_is_the_session_or_a_typed_value_of_it(main: Sessions) -> None:
    cart = Sessions("table", key="_cart", table="carts of parameters")
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=main, also=[cart])

    @app.post("/")
    async def add(
        session: SessionDep,
        again: Annotated[Session, Depends(fetch_session)],
        in_cart: Annotated[Session, SessionOf(cart)],
        basket: Annotated[Basket, FromSession("basket", sessions=cart)],
    ) -> dict[str, Any]:
        assert session is again is not in_cart
        basket.items.append("hat")
        session["n"] = 1
        return {"cart": dict(in_cart), "basket": basket.items}

    @app.post("/sync")
    def read(in_cart: Annotated[Session, SessionOf(cart)]) -> dict[str, Any]:
        return dict(in_cart)

    browser = Browser(asgi_client(app))
    browser.send(Asked())

    assert browser.send(Asked(path="/sync")).body == b'{"basket":{"items":["hat"]}}'
    assert sorted(kept.name for kept in browser.jar) == ["_cart", "_shop"]


# WebSockets and bodies.


async def test_a_websocket_begins_both_sessions_when_it_is_accepted(
    main: Sessions, cart: Sessions, rows: AwaitedTable
) -> None:
    async def handler(websocket: WebSocket) -> None:
        websocket.session["n"] = 1
        session = await fetch_session(websocket, cart)
        session["n"] = 2
        await websocket.accept()
        session["n"] = 3
        await websocket.close()

    wire = await websocket(served(handler, main, cart))

    assert sorted(keys_of(wire.all(b"set-cookie"))) == ["_shop", "sid"]
    (line,) = (line for line in wire.all(b"set-cookie") if line.startswith(b"sid"))
    assert looked_up(rows.sessions, line.partition(b";")[0]) == {"n": 3}


async def test_a_websocket_may_fetch_an_additional_session_late_and_save(
    main: Sessions, cart: Sessions, rows: AwaitedTable
) -> None:
    seen: list[dict[str, Any]] = []
    cookie = kept(rows.sessions, n=1)

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        session = await fetch_session(websocket, cart)
        session["n"] = 2
        await session.save()
        seen.append(looked_up(rows.sessions, cookie))
        session["n"] = 3
        await websocket.close()

    await websocket(served(handler, main, cart), cookie)

    assert seen == [{"n": 2}]
    assert looked_up(rows.sessions, cookie) == {"n": 3}


async def test_a_refused_websocket_still_ends_a_dropped_session(
    main: Sessions, cart: Sessions, rows: AwaitedTable
) -> None:
    async def handler(websocket: WebSocket) -> None:
        (await fetch_session(websocket, cart)).logout()
        await websocket.close()

    cookie = kept(rows.sessions, user_id=7)
    await websocket(served(handler, main, cart), cookie)

    assert looked_up(rows.sessions, cookie) == {}


@pytest.mark.parametrize("extensions", [{}, {"websocket.http.response": {}}], ids=["close", "response"])
async def test_a_handshake_is_refused_if_one_session_cannot_be_stored(
    main: Sessions, extensions: dict[str, Any]
) -> None:
    table = FailingTable()
    cart = Sessions(TableStore(table), key="sid")

    async def handler(websocket: WebSocket) -> None:
        websocket.session.configure(renew=True)
        websocket.session["n"] = 1
        (await fetch_session(websocket, cart))["n"] = 1
        await websocket.accept()

    table.failing = frozenset({"insert"})
    wire = await websocket(served(handler, main, cart), kept(main, n=0), extensions=extensions)

    if extensions:
        # A renewal is carried out even if the request has failed.
        assert (wire.kinds[0], wire.status) == ("websocket.http.response.start", 503)
        assert {key.partition(".")[0] for key in keys_of(wire.all(b"set-cookie"))} == {"_shop"}
    else:
        assert wire.kinds == ["websocket.close"]


async def test_a_websocket_is_not_closed_when_an_additional_session_ends(
    rows: AwaitedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = Sessions(TableStore(MemoryTable()), key="_lists")
    main = Sessions(TableStore(rows), key="sid", principal_key="user_id")
    looks = anyio.Event()
    monkeypatch.setattr("holdall.asgi._auto_close.sleep", lambda seconds: anyio.sleep(0))

    async def look(step: str) -> None:
        if rows.steps.count("read") > 3:
            looks.set()
        await anyio.lowlevel.checkpoint()

    rows.before = look

    async def handler(websocket: WebSocket) -> None:
        session = await fetch_session(websocket, lists)
        assert session["n"] == 1
        await websocket.accept()
        session.configure(drop=True)
        await session.save()
        await looks.wait()
        await websocket.send_text("still here")
        await websocket.close()

    cookies = kept(rows.sessions, user_id=7), kept(lists, n=1)
    with anyio.fail_after(10):
        wire = await websocket(served(handler, main, lists, check_ended_every=30), *cookies)

    assert wire.kinds == ["websocket.accept", "websocket.send", "websocket.close"]
    assert wire.sent[-1]["code"] == 1000


async def test_a_body_may_fetch_an_additional_session_late(main: Sessions, cart: Sessions, rows: AwaitedTable) -> None:
    in_cookie = Sessions("cookie", key="_other", secret_key_base=SECRET)

    async def handler(request: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            (await fetch_session(request, cart))["n"] = 2
            with pytest.raises(ResponseStartedError):
                (await fetch_session(request, in_cookie))["n"] = 1
            yield b"done"

        return StreamingResponse(body())

    cookie = kept(rows.sessions, n=1)
    wire = await request(served(handler, main, cart, in_cookie), cookie)

    assert (wire.error, wire.body) == (None, b"done")
    assert wire.all(b"vary") == [b"Cookie"]
    assert looked_up(rows.sessions, cookie) == {"n": 2}


async def test_a_cancelled_request_has_still_logged_out(main: Sessions, cart: Sessions, rows: AwaitedTable) -> None:
    async def handler(request: Request) -> Response:
        (await fetch_session(request, cart)).logout()
        scope.cancel()
        await anyio.sleep_forever()
        raise AssertionError

    cookie = kept(rows.sessions, user_id=7)
    with anyio.CancelScope() as scope:
        await request(served(handler, main, cart), cookie)

    assert looked_up(rows.sessions, cookie) == {}


async def test_a_failure_after_the_visitor_left_is_not_sent_to_the_visitor(
    main: Sessions, cart: Sessions, rows: AwaitedTable
) -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        (await fetch_session(websocket, cart))["n"] = 2
        raise WebSocketDisconnect(1001)

    cookie = kept(rows.sessions, n=1)
    await websocket(served(handler, main, cart), cookie)

    assert looked_up(rows.sessions, cookie) == {"n": 2}


# Mounted applications.


async def test_a_mounted_applications_own_sessions_end_with_it(main: Sessions) -> None:
    cart = Sessions("cookie", key="_cart", secret_key_base=SECRET)
    staff = Sessions("cookie", key="_staff", secret_key_base=SECRET, path="/admin")

    async def inner(request: Request) -> Response:
        request.session["n"] = 1
        with pytest.raises(ConfigurationError, match="'_cart'"):
            await fetch_session(request, cart)
        return Response()

    async def outer(request: Request) -> Response:
        (await fetch_session(request, cart))["n"] = 1
        with pytest.raises(ConfigurationError, match="'_staff'"):
            await fetch_session(request, staff)
        return Response()

    admin = Starlette(routes=[Route("/", inner)], middleware=[Middleware(SessionMiddleware, sessions=staff)])
    app = Starlette(
        routes=[Mount("/admin", admin), Route("/", outer)],
        middleware=[Middleware(SessionMiddleware, sessions=main, also=[cart])],
    )

    assert keys_of((await request(app, path="/admin/")).all(b"set-cookie")) == ["_staff"]
    assert keys_of((await request(app)).all(b"set-cookie")) == ["_cart"]


async def test_a_mounted_application_without_its_own_sessions_uses_the_outer_ones(main: Sessions) -> None:
    staff = Sessions("cookie", key="_staff", secret_key_base=SECRET, path="/admin")

    async def inner(request: Request) -> Response:
        (await fetch_session(request, staff))["n"] = 1
        return Response()

    app = Starlette(
        routes=[Mount("/admin", Starlette(routes=[Route("/", inner)]))],
        middleware=[Middleware(SessionMiddleware, sessions=main, also=[staff])],
    )

    (line,) = (await request(app, path="/admin/")).all(b"set-cookie")
    assert line.startswith(b"_staff=")
    assert b"; path=/admin" in line


# Tests of an application.


def test_a_test_accesses_an_additional_session_through_its_sessions(main: Sessions) -> None:
    testclient = pytest.importorskip("fastapi.testclient", reason="the test client needs httpx2")
    cart = Sessions("table", key="_cart", table="carts of tests", principal_key="user_id")
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=main, also=[cart])

    @app.get("/")
    async def both(session: SessionDep, in_cart: Annotated[Session, SessionOf(cart)]) -> list[dict[str, Any]]:
        return [dict(session), dict(in_cart)]

    with testclient.TestClient(app) as client:
        with session_transaction(client, main) as session:
            session["n"] = 1
        force_login(client, cart, 7)
        assert client.get("/").json() == [{"n": 1}, {"user_id": 7}]
