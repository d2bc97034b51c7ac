"""Test that the benchmarks run at their smallest size. People judge the measurements: no test asserts a time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the benchmarks' libraries are not installed")

from bench.suites import SUITES

_ROOT = Path(__file__).parents[2]


def test_every_suite_measures_and_draws_what_it_prints(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "--smallest", "--into", str(tmp_path)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    suites = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["suites"]
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert list(suites) == list(SUITES)
    tables = [table for measured in suites.values() for table in measured]
    for table in tables:
        assert table["rows"]
        assert table["title"] in done.stdout
        assert table["title"] in page
    assert len(list(tmp_path.glob("*.png"))) == len(tables)


def test_an_unknown_suite_is_refused_with_a_list_of_the_known_ones(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "--into", str(tmp_path), "speed"]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert ", ".join(SUITES) in done.stderr
