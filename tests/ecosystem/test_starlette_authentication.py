"""Starlette's ``AuthenticationMiddleware`` and FastAPI's dependencies, which find the user in the session."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, HTTPException, Request
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser, requires
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse

from holdall import Sessions
from holdall_fastapi import SessionDep, SessionMiddleware

TestClient = pytest.importorskip("fastapi.testclient").TestClient


class BySession(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        name = conn.session.get("user")
        return None if name is None else (AuthCredentials(["authenticated"]), SimpleUser(name))


def current_user(session: SessionDep) -> str:
    if "user" not in session:
        raise HTTPException(401)
    return session["user"]


@pytest.fixture
def app(sessions: Sessions) -> FastAPI:
    app = FastAPI()
    app.add_middleware(AuthenticationMiddleware, backend=BySession())
    app.add_middleware(SessionMiddleware, sessions=sessions)

    @app.get("/login/{name}")
    async def login(name: str, session: SessionDep) -> None:
        session["user"] = name

    @app.get("/logout")
    async def logout(session: SessionDep) -> None:
        session.logout()

    @app.get("/starlette")
    @requires("authenticated")
    async def by_starlette(request: Request) -> Any:
        return PlainTextResponse(request.user.display_name)

    @app.get("/fastapi")
    def by_fastapi(user: Annotated[str, Depends(current_user)]) -> Any:
        return PlainTextResponse(user)

    return app


@pytest.mark.parametrize(("path", "refusal"), [("/starlette", 403), ("/fastapi", 401)])
def test_a_user_in_the_session_is_accepted(app: FastAPI, path: str, refusal: int) -> None:
    client = TestClient(app)
    assert client.get(path).status_code == refusal
    client.get("/login/ada")
    assert client.get(path).text == "ada"
    client.get("/logout")
    assert client.get(path).status_code == refusal


def test_two_test_clients_are_two_visitors(app: FastAPI) -> None:
    one, another = TestClient(app), TestClient(app)
    one.get("/login/ada")
    another.get("/login/grace")
    assert (one.get("/fastapi").text, another.get("/fastapi").text) == ("ada", "grace")
