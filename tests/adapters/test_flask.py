"""The adapter for Flask: the adapter suite, and features that only a Flask application has."""

import http.client
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import flask
import pytest
from flask import Flask, Response, flash, get_flashed_messages, session, stream_with_context
from markupsafe import Markup
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.serving import make_server

from holdall import (
    ConfigurationError,
    CookieOverflowError,
    LostWriteError,
    ResponseStartedError,
    Sessions,
    StoreError,
    TableStore,
)
from holdall._keys import WeakSecretWarning
from holdall.tables import MemoryTable
from holdall.testing import AdapterConformance, FakeClock
from holdall.testing._adapters.failures import FailingTable
from holdall_flask import (
    FlaskSession,
    Holdall,
    clear_session,
    configure_session,
    delete_session,
    fetch_session,
    get_session,
    put_session,
)
from tests.adapters.mounts.flask import mount as mount_flask

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"
OLD_SECRET = "0c93fa7d81b6e254-9d40b1c7f3a8e625"


class TestFlask(AdapterConformance):
    @pytest.fixture
    def mount(self):
        return mount_flask


def application(sessions: Sessions | None = None, /, **config: Any) -> Flask:
    """Return an application that counts at /count, and shows the count at /."""
    app = Flask(__name__)
    app.config.update(config)
    Holdall(app, sessions)

    @app.get("/count")
    def count() -> dict[str, int]:
        session["n"] = session.get("n", 0) + 1
        return {"n": session["n"]}

    @app.get("/")
    def show() -> dict[str, Any]:
        return get_session()

    return app


@pytest.fixture
def table() -> MemoryTable:
    return MemoryTable()


@pytest.fixture
def table_name(request: pytest.FixtureRequest) -> str:
    """Return the name of a table in memory that no other test uses."""
    return f"memory://{request.node.nodeid}"


@pytest.fixture
def app(table: MemoryTable) -> Flask:
    return application(Sessions(TableStore(table), key="_shop", principal_key="user_id"))


@pytest.fixture
def cookie_app() -> Flask:
    return application(SECRET_KEY=SECRET)


def set_cookie(response: Response) -> dict[str, str]:
    """Return the one cookie that is set, by its name and the lower-case names of its attributes."""
    (line,) = response.headers.getlist("Set-Cookie")
    (name, value), *attributes = (part.strip().partition("=")[::2] for part in line.split(";"))
    return {name: value} | {attribute.lower(): value for attribute, value in attributes}


# Flask's own settings.


def test_a_secret_key_is_enough(cookie_app: Flask) -> None:
    client = cookie_app.test_client()

    cookie = set_cookie(client.get("/count"))

    assert cookie.keys() == {"session", "path", "httponly", "samesite"}
    assert (cookie["path"], cookie["samesite"]) == ("/", "Lax")
    assert client.get("/").json == {"n": 1}


def test_flasks_cookie_settings_apply() -> None:
    app = application(
        SECRET_KEY=SECRET,
        SESSION_COOKIE_NAME="_shop",
        SESSION_COOKIE_DOMAIN="shop.example",
        SESSION_COOKIE_PATH="/basket",
        SESSION_COOKIE_HTTPONLY=False,
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_SAMESITE="None",
        SESSION_COOKIE_PARTITIONED=True,
    )

    cookie = set_cookie(app.test_client().get("/count"))

    assert cookie.pop("_shop")
    assert cookie == {"domain": "shop.example", "path": "/basket", "secure": "", "samesite": "None", "partitioned": ""}


def test_the_path_is_the_application_root_by_default() -> None:
    app = application(SECRET_KEY=SECRET, APPLICATION_ROOT="/shop")

    assert set_cookie(app.test_client().get("/count"))["path"] == "/shop"


def test_settings_may_change_at_any_time() -> None:
    app = application()
    client = app.test_client()
    for name in ("late", "later"):
        app.config.update(SECRET_KEY=SECRET, SESSION_COOKIE_NAME=name)

        assert name in set_cookie(client.get("/count"))


def test_a_domain_is_sent_without_the_leading_dot() -> None:
    app = application(SECRET_KEY=SECRET, SESSION_COOKIE_DOMAIN=".shop.example")

    assert set_cookie(app.test_client().get("/count"))["domain"] == "shop.example"


