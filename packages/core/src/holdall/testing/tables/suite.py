"""What the tests of a table share."""

import pytest

from holdall.testing.suite import Suite

__all__ = ["TableSuite"]


class TableSuite(Suite):
    """What a table may declare that it cannot do."""

    sweeps = True

    def needs_sweeping(self) -> None:
        if not self.sweeps:
            pytest.skip("expired rows are removed by the server, which does not count them")
