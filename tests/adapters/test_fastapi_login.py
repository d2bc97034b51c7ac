"""The current user in FastAPI's dependencies, in Starlette's middleware, and in OpenAPI."""

from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Request, Security, WebSocket
from starlette.authentication import requires
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.websockets import WebSocketDisconnect

from holdall import Sessions
from holdall_fastapi import SessionDep, SessionMiddleware
from holdall_fastapi.login import CurrentPrincipal, PrincipalBackend, RequirePrincipal, SessionCookie

TestClient = pytest.importorskip("fastapi.testclient").TestClient


@pytest.fixture
def sessions() -> Sessions:
    return Sessions("memory://login", key="sid")


def make_app(sessions: Sessions, **options: Any) -> FastAPI:
    app = FastAPI()
    app.add_middleware(AuthenticationMiddleware, backend=PrincipalBackend(**options))
    app.add_middleware(SessionMiddleware, sessions=sessions)

    @app.get("/login/{key}/{user_id}")
    async def login(key: str, user_id: int, session: SessionDep) -> None:
        session[key] = user_id

    @app.get("/logout")
    async def logout(session: SessionDep) -> None:
        session.logout()

    @app.get("/current")
    def current(user_id: CurrentPrincipal) -> str | None:
        return user_id

    @app.get("/required")
    def required(user_id: RequirePrincipal) -> str:
        return user_id

    @app.get("/scheme")
    def scheme(user_id: Annotated[str, Security(SessionCookie(sessions))]) -> str:
        return user_id

    @app.get("/optional")
    def optional(user_id: Annotated[str | None, Security(SessionCookie(sessions, auto_error=False))]) -> str | None:
        return user_id

    @app.get("/starlette")
    @requires("authenticated")
    async def starlette(request: Request) -> list[Any]:
        return [request.user.identity, request.user.display_name, request.user.is_authenticated]

    @app.websocket("/socket")
    async def socket(websocket: WebSocket, user_id: RequirePrincipal) -> None:
        await websocket.accept()
        await websocket.send_text(user_id)
        await websocket.close()

    return app


@pytest.mark.parametrize("name", ["userid", "uid", "user", "username"])
def test_a_name_that_a_guest_has_typed_is_no_login(sessions: Sessions, name: str) -> None:
    client = TestClient(make_app(sessions))
    client.get(f"/login/{name}/7")

    assert [client.get(path).json() for path in ("/current", "/optional")] == [None, None]
    assert [client.get(path).status_code for path in ("/required", "/scheme", "/starlette")] == [401, 401, 403]


@pytest.mark.parametrize("key", ["user_id", "_user_id", "_auth_user_id"])
def test_the_principal_is_the_user_whichever_library_logged_in(sessions: Sessions, key: str) -> None:
    client = TestClient(make_app(sessions))

    assert [client.get(path).json() for path in ("/current", "/optional")] == [None, None]
    for path in ("/required", "/scheme"):
        refused = client.get(path)
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Cookie")
    assert client.get("/starlette").status_code == 403

    client.get(f"/login/{key}/7")

    for path in ("/current", "/optional", "/required", "/scheme"):
        assert client.get(path).json() == "7"
    assert client.get("/starlette").json() == ["7", "7", True]

    client.get("/logout")
    assert client.get("/required").status_code == 401


def test_a_websocket_without_a_login_is_refused(sessions: Sessions) -> None:
    client = TestClient(make_app(sessions))
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/socket"):
        pytest.fail("it was accepted")
    assert refused.value.code == 1008

    client.get("/login/user_id/7")
    with client.websocket_connect("/socket") as socket:
        assert socket.receive_text() == "7"


class Account:
    def __init__(self, name: str) -> None:
        self.identity = self.display_name = name
        self.is_authenticated = True


async def load_later(principal: str) -> Account | None:
    return Account("Ada") if principal == "7" else None


@pytest.mark.parametrize("load", [load_later, lambda principal: Account("Ada") if principal == "7" else None])
def test_a_custom_user_is_loaded_and_an_unknown_one_is_anonymous(sessions: Sessions, load: Any) -> None:
    client = TestClient(make_app(sessions, load_user=load, scopes=("authenticated", "staff")))

    client.get("/login/user_id/7")
    assert client.get("/starlette").json()[0] == "Ada"
    client.get("/login/user_id/8")
    assert client.get("/starlette").status_code == 403


def test_openapi_names_the_cookie(sessions: Sessions) -> None:
    schema = make_app(sessions).openapi()

    scheme = schema["components"]["securitySchemes"]["SessionCookie"]
    assert {name: scheme[name] for name in ("type", "in", "name")} == {"type": "apiKey", "in": "cookie", "name": "sid"}
    assert schema["paths"]["/scheme"]["get"]["security"] == [{"SessionCookie": []}]


def test_a_scheme_has_a_name_and_a_description(sessions: Sessions) -> None:
    scheme = SessionCookie(sessions, scheme_name="shop", description="Log in at /login.")

    assert (scheme.scheme_name, scheme.model.description) == ("shop", "Log in at /login.")


def test_a_user_can_log_in_again_after_revoke(sessions: Sessions) -> None:
    app = make_app(sessions)

    @app.post("/password")
    async def password(session: SessionDep, user_id: RequirePrincipal) -> str | None:
        await sessions.revoke_async(user_id)
        session.login(user_id)
        return session.principal

    client, other = TestClient(app), TestClient(app)
    for each in (client, other):
        each.get("/login/user_id/7")

    assert client.post("/password").json() == "7"
    assert (client.get("/current").json(), other.get("/current").json()) == ("7", None)
