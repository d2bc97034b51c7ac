"""Run Starlette's tests of its sessions with our middleware instead of its own, and the same arguments."""

import os
from functools import partial
from typing import Any

from starlette.middleware import sessions

from holdall_fastapi import SessionMiddleware
from peers.runs import OPTIONS, PYTEST, STORE, Run, Suite

__all__ = ["SUITES"]

_TESTS = (*PYTEST, "tests/middleware/test_session.py")
# The tests' own secrets are short, and Starlette's settings turn warnings into errors.
_OURS = (*_TESTS, "-p", "peers.starlette", "-W", "ignore::holdall._keys.WeakSecretWarning")

SUITES = (
    Suite(
        framework="starlette",
        title="tests/middleware/test_session.py",
        folder=".",
        own=(Run("Starlette's own", _TESTS),),
        ours={store: Run(f"holdall, {store}", _OURS, {STORE: store}) for store in OPTIONS},
    ),
)


def pytest_configure() -> None:
    """Put our middleware where applications look for Starlette's."""
    middleware: Any = partial(SessionMiddleware, **OPTIONS[os.environ[STORE]])
    sessions.SessionMiddleware = middleware  # type: ignore[misc]
