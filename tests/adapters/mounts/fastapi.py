"""The conformance suite's application in FastAPI."""

import json
from collections.abc import Sequence
from typing import Any, Literal

from anyio import from_thread
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse, StreamingResponse

from holdall import Sessions
from holdall.testing import METHODS, Client, asgi_client, perform_async, stream
from holdall_fastapi import SessionDep, SessionMiddleware, fetch_session


def mount(sessions: Sessions, also: Sequence[Sessions] = (), *, fetch: Literal["auto", "explicit"] = "auto") -> Client:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions, also=also, fetch=fetch)
    named = {each.key: each for each in also}

    @app.post("/stream")
    def streamed(request: Request, script: dict[str, Any], session: SessionDep) -> StreamingResponse:
        # There is no event loop here or in the body.
        return StreamingResponse(
            stream(session, script, lambda key: from_thread.run(fetch_session, request, named[key]))
        )

    @app.websocket("/ws")
    async def talk(websocket: WebSocket, session: SessionDep) -> None:
        await perform_async(session, json.loads(websocket.headers["x-script"]))
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_json((await perform_async(session, json.loads(text)))[0])

    @app.api_route("/{path:path}", methods=[*METHODS])
    async def act(request: Request, script: dict[str, Any], session: SessionDep) -> JSONResponse:
        result, status = await perform_async(session, script, lambda key: fetch_session(request, named[key]))
        return JSONResponse(result, status, script.get("headers"))

    return asgi_client(app)
