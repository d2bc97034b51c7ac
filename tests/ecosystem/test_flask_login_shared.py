"""Our Flask-Login manager: a visitor who logged in through another framework is its user."""

import importlib
import sys
from datetime import timedelta
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient

from holdall import Session, Sessions
from holdall._cookies import SUFFIXES
from holdall.testing import FakeClock
from holdall_flask import Holdall

flask_login = pytest.importorskip("flask_login")

# It computes its own cookie's expiry with a call that Python has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

_AT_HOME = {"User-Agent": "a browser at home"}
_ELSEWHERE = {"User-Agent": "another browser elsewhere"}


class User(flask_login.UserMixin):
    def __init__(self, user_id: str) -> None:
        self.id = user_id


@pytest.fixture
def sessions(stored: dict[str, str]) -> Sessions:
    return Sessions(**stored, key="sid", delete_at_logout=["remember_token"])


def make_app(sessions: Sessions, **options: Any) -> flask.Flask:
    # It imports Flask-Login.
    from holdall_flask.login import LoginManager

    app = flask.Flask(__name__)
    app.secret_key = "8f7d02c6e1b94a35-5c30e97bd1f2a864"
    Holdall(app, sessions)
    manager = LoginManager(app, **options)
    manager.user_loader(lambda user_id: User(user_id) if user_id in ("7", "8") else None)

    @app.get("/login/<user_id>")
    def login(user_id: str) -> str:
        given = flask.request.args
        flask_login.login_user(User(user_id), remember="remember" in given, fresh="stale" not in given)
        return ""

    @app.get("/logout")
    def logout() -> str:
        flask_login.logout_user()
        if "flash" in flask.request.args:
            flask.flash("Bye")
        return ""

    @app.get("/confirm")
    def confirm() -> str:
        flask_login.confirm_login()
        return ""

    @app.get("/")
    def look() -> dict[str, Any]:
        user = flask_login.current_user
        return {"user": user.get_id(), "is_fresh": flask_login.login_fresh(), "data": dict(flask.session)}

    @app.get("/private")
    @flask_login.login_required
    def private() -> str:
        return "private"

    @app.get("/fresh")
    @flask_login.fresh_login_required
    def fresh() -> str:
        return "fresh"

    return app


@pytest.fixture
def app(sessions: Sessions) -> flask.Flask:
    return make_app(sessions)


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


def elsewhere(sessions: Sessions, client: FlaskClient, act: Any) -> None:
    """Run *act* in another framework's request with the session in the client's cookie."""
    session = sessions.fetch("; ".join(map("=".join, held(client).items())))
    act(session)
    for each in sessions.commit(session).cookies:
        name, _, value = str(each).partition(";")[0].partition("=")
        if not value:
            client.delete_cookie(name)
        else:
            client.set_cookie(name, value)


def log_in(session: Session) -> None:
    session.login(7)
    session["cart"] = ["hat"]


def user(client: FlaskClient, headers: dict[str, str] = _AT_HOME) -> Any:
    return client.get("/", headers=headers).json["user"]


def status(client: FlaskClient, path: str) -> int:
    return client.get(path, headers=_AT_HOME).status_code


@pytest.mark.parametrize("trusted", [False, True])
def test_a_login_elsewhere_is_a_login_here(sessions: Sessions, trusted: bool) -> None:
    client = make_app(sessions, trust_other_logins=trusted).test_client()
    elsewhere(sessions, client, log_in)

    assert status(client, "/private") == 200
    seen = client.get("/", headers=_AT_HOME).json
    assert seen["user"] == "7"
    assert seen["is_fresh"] is trusted
    assert status(client, "/fresh") == (200 if trusted else 401)
    assert seen["data"]["cart"] == ["hat"]


@pytest.mark.parametrize("name", ["userid", "uid", "user", "username"])
def test_a_name_that_a_guest_has_typed_is_no_login(sessions: Sessions, client: FlaskClient, name: str) -> None:
    elsewhere(sessions, client, lambda session: session.put(name, "7"))

    assert user(client) is None


def test_a_login_elsewhere_is_fresh_once_it_is_confirmed_here(sessions: Sessions, client: FlaskClient) -> None:
    elsewhere(sessions, client, log_in)
    assert status(client, "/fresh") == 401
    client.get("/confirm", headers=_AT_HOME)
    assert status(client, "/fresh") == 200


def test_a_login_here_is_a_login_elsewhere_and_stays_fresh(sessions: Sessions, client: FlaskClient) -> None:
    client.get("/login/7", headers=_AT_HOME)
    seen = []
    elsewhere(sessions, client, lambda session: seen.append(session.principal))

    assert seen == ["7"]
    assert status(client, "/fresh") == 200


@pytest.mark.parametrize("first", ["here", "elsewhere"])
@pytest.mark.parametrize("query", ["", "?flash"])
def test_a_logout_here_ends_the_session_elsewhere(
    sessions: Sessions, client: FlaskClient, first: str, query: str
) -> None:
    if first == "here":
        client.get("/login/7", headers=_AT_HOME)
    else:
        elsewhere(sessions, client, log_in)
    client.get(f"/logout{query}", headers=_AT_HOME)

    seen: list[Any] = []
    elsewhere(sessions, client, lambda session: seen.extend([session.principal, session.get("cart")]))
    assert seen == [None, None]
    assert user(client) is None
    assert bool(query) is ("_flashes" in client.get("/").json["data"])


