"""Sessions in a header, where the frameworks differ: cookie settings, test clients, error pages, nesting."""

import tests.django_project  # noqa: F401  # sets Django up

# isort: split

import asyncio
import json
from typing import Any

import pytest
from a2wsgi import WSGIMiddleware
from django.test import override_settings
from fastapi import FastAPI
from flask import Flask
from flask import session as flask_session

from holdall import ConfigurationError, MemoryTable, Sessions, StoreError, TableStore, asgi
from holdall.testing import Request, asgi_client, init_test_session, wsgi_client
from holdall.testing._adapters.failures import FailingTable
from holdall.testing._clock import FakeClock
from holdall_django._configuration import configured_sessions
from holdall_fastapi import SessionDep, SessionMiddleware
from holdall_fastapi._configuration import sessions_by_arguments
from holdall_flask import Holdall, fetch_session

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"


def in_header(name: str = "Authorization", key: str = "_shop", **options: Any) -> Sessions:
    return Sessions("cookie", key=key, secret_key_base=SECRET, transport=name, **options)


def counting(sessions: Sessions | None = None, **options: Any) -> Flask:
    app = Flask(__name__)
    app.secret_key = SECRET
    Holdall(app, sessions, **options)

    @app.post("/")
    def count() -> dict[str, int]:
        flask_session["n"] = flask_session.get("n", 0) + 1
        return {"n": flask_session["n"]}

    return app


def test_a_frameworks_cookie_settings_are_ignored() -> None:
    client = wsgi_client(counting(transport="X-Session"))
    (held,) = client(Request()).all("X-Session")
    assert json.loads(client(Request(headers=[("X-Session", held)])).body) == {"n": 2}

    made = sessions_by_arguments(read_framework_cookies=False, secret_key=SECRET, transport="X-Session")
    assert made.transport is not None
    with override_settings(HOLDALL={"transport": "X-Session", "weak_secrets": True}):
        made = configured_sessions()
    assert made.transport is not None
    with pytest.raises(ConfigurationError, match="sends no cookie"):
        counting(transport="X-Session", path="/shop")


def test_a_fastapi_test_sets_the_header_on_its_client() -> None:
    library = pytest.importorskip("fastapi.testclient", reason="the test client needs httpx2")
    from holdall_fastapi.testing import force_login, session_transaction

    sessions, app = in_header(), FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions)

    @app.get("/")
    async def show(session: SessionDep) -> dict[str, Any]:
        return dict(session)

    client = library.TestClient(app)
    with session_transaction(client, sessions) as session:
        session["n"] = 1
    force_login(client, sessions, 7)

    assert client.get("/").json() == {"n": 1, "user_id": 7}


def test_an_error_page_sends_earlier_saves_and_its_own_once() -> None:
    clock = FakeClock()
    table = FailingTable(clock=clock)
    cart = Sessions(TableStore(table), key="_cart", clock=clock)
    main = Sessions(TableStore(MemoryTable(clock=clock)), key="_shop", transport="Authorization", clock=clock)
    app = Flask(__name__)
    Holdall(app, main, also=[cart])

    @app.post("/")
    def act() -> str:
        flask_session["n"] = 1
        fetch_session(cart)["n"] = 2
        return ""

    @app.errorhandler(StoreError)
    def failed(error: StoreError) -> tuple[str, int]:
        table.failing = frozenset()
        fetch_session().login(7)
        return "failed", 400

    table.failing = frozenset({"insert"})
    answer = wsgi_client(app)(Request())

    assert answer.status == 400
    (held,) = answer.all("Authorization")
    assert dict(main.fetch(held)) == {"n": 1, "user_id": 7}


def test_an_inner_adapter_shares_only_the_session_of_the_same_header() -> None:
    sessions = in_header()
    app: Any = SessionMiddleware(WSGIMiddleware(counting(sessions)), sessions=sessions)  # type: ignore[arg-type]
    client = asgi_client(app)

    (held,) = client(Request()).all("Authorization")
    given = ("Authorization", held)

    assert json.loads(client(Request(headers=[given])).body) == {"n": 2}


@pytest.mark.parametrize("own", [None, 1, 5])
def test_an_in_process_request_by_a_handler_uses_its_own_header(own: int | None) -> None:
    sessions = in_header()
    inner = wsgi_client(counting(sessions))
    headers = [] if own is None else [("Authorization", init_test_session(sessions, {"n": own}))]
    answers: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["n"] = 40
        answers.append(json.loads(inner(Request(headers=headers)).body))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    outer = [("Authorization", init_test_session(sessions, {"n": 7}))]
    asgi_client(asgi.SessionMiddleware(app, sessions))(Request(headers=outer))

    assert answers == [{"n": 1 if own is None else own + 1}]


def test_no_error_report_shows_the_header() -> None:
    shown: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        shown.append(repr(scope["headers"]))

    scope = {"type": "http", "path": "/", "headers": [(b"authorization", b"Session abc"), (b"x-a", b"seen")]}
    asyncio.run(asgi.SessionMiddleware(app, in_header())(scope, _none, _none))

    assert "abc" not in shown[0]
    assert "seen" in shown[0]


async def _none(*_: Any) -> Any:
    return None