def test_options_replace_flasks_settings(table_name: str) -> None:
    app = Flask(__name__)
    app.config["SESSION_COOKIE_NAME"] = "_shop"
    Holdall(app, store="table", table=table_name, principal_key="user_id", path="/shop")
    app.add_url_rule("/shop/<int:user>", view_func=lambda user: put_session("user_id", user) or get_session())
    client = app.test_client()

    first = set_cookie(client.get("/shop/7"))
    second = set_cookie(client.get("/shop/8"))

    assert first["path"] == "/shop"
    assert len(first["_shop"]) == 40
    assert first["_shop"] != second["_shop"]


def test_a_secret_in_the_options_makes_flasks_unnecessary() -> None:
    app = Flask(__name__)
    Holdall(app, secret_key_base=SECRET)

    with app.test_client().session_transaction() as opened:
        assert opened.new


def test_a_store_object_can_have_its_own_secret(table: MemoryTable) -> None:
    app = Flask(__name__)
    app.secret_key = SECRET
    Holdall(app, store=TableStore(table))
    app.add_url_rule("/", view_func=lambda: put_session("n", 1) or get_session())

    assert app.test_client().get("/").json == {"n": 1}
    assert len(table) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"principal_key": "user_id"}, r"its Sessions: pass principal_key to Sessions\(…\) instead\.$"),
        (
            {"read_framework_cookies": True},
            r"instead of read_.*, pass Sessions\(…\) also_read=\[FlaskFormat\(…\)\] .* migrate_from=\[CookieSource\(",
        ),
        (
            {"read_framework_cookies": True, "secure": True, "carry": ["cart"]},
            r"pass carry, secure to Sessions\(…\) instead; instead of read_framework_cookies",
        ),
    ],
)
def test_options_are_refused_with_an_existing_sessions_object(options: dict[str, Any], message: str) -> None:
    sessions = Sessions("table", key="_shop", table="session")

    with pytest.raises(ConfigurationError, match=message):
        Holdall(Flask(__name__), sessions, **options)


def test_sessions_in_place_of_the_application_are_an_error_that_says_so() -> None:
    sessions: Any = Sessions("table", key="_shop", table="session")

    with pytest.raises(
        ConfigurationError, match=r"^Holdall needs a Flask application, not Sessions: write Holdall\(app, sess"
    ):
        Holdall(sessions)


def test_one_extension_serves_applications_with_different_settings() -> None:
    extension = Holdall()
    apps = [Flask(__name__), Flask(__name__)]
    for app, secret in zip(apps, (SECRET, OLD_SECRET), strict=True):
        app.secret_key = secret
        extension.init_app(app)
        app.add_url_rule("/", view_func=lambda: put_session("n", 1) or get_session())
    first, second = (app.test_client() for app in apps)
    value = set_cookie(first.get("/"))["session"]

    second.set_cookie("session", value)
    with second.session_transaction() as session:
        assert session.new


def test_an_application_can_be_initialized_later(table: MemoryTable) -> None:
    app = Flask(__name__)
    Holdall(sessions=Sessions(TableStore(table), key="_shop")).init_app(app)

    with app.test_client().session_transaction() as session:
        session["n"] = 1

    assert len(table) == 1


def test_cookies_under_a_fallback_are_still_read() -> None:
    old = set_cookie(application(SECRET_KEY=OLD_SECRET).test_client().get("/count"))["session"]
    client = application(SECRET_KEY=SECRET, SECRET_KEY_FALLBACKS=[OLD_SECRET]).test_client()
    client.set_cookie("session", old)

    assert client.get("/count").json == {"n": 2}
    fresh = application(SECRET_KEY=SECRET).test_client()
    fresh.set_cookie("session", client.get_cookie("session").value)
    assert fresh.get("/").json == {"n": 2}


@pytest.mark.parametrize(("refresh", "expected"), [(True, {"n": 1}), (False, {})])
def test_use_extends_a_session_unless_flask_is_configured_otherwise(refresh: bool, expected: dict[str, int]) -> None:
    clock = FakeClock(datetime.now(UTC) - timedelta(hours=2))
    before = Sessions("cookie", key="session", secret_key_base=SECRET, idle_timeout=timedelta(hours=3), clock=clock)
    kept = before.fetch()
    kept["n"] = 1
    value = before.commit(kept).cookie
    app = application(
        SECRET_KEY=SECRET, PERMANENT_SESSION_LIFETIME=timedelta(hours=1), SESSION_REFRESH_EACH_REQUEST=refresh
    )
    client = app.test_client()
    client.set_cookie("session", value)

    assert client.get("/").json == expected


