"""``configured_sessions``: the ``Sessions`` of an application, even if the adapter has created them."""

from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from starlette.requests import Request

from holdall import ConfigurationError, Sessions
from holdall.testing import Request as Visit
from holdall.testing import asgi_client
from holdall_fastapi import SessionDep, SessionMiddleware
from holdall_fastapi import configured_sessions as configured_sessions_of
from holdall_flask import Holdall, configured_sessions, fetch_session

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"


@pytest.fixture
def table_name(request: pytest.FixtureRequest) -> str:
    """A table in memory of this test's own."""
    return request.node.name


def flask_application(*given: Sessions, **options: Any) -> Flask:
    app = Flask(__name__)
    app.secret_key = SECRET
    Holdall(app, *given, **options)
    return app


def test_flasks_sessions_that_were_made_from_options_can_be_listed_and_ended(table_name: str) -> None:
    app = flask_application(store="table", table=table_name)

    @app.get("/")
    def everywhere() -> dict[str, int]:
        sessions = configured_sessions()
        fetch_session().login(7)
        return {"ended": sessions.revoke(7), "listed": len(sessions.list(7))}

    client = app.test_client()
    client.get("/")

    assert len(configured_sessions(app).list(7)) == 1
    assert client.get("/").json == {"ended": 1, "listed": 0}


def test_flasks_sessions_follow_its_settings() -> None:
    app = flask_application()
    before = configured_sessions(app)

    app.config["SESSION_COOKIE_NAME"] = "_shop"

    assert (before.key, configured_sessions(app).key) == ("session", "_shop")


def test_flasks_own_sessions_object_is_returned() -> None:
    sessions = Sessions("memory://configured", key="sid")

    assert configured_sessions(flask_application(sessions)) is sessions


def test_a_flask_application_without_sessions_explains_what_to_do() -> None:
    app = Flask(__name__)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"set up Holdall\(app, sessions\), or Holdall\(app\) and a"):
            configured_sessions(app)
        # Then for one without a secret.
        Holdall(app)


def fastapi_application(**options: Any) -> FastAPI:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, **options)

    @app.get("/")
    async def everywhere(request: Request, session: SessionDep) -> list[Any]:
        sessions = configured_sessions_of(request)
        session.login(7)
        return [sessions.key, await sessions.revoke_async(7)]

    return app


def test_fastapis_sessions_that_were_made_from_arguments_can_be_ended(table_name: str) -> None:
    client = asgi_client(fastapi_application(secret_key=SECRET, store="table", table=table_name))

    bodies = [client(Visit("GET")).body for _ in range(2)]

    assert bodies == [b'["session",0]', b'["session",1]']


def test_an_application_that_shares_another_ones_additional_session_gets_its_own_sessions(table_name: str) -> None:
    cart = Sessions("table", table=table_name, key="_cart")
    app = fastapi_application(secret_key=SECRET, store="table", table=f"{table_name} main", also=[cart])
    app.mount("/cart", fastapi_application(sessions=cart))
    client = asgi_client(app)

    assert client(Visit("GET")).body == b'["session",0]'
    assert client(Visit("GET", "/cart/")).body == b'["_cart",0]'


def test_a_request_without_the_middleware_explains_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"call app\.add_middleware\(SessionMiddleware"):
        configured_sessions_of(Request({"type": "http"}))
