"""Compare a table with a plain dict after every operation on both."""

import asyncio

import pytest

from holdall.tables import AsyncTable
from holdall.testing._clock import FakeClock
from holdall.testing._tables.suite import TableSuite

__all__ = ["ModelTests"]


class ModelTests(TableSuite, sealed=True):
    """Random sequences of verbs."""

    def test_a_table_agrees_with_a_dict_after_every_operation(
        self, table: AsyncTable, clock: FakeClock, runner: asyncio.Runner
    ) -> None:
        pytest.importorskip("hypothesis", reason="the model needs hypothesis: pip install hypothesis")
        from holdall.testing._tables.machine import try_sequences

        try_sequences(table, clock, runner)
