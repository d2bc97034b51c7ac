"""A table against a plain dict: whatever is done to both, they agree."""

import asyncio

import pytest

from holdall.tables import AsyncTable
from holdall.testing.clock import FakeClock
from holdall.testing.tables.suite import TableSuite

__all__ = ["ModelTests"]


class ModelTests(TableSuite, sealed=True):
    """Sequences of verbs that nobody thought of."""

    def test_a_table_agrees_with_a_dict_whatever_is_done_to_it(
        self, table: AsyncTable, clock: FakeClock, runner: asyncio.Runner
    ) -> None:
        pytest.importorskip("hypothesis", reason="the model needs hypothesis: pip install hypothesis")
        from holdall.testing.tables.machine import try_sequences

        try_sequences(table, clock, runner)
