"""Web sites for a real browser: one server, which is a different site under each host name."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from holdall import MemoryTable, Sessions, TableStore
from holdall.testing import perform
from holdall_fastapi import SessionDep, SessionMiddleware
from servers.web import by_uvicorn


def site(table: MemoryTable | None = None, **options: Any) -> ASGIApp:
    """Return a site whose sessions, in *table* or a new one, have these *options*."""
    app = FastAPI()
    options = {"key": "sid", "principal_key": "user"} | options
    app.add_middleware(
        SessionMiddleware, sessions=Sessions(TableStore(MemoryTable() if table is None else table), **options)
    )

    @app.get("/{path:path}")
    async def page(session: SessionDep, path: str, frame: str = "", link: str = "") -> HTMLResponse:
        """Show the session's data, with a frame of another site and ways to go there."""
        shown = f"<p>{json.dumps(dict(session))}</p>"
        if frame:
            shown += f'<iframe src="{frame}"></iframe>'
        if link:
            shown += f'<a href="{link}">go</a><form method="post" action="{link}"><button>send</button></form>'
        return HTMLResponse(shown)

    @app.post("/{path:path}")
    async def act(session: SessionDep, request: Request, path: str, seconds: float = 0) -> Any:
        """Do what the script in the body says, including a delay after the session was read."""
        script = await request.body()
        if not script:
            return HTMLResponse(f"<p>{json.dumps(dict(session))}</p>")
        session.get("user")
        await asyncio.sleep(seconds)
        return perform(session, json.loads(script))[0]

    return app


@contextmanager
def serving(sites: dict[str, ASGIApp], certificate: Path) -> Iterator[int]:
    """Serve *sites* by host over TLS, and yield the port."""

    async def by_host(scope: Scope, receive: Receive, send: Send) -> None:
        host = next(value for name, value in scope["headers"] if name == b"host").decode().partition(":")[0]
        await sites[host](scope, receive, send)

    with by_uvicorn(by_host, ssl_certfile=certificate, lifespan="off", timeout_graceful_shutdown=1) as port:
        yield port
