"""
Send requests to an application in this process, through the protocol that a server would use.

A ``Client`` is any function from a ``Request`` to its ``Response``.
"""

import asyncio
import sys
import weakref
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from holdall._async_tasks import new_event, sleep

__all__ = ["Client", "Moments", "Request", "Response", "asgi_client", "wsgi_client"]


@dataclass(frozen=True)
class Request:
    """
    A request as a browser sends it.

    Attributes:
        path: The path, percent-encoded, with a query after a ``?`` if there is one.
        root: The path that the application is mounted under (``SCRIPT_NAME``, ``root_path``), percent-encoded, with
            which *path* begins.
        headers: Names and values, in order; a name may come more than once.
        https: Whether it was sent over HTTPS.
    """

    method: str = "POST"
    path: str = "/"
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    https: bool = False
    root: str = ""

    @property
    def where(self) -> str:
        """Return the path without the query."""
        return self.path.partition("?")[0]

    @property
    def query(self) -> str:
        """Return the part of the path after the ``?``."""
        return self.path.partition("?")[2]


@dataclass(frozen=True)
class Response:
    """
    A response as the browser receives it.

    Attributes:
        headers: Names and values, in order; a name may come more than once.
        error: The exception that the application raised through its framework, which a server would log. If nothing
            had been sent by then, the status is 500.
    """

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    error: Exception | None = None

    def all(self, name: str) -> list[str]:
        """Return the values of each header called *name*, in any case."""
        return [value for found, value in self.headers if found.lower() == name.lower()]


#: Sends a request to an application, and returns the response.
Client = Callable[[Request], Response]

#: Called when an application has announced the end of a body, for tests of the state at that time.
at_the_end: Callable[[], object] | None = None

#: The host of every application, as its requests state it.
HOST = "www.shop.example"


def wsgi_client(app: Callable[..., Iterable[bytes]]) -> Client:
    """Return a client of a WSGI application (PEP 3333)."""

    def client(request: Request) -> Response:
        started: list[tuple[int, list[tuple[str, str]]]] = []
        chunks: list[bytes] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: object = None
        ) -> Callable[[bytes], object]:
            if exc_info and chunks:
                raise exc_info[1]  # type: ignore[index]  # typed as in PEP 3333: too late to change the headers
            started[:] = [(int(status.split(maxsplit=1)[0]), list(headers))]
            return chunks.append

        error: Exception | None = None
        try:
            body = app(_environ(request), start_response)
            try:
                chunks.extend(body)
                if at_the_end is not None:
                    # Before close(), because a server may have told the client by then.
                    at_the_end()
            finally:
                close = getattr(body, "close", None)
                if close is not None:
                    close()
        except Exception as exc:  # noqa: BLE001  # a server survives whatever its application raises
            error = exc
        if error is not None and not b"".join(chunks):
            started.clear()
        status, headers = started[0] if started else (500, [])
        # A server strips the space around a header's value when it reads it (RFC 9110, section 5.5).
        headers = [(name, value.strip(" \t")) for name, value in headers]
        return Response(status, headers, b"".join(chunks), error)

    return client


def _environ(request: Request) -> dict[str, Any]:
    root = unquote_to_bytes(request.root)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        # PEP 3333 has servers decode the bytes as Latin-1.
        "SCRIPT_NAME": root.decode("latin-1"),
        "PATH_INFO": unquote_to_bytes(request.where).removeprefix(root).decode("latin-1"),
        "QUERY_STRING": request.query,
        "SERVER_NAME": HOST,
        "SERVER_PORT": "443" if request.https else "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": HOST,
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https" if request.https else "http",
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers:
        variable = name.upper().replace("-", "_")
        if variable not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            variable = f"HTTP_{variable}"
        # Cookie is the one header whose values are joined with a semicolon (RFC 9113, section 8.2.3). A request has one
        # host.
        sign = "; " if variable == "HTTP_COOKIE" else ","
        before = f"{environ[variable]}{sign}" if variable in environ and variable != "HTTP_HOST" else ""
        environ[variable] = before + value
    return environ


