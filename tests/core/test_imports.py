"""What the core brings along, and what it leaves to others."""

import os
import subprocess
import sys

import pytest

import holdall
from holdall import _loop


def modules_after(statement: str) -> set[str]:
    """Return the names of all modules in a fresh interpreter after *statement*."""
    probe = f"import sys; {statement}; print(*sys.modules)"
    # What measures the tests would measure this program too, and bring its own modules.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, env=alone)
    return set(done.stdout.split())


def test_the_core_imports_no_framework_no_driver_and_no_test_tool() -> None:
    others = {"flask", "werkzeug", "starlette", "fastapi", "django", "redis", "psycopg", "sqlite3", "anyio"}
    tools = {"pytest", "_pytest", "hypothesis", "holdall.testing", "markupsafe", "pickle", "importlib.metadata"}

    assert (others | tools).isdisjoint(modules_after("import holdall, holdall.formats, holdall.tables"))


def test_it_loads_nothing_large_that_it_could_do_without() -> None:
    assert {"asyncio", "email"}.isdisjoint(modules_after("import holdall, holdall.formats, holdall.tables"))


def test_no_loop_of_asyncio_runs_where_nobody_has_loaded_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "asyncio", raising=False)

    assert not _loop.is_running()
    assert "asyncio" not in sys.modules


def test_what_it_lists_is_there_and_sorted() -> None:
    assert [getattr(holdall, name).__name__ for name in holdall.__all__] == sorted(holdall.__all__)


def test_all_errors_are_one_kind() -> None:
    errors = [value for name in holdall.__all__ if isinstance(value := getattr(holdall, name), type)]
    raised = [error for error in errors if issubclass(error, Exception)]

    assert len(raised) == 8
    assert all(issubclass(error, holdall.SessionError) for error in raised)
    assert issubclass(holdall.ConfigurationError, ValueError)
