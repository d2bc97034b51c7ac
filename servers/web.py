"""Real web servers: applications in their own process or thread, and HTTP clients for them."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPSConnection
from multiprocessing.process import BaseProcess
from socket import create_server, socket
from ssl import SSLContext
from threading import Thread
from typing import TYPE_CHECKING, Any

# An application's process needs no client, nor pytest, which takes longer to import than most of the application.
if TYPE_CHECKING:
    from holdall.testing import Client, Request

#: The timeout for waits that should always succeed.
SECONDS = 120

_THREADS = 16

_spawn = multiprocessing.get_context("spawn")

#: Serves an application on a listening socket.
Server = Callable[[Any, socket], None]


def waitress(app: Any, listener: socket) -> None:
    """Serve a WSGI application."""
    import waitress

    waitress.serve(app, sockets=[listener], threads=_THREADS)


def uvicorn(app: Any, listener: socket) -> None:
    """Serve an ASGI application."""
    import uvicorn

    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


@contextmanager
def by_waitress(app: Any, **options: Any) -> Iterator[int]:
    """Serve a WSGI application in a thread of this process, and yield its port."""
    import waitress

    server = waitress.create_server(app, host="127.0.0.1", port=0, **options)
    thread = Thread(target=server.run)
    thread.start()
    try:
        yield server.effective_port
    finally:
        # Its workers first, because the last of them may still be notifying the server that a response has been sent.
        # It is closed in its own thread, because there it waits for the closing to finish.
        server.task_dispatcher.shutdown()
        with server.trigger.lock:
            # The thread may be awake for another reason, and close the trigger before it was pulled.
            server.trigger.thunks.append(server.close)
            server.trigger.pull_trigger()
        thread.join()


@contextmanager
def by_uvicorn(app: Any, **options: Any) -> Iterator[int]:
    """Serve an ASGI application in a thread of this process, and yield its port."""
    import uvicorn

    with create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, **{"log_level": "critical", **options}))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def start(serve: Callable[..., None], *args: Any) -> BaseProcess:
    """Run *serve* in its own process."""
    process = _spawn.Process(target=serve, args=args)
    process.start()
    return process


def serve(apps: dict[str, tuple[Any, Server, socket]]) -> None:
    """Serve each application in its own thread, for as long as the parent process lives."""
    for name, (app, server, listener) in apps.items():
        Thread(target=server, args=(app, listener), name=name, daemon=True).start()
    starter = multiprocessing.parent_process()
    assert starter is not None
    starter.join()


def http_client(port: int, tls: SSLContext | None = None, *, source: str = "") -> "Client":
    """
    Return a client of the application on *port* of this machine, which opens a connection for each request.

    Args:
        tls: The trusted certificates, if the application is reached over HTTPS.
        source: The local address to connect from, if it matters.
    """
    from holdall.testing import Response

    def connect() -> HTTPConnection:
        if tls is None:
            return HTTPConnection("127.0.0.1", port, timeout=SECONDS, source_address=(source, 0))
        return HTTPSConnection("localhost", port, timeout=SECONDS, source_address=(source, 0), context=tls)

    def send(request: "Request") -> Response:
        connection = connect()
        try:
            says_host = any(name.lower() == "host" for name, _ in request.headers)
            connection.putrequest(request.method, request.path, skip_host=says_host)
            for name, value in (*request.headers, ("Content-Length", str(len(request.body)))):
                connection.putheader(name, value)
            connection.endheaders(request.body)
            with connection.getresponse() as response:
                return Response(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    return send
