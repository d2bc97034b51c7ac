"""Flask-Login: it keeps the user in the session, and protects the session in one of its modes."""

from typing import Any

import flask
import pytest
from flask.testing import FlaskClient

from holdall import Sessions
from holdall._cookies import SUFFIXES
from holdall_flask import Holdall, fetch_session

flask_login = pytest.importorskip("flask_login")

# It computes its own cookie's expiry with a call that Python has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

_AT_HOME = {"User-Agent": "a browser at home"}
_ELSEWHERE = {"User-Agent": "another browser elsewhere"}


class User(flask_login.UserMixin):
    id = "7"


@pytest.fixture
def app(stored: dict[str, str]) -> flask.Flask:
    app = flask.Flask(__name__)
    # Flask-Login signs its own "remember me" cookie.
    app.secret_key = "8f7d02c6e1b94a35-5c30e97bd1f2a864"
    Holdall(app, Sessions(**stored, key="sid", principal_key="_user_id"))
    manager = flask_login.LoginManager(app)
    manager.user_loader(lambda user_id: User() if user_id == User.id else None)

    @app.get("/login")
    def login() -> str:
        flask_login.login_user(User(), remember="remember" in flask.request.args)
        return ""

    @app.get("/logout")
    def logout() -> str:
        flask_login.logout_user()
        return ""

    @app.get("/")
    def look() -> dict[str, Any]:
        user = flask_login.current_user
        return {
            "is_in": user.is_authenticated,
            "is_fresh": flask_login.login_fresh(),
            "cart": flask.session.get("cart"),
        }

    @app.get("/private")
    @flask_login.login_required
    def private() -> str:
        return "private"

    @app.get("/fresh")
    @flask_login.fresh_login_required
    def fresh() -> str:
        return "fresh"

    @app.get("/add")
    def add() -> str:
        flask.session.setdefault("cart", []).append("hat")
        return ""

    return app


@pytest.fixture
def client(app: flask.Flask) -> FlaskClient:
    return app.test_client()


# A session in a cookie alternates between several names.
_NAMES = tuple(f"sid{suffix}" for suffix in SUFFIXES)


def held(client: FlaskClient) -> dict[str, str]:
    """Return the cookies of the client's session by their names."""
    return {name: cookie.value for name in _NAMES if (cookie := client.get_cookie(name))}


def lose_session(client: FlaskClient) -> None:
    for name in _NAMES:
        client.delete_cookie(name)


def look(client: FlaskClient, headers: dict[str, str] = _AT_HOME) -> dict[str, Any]:
    return client.get("/", headers=headers).json


def test_a_user_logs_in_and_out_and_keeps_the_cart(client: FlaskClient) -> None:
    client.get("/add", headers=_AT_HOME)
    assert client.get("/private", headers=_AT_HOME).status_code == 401
    client.get("/login", headers=_AT_HOME)
    assert look(client) == {"is_in": True, "is_fresh": True, "cart": ["hat"]}
    assert client.get("/private", headers=_AT_HOME).text == "private"
    client.get("/logout", headers=_AT_HOME)
    assert look(client) == {"is_in": False, "is_fresh": False, "cart": ["hat"]}


def test_a_login_and_a_logout_change_the_id(client: FlaskClient) -> None:
    ids = []
    for path in ("/add", "/login", "/logout"):
        client.get(path, headers=_AT_HOME)
        ids.append(frozenset(held(client).values()))
    assert len(set(ids)) == 3


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (None, {"is_in": True, "is_fresh": True, "cart": ["hat"]}),
        ("basic", {"is_in": True, "is_fresh": False, "cart": ["hat"]}),
        ("strong", {"is_in": False, "is_fresh": False, "cart": ["hat"]}),
    ],
)
def test_a_session_that_turns_up_elsewhere_is_treated_according_to_the_mode(
    app: flask.Flask, client: FlaskClient, mode: str | None, expected: dict[str, Any]
) -> None:
    app.login_manager.session_protection = mode
    client.get("/add", headers=_AT_HOME)
    client.get("/login", headers=_AT_HOME)
    assert look(client)["is_fresh"]
    assert look(client, _ELSEWHERE) == expected
    assert look(client, _ELSEWHERE) == expected


@pytest.mark.parametrize("mode", [None, "basic", "strong"])
def test_a_remembered_user_is_logged_in_without_a_session_but_not_fresh(
    app: flask.Flask, client: FlaskClient, mode: str | None
) -> None:
    app.login_manager.session_protection = mode
    client.get("/login?remember=1", headers=_AT_HOME)
    lose_session(client)
    assert look(client) == {"is_in": True, "is_fresh": False, "cart": None}
    assert client.get("/fresh", headers=_AT_HOME).status_code == 401
    client.get("/logout", headers=_AT_HOME)
    lose_session(client)
    assert look(client)["is_in"] is False


def test_a_user_who_is_not_remembered_is_logged_out_without_a_session(client: FlaskClient) -> None:
    client.get("/login", headers=_AT_HOME)
    lose_session(client)
    assert look(client)["is_in"] is False


@pytest.mark.parametrize(
    ("calls", "is_in"),
    [
        (["session"], True),
        (["login", "session"], True),
        (["session", "login"], False),
        (["login"], False),
    ],
    ids=["session", "login, session", "session, login", "login"],
)
def test_a_remembered_user_is_logged_out_only_if_flask_login_has_the_last_word(
    app: flask.Flask, client: FlaskClient, calls: list[str], is_in: bool
) -> None:
    @app.get("/leave")
    def leave() -> str:
        for each in calls:
            flask_login.logout_user() if each == "login" else fetch_session().logout()
        return ""

    client.get("/login?remember=1", headers=_AT_HOME)
    client.get("/leave", headers=_AT_HOME)

    assert look(client)["is_in"] is is_in
