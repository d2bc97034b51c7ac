"""The base class of the table tests."""

import inspect
import os
from typing import Any

import pytest

from holdall.testing._suite import Suite

__all__ = ["TableSuite", "check_awaited"]


def check_awaited(name: str, table: Any) -> None:
    """Fail with an explanation if the fixture *name* did not return an awaitable table."""
    if not hasattr(table, "read"):
        pytest.fail(f"the fixture {name} returned a {type(table).__name__}, which is not a table: it has no read().")
    if not inspect.iscoroutinefunction(table.read):
        pytest.fail(f"the suite awaits the table, and this one is sync: let {name} return as_async(…) instead.")


class TableSuite(Suite):
    """The capabilities that a table may declare that it lacks."""

    sweeps = True
    forks = True
    loops = True

    @pytest.fixture(autouse=True)
    def _is_awaited(self, request: pytest.FixtureRequest) -> None:
        """Explain why every test would fail."""
        for name in {"table", "broken_table"} & set(request.fixturenames):
            check_awaited(name, request.getfixturevalue(name))

    def needs_sweeping(self) -> None:
        if not self.sweeps:
            pytest.skip("expired rows are removed by the server, which does not count them")

    def needs_forks(self) -> None:
        if not self.forks or not hasattr(os, "fork"):
            pytest.skip("the table is not shared with forked processes")

    def needs_loops(self) -> None:
        if not self.loops:
            pytest.skip("the table belongs to one event loop")