def test_without_a_secret_key_flask_raises_its_own_error() -> None:
    app = application()
    app.testing = True
    client = app.test_client()

    with pytest.raises(RuntimeError, match="session is unavailable"), app.test_request_context():
        session["n"] = 1
    with app.test_request_context():
        assert session.get("n") is None
    with pytest.raises(RuntimeError, match="did not open a session"):
        client.session_transaction().__enter__()


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        ({"SECRET_KEY": "dev"}, {}, "^SECRET_KEY has 3 bytes and needs at least 32"),
        ({"SECRET_KEY": "dev"}, {"read_framework_cookies": True}, "^SECRET_KEY has 3 bytes"),
        ({"SECRET_KEY": "dev"}, {"store": "sqlite:///sessions.db"}, "^SECRET_KEY has 3 bytes"),
        ({"SECRET_KEY": SECRET, "SECRET_KEY_FALLBACKS": ["old"]}, {}, "^SECRET_KEY_FALLBACKS has 3 bytes"),
        (
            {"SECRET_KEY": SECRET, "SECRET_KEY_FALLBACKS": ["old"]},
            {"store": "sqlite:///sessions.db"},
            "^SECRET_KEY_FALLBACKS has 3 bytes",
        ),
        (
            {"SECRET_KEY": SECRET, "SESSION_COOKIE_SAMESITE": "None"},
            {},
            "^SESSION_COOKIE_SAMESITE='None' .* set SESSION",
        ),
        ({"SECRET_KEY": SECRET}, {"same_site": "None"}, "^same_site='None'"),
        ({"SESSION_COOKIE_NAME": "a b"}, {}, "^SESSION_COOKIE_NAME='a b' cannot be a cookie's name"),
        ({"PERMANENT_SESSION_LIFETIME": 0}, {}, "^PERMANENT_SESSION_LIFETIME is 0 seconds"),
        ({"PERMANENT_SESSION_LIFETIME": -1}, {}, "^PERMANENT_SESSION_LIFETIME is -1 seconds"),
        ({"PERMANENT_SESSION_LIFETIME": "week"}, {}, "^PERMANENT_SESSION_LIFETIME='week' is not a"),
        ({"SECRET_KEY": SECRET, "SECRET_KEY_FALLBACKS": SECRET}, {}, "^SECRET_KEY_FALLBACKS is one secret"),
        ({}, {"idle_timeout": "week"}, "^idle_timeout='week' is not a"),
        ({}, {"sessions": "shop"}, "^sessions= takes a Sessions.*, not a str"),
        ({}, {"store": "table"}, 'needs a table: pass table="session"'),
        ({}, {"lifetime": 60}, r"did you mean idle_timeout or absolute_timeout\?"),
        ({}, {"secret_key_base": "dev"}, "^secret_key_base has 3 bytes"),
    ],
)
def test_invalid_settings_are_reported_at_startup_by_name(
    config: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    app = Flask(__name__)
    app.config.update(config)

    with pytest.raises(ConfigurationError, match=message):
        Holdall(app, **options)


def test_a_missing_driver_is_reported_at_startup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    for name in [name for name in sys.modules if name in ("holdall.tables._redis_servers", "holdall.tables.redis")]:
        monkeypatch.delitem(sys.modules, name)

    with pytest.raises(ModuleNotFoundError, match=r"pip install 'holdall\[redis\]'"):
        Holdall(Flask(__name__), store="redis://localhost/0")


def test_a_secret_may_be_set_after_the_extension() -> None:
    app = Flask(__name__)
    Holdall(app, store="table", table="afterwards")
    app.config["SECRET_KEY"] = SECRET
    app.add_url_rule("/", view_func=lambda: str(session.setdefault("n", 1)))

    assert app.test_client().get("/").text == "1"


@pytest.mark.parametrize("mode", ["DEBUG", "TESTING"])
def test_a_weak_secret_is_a_warning_in_debug_and_testing_mode(mode: str) -> None:
    with pytest.warns(WeakSecretWarning, match="^SECRET_KEY has 3 bytes"):
        client = application(SECRET_KEY="dev", **{mode: True}).test_client()

    assert client.get("/count").json == {"n": 1}


def test_an_async_store_is_refused_at_startup() -> None:
    class AwaitedStore:
        async def get(self, cookie: str, *, key: str) -> Any: ...

        async def put(self, stored: Any, draft: Any, *, key: str) -> Any: ...

        async def delete(self, stored: Any, *, key: str, tombstone: Any = None) -> Any: ...

    with pytest.raises(ConfigurationError, match="AwaitedStore"):
        Holdall(Flask(__name__), Sessions(AwaitedStore(), key="sid"))


# What Flask and its extensions expect of a session.


def test_a_permanent_session_outlives_the_browser() -> None:
    app = application(SECRET_KEY=SECRET, PERMANENT_SESSION_LIFETIME=timedelta(hours=1))
    app.before_request(lambda: setattr(session, "permanent", True))
    client = app.test_client()

    assert set_cookie(client.get("/count"))["max-age"] == "3600"
    assert client.get("/").json == {"n": 1, "_permanent": True}


def test_setting_permanent_again_writes_nothing(cookie_app: Flask) -> None:
    cookie_app.before_request(lambda: setattr(session, "permanent", True))
    client = cookie_app.test_client()
    client.get("/count")

    assert "Set-Cookie" not in client.get("/").headers


def test_a_permanent_session_can_be_made_to_end_with_the_browser(app: Flask) -> None:
    client = app.test_client()
    with client.session_transaction() as session:
        assert not session.permanent
        session.permanent = True
    assert client.get_cookie("_shop").max_age == timedelta(days=7).total_seconds()

    with client.session_transaction() as session:
        session.permanent = False

    assert client.get_cookie("_shop").max_age is None


@pytest.mark.parametrize(
    ("options", "seconds"),
    [({"idle_timeout": None}, 34560000), ({"idle_timeout": timedelta(days=500)}, 34560000), ({"max_age": 60}, 60)],
)
def test_a_permanent_cookie_lives_as_long_as_browsers_allow(options: dict[str, Any], seconds: int) -> None:
    sessions = Sessions("cookie", key="_shop", secret_key_base=SECRET, absolute_timeout=None, **options)
    client = application(sessions).test_client()

    with client.session_transaction() as session:
        session.permanent = True

    assert client.get_cookie("_shop").max_age == seconds


def test_new_accessed_and_modified_mean_what_they_mean_in_flask(app: Flask) -> None:
    client = app.test_client()

    with client.session_transaction() as session:
        assert isinstance(session, FlaskSession)
        assert (session.accessed, session.modified) == (False, False)
        assert session.new
        session["cart"] = []
        assert (session.accessed, session.modified) == (True, True)
    with client.session_transaction() as session:
        assert not session.new
        session["cart"].append(7)
        assert session.modified
    assert client.get("/").json == {"cart": [7]}


def test_flashed_messages_survive_a_redirect(cookie_app: Flask) -> None:
    @cookie_app.get("/buy")
    def buy() -> Any:
        flash(Markup("<b>bought</b>"), "info")
        flash("pay now")
        return flask.redirect("/thanks")

    @cookie_app.get("/thanks")
    def thanks() -> str:
        return repr(get_flashed_messages(with_categories=True))

    client = cookie_app.test_client()

    assert client.get("/buy", follow_redirects=True).text == repr(
        [("info", Markup("<b>bought</b>")), ("message", "pay now")]
    )
    assert client.get("/thanks").text == "[]"


def test_the_types_that_flask_supports_survive(cookie_app: Flask) -> None:
    values = {
        "tuple": (1, (2,)),
        "bytes": b"\xff",
        "html": Markup("<i>"),
        "uuid": UUID(int=7),
        "time": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "tags": [{" t": "not a tuple"}, {" di": 1}, {"$tuple": 1}, {"$dict": {"$set": 1}}],
    }
    client = cookie_app.test_client()
    with client.session_transaction() as session:
        session.update(values)

    with client.session_transaction() as session:
        found = dict(session)
    assert found == values
    assert isinstance(found["html"], Markup)


def test_the_session_is_saved_after_all_after_request_functions(app: Flask) -> None:
    @app.after_request
    def note(response: Response) -> Response:
        session["noted"] = True
        return response

    client = app.test_client()
    client.get("/count")

    assert client.get("/").json["noted"]


def test_a_teardown_functions_change_is_saved(app: Flask) -> None:
    app.teardown_request(lambda _: session.update(torn_down=True) if flask.request.path == "/" else None)
    client = app.test_client()
    client.get("/count")

    client.get("/").close()

    assert client.get("/").json == {"n": 1, "torn_down": True}


def test_https_behind_a_proxy_sets_secure(cookie_app: Flask) -> None:
    cookie_app.wsgi_app = ProxyFix(cookie_app.wsgi_app)
    client = cookie_app.test_client()

    assert "secure" in set_cookie(client.get("/count", headers={"X-Forwarded-Proto": "https"}))
    assert "secure" not in set_cookie(client.get("/count"))


def test_a_static_file_requested_with_a_cookie_is_not_for_shared_caches(tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("body {}")
    app = Flask(__name__, static_folder=tmp_path)
    app.config.update(SECRET_KEY=SECRET, SEND_FILE_MAX_AGE_DEFAULT=3600)
    Holdall(app)
    path = f"{app.static_url_path}/style.css"
    app.before_request(lambda: session.update(n=1) if flask.request.args else None)

    with app.test_client().get(path) as response:
        assert response.headers["Cache-Control"] == "public, max-age=3600"
    with app.test_client().get(f"{path}?write=1") as response:
        assert "Set-Cookie" in response.headers
        assert response.headers["Cache-Control"] == "private, max-age=3600"


# Plug's verbs.


def test_verbs(app: Flask) -> None:
    with app.test_request_context():
        put_session("n", None)
        assert get_session("n", 1) is None
        assert get_session("absent", 1) == 1
        assert get_session("absent") is None
        assert get_session() == {"n": None}
        delete_session("n")
        delete_session("n")
        assert get_session() == {}
        put_session("n", 1)
        clear_session()
        assert get_session() == {}
        assert fetch_session() is fetch_session()


def test_an_async_view_awaits_no_method_of_the_session(table_name: str) -> None:
    pytest.importorskip("asgiref")
    sessions = Sessions("table", key="_shop", table=table_name, principal_key="user_id")
    app = application(sessions)

    @app.get("/async")
    async def view() -> dict[str, int]:
        fetch_session().login(7)
        session["seen"] = True
        fetch_session().save()
        visits = fetch_session().atomic_update("visits", lambda visits: visits + 1, default=0)
        return {"visits": visits, "ended": await sessions.revoke_async(7, keep=fetch_session())}

    client = app.test_client()
    client.get("/async")

    assert client.get("/async").json == {"visits": 2, "ended": 0}


def test_json_encodes_the_session_but_not_flasks_proxy(app: Flask) -> None:
    with app.test_request_context():
        session["n"] = 1

        assert json.dumps(fetch_session()) == json.dumps(dict(session)) == '{"n": 1}'
        with pytest.raises(TypeError):
            json.dumps(session)


def test_configure_accepts_plugs_options_and_dynamos(app: Flask) -> None:
    @app.get("/configured")
    def configured() -> str:
        put_session("n", 1)
        configure_session("path", "/basket")
        configure_session(renew=True, same_site="Strict")
        return ""

    cookie = set_cookie(app.test_client().get("/configured"))

    assert (cookie["path"], cookie["samesite"]) == ("/basket", "Strict")


def test_verbs_without_a_session_explain_what_to_do() -> None:
    app = Flask(__name__)
    app.secret_key = SECRET

    with app.test_request_context(), pytest.raises(RuntimeError, match="Holdall"):
        fetch_session()


# Errors.


class BrokenTable(MemoryTable):
    """A table whose backend is down."""

    def insert(self, digest: bytes, row: Any) -> bool:
        msg = "the table's backend is down"
        raise StoreError(msg)


@pytest.fixture
def broken_app() -> Flask:
    return application(Sessions(TableStore(BrokenTable()), key="sid"))


def test_a_failing_store_is_logged(broken_app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    response = broken_app.test_client().get("/count")

    assert response.status_code == 503
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert isinstance(record.exc_info[1], StoreError)


@pytest.mark.parametrize("kind", [StoreError, 503, Exception])
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_applications_own_errorhandler_takes_precedence(kind: Any, when: str) -> None:
    def answer(error: Exception) -> tuple[str, int]:
        return "later, please", 503

    app = Flask(__name__)
    if when == "before":
        app.register_error_handler(kind, answer)
    Holdall(app, Sessions(TableStore(BrokenTable()), key="sid"))
    if when == "after":
        app.register_error_handler(kind, answer)
    app.add_url_rule("/", view_func=lambda: put_session("n", 1) or "")

    response = app.test_client().get("/")

    assert (response.status_code, response.text) == (503, "later, please")


def test_the_response_to_a_failure_passes_the_after_request_functions(broken_app: Flask) -> None:
    @broken_app.after_request
    def allow(response: Response) -> Response:
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    response = broken_app.test_client().get("/count")

    assert response.status_code == 503
    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_a_body_that_a_failure_replaces_is_closed(broken_app: Flask) -> None:
    body = BytesIO(b"never sent")

    @broken_app.get("/body")
    def sent() -> Response:
        put_session("n", 1)
        return Response(body)

    response = broken_app.test_client().get("/body")
    response.close()

    assert response.status_code == 503
    assert body.closed


@pytest.mark.parametrize(("handlers", "status"), [({}, 409), ({LostWriteError: lambda _: ("lost", 410)}, 410)])
def test_a_lost_write_is_409_if_it_is_raised(table: MemoryTable, handlers: dict[Any, Any], status: int) -> None:
    sessions = Sessions(TableStore(table), key="sid", on_lost_write="raise")
    app = application(sessions)

    for kind, handler in handlers.items():
        app.register_error_handler(kind, handler)

    @app.get("/late")
    def late() -> str:
        session["n"] = 2
        elsewhere = sessions.resume(flask.request.cookies["sid"])
        elsewhere.configure(drop=True)
        sessions.commit(elsewhere)
        return ""

    client = app.test_client()
    client.get("/count")

    assert client.get("/late").status_code == status
    assert client.get("/").json == {}


def fill(app: Flask) -> None:
    @app.get("/fill")
    def fill() -> str:
        session["big"] = "x" * 5000
        return "filled"


def test_an_errorhandler_may_clear_an_oversized_session_and_send_it(cookie_app: Flask) -> None:
    fill(cookie_app)

    @cookie_app.errorhandler(CookieOverflowError)
    def too_large(error: CookieOverflowError) -> tuple[str, int]:
        session.clear()
        session["told"] = True
        return "emptied", 200

    client = cookie_app.test_client()
    client.get("/count")

    response = client.get("/fill")

    assert (response.status_code, response.text) == (200, "emptied")
    assert len(response.headers.getlist("Set-Cookie")) == 1
    assert response.headers.getlist("Vary") == ["Cookie"]
    assert client.get("/").json == {"told": True}


@pytest.mark.parametrize("status", [200, 500])
def test_an_errorhandler_that_leaves_it_oversized_causes_a_clean_500(cookie_app: Flask, status: int) -> None:
    fill(cookie_app)
    cookie_app.register_error_handler(CookieOverflowError, lambda _: ("oh", status))
    client = cookie_app.test_client()
    client.get("/count")

    response = client.get("/fill")

    assert response.status_code == 500
    assert "Set-Cookie" not in response.headers
    assert client.get("/").json == {"n": 1}


def test_a_value_that_cannot_be_stored_reaches_the_errorhandlers_too(cookie_app: Flask) -> None:
    @cookie_app.get("/hide")
    def hide() -> str:
        session["list"] = hidden = []
        hidden.append(object())
        return ""

    @cookie_app.errorhandler(TypeError)
    def refused(error: TypeError) -> tuple[str, int]:
        session.clear()
        return str(error), 400

    response = cookie_app.test_client().get("/hide")

    assert response.status_code == 400
    assert "session['list'][0]" in response.text


def test_an_error_is_raised_in_testing_mode_as_in_flask(cookie_app: Flask) -> None:
    cookie_app.testing = True
    fill(cookie_app)

    with pytest.raises(CookieOverflowError, match="'big'"):
        cookie_app.test_client().get("/fill")


def test_a_second_failure_keeps_the_first_ones_response(caplog: pytest.LogCaptureFixture) -> None:
    table = FailingTable()
    app = application(Sessions(TableStore(table), key="sid"))

    @app.get("/fail")
    def fail() -> tuple[str, int]:
        configure_session(renew=True)
        return "sorry", 502

    client = app.test_client()
    client.get("/count")
    table.failing = frozenset({"remove"})
    response = client.get("/fail")

    assert (response.status_code, response.text) == (502, "sorry")
    assert [type(record.exc_info[1]) for record in caplog.records] == [StoreError]


@pytest.fixture
def raising_app(app: Flask) -> Flask:
    app.testing = True

    @app.get("/leave")
    def leave() -> str:
        fetch_session().logout()
        raise ZeroDivisionError

    return app


@pytest.mark.parametrize("keeps_context", [False, True])
def test_an_unhandled_exception_still_ends_a_dropped_session(
    raising_app: Flask, table: MemoryTable, keeps_context: bool
) -> None:
    client = raising_app.test_client()
    client.get("/count")
    with client if keeps_context else nullcontext():
        with pytest.raises(ZeroDivisionError):
            client.get("/leave")

        assert len(table) == 0
        assert client.get("/count").json == {"n": 1}


def test_a_session_that_cannot_be_ended_hides_no_exception(caplog: pytest.LogCaptureFixture) -> None:
    class Undeletable(MemoryTable):
        def remove(self, digest: bytes, *, tombstone: Any = None) -> Any:
            raise StoreError

    app = application(Sessions(TableStore(Undeletable()), key="sid"), PROPAGATE_EXCEPTIONS=True)

    @app.get("/leave")
    def leave() -> str:
        fetch_session().logout()
        raise ZeroDivisionError

    client = app.test_client()
    client.get("/count")
    with pytest.raises(ZeroDivisionError):
        client.get("/leave")

    assert "could not be ended" in caplog.text


def test_a_copied_context_that_ends_earlier_ends_nothing(app: Flask, table: MemoryTable) -> None:
    @app.get("/copy")
    def copy() -> str:
        session["n"] = 7
        thread = threading.Thread(target=flask.copy_current_request_context(lambda: session["n"]))
        thread.start()
        thread.join()
        session["n"] += 1
        return "ok"

    client = app.test_client()
    client.get("/copy")

    assert client.get("/").json == {"n": 8}


def test_an_answered_request_is_not_ended_again(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    abandoned: list[object] = []
    monkeypatch.setattr(Sessions, "abandon", lambda sessions, session: abandoned.append(session))
    client = app.test_client()
    with client:
        client.get("/count")
        client.get("/")
        client.get("/missing")
        assert session["n"] == 1

    assert abandoned == []


def test_modified_stays_true_after_a_save(app: Flask) -> None:
    client = app.test_client()
    with client:
        client.get("/count")
        assert session.modified
        session.modified = False
        assert not session.modified

        client.get("/")
        assert not session.modified


def test_a_session_written_by_a_test_is_kept(app: Flask) -> None:
    client = app.test_client()
    with client.session_transaction() as opened:
        opened["n"] = 5

    assert client.get("/").json == {"n": 5}


# Bodies that are sent piece by piece.


def test_a_body_with_context_reads_the_session(cookie_app: Flask) -> None:
    @cookie_app.get("/streamed")
    def streamed() -> Response:
        @stream_with_context
        def body() -> Iterator[str]:
            yield "n is "
            yield str(session["n"])

        return Response(body())

    client = cookie_app.test_client()
    client.get("/count")

    assert client.get("/streamed").text == "n is 1"


def test_a_body_saves_and_sees_what_other_requests_saved(app: Flask, table: MemoryTable) -> None:
    @app.get("/streamed")
    def streamed() -> Response:
        other = Sessions(TableStore(table), key="_shop")
        opened = fetch_session()
        session["n"] = 2
        opened.save()
        assert session.modified

        def body() -> Iterator[str]:
            opened["m"] = 1
            opened.save()
            elsewhere = other.fetch(cookie)
            yield f"{dict(elsewhere)} "
            elsewhere["n"] = 3
            other.commit(elsewhere)
            opened.reload()
            yield str(opened["n"])

        return Response(body())

    client = app.test_client()
    cookie = client.get("/count").headers["Set-Cookie"].partition(";")[0]

    assert client.get("/streamed").text == "{'n': 2, 'm': 1} 3"


@pytest.fixture(params=["cookie", "table"])
def flashing_app(request: pytest.FixtureRequest, table: MemoryTable) -> Flask:
    sessions = Sessions(TableStore(table), key="sid") if request.param == "table" else None
    app = application(sessions, SECRET_KEY=SECRET)

    @app.get("/<path>")
    def answer(path: str) -> Response:
        flash("hello")
        if path == "raise":
            raise ZeroDivisionError
        if path == "abort":
            flask.abort(404)
        body = (piece for piece in "abc")
        return Response(stream_with_context(body) if path == "context" else body)

    return app


@pytest.mark.parametrize("path", ["raise", "abort", "streamed", "context"])
def test_a_test_reads_flashes_before_the_body(flashing_app: Flask, caplog: pytest.LogCaptureFixture, path: str) -> None:
    with flashing_app.test_client() as client:
        response = client.get(f"/{path}")

        assert get_flashed_messages() == ["hello"]
        assert response.text.startswith("abc" if response.status_code == 200 else "<!doctype html>")
        assert get_flashed_messages() == ["hello"]
        response.close()

    assert "lost_write" not in caplog.text


@pytest.mark.parametrize("with_context", [False, True])
def test_a_body_that_changes_a_cookie_fails_in_a_test_too(cookie_app: Flask, with_context: bool) -> None:
    @cookie_app.get("/streamed")
    def streamed() -> Response:
        opened = fetch_session()
        opened["n"] = 1

        def body() -> Iterator[str]:
            yield "first"
            opened["n"] = 2

        return Response(stream_with_context(body()) if with_context else body())

    with cookie_app.test_client() as client:
        response = client.get("/streamed")
        pieces = iter(response.response)

        assert next(pieces) == b"first"
        with pytest.raises(ResponseStartedError, match="after the response had started"):
            next(pieces)
        session["n"] = 3
        assert session["n"] == 3


def test_a_teardown_function_that_changes_a_cookie_fails_in_a_test_too(cookie_app: Flask) -> None:
    refused: list[Exception] = []

    @cookie_app.get("/streamed")
    def streamed() -> Response:
        session["n"] = 1
        return Response(iter("abc"))

    @cookie_app.teardown_request
    def tear_down(error: BaseException | None) -> None:
        try:
            session["late"] = 1
        except ResponseStartedError as exc:
            refused.append(exc)

    with cookie_app.test_client() as client:
        client.get("/streamed")
        assert len(refused) == 1


def test_a_file_sent_by_the_server_itself_ends_all_changes(app: Flask) -> None:
    kept: list[FlaskSession] = []

    @app.get("/file")
    def file() -> Response:
        kept.append(fetch_session())
        return flask.send_file(BytesIO(b"a file"), "text/plain")

    client = app.test_client()
    client.get("/count")
    client.get("/file").close()

    with pytest.raises(ResponseStartedError):
        kept[0]["n"] = 2


@pytest.fixture
def serve() -> Iterator[Callable[[Flask], int]]:
    """Serve applications over HTTP; return the port."""
    servers = []

    def serve(app: Flask) -> int:
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return server.port

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_real_server_saves_the_bodys_changes_before_the_client_sees_its_end(
    app: Flask, serve: Callable[[Flask], int]
) -> None:
    go_on = threading.Event()

    @app.get("/streamed")
    def streamed() -> Response:
        @stream_with_context
        def body() -> Iterator[str]:
            yield "."
            assert go_on.wait(10)
            session["n"] = 2
            yield "."

        return Response(body())

    port = serve(app)
    cookie = get(port, "/count").headers["Set-Cookie"].split(";")[0]
    answer = get(port, "/streamed", cookie)

    assert answer.read(1) == b"."
    assert get(port, "/", cookie).read() == b'{"n":1}\n'
    go_on.set()
    assert answer.read() == b"."
    assert get(port, "/", cookie).read() == b'{"n":2}\n'


def get(port: int, path: str, cookie: str = "") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Cookie": cookie})
    return connection.getresponse()
