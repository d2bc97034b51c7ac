"""Test that a table whose database is down raises ``StoreError``, and none of its driver's errors."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from holdall._errors import StoreError
from holdall.tables import AsyncTable, Tombstone
from holdall.testing._clock import FakeClock
from holdall.testing._tables.rows import HOUR, new_digest, new_row
from holdall.testing._tables.suite import TableSuite

__all__ = ["FailureTests"]

_PRINCIPAL = "user 4711, a secret"
_CLIENT = "a browser, a secret"

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
        """Skip the test: override this to return a table whose database does not respond, awaitable like ``table``."""
        pytest.skip("the suite has no broken_table, a table whose database is down")

    @pytest.mark.parametrize("verb", _VERBS)
    async def test_a_database_that_is_down_is_a_store_error_without_secrets(
        self, broken_table: AsyncTable, clock: FakeClock, verb: str
    ) -> None:
        if verb == "sweep":
            self.needs_sweeping()
        digest = new_digest()
        try:
            answer = await _VERBS[verb](broken_table, clock, digest)
        except StoreError as error:
            told = f"{error!r} {error}"
        except Exception as error:  # noqa: BLE001  # any other exception is the failure
            pytest.fail(
                f"{verb} lets the driver's {type(error).__name__} through, unknown to callers: catch it in the table "
                "and raise StoreError(…) from it.",
            )
        else:
            pytest.fail(f"{verb} returned {answer!r}, as if the database had responded.")
        for secret in (_PRINCIPAL, _CLIENT, digest.hex(), repr(digest)):
            assert secret not in told, f"the StoreError of {verb} shows the row's content: leave it out"


def _row(clock: FakeClock) -> Any:
    return new_row(clock, b"data", principal=_PRINCIPAL, client=_CLIENT)
