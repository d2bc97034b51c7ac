"""Plain ASGI, where a session is ``scope["session"]``."""

from collections.abc import Callable, Mapping, MutableMapping
from copy import deepcopy
from typing import Any

import starsessions
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection

import holdall_fastapi
from bench.apps import BARE, cookie_header, our_sessions
from bench.samples import SECRET, SMALL

__all__ = ["OWN", "ASGISite", "sites"]

OWN = "Starlette"

Scope = MutableMapping[str, Any]

_HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"2")]


def sites() -> Mapping[str, "ASGISite"]:
    """Return the sites by where they keep their sessions."""
    ours = {
        name: ASGISite(holdall_fastapi.SessionMiddleware(_app, sessions)) for name, sessions in our_sessions().items()
    }
    return {
        BARE: ASGISite(_app),
        **ours,
        OWN: ASGISite(SessionMiddleware(_app, secret_key=SECRET)),
        "starsessions, cookie": _starsessions(starsessions.CookieStore(SECRET)),
        "starsessions, memory": _starsessions(starsessions.InMemoryStore()),
    }


class ASGISite:
    """An ASGI application that never waits."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def act(self, page: str, cookie: str) -> Callable[[], object]:
        headers = [(b"host", b"x"), (b"accept", b"*/*"), (b"user-agent", b"bench"), (b"cookie", cookie.encode())]
        scope = {"type": "http", "method": "GET", "scheme": "http", "path": f"/{page}", "headers": headers}
        scope |= {"query_string": b"", "extensions": {}}
        return lambda: _run(self.app(dict(scope), _receive, _send))

    def begin(self) -> str:
        started: list[Any] = []

        async def send(message: Any) -> None:
            started.extend(message.get("headers", ()))

        scope = {"type": "http", "method": "GET", "scheme": "http", "path": "/begin", "headers": [], "extensions": {}}
        _run(self.app(scope, _receive, send))
        return cookie_header(dict(started).get(b"set-cookie", b"").decode())


async def _app(scope: Scope, receive: Any, send: Any) -> None:
    if "session" in scope:
        _use(scope["path"], scope["session"])
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS.copy()})
    await send({"type": "http.response.body", "body": b"ok"})


async def _loading_app(scope: Scope, receive: Any, send: Any) -> None:
    if scope["path"] != "/untouched":
        await starsessions.load_session(HTTPConnection(scope))
        _use(scope["path"], scope["session"])
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS.copy()})
    await send({"type": "http.response.body", "body": b"ok"})


def _starsessions(store: Any) -> ASGISite:
    return ASGISite(starsessions.SessionMiddleware(_loading_app, store, cookie_https_only=False, lifetime=3600))


def _use(path: str, session: Any) -> None:
    match path:
        case "/read":
            session["user_id"]
        case "/write":
            session["theme"] = "light"
        case "/nested":
            session["cart"][0] += 1
        case "/begin":
            # A new value, as in a real application: one that other code holds would be watched from then on.
            session.update(deepcopy(SMALL))


def _run(request: Any) -> None:
    try:
        request.send(None)
    except StopIteration:
        return
    msg = "the application waited"
    raise RuntimeError(msg)


async def _receive() -> Any:
    return {"type": "http.request", "body": b""}


async def _send(message: Any) -> None:
    pass
