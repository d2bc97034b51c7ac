"""What the tests of a table share."""

import os

import pytest

from holdall.testing.suite import Suite

__all__ = ["TableSuite"]


class TableSuite(Suite):
    """What a table may declare that it cannot do."""

    sweeps = True
    forks = True
    loops = True

    def needs_sweeping(self) -> None:
        if not self.sweeps:
            pytest.skip("expired rows are removed by the server, which does not count them")

    def needs_forks(self) -> None:
        if not self.forks or not hasattr(os, "fork"):
            pytest.skip("the table is not shared with forked processes")

    def needs_loops(self) -> None:
        if not self.loops:
            pytest.skip("the table belongs to one event loop")
