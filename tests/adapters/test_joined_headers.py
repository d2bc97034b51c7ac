"""Two Cookie headers in one request, as real WSGI servers pass them on: joined, each in its own way."""

import socket
import threading
from collections.abc import Callable, Iterator
from wsgiref.simple_server import WSGIRequestHandler, make_server

import flask
import pytest
import waitress
from werkzeug.serving import WSGIRequestHandler as WerkzeugHandler
from werkzeug.serving import make_server as make_werkzeug

from holdall import MemoryTable, Sessions, TableStore
from holdall_flask import Holdall


class Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class SilentWerkzeug(WerkzeugHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        pass


def serve_waitress(app: flask.Flask) -> tuple[int, Callable[[], object], Callable[[], object]]:
    server = waitress.create_server(app, host="127.0.0.1", port=0, threads=1)
    return server.effective_port, server.run, server.close


def serve_wsgiref(app: flask.Flask) -> tuple[int, Callable[[], object], Callable[[], object]]:
    server = make_server("127.0.0.1", 0, app, handler_class=Silent)
    return server.server_port, lambda: server.serve_forever(0.01), lambda: (server.shutdown(), server.server_close())


def serve_werkzeug(app: flask.Flask) -> tuple[int, Callable[[], object], Callable[[], object]]:
    server = make_werkzeug("127.0.0.1", 0, app, request_handler=SilentWerkzeug)
    return server.server_port, lambda: server.serve_forever(0.01), lambda: (server.shutdown(), server.server_close())


@pytest.fixture(params=[serve_waitress, serve_wsgiref, serve_werkzeug], ids=["waitress", "wsgiref", "werkzeug"])
def ask(request: pytest.FixtureRequest) -> Iterator[Callable[..., str]]:
    """Send a request with these Cookie headers, and return its session's data."""
    app = flask.Flask(__name__)
    Holdall(app, SESSIONS)

    @app.get("/")
    def shown() -> str:
        return f"{request_cookie()} -> {flask.session.get('user')}"

    port, run, close = request.param(app)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def ask(*headers: str) -> str:
        lines = ["GET / HTTP/1.1", "Host: localhost", "Connection: close", *(f"Cookie: {each}" for each in headers)]
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
        return answer.partition(b"\r\n\r\n")[2].decode("latin-1").rpartition(" -> ")[2].strip()

    yield ask
    close()
    thread.join(timeout=10)


def request_cookie() -> str:
    return str(flask.request.environ.get("HTTP_COOKIE"))


SESSIONS = Sessions(TableStore(MemoryTable()), key="sid")


def cookie_of(user: int) -> str:
    session = SESSIONS.fetch()
    session["user"] = user
    return str(SESSIONS.commit(session).cookie)


def test_our_cookie_is_found_in_any_of_them(ask: Callable[..., str]) -> None:
    ours = cookie_of(7)

    assert ask(f"sid={ours}") == "7"
    assert ask("a=1", f"sid={ours}") == "7"
    assert ask(f"sid={ours}", "a=1") == "7"
    assert ask("a=1; b=2", f"sid={ours}; c=3", "d=4") == "7"
    assert ask("a=1", f'sid="{ours}"') == "7"
    assert ask("sid=bad", "a=1", f"sid={ours}") == "7"


def test_another_cookies_value_does_not_interfere_with_ours(ask: Callable[..., str]) -> None:
    ours, evil = cookie_of(7), cookie_of(8)

    assert ask(f"a=1,sid={evil}; sid={ours}") == "7"
    assert ask(f"sid={ours}; a=1,sid={evil}") == "7"
    assert ask(f"sid={ours}", f"sid={evil}") == "None"
