"""A pytest plugin that writes down each test's result, for ``peers.runs`` to read."""

import json
import os
from pathlib import Path

import pytest

from peers.runs import RECORD, Outcome

__all__ = ["note", "write"]

_outcomes: dict[str, Outcome] = {}


def note(test: str, outcome: Outcome) -> None:
    """Note the result of a *test* or a part of it: one failing part is enough."""
    if _outcomes.get(test) is not Outcome.FAILED:
        _outcomes[test] = outcome


def write() -> None:
    """Write the noted results."""
    Path(os.environ[RECORD]).write_text(json.dumps(_outcomes))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note a test's setup, call or teardown."""
    if report.when == "call" or report.outcome != "passed":
        note(report.nodeid, Outcome(report.outcome))


def pytest_sessionfinish() -> None:
    """Write the results once all tests have run."""
    write()
