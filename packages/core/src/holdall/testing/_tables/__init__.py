"""The conformance suite for tables (``holdall.tables._contract``)."""

from holdall.testing._tables.connections import ConnectionTests
from holdall.testing._tables.failures import FailureTests
from holdall.testing._tables.many_rows import ManyRowsTests
from holdall.testing._tables.model import ModelTests
from holdall.testing._tables.races import RaceTests
from holdall.testing._tables.readers import ReaderTests
from holdall.testing._tables.verbs import VerbTests

__all__ = ["TableConformance"]


class TableConformance(VerbTests, ManyRowsTests, RaceTests, ReaderTests, ConnectionTests, FailureTests, ModelTests):
    """
    The suite for tables.

    Subclass it and provide the fixture ``table``: an empty, awaitable table that uses ``clock``::

        class TestMyTable(TableConformance):
            @pytest.fixture
            def table(self, clock):
                return as_async(MyTable(clock=clock))

    Pass an async table as it is; its connections can be closed in the tests' event loop,
    ``runner.run(table.aclose())``.

    For a table with a database, also provide ``broken_table``, whose database does not respond: its driver's errors
    must not leave the table.

    Attributes:
        sweeps: The table removes expired rows. ``False`` if a server does so by itself, uncounted.
        forks: A process forked without Python's hooks may continue to use the table. ``False`` if the table was
            given connections that belong to one process.
        loops: Event loops may use the table one after another. ``False`` if it was given connections that belong to
            one event loop.
    """
