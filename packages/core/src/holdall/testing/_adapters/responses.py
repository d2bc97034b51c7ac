"""Test that every kind of response carries the cookie: redirects, empty responses, methods other than POST."""

from collections.abc import Iterator
from http.client import HTTPException
from typing import Any

import pytest

from holdall._sessions import Sessions
from holdall.stores import TableStore
from holdall.tables import MemoryTable
from holdall.testing import _clients as clients
from holdall.testing._adapters.failures import FailingTable
from holdall.testing._adapters.suite import KEY, AdapterSuite, Visit, VisitStore
from holdall.testing._adapters.visitor import Visitor
from holdall.testing._clock import FakeClock

__all__ = ["ResponseTests"]


class ResponseTests(AdapterSuite, sealed=True):
    """Statuses, methods, and bodies that fail."""

    @pytest.mark.parametrize("status", [201, 204, 301, 302, 303, 304, 307, 404])
    def test_every_status_carries_the_cookie(self, visitor: Visitor, status: int) -> None:
        # Most responses that set a cookie are redirects after a login.
        answer = visitor.does(["login", 7], status=status, headers={"Location": "/"})

        assert (answer.status, answer.cookie.key) == (status, KEY)
        assert visitor.does(["ask", "principal"]).results == ["7"]

    @pytest.mark.parametrize("status", [204, 303, 304])
    def test_every_status_carries_the_expired_cookie(self, visitor: Visitor, status: int) -> None:
        visitor.does(["login", 7])

        answer = visitor.does(["logout"], status=status, headers={"Location": "/"})

        assert answer.expired.key == KEY
        assert visitor.does(["all"]).results == [{}]

    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
    def test_every_method_carries_the_cookie(self, visitor: Visitor, method: str) -> None:
        answer = visitor.does(["put", "n", 1], method=method)

        assert (answer.status, answer.cookie.key) == (200, KEY)
        assert visitor.does(["get", "n"]).results == [1]

    def test_a_failing_body_is_a_failure_and_saves_nothing(self, visit_table: Visit) -> None:
        self._needs_streams()
        visitor = visit_table()
        visitor.does(["put", "n", 1])

        _breaks(visitor, [["put", "n", 2]])

        assert visitor.does(["get", "n"]).results == [1]

    def test_a_logout_in_a_failing_body_is_carried_out(self, visit_table: Visit) -> None:
        self._needs_streams()
        visitor = visit_table()
        visitor.does(["put", "n", 1])

        _breaks(visitor, [["configure", {"drop": True}]])

        assert visitor.does(["all"]).results == [{}]

    def test_a_failing_body_whose_drop_cannot_be_written_leaves_the_session(
        self, visit_store: VisitStore, clock: FakeClock
    ) -> None:
        self._needs_streams()
        table = FailingTable(clock=clock)
        visitor = visit_store(TableStore(table))
        visitor.does(["put", "n", 1])

        table.failing = frozenset({"remove"})
        _breaks(visitor, [["configure", {"drop": True}]])
        table.failing = frozenset()

        assert visitor.does(["get", "n"]).results == [1]

    def test_changes_saved_before_the_body_failed_stay_saved(self, visit_table: Visit) -> None:
        self._needs_streams()
        visitor = visit_table()
        visitor.does(["put", "n", 1])

        _breaks(visitor, [["put", "n", 2], ["save"], ["put", "n", 3]])

        assert visitor.does(["get", "n"]).results == [2]

    def test_a_body_is_saved_before_its_end_is_announced(
        self, visit_table: Visit, table: MemoryTable, clock: FakeClock, ends: list[Any]
    ) -> None:
        self._needs_streams()
        if not self.in_process:
            pytest.skip("the client of mount is not one of holdall.testing's, which report the end of a body")
        visitor = visit_table()
        visitor.does(["put", "n", 1])
        elsewhere = Sessions(TableStore(table), key=KEY, clock=clock)
        clients.at_the_end = lambda: ends.append(elsewhere.resume(visitor.browser[KEY]).get("n"))

        # The client may send its next request as soon as it has seen the end.
        visitor.does(["get", "n"], path="/stream", later=[["put", "n", 2]])

        assert ends == [2]

    @pytest.fixture
    def ends(self) -> Iterator[list[Any]]:
        """Collect the state seen at the end of each body."""
        yield []
        clients.at_the_end = None

    def _needs_streams(self) -> None:
        if not self.streams:
            pytest.skip("the framework does not stream")


def _breaks(visitor: Visitor, later: list[list[Any]]) -> None:
    try:
        visitor.does(["get", "n"], path="/stream", later=later, breaks=True)
    except (OSError, HTTPException):  # pragma: no cover  # only behind a server: aiohttp in nox -s frameworks
        # The connection is closed in the middle, which an HTTP client notices.
        return
