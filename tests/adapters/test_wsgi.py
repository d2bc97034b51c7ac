"""``holdall.wsgi``: what else PEP 3333 allows applications and servers to do."""

from typing import Any

import pytest

from holdall import MemoryTable, Sessions, StoreError, TableStore, asgi, wsgi
from holdall.nested import KEY
from holdall.testing import Request, Response, wsgi_client
from holdall.testing._adapters.failures import FailingTable
from holdall.wsgi._middleware import SESSION


def kept(table: MemoryTable) -> Sessions:
    return Sessions(TableStore(table), key="sid", principal_key="user")


@pytest.fixture
def table() -> FailingTable:
    return FailingTable()


def cookie(sessions: Sessions, **data: Any) -> str:
    session = sessions.fetch()
    session.update(data)
    return f"sid={sessions.commit(session).cookie}"


def visit(app: Any, sessions: Sessions, sent: str = "") -> Response:
    headers = [("Cookie", sent)] if sent else []
    return wsgi_client(wsgi.SessionMiddleware(app, sessions))(Request("GET", headers=headers))


def test_replaced_headers_keep_the_cookie(table: FailingTable) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ[SESSION]["n"] = 1
        start_response("200 OK", [("Content-Length", "0")])
        try:
            raise KeyError
        except KeyError as error:
            start_response("500 Sorry", [("X-Second", "yes")], (KeyError, error, None))
        return [b"sorry"]

    answer = visit(app, kept(table))

    assert (answer.status, answer.all("X-Second"), len(answer.all("Set-Cookie"))) == (500, ["yes"], 1)


def test_data_from_write_is_sent(table: FailingTable) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ[SESSION]["n"] = 1
        start_response("200 OK", [])(b"written")
        return []

    answer = visit(app, kept(table))

    assert (answer.body, len(answer.all("Set-Cookie"))) == (b"written", 1)


@pytest.mark.parametrize("caught", [False, True])
@pytest.mark.parametrize("lazy", [False, True])
def test_a_failed_commit_is_503_however_the_application_handles_it(
    table: FailingTable, caught: bool, lazy: bool
) -> None:
    def answer(environ: Any, start_response: Any) -> list[bytes]:
        environ[SESSION]["n"] = 1
        try:
            start_response("200 OK", [])
        except StoreError:
            if not caught:
                raise
            start_response("200 All is well", [])(b"nothing")
        return [] if lazy else [b"well"]

    def generator(environ: Any, start_response: Any) -> Any:
        yield from answer(environ, start_response)

    table.failing = frozenset({"insert"})
    response = visit(generator if lazy else answer, kept(table))

    assert (response.status, response.body, response.error) == (503, b"Service Unavailable", None)


def test_a_file_is_left_to_the_server(table: FailingTable) -> None:
    class Wrapper:
        def __init__(self, chunks: list[bytes]) -> None:
            self.chunks = chunks

        def __iter__(self) -> Any:
            return iter(self.chunks)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"]([b"file"])

    environ = {"wsgi.file_wrapper": Wrapper, "REQUEST_METHOD": "GET", "wsgi.url_scheme": "http"}
    body = wsgi.SessionMiddleware(app, kept(table))(environ, lambda status, headers: bool)

    assert type(body) is Wrapper


def test_a_visitor_who_disconnects_is_not_a_failure(table: FailingTable) -> None:
    sessions = kept(table)
    sent = cookie(sessions, n=1)

    def app(environ: Any, start_response: Any) -> Any:
        session = environ[SESSION]
        start_response("200 OK", [])
        for n in range(2, 9):
            session["n"] = n
            yield b"."

    environ = {"HTTP_COOKIE": sent, "REQUEST_METHOD": "GET", "wsgi.url_scheme": "http"}
    body = wsgi.SessionMiddleware(app, sessions)(environ, lambda status, headers: bool)
    next(iter(body))
    body.close()  # type: ignore[attr-defined]

    assert sessions.fetch(sent)["n"] == 2
    assert KEY not in environ


def test_a_request_stopped_by_its_server_still_logs_out(table: FailingTable) -> None:
    sessions = kept(table)
    sent = cookie(sessions, user=7)

    def app(environ: Any, start_response: Any) -> Any:
        environ[SESSION].logout()
        raise SystemExit

    with pytest.raises(SystemExit):
        visit(app, sessions, sent)

    assert dict(sessions.fetch(sent)) == {}


@pytest.mark.parametrize("lazy", [False, True])
def test_an_exception_propagates_even_if_the_session_cannot_be_ended(
    table: FailingTable, lazy: bool, caplog: pytest.LogCaptureFixture
) -> None:
    sessions = kept(table)
    sent = cookie(sessions, user=7)

    def fail(environ: Any) -> None:
        environ[SESSION].logout()
        table.failing = frozenset({"remove"})
        raise KeyError

    def app(environ: Any, start_response: Any) -> Any:
        fail(environ)

    def generator(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b"."
        fail(environ)

    answer = visit(generator if lazy else app, sessions, sent)

    assert isinstance(answer.error, KeyError)
    assert "could not be ended" in caplog.text


def test_an_option_unknown_to_asgi_is_refused(table: FailingTable) -> None:
    with pytest.raises(ValueError, match="neither 'auto' nor 'explicit'"):
        asgi.SessionMiddleware(lambda *_: None, kept(table), fetch="never")  # type: ignore[arg-type, return-value]
