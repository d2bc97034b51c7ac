"""
``holdall.asgi`` in frameworks that have no adapter of ours, and without any.

A framework that is not installed has no tests here, because hundreds of skipped tests for each would take long.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import pytest

from conformance.bare import mount_middleware, others, streamed
from holdall import AnsweredError, Sessions
from holdall.asgi import SessionMiddleware
from holdall.testing import (
    METHODS,
    AdapterConformance,
    Browser,
    Client,
    Request,
    asgi_client,
    perform_async,
)
from holdall.testing._adapters.suite import Mount

pytestmark = pytest.mark.filterwarnings("error")


class TestWithoutAFramework(AdapterConformance):
    answers_failures = False
    awaits_tables = True
    websockets = True

    @pytest.fixture
    def mount(self) -> Mount:
        return mount_middleware


def litestar(sessions: Sessions, also: Sequence[Sessions] = ()) -> Client:
    from litestar import HttpMethod, Litestar, Request, Response, post, route
    from litestar.response import Stream

    def answer(request: Request[Any, Any, Any], error: AnsweredError) -> Response[str]:
        return Response(error.status.phrase, status_code=error.status)

    @route(["/", "/{path:path}"], http_method=[HttpMethod(method) for method in METHODS])
    async def act(request: Request[Any, Any, Any]) -> Response[Any]:
        script = await request.json()
        result, status = await perform_async(request.session, script, others(request.scope, also))
        # It refuses a body where there must be none.
        content = None if status in (204, 304) else result
        return Response(content, status_code=status, headers=script.get("headers"))

    @post("/stream", status_code=200)
    async def streams(request: Request[Any, Any, Any]) -> Stream:
        return Stream(await streamed(request.scope, also, await request.json()))

    app = Litestar([act, streams], exception_handlers={AnsweredError: answer}, openapi_config=None, logging_config=None)
    return asgi_client(SessionMiddleware(app, sessions, also=also))


class TestLitestar(AdapterConformance):
    __test__ = find_spec("litestar") is not None

    @pytest.fixture
    def mount(self) -> Mount:
        return litestar


def quart(sessions: Sessions, also: Sequence[Sessions] = ()) -> Client:
    from quart import Quart, Response, request

    app = Quart(__name__)
    app.asgi_app = SessionMiddleware(app.asgi_app, sessions, also=also)  # type: ignore[method-assign]

    @app.errorhandler(AnsweredError)
    async def answer(error: AnsweredError) -> tuple[str, int]:
        return error.status.phrase, error.status

    @app.route("/", methods=[*METHODS])
    @app.route("/<path:path>", methods=[*METHODS])
    async def act(path: str = "") -> Any:
        script = await request.get_json()
        session = request.scope["session"]
        result, status = await perform_async(session, script, others(request.scope, also))
        return result, status, script.get("headers", {})

    @app.post("/stream")
    async def streams() -> Response:
        return Response(await streamed(request.scope, also, await request.get_json()))

    return asgi_client(app)


class TestQuart(AdapterConformance):
    __test__ = find_spec("quart") is not None

    @pytest.fixture
    def mount(self) -> Mount:
        return quart


def falcon(sessions: Sessions, also: Sequence[Sessions] = ()) -> Client:
    from falcon import HTTPError
    from falcon.asgi import App

    class Act:
        async def on_post(self, request: Any, response: Any, path: str = "") -> None:
            script = await request.get_media()
            result, status = await perform_async(request.scope["session"], script, others(request.scope, also))
            response.media, response.status = result, status
            for name, value in script.get("headers", {}).items():
                response.append_header(name, value)

        on_get = on_head = on_put = on_delete = on_options = on_post

    class Streams:
        async def on_post(self, request: Any, response: Any) -> None:
            chunks = await streamed(request.scope, also, await request.get_media())

            async def body() -> Any:
                async for chunk in chunks:
                    yield chunk

            response.stream = body()

    async def answer(request: Any, response: Any, error: AnsweredError, params: Any) -> None:
        raise HTTPError(error.status)

    app = App()
    app.add_error_handler(AnsweredError, answer)
    app.add_route("/stream", Streams())
    app.add_route("/", Act())
    app.add_route("/{path:path}", Act())
    return asgi_client(SessionMiddleware(app, sessions, also=also))


class TestFalcon(AdapterConformance):
    __test__ = find_spec("falcon") is not None

    @pytest.fixture
    def mount(self) -> Mount:
        return falcon


def test_the_headers_of_a_request_may_be_any_iterable() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["n"] = scope["session"].get("n", 0) + 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(scope["session"]["n"]).encode()})

    async def of_tuples(scope: Any, receive: Any, send: Any) -> None:
        await ours({**scope, "headers": tuple(scope["headers"])}, receive, send)

    ours = SessionMiddleware(app, Sessions("cookie", key="sid", secret_key_base="b7a1d0c4e9f25368-4f1c9a7be2d80356"))
    browser = Browser(asgi_client(of_tuples))

    assert [browser.send(Request("GET")).body for _ in range(2)] == [b"1", b"2"]
