"""What every store must do (``holdall.stores.contract``)."""

from holdall.testing.stores.endings import EndingTests
from holdall.testing.stores.owners import OwnerTests
from holdall.testing.stores.renewals import RenewalTests, UpdateTests
from holdall.testing.stores.roundtrips import RoundTripTests
from holdall.testing.stores.writers import WriterTests

__all__ = ["StoreConformance"]


class StoreConformance(RoundTripTests, WriterTests, EndingTests, RenewalTests, UpdateTests, OwnerTests):
    """
    The suite for stores.

    Subclass it and give it ``store``, a fixture: a store that ``as_async`` lets the tests await, whatever its methods
    return, and whose table, if it has one, goes by ``clock``::

        class TestMyStore(StoreConformance):
            keeps_rows = False

            @pytest.fixture
            def store(self):
                return as_async(MyStore(SECRET))

    Attributes:
        keeps_rows: What was written last is known to the store, so that two requests' changes are merged. ``False``
            where all there is of a session is in its cookie.
        revocable: A session that was deleted has ended, whoever still has its cookie.
        revokes_anonymous: So has one that is nobody's.
        asks_at_writes: A write to a session that has ended says so. ``False`` where it writes what opens nothing.
        beyond_json: Dates, decimals, bytes, tuples and their like come back as they were.
    """
