"""Test bodies that are sent piece by piece, files, and background tasks: each framework's kinds, on real servers."""

import tests.django_project  # noqa: F401  # sets Django up

# isort: split

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import flask
import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import FileResponse as DjangoFileResponse
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import path
from fastapi import FastAPI
from fastapi.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.background import BackgroundTask

from holdall import ResponseStartedError, Session, Sessions
from holdall.testing import Browser, Request
from holdall_fastapi import SessionDep, SessionMiddleware
from holdall_flask import Holdall, fetch_session
from servers.web import SECONDS, by_uvicorn, by_waitress, http_client

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"
FILE = b"a file " * 20_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(FILE)
    return file


@pytest.fixture(params=["cookie", "memory", "SQLite"])
def sessions(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sessions]:
    stores: dict[str, dict[str, Any]] = {
        "cookie": {"store": "cookie", "secret_key_base": SECRET},
        "memory": {"store": "table", "table": request.node.name},
        # Waits for its file, in a thread under ASGI.
        "SQLite": {"store": "table", "table": f"sqlite:///{tmp_path}/sessions.db"},
    }
    sessions = Sessions(key="sid", **stores[request.param])
    yield sessions
    sessions.close()


@pytest.fixture
def may_be_changed_late(sessions: Sessions) -> bool:
    """Return whether a row can take changes made after the headers have been sent."""
    return sessions.prepare("sync").table is not None


# Each kind serves "/", which shows the session, and "/body", which puts "n" before the body and "late" in it.


def put_late(session: Session) -> bytes:
    """Put "late", and return whether that was possible."""
    try:
        session["late"] = 1
    except ResponseStartedError:
        return b"refused"
    return b"put"


def pieces(session: Session) -> Iterator[bytes]:
    yield b"it was "
    yield put_late(session)


async def awaited_pieces(session: Session) -> AsyncIterator[bytes]:
    for piece in pieces(session):
        yield piece


@contextmanager
def django(sessions: Sessions, body: Callable[..., Any], *, asgi: bool) -> Iterator[int]:
    def show(request: HttpRequest) -> HttpResponse:
        return HttpResponse(json.dumps(dict(request.session)))

    def view(request: HttpRequest) -> HttpResponse:
        request.session["n"] = 1
        return body(request.session)

    async def show_async(request: HttpRequest) -> HttpResponse:
        return show(request)

    async def view_async(request: HttpRequest) -> HttpResponse:
        return view(request)

    urls = (path("", show_async), path("body", view_async)) if asgi else (path("", show), path("body", view))
    settings = {"HOLDALL": {"sessions": sessions}, "ROOT_URLCONF": urls}
    with (
        override_settings(**settings, MIDDLEWARE=["holdall_django.SessionMiddleware"]),
        by_uvicorn(ASGIHandler(), lifespan="off") if asgi else by_waitress(WSGIHandler()) as port,
    ):
        yield port


@contextmanager
def in_flask(sessions: Sessions, body: Callable[..., Any]) -> Iterator[int]:
    app = flask.Flask(__name__)
    Holdall(app, sessions)

    @app.get("/")
    def show() -> Any:
        return dict(flask.session)

    @app.get("/body")
    def page() -> Any:
        flask.session["n"] = 1
        return body(fetch_session())

    with by_waitress(app) as port:
        yield port


@contextmanager
def fastapi(sessions: Sessions, body: Callable[..., Any]) -> Iterator[int]:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions)

    @app.get("/")
    async def show(session: SessionDep) -> dict[str, Any]:
        return dict(session)

    @app.get("/body")
    async def page(session: SessionDep) -> Any:
        session["n"] = 1
        return body(session)

    with by_uvicorn(app) as port:
        yield port


