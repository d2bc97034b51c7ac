"""The conformance suite's application in FastAPI."""

from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, StreamingResponse

from holdall import Sessions
from holdall.testing import Client, asgi_client, perform_async, stream
from holdall_fastapi import SessionDep, SessionMiddleware


def mount(sessions: Sessions) -> Client:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions)

    @app.post("/stream")
    async def streamed(script: dict[str, Any], session: SessionDep) -> StreamingResponse:
        return StreamingResponse(stream(session, script))

    @app.post("/{path:path}")
    async def act(script: dict[str, Any], session: SessionDep) -> JSONResponse:
        result, status = await perform_async(session, script)
        return JSONResponse(result, status, script.get("headers"))

    return asgi_client(app)
