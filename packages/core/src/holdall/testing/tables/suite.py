"""What the tests of a table share."""

import pytest

from holdall.tables import AsyncTable
from holdall.testing.suite import Suite

__all__ = ["TableSuite"]


class TableSuite(Suite):
    """Fixtures of the tables' tests; capabilities are declared here."""

    sweeps = True

    @pytest.fixture
    def table(self) -> AsyncTable:
        msg = f"{type(self).__name__} needs a fixture `table`: an empty table that is awaited and goes by `clock`."
        raise NotImplementedError(msg)
