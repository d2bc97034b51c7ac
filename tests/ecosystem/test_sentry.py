"""Sentry: its reports with default options, which include the local variables of every failed call."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sentry_sdk")

PROGRAM = Path(__file__).with_name("reporting.py")


@pytest.mark.parametrize("store", ["table", "cookie"])
@pytest.mark.parametrize("framework", ["flask", "fastapi", "django"])
def test_no_report_holds_an_id_a_cookie_or_data(framework: str, store: str) -> None:
    # Its integrations patch the frameworks, so it gets its own process.
    command = [sys.executable, str(PROGRAM), framework, store]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    sent = result["sent"]

    assert len(sent) >= result["failed"] >= (9 if store == "table" else 4)
    assert all('"vars"' in report for report in sent if '"stacktrace"' in report)
    for report in sent:
        found = [text for text in result["private"] if text in report]
        assert not found, _around(report, found[0])


def _around(report: str, text: str) -> str:
    at = report.index(text)
    return report[max(0, at - 1500) : at + 200]
