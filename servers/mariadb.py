"""Run MariaDB, if Debian's ``mariadb-server`` or another one is installed; pip has no package of it."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pymysql

from servers.processes import NoProgramError, Process, free_port

__all__ = ["MariaDBServer", "running_mariadb"]


class MariaDBServer:
    """A server on its own port, in a *folder* that its user can access."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        data = folder / "data"
        user: tuple[str, ...] = ()
        if os.geteuid() == 0:
            # It refuses to run as root.
            shutil.chown(folder, "nobody")
            user = ("--user=nobody",)
        # A starting server removes the temporary tables that it finds, so two servers must not share a folder for them.
        own = ("--no-defaults", *user, f"--datadir={data}", f"--tmpdir={folder}")
        # Its writes survive a crash of the server, though not a power failure, and it needs little memory.
        fast = ("--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=0", "--innodb-flush-method=nosync")
        small = ("--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", "--performance-schema=OFF")
        make = ("--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
        made = subprocess.run(
            [_program("mariadb-install-db"), *own, *make, *fast, *small],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        address = (f"--port={self.port}", "--bind-address=127.0.0.1", f"--socket={folder / 'socket'}")
        own = (*own, *address, *fast, *small, "--skip-name-resolve", f"--pid-file={folder / 'pid'}")
        # It ignores SIGINT, and has nothing to clean up.
        self._process = Process([_program("mariadbd"), *own], folder, self._answers, ends_by=signal.SIGKILL)
        self.start, self.kill = self._process.start, self._process.kill
        self.freeze, self.thaw, self.stop = self._process.freeze, self._process.thaw, self._process.stop

    def new_url(self, driver: str = "pymysql") -> str:
        """Return the URL of an empty database, in the form that a table accepts."""
        name = f"test_{uuid4().hex}"
        self.ask(f"CREATE DATABASE {name}")
        return f"mysql+{driver}://root@127.0.0.1:{self.port}/{name}"

    def ask(self, question: str) -> list[tuple[object, ...]]:
        """Return the server's own answer to a query."""
        with (
            pymysql.connect(host="127.0.0.1", port=self.port, user="root", autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(question)
            return list(cursor.fetchall())

    def _answers(self) -> bool:
        try:
            return self.ask("SELECT 1") == [(1,)]
        except pymysql.OperationalError:
            return False


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if found is None:
        msg = f"{name} is missing: apt-get install mariadb-server, or put one on PATH"
        raise NoProgramError(msg)
    return found


@contextmanager
def running_mariadb() -> Iterator[MariaDBServer]:
    """Start a server, and stop it after use."""
    for name in ("mariadbd", "mariadb-install-db", "my_print_defaults"):
        _program(name)
    # Not pytest's folder, which only its owner can access.
    folder = Path(tempfile.mkdtemp(prefix="holdall-"))
    try:
        server = MariaDBServer(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
