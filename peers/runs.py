"""Runs of a framework's tests: each is a program that writes every test's result into a file."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

__all__ = ["OPTIONS", "PYTEST", "RECORD", "STORE", "Outcome", "Outcomes", "Run", "Suite"]

#: The command that runs a framework's tests with pytest.
PYTEST = ("-m", "pytest", "-q", "-p", "peers.record", "-p", "no:cacheprovider")

#: The variable that names the file into which a run writes its results.
RECORD = "PEERS_RECORD"

#: The variable that names the store of ours that a run uses, and each store's options.
STORE = "PEERS_STORE"
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "cookie": {"store": "cookie", "weak_secrets": True},
    "table": {"store": "table", "table": "peers"},
}

_ROOT = Path(__file__).parent.parent


class Outcome(StrEnum):
    """A test's result."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


Outcomes = Mapping[str, Outcome]


@dataclass(frozen=True)
class Run:
    """
    One way to run a suite.

    Attributes:
        name: Whose sessions the run uses.
        arguments: Python's arguments.
        environment: Environment variables.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def outcomes(self, folder: Path) -> Outcomes:
        """
        Run the tests in *folder* and return each test's result.

        Raises:
            RuntimeError: They could not be run; the message ends with the program's output.
        """
        with TemporaryDirectory() as scratch:
            record = Path(scratch) / "record.json"
            environment = {**os.environ, **self.environment, RECORD: str(record), "PYTHONPATH": str(_ROOT)}
            command = [sys.executable, *self.arguments]
            done = subprocess.run(  # noqa: S603  # our own command
                command, cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            if not record.exists():
                msg = f"{self.name}: {' '.join(command)} ran no tests.\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
                raise RuntimeError(msg)
            return {test: Outcome(outcome) for test, outcome in json.loads(record.read_text()).items()}


@dataclass(frozen=True)
class Suite:
    """
    Tests of a framework.

    Attributes:
        folder: The folder to run them in, within the framework's source.
        own: Runs with the framework's sessions. A test that passes in the first of them must pass with ours.
        ours: Runs with holdall's sessions, by the names of stores in ``known.toml``.
    """

    framework: str
    title: str
    folder: str
    own: Sequence[Run]
    ours: Mapping[str, Run]
