"""Flask's contexts: where a request ends, how tests use one that has ended, and copies of it in other threads."""

import contextvars
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import flask
import pytest
from flask import (
    Flask,
    Response,
    copy_current_request_context,
    flash,
    get_flashed_messages,
    session,
    stream_with_context,
)
from flask.testing import FlaskClient

from holdall import Event, ResponseStartedError, Sessions, StoreError, TableStore, connections
from holdall.tables import MemoryTable
from holdall_flask import FlaskSession, Holdall, fetch_session

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"


@pytest.fixture
def events() -> list[Event]:
    return []


class Table(MemoryTable):
    is_away = False

    def read(self, digest: bytes) -> Any:
        if self.is_away:
            raise StoreError
        return super().read(digest)


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture(params=["cookie", "table"])
def sessions(request: pytest.FixtureRequest, table: Table, events: list[Event]) -> Sessions:
    if request.param == "cookie":
        return Sessions("cookie", key="_shop", secret_key_base=SECRET, on_event=events.append)
    return Sessions(TableStore(table), key="_shop", principal_key="user_id", on_event=events.append)


@pytest.fixture
def app(sessions: Sessions) -> Flask:
    app = Flask(__name__)
    app.testing = True
    Holdall(app, sessions)

    @app.get("/put/<key>/<value>")
    def put(key: str, value: str) -> dict[str, Any]:
        session[key] = value
        return dict(session)

    @app.get("/flash/<message>")
    def flash_(message: str) -> str:
        flash(message)
        return "flashed"

    @app.get("/")
    def show() -> dict[str, Any]:
        return dict(session)

    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


# The end of a request.


@pytest.mark.parametrize("path", ["/", "/put/n/1"])
def test_a_request_has_ended_even_if_the_test_client_does_not_close_its_response(app: Flask, path: str) -> None:
    kept: list[FlaskSession] = []
    app.before_request(lambda: kept.append(fetch_session()))
    client = app.test_client()
    client.get("/put/n/0")
    response = client.get(path)

    with pytest.raises(ResponseStartedError, match="its request had ended"):
        kept[-1]["n"] = "2"
    response.close()
    assert client.get("/").json["n"] == ("0" if path == "/" else "1")


def test_a_stream_ends_with_its_last_chunk(app: Flask) -> None:
    kept: list[FlaskSession] = []

    @app.get("/stream")
    def stream() -> Response:
        kept.append(fetch_session())
        session["n"] = "1"
        return Response(iter(["a", "b"]))

    response = app.test_client().get("/stream")
    assert response.text == "ab"

    with pytest.raises(ResponseStartedError, match="its request had ended"):
        kept[0]["n"] = "2"


@pytest.mark.parametrize("sessions", ["table"], indirect=True)
@pytest.mark.parametrize("when", ["before", "after"])
def test_all_teardown_functions_run_before_the_end(sessions: Sessions, when: str) -> None:
    app = Flask(__name__)

    def tear_down(error: BaseException | None) -> None:
        if flask.request.path == "/":
            session["torn down"] = when

    if when == "before":
        app.teardown_request(tear_down)
    Holdall(app, sessions)
    if when == "after":
        app.teardown_request(tear_down)
    app.add_url_rule("/put", "put", lambda: session.update(n=1) or "put")
    app.add_url_rule("/", "show", lambda: dict(session))
    client = app.test_client()
    client.get("/put")
    client.get("/")

    assert client.get("/").json == {"n": 1, "torn down": when}


@pytest.mark.parametrize("sessions", ["table"], indirect=True)
def test_a_table_that_fails_at_the_very_end_leaves_the_response_alone(
    app: Flask, table: Table, caplog: pytest.LogCaptureFixture
) -> None:
    def tear_down(error: BaseException | None) -> None:
        if flask.request.path == "/":
            table.replace = _away
            session["late"] = "1"

    app.teardown_request(tear_down)
    client = app.test_client()
    client.get("/put/n/1")

    assert client.get("/").json == {"n": "1"}
    assert "could not be saved" in caplog.text


def _away(*args: Any, **options: Any) -> Any:
    raise StoreError


def test_a_thread_that_outlives_the_request_cannot_change_anything(app: Flask) -> None:
    go_on = threading.Event()
    errors: list[Exception] = []
    threads: list[threading.Thread] = []

    @app.get("/background")
    def background() -> str:
        kept = fetch_session()

        def work() -> None:
            assert go_on.wait(10)
            try:
                kept["n"] = "2"
            except ResponseStartedError as exc:
                errors.append(exc)

        # Not in this request's context, which the test keeps below, and which some Pythons let a thread inherit.
        threads.append(threading.Thread(target=contextvars.Context().run, args=(work,)))
        threads[0].start()
        return "started"

    client = app.test_client()
    client.get("/put/n/1")
    with client:
        client.get("/background")
        go_on.set()
        threads[0].join()

    assert len(errors) == 1
    assert client.get("/").json == {"n": "1"}


