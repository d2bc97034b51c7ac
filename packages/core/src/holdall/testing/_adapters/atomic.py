"""Atomic updates of a session's value, in a framework's handlers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdall._session import Session
from holdall._sessions import Sessions
from holdall.stores import TableStore
from holdall.tables import MemoryTable
from holdall.testing._adapters.suite import KEY, AdapterSuite, Visit
from holdall.testing._adapters.visitor import Visitor
from holdall.testing._clock import FakeClock

__all__ = ["AtomicTests"]

_CLIENTS = 4
_ROUNDS = 5


class AtomicTests(AdapterSuite, sealed=True):
    """``session.atomic_update``."""

    @pytest.fixture
    def elsewhere(self, table: MemoryTable, clock: FakeClock) -> Callable[[Visitor], Session]:
        """Return a visitor's session as another process sees it."""
        sessions = Sessions(TableStore(table), key=KEY, clock=clock)
        return lambda visitor: sessions.resume(visitor.browser[KEY])

    def test_an_update_changes_its_key(self, visit_table: Visit) -> None:
        visitor = visit_table()
        visitor.does(["put", "n", 1])

        assert visitor.does(["count", "n"], ["put", "m", 1], ["count", "n"]).results == [2, None, 3]
        assert visitor.does(["all"]).results == [{"n": 3, "m": 1}]

    def test_an_update_begins_a_session(self, visit_table: Visit) -> None:
        visitor = visit_table()

        assert visitor.does(["count", "n"]).cookie.key == KEY
        assert visitor.does(["all"]).results == [{"n": 1}]

    def test_an_update_is_saved_even_if_the_request_fails(self, visit_table: Visit) -> None:
        visitor = visit_table()
        visitor.does(["put", "n", 1])
        visitor.does(["count", "n"], ["put", "m", 1], status=500)

        assert visitor.does(["all"]).results == [{"n": 2}]

    def test_concurrent_requests_lose_no_update(
        self, visit_table: Visit, elsewhere: Callable[[Visitor], Session]
    ) -> None:
        visitor = visit_table()
        visitor.does(["put", "n", 0])

        def count(client: int) -> None:
            for _ in range(_ROUNDS):
                elsewhere(visitor).atomic_update("n", lambda n: n + 1)

        with ThreadPoolExecutor(_CLIENTS) as pool:
            others = pool.map(count, range(_CLIENTS))
            counted = [visitor.does(["count", "n"]).status for _ in range(_ROUNDS)]
            list(others)

        assert counted == [200] * _ROUNDS
        assert visitor.does(["get", "n"]).results == [(_CLIENTS + 1) * _ROUNDS]

    def test_atomic_update_is_refused_in_a_cookie(self, visit_cookie: Visit) -> None:
        visitor = visit_cookie()
        assert visitor.does(["count", "n"]).status == 500
        visitor.does(["put", "n", 1])

        assert visitor.does(["count", "n"]).status == 500
        assert visitor.does(["all"]).results == [{"n": 1}]
