"""Helpers for an application's tests: the client's session, and a login without a password."""

from typing import Any

import flask
import pytest
from fastapi import FastAPI

from holdall import ConfigurationError, MemoryTable, Sessions, TableStore
from holdall_fastapi import SessionDep, SessionMiddleware
from holdall_fastapi.testing import force_login, session_transaction
from holdall_flask import Holdall
from holdall_flask.testing import force_login as force_login_in_flask

SECRET = "e0c7b91d5a284f36-73d8f0a1c9b24e65"


@pytest.fixture(params=["cookie", "table"])
def sessions(request: pytest.FixtureRequest) -> Sessions:
    if request.param == "cookie":
        return Sessions("cookie", key="__Host-sid", secret_key_base=SECRET, principal_key="user")
    return Sessions(TableStore(MemoryTable()), key="__Host-sid", principal_key="user")


class TestFastAPI:
    @pytest.fixture
    def client(self, sessions: Sessions) -> Any:
        library = pytest.importorskip("fastapi.testclient", reason="the test client needs httpx2")
        app = FastAPI()
        app.add_middleware(SessionMiddleware, sessions=sessions)

        @app.get("/")
        async def look(session: SessionDep) -> dict[str, Any]:
            return dict(session)

        @app.get("/add/{item}")
        async def add(item: str, session: SessionDep) -> None:
            session.setdefault("cart", []).append(item)

        return library.TestClient(app, base_url="https://testserver")

    def test_a_test_begins_a_session_continues_it_and_sees_its_changes(self, client: Any, sessions: Sessions) -> None:
        with session_transaction(client, sessions) as session:
            session["cart"] = ["hat"]
        client.get("/add/scarf")
        with session_transaction(client, sessions) as session:
            assert session["cart"] == ["hat", "scarf"]
            session["cart"].append("glove")
        assert client.get("/").json() == {"cart": ["hat", "scarf", "glove"]}
        assert len(client.cookies.jar) == 1

    def test_a_test_ends_a_session(self, client: Any, sessions: Sessions) -> None:
        client.get("/add/hat")
        with session_transaction(client, sessions) as session:
            session.configure(drop=True)
        assert client.get("/").json() == {}

    def test_a_visitor_is_logged_in_without_a_password_and_under_a_new_id(
        self, client: Any, sessions: Sessions
    ) -> None:
        client.get("/add/hat")
        before = {cookie.value for cookie in client.cookies.jar}
        force_login(client, sessions, 7)
        assert client.get("/").json() == {"cart": ["hat"], "user": 7}
        assert before.isdisjoint(cookie.value for cookie in client.cookies.jar)

    def test_the_application_instead_of_its_sessions_is_an_error_that_says_so(self, client: Any) -> None:
        with pytest.raises(ConfigurationError, match=r"^sessions= takes a Sessions\(…\), not a FastAPI\.$"):
            force_login(client, client.app, 7)

    def test_a_session_that_a_test_only_reads_stays_unchanged(self, client: Any, sessions: Sessions) -> None:
        with session_transaction(client, sessions) as session:
            assert not session
        assert len(client.cookies.jar) == 0


class TestFlask:
    @pytest.fixture
    def app(self, sessions: Sessions) -> flask.Flask:
        app = flask.Flask(__name__)
        Holdall(app, sessions)
        app.add_url_rule("/", view_func=lambda: dict(flask.session))
        return app

    def test_a_visitor_is_logged_in_without_a_password(self, app: flask.Flask) -> None:
        client = app.test_client()
        force_login_in_flask(client, 7)
        assert client.get("/", base_url="https://localhost").json == {"user": 7}

    def test_without_a_principal_key_no_user_can_be_logged_in(self) -> None:
        app = flask.Flask(__name__)
        Holdall(app, Sessions(TableStore(MemoryTable()), key="sid", principal_key=None))
        with pytest.raises(ConfigurationError, match="principal_key"):
            force_login_in_flask(app.test_client(), 7)
