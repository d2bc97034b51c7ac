"""Sentry: its reports with default options, which include the local variables of every failed call."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sentry_sdk")

FRAMEWORKS = ["flask", "fastapi", "django"]
PROGRAM = Path(__file__).with_name("reporting.py")


@pytest.fixture(scope="module", params=["table", "cookie"])
def reported(request: pytest.FixtureRequest) -> Any:
    """Return what Sentry reports with one store, by framework."""
    # Its integrations patch the frameworks, so they get their own process. It imports all of them in any case.
    command = [sys.executable, str(PROGRAM), request.param, *FRAMEWORKS]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_no_report_holds_an_id_a_cookie_or_data(framework: str, reported: Any, request: pytest.FixtureRequest) -> None:
    result = reported[framework]
    sent = result["sent"]

    assert len(sent) >= result["failed"] >= (9 if request.node.callspec.params["reported"] == "table" else 4)
    assert all('"vars"' in report for report in sent if '"stacktrace"' in report)
    for report in sent:
        found = [text for text in result["private"] if text in report]
        assert not found, _around(report, found[0])


def _around(report: str, text: str) -> str:
    at = report.index(text)
    return report[max(0, at - 1500) : at + 200]
