"""Server processes that can be started, killed and started again."""

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

# The machine may be busy with other work.
_PATIENCE_SECONDS = 120


class NoProgramError(unittest.SkipTest):
    """A server's program is not installed on this machine; a test that needs it is skipped."""


def free_port() -> int:
    """Return a free port of the loopback interface that no other test gets."""
    while True:
        # Below the range from which systems choose clients' ports; otherwise a client might take it before the server
        # starts.
        port = random.randrange(20_000, 32_000)
        mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            mark.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            mark.close()
        else:
            # Hold the UDP port of this number while this process lives, so that tests in other processes skip the port
            # even before its server listens.
            mark.detach()
            return port


def binary(package: str, pattern: str) -> str:
    """
    Return the program matching *pattern* in an installed *package*, or the one on PATH.

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
        msg = f"{name} is missing: pip install {package}, where it has a wheel, or put one on PATH"
        raise NoProgramError(msg)
    return found_on_path


def wait_until(what: str, happens: Callable[[], object]) -> None:
    """Wait until *happens* returns true, and name *what* was awaited if it does not."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not happens():
        assert time.monotonic() < deadline, f"not within {_PATIENCE_SECONDS} s: {what}"
        time.sleep(0.01)


class Process:
    """A child process in its own *folder*, which contains its log."""

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
        # Not SIGTERM, at which PostgreSQL waits until all clients have disconnected.
        self._ends_by = ends_by
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, and wait until it responds."""
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
        """Kill the process as a power failure would, without a chance to clean up."""
        assert self._child is not None
        self._child.kill()
        self._child.wait()

    def freeze(self) -> None:
        """Suspend the process and its children, while the system keeps their connections open."""
        # On a busy machine its threads may run for a moment longer, until one of them handles the signal.
        reached = self._signal(signal.SIGSTOP)
        wait_until("the process is suspended", lambda: all(each.status() == psutil.STATUS_STOPPED for each in reached))

    def thaw(self) -> None:
        """Resume the process."""
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
        """End the process, if it is running."""
        if self._child is not None:
            self._child.send_signal(self._ends_by)
            self._child.wait()
