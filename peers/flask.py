"""Run Flask's whole suite with ``Holdall(app)`` for every application that it makes."""

import functools
import os
from typing import Any

from flask import Flask

from holdall_flask import Holdall
from peers.runs import OPTIONS, PYTEST, STORE, Run, Suite

__all__ = ["SUITES"]

# The tests' own secrets are short, and Flask's settings turn warnings into errors.
_OURS = (*PYTEST, "-p", "peers.flask", "-W", "ignore::holdall._keys.WeakSecretWarning")

SUITES = (
    Suite(
        framework="flask",
        title="the whole suite",
        folder=".",
        own=(Run("Flask's own", PYTEST),),
        ours={store: Run(f"holdall, {store}", _OURS, {STORE: store}) for store in OPTIONS},
    ),
)


def pytest_configure() -> None:
    """Set up holdall for every application, unless its class has its own session interface."""
    make = Flask.__init__
    options = OPTIONS[os.environ[STORE]]

    @functools.wraps(make)
    def make_with_holdall(app: Flask, *args: Any, **kwargs: Any) -> None:
        make(app, *args, **kwargs)
        if type(app).session_interface is Flask.session_interface:
            Holdall(app, **options)

    Flask.__init__ = make_with_holdall  # type: ignore[assignment, method-assign]
