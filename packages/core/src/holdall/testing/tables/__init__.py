"""What every table must do (``holdall.tables.contract``)."""

from holdall.testing.tables.connections import ConnectionTests
from holdall.testing.tables.failures import FailureTests
from holdall.testing.tables.model import ModelTests
from holdall.testing.tables.races import RaceTests
from holdall.testing.tables.readers import ReaderTests
from holdall.testing.tables.verbs import VerbTests

__all__ = ["TableConformance"]


class TableConformance(VerbTests, RaceTests, ReaderTests, ConnectionTests, FailureTests, ModelTests):
    """
    The suite for tables.

    Subclass it and give it ``table``, a fixture: an empty table that goes by ``clock``, and that is awaited::

        class TestMyTable(TableConformance):
            @pytest.fixture
            def table(self, clock):
                return as_async(MyTable(clock=clock))

    A table that is awaited by nature is given as it is; its connections can be closed in the tests' event loop,
    ``runner.run(table.aclose())``.

    A table that has a database gives ``broken_table`` as well, one whose database does not answer: the errors of its
    driver must not come out of it.

    Attributes:
        sweeps: Expired rows are removed by the table. ``False`` where a server does it by itself, uncounted.
        forks: A process that was forked, without Python's hooks, may go on using the table. ``False`` where it was
            given connections that belong to one process.
        loops: Event loops one after another may use the table. ``False`` where it was given connections that belong to
            one event loop.
    """
