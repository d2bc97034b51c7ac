"""Test that no visitor waits for an import: modules that requests need are loaded during setup."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("first_requests.py")


@pytest.mark.parametrize("store", ["cookie", "memory", "sqlite"])
@pytest.mark.parametrize("framework", ["django", "fastapi", "flask"])
def test_the_first_requests_import_nothing(framework: str, store: str) -> None:
    # Coverage would measure this program too, and import its own modules there.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("COV")}

    done = subprocess.run(
        [sys.executable, PROGRAM, framework, store], capture_output=True, text=True, check=False, env=alone
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
