"""An address that leads to one server and later to another, like one that moves in a failover."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

__all__ = ["Forward", "forwarding"]

_BYTES = 65536


class Forward:
    """
    The address.

    Attributes:
        port: The port that it listens on.
        to: The port that new connections lead to. Open connections stay as they are.
    """

    def __init__(self, to: int) -> None:
        self.to = to
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start listening."""
        self._run(self._accept)

    def stop(self) -> None:
        """End all connections."""
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in (self._listener, *self._sockets):
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                front, _ = self._listener.accept()
                self._sockets.append(front)
                try:
                    back = socket.create_connection(("127.0.0.1", self.to))
                except OSError:
                    front.shutdown(socket.SHUT_RDWR)
                    continue
                self._sockets.append(back)
                self._run(partial(_pump, front, back))
                self._run(partial(_pump, back, front))

    def _run(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work)
        self._threads.append(thread)
        thread.start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(_BYTES):
            sink.sendall(data)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextmanager
def forwarding(to: int) -> Iterator[Forward]:
    """Forward to the server on a port."""
    forward = Forward(to)
    forward.start()
    try:
        yield forward
    finally:
        forward.stop()
