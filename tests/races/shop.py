"""
One small shop in Flask, FastAPI and Django, served by real servers in separate processes.

Each request reads its session, waits, acts, and responds with the data that it had read. If a test names a gate, the
request waits there until the test opens it; otherwise it waits briefly, as if for a database, so that requests overlap.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from functools import partial
from socket import create_connection, create_server, socket
from typing import Any, NamedTuple

from holdall import Sessions
from servers.web import SECONDS, Server, serve, start, uvicorn, waitress

#: The cookie's name.
KEY = "sid"

#: Named instead of a table if sessions are in their cookies, in our own format and in one without generations.
COOKIE, FORGETFUL = "cookie", "forgetful"
#: A prefix for the URL of a table with rows for sessions in cookies.
REVOCABLE = "revocable "
#: A prefix for the URL of a table for sessions that do not fit into their cookies.
OVERFLOW = "overflow "

_SECRET = "5d0c1f7a94b2e8361c7f0a9d4e5b2863"

_PAUSE_SECONDS = 0.002


class Served(NamedTuple):
    """An application on the ports of several processes, which share its sessions."""

    ports: list[int]


@contextmanager
def serving(table: str, *, processes: int, frameworks: tuple[str, ...] | None = None) -> Iterator[dict[str, Served]]:
    """Serve each of *frameworks*, or all of them, from several *processes*, with all their sessions in *table*."""
    with _running(partial(_serve_frameworks, table), frameworks or FRAMEWORKS, processes) as served:
        yield served


@contextmanager
def serving_naively() -> Iterator[Served]:
    """Serve the shop with sessions as one would write them in an afternoon."""
    with _running(_serve_naive, ("naive",), 1) as served:
        yield served["naive"]


@contextmanager
def _running(
    make: Callable[[dict[str, socket]], None], names: tuple[str, ...], count: int
) -> Iterator[dict[str, Served]]:
    served = {name: Served([]) for name in names}
    processes = []
    try:
        for _ in range(count):
            with ExitStack() as ours:
                # They listen before the process has started, so that no port is lost and no visitor is refused.
                listeners = {name: ours.enter_context(create_server(("127.0.0.1", 0))) for name in names}
                for name, listener in listeners.items():
                    served[name].ports.append(listener.getsockname()[1])
                processes.append(start(make, listeners))
        yield served
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


# In the processes that were started.


def _serve_frameworks(table: str, listeners: dict[str, socket]) -> None:
    match table:
        case "cookie":
            sessions = Sessions("cookie", secret_key_base=_SECRET, key=KEY, principal_key="user")
        case "forgetful":
            sessions = Sessions("cookie", format="flask", secret_key_base=_SECRET, key=KEY, principal_key="user")
        case _ if table.startswith(REVOCABLE):
            rows = table.removeprefix(REVOCABLE)
            sessions = Sessions("cookie", revocable=rows, secret_key_base=_SECRET, key=KEY, principal_key="user")
        case _ if table.startswith(OVERFLOW):
            rows = table.removeprefix(OVERFLOW)
            sessions = Sessions("cookie", overflow=rows, secret_key_base=_SECRET, key=KEY, principal_key="user")
        case _:
            sessions = Sessions("table", table=table, key=KEY, principal_key="user")
    serve({name: (*_MAKERS[name](sessions), listener) for name, listener in listeners.items()})


def _serve_naive(listeners: dict[str, socket]) -> None:
    from races.naive import NaiveInterface

    app = _flask_app()
    app.session_interface = NaiveInterface(KEY)
    serve({name: (app, waitress, listener) for name, listener in listeners.items()})


# The shop.


def act(session: Any, verb: str, value: str) -> None:
    match verb:
        case "read":
            pass
        case "count":
            session[value] = session.get(value, 0) + 1
        case "atomic":
            session.atomic_update(value, _count, default=0)
        case "grow":
            session[value] = "a" * 4000
        case "shrink":
            session.pop(value, None)
        case "login":
            session.login(value)
        case "logout":
            session.logout()
        case "renew":
            session.configure(renew=True)
        case _:
            raise ValueError(verb)


async def async_act(session: Any, verb: str, value: str) -> None:
    if verb != "atomic":
        act(session, verb, value)
        return
    await session.atomic_update(value, _count, default=0)


def _count(count: int) -> int:
    return count + 1


def wait(gate: str | None) -> None:
    if gate is None:
        time.sleep(_PAUSE_SECONDS)
        return
    with create_connection(("127.0.0.1", int(gate)), timeout=SECONDS) as waiting:
        # The gate sends nothing: it opens by closing the connection.
        waiting.recv(1)


def body(session: MutableMapping[str, Any], value: str, gate: str | None) -> Iterator[bytes]:
    yield b"begun"
    wait(gate)
    act(session, "count", value)
    yield b" and ended"


async def async_wait(gate: str | None) -> None:
    await (asyncio.sleep(_PAUSE_SECONDS) if gate is None else asyncio.to_thread(wait, gate))


async def async_body(session: MutableMapping[str, Any], value: str, gate: str | None) -> AsyncIterator[bytes]:
    yield b"begun"
    await async_wait(gate)
    act(session, "count", value)
    yield b" and ended"


def _flask_app() -> Any:
    from flask import Flask, Response, jsonify, request, session, stream_with_context

    app = Flask(__name__)

    @app.post("/stream/<value>")
    def stream(value: str) -> Response:
        dict(session)
        return Response(stream_with_context(body(session, value, request.headers.get("Gate"))))

    @app.post("/<verb>/<value>")
    def answer(verb: str, value: str) -> Response:
        seen = dict(session)
        wait(request.headers.get("Gate"))
        act(session, verb, value)
        return jsonify(seen)

    return app


def _flask(sessions: Sessions) -> tuple[Any, Server]:
    from holdall_flask import Holdall

    app = _flask_app()
    Holdall(app, sessions)
    return app, waitress


def _fastapi(sessions: Sessions) -> tuple[Any, Server]:
    from fastapi import FastAPI, Request
    from fastapi.responses import StreamingResponse

    from holdall_fastapi import SessionMiddleware

    app = FastAPI(openapi_url=None)
    app.add_middleware(SessionMiddleware, sessions=sessions)

    @app.post("/stream/{value}")
    async def stream(request: Request, value: str) -> StreamingResponse:
        session = request.session
        dict(session)
        return StreamingResponse(async_body(session, value, request.headers.get("Gate")))

    @app.post("/{verb}/{value}")
    async def answer(request: Request, verb: str, value: str) -> dict[str, Any]:
        session = request.session
        seen = dict(session)
        await async_wait(request.headers.get("Gate"))
        await async_act(session, verb, value)
        return seen

    return app, uvicorn


def _django(sessions: Sessions) -> tuple[Any, Server]:
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
    from django.urls import path

    def stream(request: HttpRequest, value: str) -> StreamingHttpResponse:
        dict(request.session)
        return StreamingHttpResponse(body(request.session, value, request.headers.get("Gate")))

    def answer(request: HttpRequest, verb: str, value: str) -> JsonResponse:
        seen = dict(request.session)
        wait(request.headers.get("Gate"))
        act(request.session, verb, value)
        return JsonResponse(seen)

    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=(path("stream/<value>", stream), path("<verb>/<value>", answer)),
        MIDDLEWARE=["holdall_django.SessionMiddleware"],
        SESSION_ENGINE="holdall_django.engine",
        HOLDALL=sessions,
    )
    return get_wsgi_application(), waitress


_MAKERS = {"Flask": _flask, "FastAPI": _fastapi, "Django": _django}

FRAMEWORKS = tuple(_MAKERS)