_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


def asgi_client(app: Callable[[dict[str, Any], Any, Any], Awaitable[None]]) -> Client:
    """
    Return a client of an ASGI application.

    All its requests run in one event loop of its own, so call it from tests that are not ``async`` themselves.
    """
    return _AsgiClient(app)


class Moments:
    """The waits of a request; the request is cancelled at one of them."""

    _left: int | None = None
    _cancel: Callable[[], object]

    def start(self, moment: int, cancel: Callable[[], object]) -> None:
        """Count the waits from here, and *cancel* at this *moment*."""
        self._left, self._cancel = moment, cancel

    @property
    def is_over(self) -> bool:
        """Return whether that moment has passed."""
        return self._left is not None and self._left < 0

    async def wait(self) -> None:
        """Let other tasks run."""
        if self._left is not None:
            if self._left == 0:
                self._cancel()
            self._left -= 1
        await sleep(0)


class _AsgiClient:
    def __init__(self, app: Callable[[dict[str, Any], Any, Any], Awaitable[None]]) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        weakref.finalize(self, self._loop.close)

    def __call__(self, request: Request) -> Response:
        return self._loop.run_until_complete(self._send(request))

    def cancelled(self, request: Request, moments: Moments, moment: int, library: str) -> bool:
        """Send *request*, cancel it at a *moment*, and return whether it waited that often."""
        if library == "trio":
            import trio

            async def send() -> None:
                with trio.CancelScope() as scope:
                    moments.start(moment, scope.cancel)
                    await self._send(request)

            trio.run(send)
        else:

            async def send_and_wait() -> None:
                task = asyncio.ensure_future(self._send(request))
                moments.start(moment, task.cancel)
                await asyncio.wait([task])

            self._loop.run_until_complete(send_and_wait())
        return moments.is_over

    def talk(self, request: Request, texts: Iterable[str]) -> list[Mapping[str, Any]]:
        """Open a WebSocket, send *texts*, disconnect, and return the application's messages."""
        coming: list[_Message] = [
            {"type": "websocket.connect"},
            *({"type": "websocket.receive", "text": text} for text in texts),
            {"type": "websocket.disconnect", "code": 1000},
        ]
        sent: list[Mapping[str, Any]] = []

        async def receive() -> _Message:
            return coming.pop(0)

        async def send(message: _Message) -> None:
            sent.append(message)

        scheme = "wss" if request.https else "ws"
        scope = {**_scope(request), "type": "websocket", "scheme": scheme, "subprotocols": []}
        self._loop.run_until_complete(self._app(scope, receive, send))
        return sent

    async def _send(self, request: Request) -> Response:
        unread = [request.body]
        sent: list[Mapping[str, Any]] = []
        over = new_event()

        async def receive() -> _Message:
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            await over.wait()
            return {"type": "http.disconnect"}

        async def send(message: _Message) -> None:
            sent.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                over.set()
                if at_the_end is not None:
                    at_the_end()

        error: Exception | None = None
        try:
            await self._app(_scope(request), receive, send)
        except Exception as exc:  # noqa: BLE001  # a server survives whatever its application raises
            error = exc
        if not sent:
            return Response(500, error=error)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in sent[0].get("headers", ())]
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return Response(sent[0]["status"], headers, body, error)


def _scope(request: Request) -> dict[str, Any]:
    host = next((value for name, value in request.headers if name.lower() == "host"), HOST)
    others = ((name, value) for name, value in request.headers if name.lower() != "host")
    headers = [("host", host), ("content-length", str(len(request.body))), *others]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "https" if request.https else "http",
        "path": unquote(request.where),
        "raw_path": request.where.encode("ascii"),
        "query_string": request.query.encode("ascii"),
        "root_path": unquote(request.root),
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 50000),
        "server": (HOST, 443 if request.https else 80),
        "extensions": {},
    }
