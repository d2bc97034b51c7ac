"""Several sessions in one Flask application: its settings, its error handlers, its tests."""

from typing import Any

import pytest
from flask import Flask, Response, flash, get_flashed_messages, send_file, session
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from holdall import (
    ConfigurationError,
    CookieOverflowError,
    MemoryTable,
    ResponseStartedError,
    Sessions,
    StoreError,
    TableStore,
)
from holdall.testing import Browser, Request, as_async, wsgi_client
from holdall.testing._adapters.failures import FailingTable
from holdall_flask import FlaskSession, Holdall, fetch_session
from holdall_flask.testing import force_login

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"


@pytest.fixture
def table() -> FailingTable:
    return FailingTable()


@pytest.fixture
def main(table: FailingTable) -> Sessions:
    return Sessions(TableStore(table), key="_shop", principal_key="user_id")


@pytest.fixture
def cart() -> Sessions:
    return Sessions("cookie", key="_cart", secret_key_base=SECRET)


@pytest.fixture
def app(main: Sessions, cart: Sessions) -> Flask:
    app = Flask(__name__)
    Holdall(app, main, also=[cart])
    return app


def _refuses(*args: Any, **options: Any) -> Any:
    msg = "the table's backend is down"
    raise StoreError(msg)


def keys_of(response: Any) -> list[str]:
    return [line.partition("=")[0] for line in response.headers.getlist("Set-Cookie")]


# Setup.


def test_an_additional_session_works_beside_flasks_own(cart: Sessions) -> None:
    app = Flask(__name__)
    app.secret_key = SECRET
    Holdall(app, also=[cart])

    @app.get("/")
    def add() -> str:
        session["n"] = fetch_session(cart)["n"] = 1
        return ""

    assert sorted(keys_of(app.test_client().get("/"))) == ["_cart", "session"]


def test_an_additional_session_stays_the_same_when_flasks_settings_change(cart: Sessions) -> None:
    app = Flask(__name__)
    Holdall(app, also=iter([cart]))
    app.add_url_rule("/", view_func=lambda: str(fetch_session(cart).setdefault("n", 1)))

    for name in ("_shop", "_other"):
        app.config.update(SECRET_KEY=SECRET, SESSION_COOKIE_NAME=name)
        assert app.test_client().get("/").text == "1"


def test_an_additional_session_with_the_name_in_flasks_settings_is_refused() -> None:
    app = Flask(__name__)
    app.config.update(SECRET_KEY=SECRET, TESTING=True)

    with pytest.raises(ConfigurationError, match="give each its own key"):
        Holdall(app, also=[Sessions("cookie", key="session", secret_key_base=SECRET)])


def test_an_additional_async_session_is_refused(main: Sessions) -> None:
    awaited = Sessions(TableStore(as_async(MemoryTable())), key="_cart")

    with pytest.raises(ConfigurationError, match="is async, which this adapter cannot use"):
        Holdall(Flask(__name__), main, also=[awaited])
    app = Flask(__name__)
    app.config.update(SECRET_KEY=SECRET, TESTING=True)
    with pytest.raises(ConfigurationError, match="is async, which this adapter cannot use"):
        Holdall(app, also=[awaited])


def test_a_session_that_is_not_set_up_is_an_error(app: Flask, main: Sessions, cart: Sessions) -> None:
    with app.test_request_context():
        with pytest.raises(ConfigurationError, match="without the sessions '_wish'"):
            fetch_session(Sessions("cookie", key="_wish", secret_key_base=SECRET))
        assert fetch_session(main) is fetch_session()
        assert isinstance(fetch_session(cart), FlaskSession)


# Use.


def test_permanent_applies_only_to_the_session_that_sets_it(app: Flask, cart: Sessions) -> None:
    @app.get("/")
    def add() -> str:
        session["n"] = 1
        fetch_session(cart).permanent = True
        return ""

    shop, basket = sorted(app.test_client().get("/").headers.getlist("Set-Cookie"), reverse=True)

    assert "Max-Age" not in shop
    assert "Max-Age=604800" in basket


def test_flashed_messages_are_in_the_main_session(app: Flask, cart: Sessions) -> None:
    @app.get("/")
    def say() -> dict[str, Any]:
        flash("Added")
        return {"told": get_flashed_messages(), "cart": dict(fetch_session(cart))}

    assert app.test_client().get("/").json == {"told": ["Added"], "cart": {}}


def test_an_additional_session_takes_no_changes_after_a_file_was_sent(main: Sessions) -> None:
    app, lists = Flask(__name__), Sessions("table", key="_lists", table="lists with a file")
    Holdall(app, main, also=[lists])
    found: list[FlaskSession] = []

    @app.get("/")
    def add() -> str:
        fetch_session(lists)["n"] = 1
        return ""

    @app.get("/file")
    def sent() -> Response:
        found.append(fetch_session(lists))
        assert found[0]["n"] == 1
        return send_file(__file__)

    client = app.test_client()
    client.get("/")
    with client.get("/file"), pytest.raises(ResponseStartedError):
        found[0]["n"] = 2


# Flask's error handlers run when one cannot be stored.