PIECES = {
    "Django, WSGI": lambda sessions: django(sessions, lambda s: StreamingHttpResponse(pieces(s)), asgi=False),
    "Django, WSGI, awaited": lambda sessions: django(
        sessions, lambda s: StreamingHttpResponse(awaited_pieces(s)), asgi=False
    ),
    "Django, ASGI": lambda sessions: django(sessions, lambda s: StreamingHttpResponse(awaited_pieces(s)), asgi=True),
    "Django, ASGI, not awaited": lambda sessions: django(
        sessions, lambda s: StreamingHttpResponse(pieces(s)), asgi=True
    ),
    "Flask": lambda sessions: in_flask(sessions, lambda s: flask.Response(pieces(s))),
    "Flask, with context": lambda sessions: in_flask(
        sessions, lambda s: flask.Response(flask.stream_with_context(pieces(flask.session)))
    ),
    "FastAPI": lambda sessions: fastapi(sessions, lambda s: StreamingResponse(awaited_pieces(s))),
    "FastAPI, not awaited": lambda sessions: fastapi(sessions, lambda s: StreamingResponse(pieces(s))),
}


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
@pytest.mark.parametrize("kind", PIECES)
def test_a_change_in_a_body_is_refused_or_saved_before_its_end_is_sent(
    kind: str, sessions: Sessions, may_be_changed_late: bool
) -> None:
    with PIECES[kind](sessions) as port:
        visitor = Browser(http_client(port))

        answer = visitor.send(Request("GET", "/body"))

        assert answer.body == (b"it was put" if may_be_changed_late else b"it was refused")
        assert (answer.all("Vary"), answer.all("Cache-Control")) == (["Cookie"], ["no-store"])
        shown = json.loads(visitor.send(Request("GET")).body)
        assert shown == ({"n": 1, "late": 1} if may_be_changed_late else {"n": 1})


# Files, which a server may send in its own way.

FILES = {
    "Django, WSGI": lambda sessions, file: django(sessions, lambda s: DjangoFileResponse(file.open("rb")), asgi=False),
    "Django, ASGI": lambda sessions, file: django(sessions, lambda s: DjangoFileResponse(file.open("rb")), asgi=True),
    "Flask": lambda sessions, file: in_flask(sessions, lambda s: flask.send_file(file)),
    "FastAPI": lambda sessions, file: fastapi(sessions, lambda s: FileResponse(file)),
}


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_sent_whole_with_the_changes_made_before_it(kind: str, sessions: Sessions, file: Path) -> None:
    with FILES[kind](sessions, file) as port:
        visitor = Browser(http_client(port))

        answer = visitor.send(Request("GET", "/body"))

        assert answer.body == FILE
        assert answer.all("Content-Length") == [str(len(FILE))]
        assert json.loads(visitor.send(Request("GET")).body) == {"n": 1}


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
@pytest.mark.parametrize("kind", ["Django, WSGI", "Django, ASGI", "Flask"])
def test_changes_after_a_file_are_refused_because_its_end_is_not_reported(
    kind: str, sessions: Sessions, file: Path
) -> None:
    kept: list[Session] = []

    def send(session: Session) -> Any:
        kept.append(session)
        return flask.send_file(file) if kind == "Flask" else DjangoFileResponse(file.open("rb"))

    with in_flask(sessions, send) if kind == "Flask" else django(sessions, send, asgi="ASGI" in kind) as port:
        visitor = Browser(http_client(port))
        visitor.send(Request("GET", "/body"))

        with pytest.raises(ResponseStartedError):
            kept[0]["late"] = 1
        assert json.loads(visitor.send(Request("GET")).body) == {"n": 1}


# Background tasks, which begin after the body has been sent.


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("of_file", [True, False])
def test_a_change_in_a_background_task_is_refused_or_saved(
    is_async: bool, of_file: bool, sessions: Sessions, may_be_changed_late: bool, file: Path
) -> None:
    said: Queue[bytes] = Queue()

    def answer(session: Session) -> Response:
        def later() -> None:
            said.put(put_late(session))

        async def later_async() -> None:
            later()

        task = BackgroundTask(later_async if is_async else later)
        return FileResponse(file, background=task) if of_file else PlainTextResponse("text", background=task)

    with fastapi(sessions, answer) as port:
        visitor = Browser(http_client(port))
        visitor.send(Request("GET", "/body"))

        assert said.get(timeout=SECONDS) == (b"put" if may_be_changed_late else b"refused")

    # The server has ended, and with it everything that it had begun.
    shown = dict(sessions.fetch(f"sid={visitor.get('sid')}"))
    assert shown == ({"n": 1, "late": 1} if may_be_changed_late else {"n": 1})
