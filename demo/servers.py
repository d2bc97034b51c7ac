"""
Three real servers, in processes of their own.

The sockets listen before a process is started, so that no port is lost between its choice and its use.
Each process ends with the one that started it, however that came about.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from socket import create_server, socket
from threading import Thread
from typing import Any, NoReturn

import uvicorn
import waitress  # type: ignore[import-untyped]  # it has no types

from demo.settings import FRAMEWORKS, Host

__all__ = ["ServerError", "Servers", "running"]

_SECONDS_TO_START = 15
_SECONDS_TO_END = 2
_SECONDS_BETWEEN_LOOKS = 0.2

_spawn = multiprocessing.get_context("spawn")


class ServerError(Exception):
    """A server could not start, or has ended by itself."""


@dataclass(frozen=True)
class Servers:
    """Where each framework answers, and the processes that see to it."""

    urls: dict[str, str]
    processes: Sequence[SpawnProcess]

    def watch(self) -> NoReturn:
        """
        Wait for as long as all of them run.

        Raises:
            ServerError: One has ended.
        """
        sentinels = {process.sentinel: process for process in self.processes}
        ended = sentinels[next(each for each in wait(list(sentinels)) if isinstance(each, int))]
        ended.join()
        msg = f"the server of {ended.name} has ended (exit code {ended.exitcode})."
        raise ServerError(msg)


@contextmanager
def running(hosts: Sequence[Host], *, port: int = 0) -> Iterator[Servers]:
    """
    Run the servers of *hosts* until the block ends.

    Args:
        port: Where the first framework answers, the others on the ports that follow; 0 takes free ones.

    Raises:
        ServerError: A port is in use, or a server did not start.
    """
    processes: list[SpawnProcess] = []
    starting: list[Connection] = []
    try:
        with ExitStack() as ours:
            sockets = [ours.enter_context(_listen(port and port + number)) for number in range(len(FRAMEWORKS))]
            listeners = dict(zip(FRAMEWORKS, sockets, strict=True))
            urls = {framework: "http://{}:{}".format(*each.getsockname()) for framework, each in listeners.items()}
            servers = Servers(urls, processes)
            for host in hosts:
                served = {framework: listeners[framework] for framework in host.frameworks}
                environment = {**host.environment, "DEMO_URLS": " ".join(urls.values())}
                ready, tell_ready = _spawn.Pipe(duplex=False)
                starting.append(ours.enter_context(ready))
                process = _spawn.Process(
                    target=_serve, args=(served, environment, tell_ready), name=" and ".join(served), daemon=True
                )
                with tell_ready, _interrupts_ignored():
                    process.start()
                    processes.append(process)
            for ready in starting:
                _wait_for(ready, servers)
        yield servers
    finally:
        _end(processes)


def _listen(port: int) -> socket:
    try:
        return create_server(("127.0.0.1", port))
    except OSError as exc:
        msg = f"port {port} cannot be used: {exc.strerror}."
        raise ServerError(msg) from exc


def _wait_for(ready: Connection, servers: Servers) -> None:
    if not ready.poll(_SECONDS_TO_START):
        msg = f"the servers did not start within {_SECONDS_TO_START} seconds."
        raise ServerError(msg)
    try:
        ready.recv()
    except EOFError:
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
    Let Ctrl-C pass by, here and for good in a process that is started meanwhile.

    A terminal sends it to all of them, and one of them shall see to the others.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# In the processes that were started.


def _serve(listeners: dict[str, socket], environment: dict[str, str], tell_ready: Connection) -> NoReturn:
    """Serve each framework in a thread of its own, for as long as all of them run and the starter lives."""
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
    waitress.create_server(app, sockets=[listener], threads=8).run()


def _uvicorn(app: Any, listener: socket) -> None:
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


_SERVERS = {
    "Flask": ("demo.flask_app", _waitress),
    "FastAPI": ("demo.fastapi_app", _uvicorn),
    "Django": ("demo.django_app", _waitress),
}
