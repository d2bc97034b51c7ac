"""A server that is started, killed and started again."""

import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import time
import unittest
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it has no types

# A machine may have much else to do.
_PATIENCE_SECONDS = 120


class NoProgramError(unittest.SkipTest):
    """A server's program is not on this machine; a test that needs it is skipped."""


def free_port() -> int:
    """Return a port of the loopback interface that is free, and that no other test gets."""
    while True:
        # Below those that systems give to clients, or one of these would have it before a server is there.
        port = random.randrange(20_000, 32_000)
        mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            mark.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            mark.close()
        else:
            # The UDP port of this number is held while this process lives, so that tests in other processes pass the
            # port over even before its server listens.
            mark.detach()
            return port


def binary(package: str, pattern: str) -> str:
    """
    Return the program of that *pattern* in an installed *package*, or the one on PATH.

    Raises:
        NoProgramError: There is none.
    """
    spec = importlib.util.find_spec(package)
    for folder in spec.submodule_search_locations or () if spec else ():
        for found in Path(folder).glob(pattern):
            return str(found)
    name = Path(pattern).name
    found_on_path = shutil.which(name)
    if found_on_path is None:
        msg = f"{name} is not there: pip install {package}, where it has a wheel, or put one on PATH"
        raise NoProgramError(msg)
    return found_on_path


def wait_until(what: str, happens: Callable[[], object]) -> None:
    """Wait until *what* happens."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not happens():
        assert time.monotonic() < deadline, f"{what} did not happen in {_PATIENCE_SECONDS} s"
        time.sleep(0.01)


class Process:
    """A child process in a *folder* of its own, where its log is kept."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        answers: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        ends_by: signal.Signals = signal.SIGINT,
    ) -> None:
        self._command = command
        self._environment = None if environment is None else {**os.environ, **environment}
        self._folder = folder
        self._answers = answers
        # Not SIGTERM, at which PostgreSQL waits until everybody has left.
        self._ends_by = ends_by
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        log = self._folder / "log"
        with log.open("ab") as output:
            child = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment, stdout=output, stderr=output
            )
        self._child = child

        def is_up() -> bool:
            assert child.poll() is None, f"{self._command[0]} has ended: {log.read_text()[-2000:]}"
            return self._answers()

        wait_until(f"{self._command[0]} answers", is_up)

    def kill(self) -> None:
        """End it as a power cut would: it gets no chance to tidy up."""
        assert self._child is not None
        self._child.kill()
        self._child.wait()

    def freeze(self) -> None:
        """Let it and its children answer nothing, while the system keeps their connections open."""
        # On a busy machine its threads may go on for a moment, until one of them has met the signal.
        reached = self._signal(signal.SIGSTOP)
        wait_until("it stands still", lambda: all(each.status() == psutil.STATUS_STOPPED for each in reached))

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> list[psutil.Process]:
        assert self._child is not None
        parent = psutil.Process(self._child.pid)
        reached = []
        for process in (parent, *parent.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
                reached.append(process)
        return reached

    def stop(self) -> None:
        """End it, if it runs."""
        if self._child is not None:
            self._child.send_signal(self._ends_by)
            self._child.wait()
