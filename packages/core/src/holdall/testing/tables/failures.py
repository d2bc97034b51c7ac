"""A table whose database is down raises ``StoreError``, and no error of its driver."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from holdall._errors import StoreError
from holdall.tables import AsyncTable, Tombstone
from holdall.testing.clock import FakeClock
from holdall.testing.tables.rows import HOUR, new_digest, new_row
from holdall.testing.tables.suite import TableSuite

__all__ = ["FailureTests"]

_PRINCIPAL = "user 4711 of nobody's business"
_CLIENT = "a browser of nobody's business"

_VERBS: dict[str, Callable[[AsyncTable, FakeClock, bytes], Awaitable[Any]]] = {
    "read": lambda table, clock, digest: table.read(digest),
    "insert": lambda table, clock, digest: table.insert(digest, _row(clock)),
    "replace": lambda table, clock, digest: table.replace(digest, _row(clock), version=0),
    "touch": lambda table, clock, digest: table.touch(digest, clock() + HOUR, seen=clock()),
    "remove": lambda table, clock, digest: table.remove(digest),
    "remove with a tombstone": lambda table, clock, digest: table.remove(
        digest, tombstone=Tombstone(clock() + HOUR, b"\0" + digest)
    ),
    "find": lambda table, clock, digest: table.find(_PRINCIPAL),
    "clear": lambda table, clock, digest: table.clear(clock()),
    "sweep": lambda table, clock, digest: table.sweep(),
}


class FailureTests(TableSuite, sealed=True):
    """The errors of a table whose database is down."""

    @pytest.fixture
    def broken_table(self) -> AsyncTable:
        """Be skipped: give a table whose database does not answer, to be awaited like ``table``."""
        pytest.skip("the suite was given no broken_table, a table whose database is away")

    @pytest.mark.parametrize("verb", _VERBS)
    async def test_a_database_that_is_away_is_a_store_error_that_tells_nothing(
        self, broken_table: AsyncTable, clock: FakeClock, verb: str
    ) -> None:
        if verb == "sweep":
            self.needs_sweeping()
        digest = new_digest()
        try:
            answer = await _VERBS[verb](broken_table, clock, digest)
        except StoreError as error:
            told = f"{error!r} {error}"
        except Exception as error:  # noqa: BLE001  # whatever it is, it should have been the other
            pytest.fail(
                f"{verb} let {type(error).__name__} of the driver out, which no caller knows: catch it in the table, "
                "and raise StoreError(…) from it.",
            )
        else:
            pytest.fail(f"{verb} answered {answer!r}, as if the database had been asked.")
        for secret in (_PRINCIPAL, _CLIENT, digest.hex(), repr(digest)):
            assert secret not in told, f"the StoreError of {verb} shows what is in the row: leave it out"


def _row(clock: FakeClock) -> Any:
    return new_row(clock, b"data", principal=_PRINCIPAL, client=_CLIENT)
