"""The conformance suite for stores (``holdall.stores._contract``)."""

from holdall.testing._stores.endings import EndingTests
from holdall.testing._stores.owners import OwnerTests
from holdall.testing._stores.renewals import RenewalTests, UpdateTests
from holdall.testing._stores.roundtrips import RoundTripTests
from holdall.testing._stores.writers import WriterTests

__all__ = ["StoreConformance"]


class StoreConformance(RoundTripTests, WriterTests, EndingTests, RenewalTests, UpdateTests, OwnerTests):
    """
    The suite for stores.

    Subclass it and provide the fixture ``store``: a store that is awaitable (``as_async``), whatever its methods
    return, and whose table, if it has one, uses ``clock``::

        class TestMyStore(StoreConformance):
            keeps_rows = False

            @pytest.fixture
            def store(self):
                return as_async(MyStore(SECRET))

    Attributes:
        keeps_rows: The store knows what was written last, so two requests' changes are merged. ``False`` if a session
            exists only in its cookie.
        revocable: A deleted session has ended, even for requests that still have its cookie.
        revokes_anonymous: The same for anonymous sessions.
        asks_at_writes: A write to a session that has ended reports it. ``False`` if it writes a cookie that opens
            nothing.
        beyond_json: Dates, decimals, bytes, tuples and similar values come back unchanged.
    """
