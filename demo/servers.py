"""
Run three real servers in separate processes.

The sockets listen before the processes start, so that no other program can take a port in between. Each process ends
when the process that started it does, however that happens. With HTTPS, the starting process also runs a proxy in front
of each server, which terminates TLS.
"""

import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from socket import create_server, socket
from threading import Thread
from typing import Any, NoReturn

from demo.settings import FRAMEWORKS, Host, behind_proxy
from servers.proxy import tls_proxy

__all__ = ["ServerError", "Servers", "running"]

_SECONDS_TO_START = 20
_SECONDS_TO_END = 1
_SECONDS_BETWEEN_LOOKS = 0.2

_spawn = multiprocessing.get_context("spawn")

# One end of a pipe: a Connection, and on Windows a PipeConnection.
_PipeEnd = Any


class ServerError(Exception):
    """A server could not start, or has ended unexpectedly."""


@dataclass(frozen=True)
class Servers:
    """The address of each framework, and the processes that serve them."""

    urls: dict[str, str]
    processes: list[SpawnProcess]

    def watch(self) -> NoReturn:
        """
        Wait while all of them run.

        Raises:
            ServerError: A server has ended.
        """
        # In a loop, because Ctrl-C may reach a proxy's thread, which does not wake this one.
        while not (sentinels := wait([process.sentinel for process in self.processes], _SECONDS_BETWEEN_LOOKS)):
            pass
        ended = next(process for process in self.processes if process.sentinel in sentinels)
        ended.join()
        msg = f"the server of {ended.name} has ended (exit code {ended.exitcode})."
        raise ServerError(msg)


@contextmanager
def running(hosts: Sequence[Host], *, port: int = 0, certificate: Path | None = None) -> Iterator[Servers]:
    """
    Run the servers of *hosts* until the block ends.

    Args:
        port: The port of the first framework, followed by those of the others; 0 uses free ones.
        certificate: A certificate of ``localhost`` with its key; the servers then speak HTTPS.

    Raises:
        ServerError: A port is in use, or a server did not start.
    """
    servers = Servers(urls={}, processes=[])
    try:
        with ExitStack() as proxies:
            with ExitStack() as ours:
                listeners = {}
                for number, framework in enumerate(FRAMEWORKS):
                    front = port and port + number
                    with _in_use_is_told(front):
                        listener = ours.enter_context(create_server(("127.0.0.1", 0 if certificate else front)))
                        url = "http://{}:{}".format(*listener.getsockname())
                        if certificate:
                            proxy = tls_proxy(listener.getsockname()[1], certificate, front=front)
                            url = f"https://localhost:{proxies.enter_context(proxy)}"
                    listeners[framework] = listener
                    servers.urls[framework] = url
                starting = [ours.enter_context(_start(host, listeners, servers, certificate)) for host in hosts]
                _wait_for(starting, servers)
            yield servers
    finally:
        _end(servers.processes)


@contextmanager
def _in_use_is_told(port: int) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        msg = f"port {port} cannot be used: {exc.strerror}. Choose another with --port, or --port 0 for any free ones."
        raise ServerError(msg) from exc


def _start(host: Host, listeners: dict[str, socket], servers: Servers, certificate: Path | None) -> _PipeEnd:
    """Start the process of *host*, add it to *servers*, and return the pipe on which it reports that it is ready."""
    served = {framework: listeners[framework] for framework in host.frameworks}
    urls = " ".join(servers.urls.values())
    environment = {**host.environment, "DEMO_URLS": urls, "DEMO_CERTIFICATE": str(certificate or "")}
    ready, tell_ready = _spawn.Pipe(duplex=False)
    process = _spawn.Process(target=_serve, args=(served, environment, tell_ready), name=" and ".join(served))
    with tell_ready, _interrupts_ignored():
        process.start()
        servers.processes.append(process)
    return ready


def _wait_for(starting: Sequence[_PipeEnd], servers: Servers) -> None:
    until = time.monotonic() + _SECONDS_TO_START
    for ready in starting:
        if not ready.poll(max(0, until - time.monotonic())):
            msg = f"the servers did not start within {_SECONDS_TO_START} seconds."
            raise ServerError(msg)
        try:
            ready.recv()
        except EOFError:
            # The process has ended, which closed its end of the pipe.
            servers.watch()


def _end(processes: Sequence[SpawnProcess]) -> None:
    with _interrupts_ignored():
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(_SECONDS_TO_END)
            process.kill()
            process.join()


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """
    Ignore Ctrl-C: temporarily here, and permanently in processes started in the meantime.

    A terminal sends it to all processes, but the first one ends the others.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# In the started processes.


def _serve(listeners: dict[str, socket], environment: dict[str, str], tell_ready: _PipeEnd) -> NoReturn:
    """Serve each framework in its own thread while all of them and the starting process run."""
    os.environ.update(environment)
    threads = []
    for framework, listener in listeners.items():
        module, server = _SERVERS[framework]
        app = import_module(module).app
        threads.append(Thread(target=server, args=(app, listener), name=framework, daemon=True))
    for thread in threads:
        thread.start()
    with tell_ready:
        tell_ready.send(True)
    starter = multiprocessing.parent_process()
    while starter is not None and starter.is_alive() and all(thread.is_alive() for thread in threads):
        starter.join(_SECONDS_BETWEEN_LOOKS)
    sys.exit(1)


def _waitress(app: Any, listener: socket) -> None:
    import waitress  # type: ignore[import-untyped]  # it has no types

    # On a busy machine it logs each request that waits for a thread, which does not matter in a demo.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    # The application trusts the proxy's headers only if there is one; otherwise visitors could send them.
    waitress.serve(app, sockets=[listener], threads=8, clear_untrusted_proxy_headers=not behind_proxy())


def _uvicorn(app: Any, listener: socket) -> None:
    import uvicorn

    config = uvicorn.Config(app, log_level="warning", proxy_headers=behind_proxy(), forwarded_allow_ips="127.0.0.1")
    uvicorn.Server(config).run(sockets=[listener])


_SERVERS = {
    "Flask": ("demo.flask_app", _waitress),
    "FastAPI": ("demo.fastapi_app", _uvicorn),
    "Django": ("demo.django_app", _waitress),
}
