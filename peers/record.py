"""Writes down what became of each test, for ``peers.runs`` to read. For pytest it is a plugin."""

import json
import os
from pathlib import Path

import pytest

from peers.runs import RECORD, Outcome

__all__ = ["note", "write"]

_outcomes: dict[str, Outcome] = {}


def note(test: str, outcome: Outcome) -> None:
    """Note what became of a *test*, or of a part of it: one part that fails is enough."""
    if _outcomes.get(test) is not Outcome.FAILED:
        _outcomes[test] = outcome


def write() -> None:
    """Write down what was noted."""
    Path(os.environ[RECORD]).write_text(json.dumps(_outcomes))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note a test's setup, call or teardown."""
    if report.when == "call" or report.outcome != "passed":
        note(report.nodeid, Outcome(report.outcome))


def pytest_sessionfinish() -> None:
    """Write when all tests have run."""
    write()