def test_a_page_for_a_failing_store_carries_another_sessions_cookie(
    app: Flask, table: FailingTable, cart: Sessions
) -> None:
    @app.errorhandler(StoreError)
    def away(error: StoreError) -> tuple[str, int]:
        return "in a moment", 503

    @app.get("/")
    def add() -> str:
        session["n"] = 1
        fetch_session(cart).configure(renew=True)
        fetch_session(cart)["n"] = 1
        return ""

    client = app.test_client()
    client.get("/")
    table.failing = frozenset({"replace"})
    response = client.get("/")

    assert (response.status_code, response.text) == (503, "in a moment")
    # A renewal uses the cookie's next name.
    assert keys_of(response) == ["_cart", "_cart.a"]
    assert response.headers["Cache-Control"] == "no-store"


def test_clearing_an_oversized_session_loses_nothing_of_another(app: Flask, cart: Sessions) -> None:
    @app.errorhandler(CookieOverflowError)
    def full(error: CookieOverflowError) -> tuple[str, int]:
        fetch_session(cart).clear()
        fetch_session(cart)["full"] = True
        return "the cart is full", 413

    @app.get("/")
    def add() -> str:
        session["n"] = 1
        fetch_session(cart)["big"] = "x" * 5000
        return ""

    @app.get("/all")
    def both() -> list[dict[str, Any]]:
        return [dict(session), dict(fetch_session(cart))]

    client = app.test_client()
    response = client.get("/")

    assert (response.status_code, sorted(keys_of(response))) == (413, ["_cart", "_shop"])
    assert client.get("/all").json == [{"n": 1}, {"full": True}]


@pytest.mark.parametrize("status", [503, 200])
def test_a_handler_may_use_what_was_saved_before_another_failed(
    table: FailingTable, cart: Sessions, status: int
) -> None:
    app = Flask(__name__)
    wishes = Sessions("table", key="_wishes", table="wishes of a handler")
    lists = Sessions(TableStore(table), key="_lists")
    Holdall(app, cart, also=[lists, wishes])

    @app.errorhandler(StoreError)
    def away(error: StoreError) -> tuple[str, int]:
        session["away"] = fetch_session(wishes)["away"] = True
        fetch_session(lists).configure(ignore=True)
        return "in a moment", status

    @app.get("/")
    def add() -> str:
        session.setdefault("n", 1)
        fetch_session(lists)["n"] = 1
        return ""

    @app.get("/all")
    def both() -> list[dict[str, Any]]:
        return [dict(session), dict(fetch_session(wishes))]

    client = app.test_client()
    client.get("/")
    table.failing = frozenset({"replace"})
    assert client.get("/").status_code == status

    saved = {"away": True} if status == 200 else {}
    assert client.get("/all").json == [{"n": 1, **saved}, saved]


def test_the_latest_cookie_of_a_session_saved_twice_is_sent(app: Flask, cart: Sessions) -> None:
    lists = Sessions("table", key="_lists", table="lists that are saved twice")
    Holdall(app, cart, also=[lists])

    @app.errorhandler(StoreError)
    def away(error: StoreError) -> str:
        session["n"] = 2
        fetch_session(lists).configure(ignore=True)
        return ""

    @app.get("/")
    def add() -> str:
        session.configure(renew=True)
        session["n"] = 1
        fetch_session(lists)["n"] = 1
        return ""

    @app.get("/n")
    def n() -> str:
        return str(session["n"])

    client = app.test_client()
    client.get("/")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryTable, "replace", _refuses)
        response = client.get("/")

    assert keys_of(response)[-1] == "_cart.a"
    assert client.get("/n").text == "2"


# Tests of an application, and applications under a path.


def test_a_test_uses_an_additional_session_in_a_transaction(app: Flask, cart: Sessions) -> None:
    @app.get("/")
    def count() -> str:
        return str(fetch_session(cart)["n"])

    client = app.test_client()
    with client.session_transaction() as opened:
        fetched = opened.exchange.session_of(cart)  # type: ignore[attr-defined]  # typed as Flask's own
        fetched["n"] = 3

    assert client.get("/").text == "3"


def test_a_test_logs_its_visitor_in_to_either_session(main: Sessions) -> None:
    app, desk = Flask(__name__), Sessions("table", key="_desk", table="desk of a test", principal_key="clerk")
    Holdall(app, main, also=[desk])
    app.add_url_rule("/", view_func=lambda: [fetch_session(each).principal for each in (main, desk)])

    client = app.test_client()
    force_login(client, 8, desk)
    assert client.get("/").json == [None, "8"]
    force_login(client, 7)
    assert client.get("/").json == ["7", "8"]


def test_an_application_under_a_path_keeps_its_own_sessions(app: Flask) -> None:
    admin = Flask("admin")
    admin.config.update(SECRET_KEY=SECRET, SESSION_COOKIE_NAME="_admin", APPLICATION_ROOT="/admin")
    Holdall(admin)

    for each in (app, admin):

        @each.get("/")
        def count() -> str:
            session["n"] = session.get("n", 0) + 1
            return str(session["n"])

    browser = Browser(wsgi_client(DispatcherMiddleware(app, {"/admin": admin})))
    counted = [browser.send(Request("GET", path)).body for path in ("/", "/", "/admin/", "/")]

    assert counted == [b"1", b"2", b"1", b"3"]
    assert {kept.name: kept.path for kept in browser.jar} == {"_shop": "/", "_admin": "/admin"}