def test_a_logout_elsewhere_ends_the_login_here_and_remember_me(sessions: Sessions, client: FlaskClient) -> None:
    client.get("/login/7?remember=1", headers=_AT_HOME)
    assert client.get_cookie("remember_token")
    elsewhere(sessions, client, lambda session: session.logout())

    assert client.get_cookie("remember_token") is None
    assert user(client) is None


def test_a_logout_here_ends_remember_me(sessions: Sessions, client: FlaskClient) -> None:
    client.get("/login/7?remember=1", headers=_AT_HOME)
    client.get("/logout", headers=_AT_HOME)

    assert client.get_cookie("remember_token") is None
    assert user(client) is None


def test_another_user_replaces_the_other_frameworks_user(sessions: Sessions, client: FlaskClient) -> None:
    elsewhere(sessions, client, log_in)
    assert user(client) == "7"
    client.get("/login/8", headers=_AT_HOME)

    seen = client.get("/", headers=_AT_HOME).json
    assert (seen["user"], seen["is_fresh"], "cart" in seen["data"]) == ("8", True, False)

    elsewhere(sessions, client, log_in)
    assert user(client) == "7"


def test_a_remembered_login_is_a_login_elsewhere_and_not_fresh(sessions: Sessions, client: FlaskClient) -> None:
    client.get("/login/7?remember=1", headers=_AT_HOME)
    lose_session(client)
    seen = client.get("/", headers=_AT_HOME).json
    assert (seen["user"], seen["is_fresh"]) == ("7", False)

    principals: list[Any] = []
    elsewhere(sessions, client, lambda session: principals.append(session.principal))
    assert principals == ["7"]


def test_a_remembered_user_refused_by_the_loader_is_anonymous_elsewhere(
    sessions: Sessions, client: FlaskClient
) -> None:
    client.get("/login/9?remember=1", headers=_AT_HOME)
    lose_session(client)
    assert user(client) is None

    principals: list[Any] = []
    elsewhere(sessions, client, lambda session: principals.append(session.principal))
    assert principals == [None]


@pytest.mark.parametrize(
    ("mode", "expected"), [(None, ("7", True)), ("basic", ("7", False)), ("strong", (None, False))]
)
def test_the_protection_begins_where_flask_login_first_sees_the_session(
    sessions: Sessions, mode: str | None, expected: tuple[Any, bool]
) -> None:
    app = make_app(sessions, trust_other_logins=True)
    app.login_manager.session_protection = mode
    client = app.test_client()
    elsewhere(sessions, client, log_in)
    assert client.get("/", headers=_AT_HOME).json["is_fresh"]

    moved = client.get("/", headers=_ELSEWHERE).json

    assert (moved["user"], moved["is_fresh"]) == expected
    seen: list[Any] = []
    elsewhere(sessions, client, lambda session: seen.append(session.principal))
    assert seen == [expected[0]]


def test_without_our_sessions_it_raises_an_explanation() -> None:
    from holdall_flask.login import LoginManager

    app = flask.Flask(__name__)
    app.secret_key = "8f7d02c6e1b94a35-5c30e97bd1f2a864"
    LoginManager(app).user_loader(lambda user_id: None)
    app.testing = True
    app.get("/")(lambda: str(flask_login.current_user))
    client = app.test_client()

    with pytest.raises(RuntimeError, match=r"set up Holdall\(app, sessions\)"):
        client.get("/")


def test_a_missing_flask_login_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flask_login", None)
    monkeypatch.delitem(sys.modules, "holdall_flask.login", raising=False)

    with pytest.raises(ModuleNotFoundError, match="pip install flask-login"):
        importlib.import_module("holdall_flask.login")


@pytest.mark.parametrize("again", ["/login/7", "/confirm"])
def test_a_repeated_login_counts_as_an_authentication(stored: dict[str, str], again: str) -> None:
    clock = FakeClock()
    sessions = Sessions(**stored, key="sid", record_login=True, clock=clock)  # type: ignore[arg-type]  # a dict of text
    client = make_app(sessions).test_client()
    seen: list[Any] = []
    for path in ("/login/7", again):
        clock.advance(timedelta(hours=1))
        client.get(path)
        elsewhere(sessions, client, lambda session: seen.append(session.authenticated_at))
    assert seen == [clock() - timedelta(hours=1), clock()]


def test_a_login_that_is_not_fresh_is_no_authentication(stored: dict[str, str]) -> None:
    sessions = Sessions(**stored, key="sid", record_login=True)  # type: ignore[arg-type]  # a dict of text
    client = make_app(sessions).test_client()
    client.get("/login/7?stale")
    seen: list[Any] = []

    elsewhere(sessions, client, lambda session: seen.append(session.authenticated_at))

    assert seen == [None]


def test_a_user_can_log_in_again_after_revoke() -> None:
    sessions = Sessions("memory://again", key="sid")
    app = make_app(sessions)

    @app.post("/password")
    def password() -> dict[str, Any]:
        sessions.revoke(flask_login.current_user.get_id())
        flask_login.login_user(User("7"), fresh="stale" not in flask.request.args)
        return {"principal": flask.session.principal}

    client, other = app.test_client(), app.test_client()
    for each in (client, other):
        each.get("/login/7", headers=_AT_HOME)
        assert user(each) == "7"

    assert client.post("/password", headers=_AT_HOME).json == {"principal": "7"}
    assert (user(client), user(other)) == ("7", None)
    assert len(sessions.list("7")) == 1

    # Flask-Login says that this user was remembered, not authenticated.
    client.post("/password?stale", headers=_AT_HOME)
    assert user(client) is None
