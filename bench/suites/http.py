"""
End to end: real servers in processes of their own, and requests over HTTP on the loopback interface.

uvicorn serves ASGI, waitress serves Flask and Django; a few connections stay open and send one request after the other.
"""

import logging
import multiprocessing
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.apps import BARE, Site, cookie_header
from bench.measuring import Effort, Rounds, compare, figure, latencies, quantile, ratio
from bench.reporting import Cell, Table

__all__ = ["tables"]

_CONNECTIONS = 4
# Seconds that a connection stays open while the other servers have their turns.
_PATIENCE = 600
_PAGES = ("untouched", "read", "write")


def tables(effort: Effort) -> Iterator[Table]:
    """Measure each framework in its turn, its sites all at once."""
    for framework, names in _SITES.items():
        with tempfile.TemporaryDirectory() as folder, _serving(framework, names[: effort.sites], folder) as ports:
            yield _requests(framework, ports, effort)


def _requests(framework: str, ports: Mapping[str, int], effort: Effort) -> Table:
    taken: dict[tuple[str, str], Rounds] = {}

    def burst(name: str, page: str) -> float:
        """Return the seconds for each request, of the time of all connections."""
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            began = time.perf_counter()
            done = list(pool.map(lambda client: client.send(page, effort.burst * 5), clients[name]))
            seconds = time.perf_counter() - began
        times = [each for some in done for each in some]
        taken.setdefault((name, page), []).extend(times)
        return seconds / len(times)

    clients = {name: [_Connection(port) for _ in range(_CONNECTIONS)] for name, port in ports.items()}
    for some in clients.values():
        for client in some:
            client.begin()
    bursts: dict[tuple[str, str], Callable[[], float]] = {
        (name, page): partial(burst, name, page) for name in ports for page in _PAGES
    }
    rates = compare(bursts, effort)
    for some in clients.values():
        for client in some:
            client.close()
    cells: dict[str, dict[str, Cell]] = {}
    for name in ports:
        cells[name] = {f"{page}, of the bare rate": ratio(rates[BARE, page], rates[name, page]) for page in _PAGES}
        cells[name]["write, /s"] = figure([1 / each for each in rates[name, "write"]])
        for share in (0.5, 0.99):
            cells[name][f"write p{share * 100:.0f}, ms"] = figure([quantile(taken[name, "write"], share)], scale=1e3)
    server = "uvicorn" if framework == "ASGI" else "waitress"
    return Table(
        f"{framework} on {server}",
        dict.fromkeys(next(iter(cells.values())), ""),
        cells,
        f"Requests per second over {_CONNECTIONS} connections, compared with the same application without sessions, "
        "and the time that each took. The client uses some of the machine's CPU time too.",
    )


class _Connection:
    """A connection that stays open, and the visitor who uses it."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._cookie = cookie_header("")

    def begin(self) -> None:
        """Begin a session."""
        answer = self._ask(self._request("begin"))
        headers = (line.partition(b": ") for line in answer.split(b"\r\n"))
        set_cookie = next((value for name, _, value in headers if name.lower() == b"set-cookie"), b"")
        self._cookie = cookie_header(set_cookie.decode())

    def send(self, page: str, seconds: float) -> Rounds:
        """Ask for *page* for so long, and return how long each answer took."""
        request = self._request(page)

        def ask() -> Iterator[Callable[[], object]]:
            while True:
                yield partial(self._ask, request)

        return latencies(ask(), seconds=seconds)

    def close(self) -> None:
        self._socket.close()

    def _request(self, page: str) -> bytes:
        return f"GET /{page} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {self._cookie}\r\n\r\n".encode()

    def _ask(self, request: bytes) -> bytes:
        self._socket.sendall(request)
        answer = b""
        while not answer.endswith(b"\r\n\r\nok"):
            some = self._socket.recv(65536)
            if not some:
                msg = f"the server has closed the connection after {answer[:20]!r}"
                raise ConnectionError(msg)
            answer += some
        if not answer.startswith(b"HTTP/1.1 200"):
            msg = f"the server answers {answer[:20]!r}"
            raise RuntimeError(msg)
        return answer


@contextmanager
def _serving(framework: str, names: list[str], folder: str) -> Iterator[dict[str, int]]:
    """Serve the sites of a framework, each in a process of its own, and say on which ports."""
    spawn = multiprocessing.get_context("spawn")
    ports, processes = {}, []
    try:
        for number, name in enumerate(names):
            listener = socket.create_server(("127.0.0.1", 0))
            # As servers do that listen themselves, or an answer in two pieces waits for the first to be acknowledged.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            own = Path(folder, str(number))
            own.mkdir()
            process = spawn.Process(target=_serve, args=(framework, name, str(own), listener), daemon=True)
            process.start()
            processes.append(process)
            ports[name] = listener.getsockname()[1]
            listener.close()
        yield ports
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


def _serve(framework: str, name: str, folder: str, listener: socket.socket) -> None:
    # Requests that wait for a thread are what is measured, and no news.
    logging.disable()
    app = _site(framework, name, Path(folder)).app
    if framework == "ASGI":
        import uvicorn

        config = uvicorn.Config(
            app, log_level="critical", lifespan="off", access_log=False, timeout_keep_alive=_PATIENCE
        )
        uvicorn.Server(config).run(sockets=[listener])
    else:
        import waitress

        waitress.serve(app, sockets=[listener], threads=_CONNECTIONS, channel_timeout=_PATIENCE, _quiet=True)


def _site(framework: str, name: str, folder: Path) -> Site:
    if framework == "ASGI":
        from bench.apps import asgi

        return asgi.sites()[name]
    if framework == "Flask":
        from bench.apps import flask

        return flask.sites()[name]
    from bench.apps import django

    sites, switch = django.sites(folder)
    switch(name)
    return sites[name]


_OURS = ["holdall, cookie", "holdall, memory"]
_SITES: dict[str, list[str]] = {
    "ASGI": [BARE, *_OURS, "Starlette", "starsessions, memory"],
    "Flask": [BARE, *_OURS, "Flask", "Flask-Session, memory"],
    "Django": [BARE, *_OURS, "Django, signed_cookies", "Django, db (SQLite)"],
}
