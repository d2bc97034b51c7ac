"""Count the writes that are lost when many clients write to one session at the same time, each to a different key."""

import logging
import multiprocessing
import socket
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import Barrier as ThreadBarrier

from bench.apps.writers import WRITERS
from bench.measuring import Effort, figure
from bench.reporting import Cell, Table
from servers.redis import IN_MEMORY, RedisServer, running, valkey_program

__all__ = ["tables"]

_CLIENTS = 16
_PROCESSES = 4
_THREADS = 4


def tables(effort: Effort) -> Iterator[Table]:
    """Measure each library in turn."""
    rows: dict[str, dict[str, Cell]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        running(RedisServer(valkey_program(), Path(folder), *IN_MEMORY)) as server,
    ):
        for number, name in enumerate(WRITERS):
            own = Path(folder, str(number))
            own.mkdir()
            with _serving(name, server.url, own) as port, closing(_Clients(port)) as clients:
                lost = [clients.lost_writes() / _CLIENTS for _ in range(effort.rounds)]
            target = 0 if name.startswith("holdall") else None
            rows[name] = {"lost, %": figure(lost, scale=100, at_most=target)}
    yield Table(
        "Lost writes",
        {"lost, %": ""},
        rows,
        f"{_CLIENTS} clients write to one session in Redis or SQLite at the same time, each to a different key, over "
        f"HTTP to {_PROCESSES} processes. All are told that their write succeeded. Each round has a new session; shown "
        "are the median of the rounds and its quartiles.",
    )


class _Clients:
    """Connections to a server that stay open, used by one visitor."""

    def __init__(self, port: int) -> None:
        self._connections = [HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(_CLIENTS)]
        self._pool = ThreadPoolExecutor(_CLIENTS)
        self._together = ThreadBarrier(_CLIENTS)

    def close(self) -> None:
        self._pool.shutdown()
        for each in self._connections:
            each.close()

    def lost_writes(self) -> int:
        """Begin a session, write to it from all connections at once, and count the writes that it does not have."""
        first, *_ = self._connections
        _, set_cookie = _ask(first, "/put/begun", "")
        cookie = set_cookie.partition(";")[0]

        def write(connection: HTTPConnection, key: str) -> None:
            # Any request opens the connection, so that the writes begin together.
            _ask(connection, "/keys", cookie)
            self._together.wait()
            _ask(connection, f"/put/{key}", cookie)

        written = [f"key{number}" for number in range(_CLIENTS)]
        list(self._pool.map(write, self._connections, written))
        kept, _ = _ask(first, "/keys", cookie)
        return len(set(written) - set(kept.split()))


def _ask(connection: HTTPConnection, path: str, cookie: str) -> tuple[str, str]:
    """Return the body of the response, and its cookie."""
    connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
    with connection.getresponse() as response:
        body = response.read().decode()
        if response.status != 200:
            msg = f"the server responded with {response.status}"
            raise RuntimeError(msg)
        return body, response.getheader("Set-Cookie", "")


@contextmanager
def _serving(name: str, url: str, folder: Path) -> Iterator[int]:
    """Serve an application in several processes, and yield its port."""
    spawn = multiprocessing.get_context("spawn")
    # Otherwise the first process to be ready would accept all connections.
    ready = spawn.Barrier(_PROCESSES + 1)
    with socket.create_server(("127.0.0.1", 0), backlog=4 * _CLIENTS) as listener:
        processes = [
            spawn.Process(target=_serve, args=(name, url, folder, listener, ready), daemon=True)
            for _ in range(_PROCESSES)
        ]
        for process in processes:
            process.start()
        try:
            ready.wait(60)
            yield listener.getsockname()[1]
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.join()


def _serve(name: str, url: str, folder: Path, listener: socket.socket, ready: Barrier) -> None:
    # Requests that wait for a thread are wanted here.
    logging.disable()
    app = WRITERS[name](url, folder)
    if "starlette" in type(app).__module__:
        import uvicorn

        ready.wait()
        uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off")).run(sockets=[listener])
    else:
        import waitress

        ready.wait()
        waitress.serve(app, sockets=[listener], threads=_THREADS, _quiet=True)
