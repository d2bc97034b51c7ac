"""The adapter for FastAPI and Starlette: the suite of all adapters, and what only ASGI can do."""

import pytest
from tests.adapters.mounts.fastapi import mount as mount_fastapi
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from holdall import Sessions
from holdall.testing import AdapterConformance, Client, asgi_client, perform, stream
from holdall_fastapi import SessionMiddleware


class TestFastAPI(AdapterConformance):
    answers_failures = False

    @pytest.fixture
    def mount(self):
        return mount_fastapi


class TestStarlette(AdapterConformance):
    answers_failures = False

    @pytest.fixture
    def mount(self):
        async def act(request: Request) -> Response:
            script = await request.json()
            result, status = perform(request.session, script)
            return JSONResponse(result, status, script.get("headers"))

        async def streamed(request: Request) -> Response:
            return StreamingResponse(stream(request.session, await request.json()))

        def mount(sessions: Sessions) -> Client:
            routes = [
                Route("/stream", streamed, methods=["POST"]),
                Route("/{path:path}", act, methods=["POST"]),
            ]
            return asgi_client(Starlette(routes=routes, middleware=[Middleware(SessionMiddleware, sessions=sessions)]))

        return mount