def test_a_session_stored_by_a_test_takes_no_more_changes(client: FlaskClient) -> None:
    with client.session_transaction() as opened:
        opened["n"] = "1"

    with pytest.raises(ResponseStartedError):
        opened["n"] = "2"
    with client.session_transaction() as opened:
        assert opened["n"] == "1"


@pytest.mark.parametrize("path", ["/", "/put/n/1"])
def test_a_request_leaves_nothing_for_the_garbage_collector(app: Flask, path: str) -> None:
    kept: list[Any] = []
    app.before_request(lambda: kept.append(weakref.ref(fetch_session())))
    client = app.test_client()
    client.get("/put/n/0").close()

    gc.disable()
    try:
        client.get(path).close()
        assert kept[-1]() is None
    finally:
        gc.enable()


# A test's use of a request that has ended.


def test_flashes_can_be_read_after_the_response(client: FlaskClient) -> None:
    with client:
        client.get("/flash/Hello")
        assert get_flashed_messages() == ["Hello"]
        assert get_flashed_messages() == ["Hello"]

    # As in Flask itself: the cookie was sent earlier, so the next request sees them again.
    with client:
        client.get("/")
        assert get_flashed_messages(with_categories=True) == [("message", "Hello")]


CHANGES: dict[str, Callable[[], Any]] = {
    "set": lambda: session.__setitem__("n", "2"),
    "delete": lambda: session.__delitem__("n"),
    "pop": lambda: session.pop("n"),
    "setdefault": lambda: session.setdefault("m", "2"),
    "update": lambda: session.update(n="2"),
    "clear": lambda: fetch_session().clear(),
    "modified": lambda: setattr(session, "modified", True),
    "permanent": lambda: setattr(session, "permanent", True),
    "flash": lambda: flash("late"),
    "mutate": lambda: session["list"].append(1),
    "logout": lambda: fetch_session().logout(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_later_changes_by_a_test_are_discarded_as_in_flask_itself(
    client: FlaskClient, events: list[Event], change: str
) -> None:
    with client.session_transaction() as opened:
        opened.update(list=[], n="0")
    with client:
        client.get("/put/n/1")
        CHANGES[change]()
        with client.session_transaction() as opened:
            assert dict(opened) == {"list": [], "n": "1"}

    assert client.get("/").json == {"list": [], "n": "1"}
    assert [event for event in events if event.name == "lost_write"] == []


def test_a_nested_session_transaction_is_stored(client: FlaskClient) -> None:
    with client:
        client.get("/put/n/1")
        with client.session_transaction() as opened:
            assert opened["n"] == "1"
            opened["m"] = "2"
        assert dict(session) == {"n": "1"}
        assert client.get("/").json == {"n": "1", "m": "2"}
        assert dict(session) == {"n": "1", "m": "2"}


@pytest.mark.parametrize("sessions", ["table"], indirect=True)
def test_a_teardown_function_that_writes_runs_once_more_after_the_tests_context(app: Flask) -> None:
    def tear_down(error: BaseException | None) -> None:
        session["torn down"] = "1"

    app.teardown_request(tear_down)
    client = app.test_client()

    with client:
        client.get("/put/n/1")
        client.get("/")


def test_a_stream_can_be_read_after_the_response(app: Flask) -> None:
    @app.get("/stream")
    def stream() -> Response:
        session["n"] = "1"

        @stream_with_context
        def body() -> Iterator[str]:
            yield str(session["n"])

        return Response(body())

    client = app.test_client()
    with client:
        assert client.get("/stream").text == "1"
        session["m"] = "2"
        assert session["n"] == "1"

    assert client.get("/").json == {"n": "1"}


def test_a_tests_own_context_takes_all_changes_and_stores_none(app: Flask) -> None:
    with app.test_request_context():
        session["n"] = "1"
        flash("Hello")
        assert get_flashed_messages() == ["Hello"]
        kept = fetch_session()

    with pytest.raises(ResponseStartedError):
        kept["n"] = "2"


# Copies of a context.


@pytest.fixture(params=["a new context", "an inherited context"])
def start(request: pytest.FixtureRequest) -> Callable[[Callable[[], Any]], threading.Thread]:
    """Return a function that runs another in a thread, which inherits its maker's context variables or not."""

    def start(target: Callable[[], Any]) -> threading.Thread:
        if request.param == "an inherited context":
            # As with PYTHON_THREAD_INHERIT_CONTEXT=1.
            thread = threading.Thread(target=contextvars.copy_context().run, args=(target,))
        else:
            thread = threading.Thread(target=target)
        thread.start()
        return thread

    return start


def test_a_copy_that_ends_first_ends_nothing(
    app: Flask, start: Callable[[Callable[[], Any]], threading.Thread]
) -> None:
    @app.get("/copy")
    def copy() -> str:
        session["n"] = "1"
        seen: list[Any] = []
        start(copy_current_request_context(lambda: seen.append(session["n"]))).join()
        assert seen == ["1"]
        session["m"] = "2"
        return "ok"

    client = app.test_client()
    client.get("/copy")

    assert client.get("/").json == {"n": "1", "m": "2"}


def test_a_copy_that_ends_last_cannot_change_anything_after_the_request(
    app: Flask, start: Callable[[Callable[[], Any]], threading.Thread]
) -> None:
    go_on = threading.Event()
    threads: list[threading.Thread] = []
    seen: list[Any] = []

    @app.get("/copy")
    def copy() -> str:
        session["n"] = "1"

        def work() -> None:
            assert go_on.wait(10)
            seen.append(session["n"])
            try:
                session["n"] = "2"
            except ResponseStartedError:
                seen.append("refused")

        threads.append(start(copy_current_request_context(work)))
        return "ok"

    client = app.test_client()
    client.get("/copy")
    go_on.set()
    threads[0].join()

    assert seen == ["1", "refused"]
    assert client.get("/").json == {"n": "1"}


def test_a_nested_request_ends_by_itself(app: Flask) -> None:
    @app.get("/nested")
    def nested() -> str:
        session["n"] = "1"
        assert app.test_client().get("/put/other/1").json == {"other": "1"}
        session["m"] = "2"
        return "ok"

    client = app.test_client()
    client.get("/nested")

    assert client.get("/").json == {"n": "1", "m": "2"}


def test_requests_in_an_application_context_end_separately(app: Flask) -> None:
    with app.app_context():
        client = app.test_client()
        client.get("/put/n/1")
        client.get("/put/m/2")

        assert client.get("/").json == {"n": "1", "m": "2"}


def test_a_session_can_be_opened_without_a_context(app: Flask) -> None:
    request = flask.Request({"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http"})
    opened = app.session_interface.open_session(app, request)
    response = Response()
    opened["n"] = "1"

    app.session_interface.save_session(app, opened, response)

    assert "_shop" in response.headers["Set-Cookie"]


# How a stream sees its session's end.


@pytest.fixture
def streaming(app: Flask, sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(connections, "CHECK_INTERVAL", 0)

    @app.get("/stream")
    def stream() -> Response:
        @stream_with_context
        def body() -> Iterator[str]:
            while True:
                yield str(session.get("user_id"))

        return Response(body())

    with app.test_client() as client, client.session_transaction() as opened:
        opened["user_id"] = "7"
    with app.test_client() as visitor:
        for name in sessions.names:
            if cookie := client.get_cookie(name):
                visitor.set_cookie(name, cookie.value)
        response = visitor.get("/stream", buffered=False)
        yield response.iter_encoded()
        response.close()


@pytest.mark.parametrize("sessions", ["table"], indirect=True)
def test_a_stream_sees_that_its_session_was_ended(sessions: Sessions, streaming: Any) -> None:
    assert [next(streaming) for _ in range(3)] == [b"7"] * 3

    sessions.revoke("7")

    assert [next(streaming) for _ in range(3)][1:] == [b"None"] * 2


@pytest.mark.parametrize("sessions", ["table"], indirect=True)
def test_a_table_that_is_down_ends_no_stream(table: Table, streaming: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert next(streaming) == b"7"

    table.is_away = True

    assert [next(streaming) for _ in range(3)] == [b"7"] * 3
    assert "could not be checked" in caplog.text


@pytest.mark.parametrize("sessions", ["cookie"], indirect=True)
def test_a_stream_of_a_session_in_a_cookie_continues(streaming: Any) -> None:
    assert [next(streaming) for _ in range(3)] == [b"7"] * 3


@pytest.mark.parametrize("sessions", ["table"], indirect=True)
def test_a_stream_without_a_session_continues(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CHECK_INTERVAL", 0)
    app.add_url_rule("/stream", view_func=lambda: Response(iter(["a", "b", "c"])))

    assert app.test_client().get("/stream").text == "abc"
