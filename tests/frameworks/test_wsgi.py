"""
``holdall.wsgi`` in frameworks that have no adapter of ours, and without any.

A framework that is not installed has no tests here, because hundreds of skipped tests for each would take long.
"""

import json
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from importlib.util import find_spec
from typing import Any

import pytest

from holdall import AnsweredError, Sessions
from holdall.device_bound import DeviceBound
from holdall.testing import METHODS, AdapterConformance, Client, Request, perform, stream, wsgi_client
from holdall.testing._adapters.suite import Mount
from holdall.wsgi import SessionMiddleware, fetch_session

# Pyramid and WebOb, on which it is built, import features that setuptools and Python have deprecated.
pytestmark = pytest.mark.filterwarnings(
    "error", "ignore:.cgi. is deprecated:DeprecationWarning", "ignore:.*pkg_resources"
)


def others(environ: Any, also: Sequence[Sessions]) -> Any:
    """Return a function that finds one of the other sessions by its key."""
    named = {each.key: each for each in also}
    return lambda key: fetch_session(environ, named[key])


def acted(environ: Any, also: Sequence[Sessions], script: Any) -> Any:
    return perform(fetch_session(environ), script, others(environ, also))


def streamed(environ: Any, also: Sequence[Sessions], script: Any) -> Any:
    return stream(fetch_session(environ), script, others(environ, also))


def plain(sessions: Sessions, also: Sequence[Sessions] = ()) -> Client:
    """Mount an application without a framework."""

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        script = json.loads(environ["wsgi.input"].read())
        if environ["PATH_INFO"] == "/stream":
            chunks = streamed(environ, also, script)
            start_response("200 OK", [])
            return chunks
        result, status = acted(environ, also, script)
        body = json.dumps(result).encode()
        headers = [*script.get("headers", {}).items(), ("Content-Length", str(len(body)))]
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return [body]

    return wsgi_client(SessionMiddleware(app, sessions, also=also))


def generating(sessions: Sessions, also: Sequence[Sessions] = ()) -> Client:
    """Mount an application that is a generator: it begins when the server requests its body."""

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        script = json.loads(environ["wsgi.input"].read())
        if environ["PATH_INFO"] == "/stream":
            chunks = streamed(environ, also, script)
            start_response("200 OK", [])
            yield from chunks
            return
        result, status = acted(environ, also, script)
        body = json.dumps(result).encode()
        headers = [*script.get("headers", {}).items(), ("Content-Length", str(len(body)))]
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        yield body

    return wsgi_client(SessionMiddleware(app, sessions, also=also))


class TestWithoutAFramework(AdapterConformance):
    answers_failures = False

    @pytest.fixture(params=[plain, generating])
    def mount(self, request: pytest.FixtureRequest) -> Mount:
        mount: Mount = request.param
        return mount


def bottle(sessions: Sessions, also: Sequence[Sessions] = ()) -> Client:
    from bottle import Bottle, request, response

    app = Bottle()
    app.config["catchall"] = False

    @app.route("/", METHODS)
    @app.route("/<path:path>", METHODS)
    def act(path: str = "") -> Any:
        script = request.json
        result, response.status = acted(request.environ, also, script)
        for name, value in script.get("headers", {}).items():
            response.add_header(name, value)
        return result

    @app.post("/stream")
    def streams() -> Any:
        return streamed(request.environ, also, request.json)

    return wsgi_client(SessionMiddleware(app, sessions, also=also))


class TestBottle(AdapterConformance):
    __test__ = find_spec("bottle") is not None
    answers_failures = False

    @pytest.fixture
    def mount(self) -> Mount:
        return bottle


def pyramid(sessions: Sessions, also: Sequence[Sessions] = ()) -> Client:
    from pyramid.config import Configurator
    from pyramid.response import Response

    def act(request: Any) -> Any:
        script = request.json_body
        result, status = acted(request.environ, also, script)
        return Response(json=result, status=status, headerlist=[*script.get("headers", {}).items()])

    def streams(request: Any) -> Any:
        return Response(app_iter=streamed(request.environ, also, request.json_body))

    with Configurator() as config:
        config.add_route("streams", "/stream")
        config.add_route("act", "/*path")
        config.add_view(streams, route_name="streams")
        config.add_view(act, route_name="act")
    return wsgi_client(SessionMiddleware(config.make_wsgi_app(), sessions, also=also))


class TestPyramid(AdapterConformance):
    __test__ = find_spec("pyramid") is not None
    answers_failures = False

    @pytest.fixture
    def mount(self) -> Mount:
        return pyramid


def falcon(sessions: Sessions, also: Sequence[Sessions] = ()) -> Client:
    from falcon import App, HTTPError

    class Act:
        def on_post(self, request: Any, response: Any, path: str = "") -> None:
            script = request.get_media()
            response.media, response.status = acted(request.env, also, script)
            for name, value in script.get("headers", {}).items():
                response.append_header(name, value)

        on_get = on_head = on_put = on_delete = on_options = on_post

    class Streams:
        def on_post(self, request: Any, response: Any) -> None:
            response.stream = streamed(request.env, also, request.get_media())

    def answer(request: Any, response: Any, error: AnsweredError, params: Any) -> None:
        raise HTTPError(error.status)

    app = App()
    app.add_error_handler(AnsweredError, answer)
    app.add_route("/stream", Streams())
    app.add_route("/", Act())
    app.add_route("/{path:path}", Act())
    return wsgi_client(SessionMiddleware(app, sessions, also=also))


class TestFalcon(AdapterConformance):
    __test__ = find_spec("falcon") is not None

    @pytest.fixture
    def mount(self) -> Mount:
        return falcon


def test_an_exception_after_the_end_of_the_body_gets_no_response() -> None:
    class Twice:
        asked = 0

        def __iter__(self) -> "Twice":
            return self

        def __next__(self) -> bytes:
            self.asked += 1
            if self.asked == 1:
                raise StopIteration
            raise RuntimeError

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Twice()

    sessions = Sessions("cookie", key="sid", secret_key_base="b7a1d0c4e9f25368-4f1c9a7be2d80356")
    body = iter(SessionMiddleware(app, sessions)({"wsgi.url_scheme": "http"}, lambda *_: None))

    assert list(body) == []
    with pytest.raises(RuntimeError):
        next(body)


def test_the_outer_of_two_layers_records_a_devices_requests() -> None:
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        seen.append(fetch_session(environ).device_bound)
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    secret = "b7a1d0c4e9f25368-4f1c9a7be2d80356"
    sessions, others = (
        Sessions("cookie", key=key, secret_key_base=secret, device_bound=DeviceBound(path=f"/{key}"))
        for key in ("sid", "other")
    )
    inner = SessionMiddleware(app, sessions)
    visit = wsgi_client(SessionMiddleware(SessionMiddleware(inner, others), sessions))

    assert visit(Request("GET")).status == 200
    assert seen == [False]
