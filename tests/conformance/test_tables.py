"""Our tables keep the contract of tables."""

import pytest

from holdall import AsyncTable, MemoryTable
from holdall.testing import FakeClock, TableConformance, as_async


class TestMemoryTable(TableConformance):
    @pytest.fixture
    def table(self, clock: FakeClock) -> AsyncTable:
        return as_async(MemoryTable(clock=clock))
