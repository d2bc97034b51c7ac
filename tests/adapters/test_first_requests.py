"""Test that no visitor waits for an import: modules that requests need are loaded during setup."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sizes import FULL

PROGRAM = Path(__file__).with_name("first_requests.py")


PROGRAMS = [
    (framework, store) for framework in ("django", "fastapi", "flask") for store in ("cookie", "memory", "sqlite")
]
# At a small size, each adapter and each store, which is async in FastAPI and sync in the others.
FEW = [("django", "memory"), ("fastapi", "cookie"), ("fastapi", "sqlite"), ("flask", "cookie"), ("flask", "sqlite")]


@pytest.mark.parametrize(("framework", "store"), PROGRAMS if FULL else FEW)
def test_the_first_requests_import_nothing(framework: str, store: str) -> None:
    # Coverage would measure this program too, and import its own modules there.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("COV")}

    done = subprocess.run(
        [sys.executable, PROGRAM, framework, store], capture_output=True, text=True, check=False, env=alone
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
