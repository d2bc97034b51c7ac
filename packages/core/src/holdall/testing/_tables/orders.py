"""Interleave requests at a table in every order."""

import asyncio
from collections.abc import Callable, Mapping
from itertools import combinations_with_replacement
from typing import Any

import pytest

from holdall.tables import AsyncTable
from holdall.testing._acts import ACTS, ATOMIC_ACTS, Act
from holdall.testing._clock import FakeClock
from holdall.testing._interleavings import Explored, explore
from holdall.testing._revocations import OWNERS_ACTS, REVOCATIONS, RevocationRun
from holdall.testing._suite import Suite

__all__ = ["InterleavingConformance"]

_ALL = {**ACTS, **ATOMIC_ACTS}

#: The combinations of three, by the name of the parameter that takes them.
_THREE: dict[str, list[Any]] = {
    "three": list(combinations_with_replacement(ACTS, 3)),
    "three_of_one_owner": [
        names for names in combinations_with_replacement(OWNERS_ACTS, 3) if not REVOCATIONS.keys().isdisjoint(names)
    ],
    "three_with_two_updates": [("count", "count", name) for name in ("count", "drop", "renew")],
}
_TOO_LONG = pytest.param((), marks=pytest.mark.skip(reason="three requests at this table would take too long"))

MakeTable = Callable[[FakeClock], AsyncTable]
Meet = Callable[..., Explored]


class InterleavingConformance(Suite, sealed=True):
    """
    The suite that interleaves two and three requests at a table in every order.

    Subclass it and provide the fixture ``make_table``: a function from a clock to an awaitable table that uses it. It
    may return the same table each time, because each schedule uses its own IDs::

        class TestMyTable(InterleavingConformance):
            @pytest.fixture
            def make_table(self):
                return lambda clock: as_async(MyTable(clock=clock))

    Pytest's JUnit report has the number of orders that each test explored, among the properties of the run.

    Attributes:
        triples: Interleave three requests too: millions of orders, which takes minutes over a network.
    """

    triples = True

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make one skipped test instead of hundreds if three requests would take too long."""
        for name in _THREE.keys() & metafunc.fixturenames:
            metafunc.parametrize(name, _THREE[name] if self.triples else [_TOO_LONG], ids=" + ".join)

    @pytest.fixture
    def meet(
        self,
        make_table: MakeTable,
        runner: asyncio.Runner,
        record_testsuite_property: Callable[[str, object], None],
    ) -> Meet:
        """Return a function that runs the named acts concurrently in every order, and records the number of orders."""

        def meet(acts: Mapping[str, Act], *names: str, **options: Any) -> Explored:
            explored = runner.run(explore([acts[name] for name in names], make_table, **options))
            record_testsuite_property(f"schedules of {' + '.join(names)}", explored.schedules)
            return explored

        return meet

    @pytest.mark.parametrize("names", list(combinations_with_replacement(ACTS, 2)), ids=" + ".join)
    def test_two_requests_keep_every_guarantee_in_every_order(self, names: tuple[str, ...], meet: Meet) -> None:
        assert meet(ACTS, *names).schedules > 1

    def test_three_requests_keep_every_guarantee_in_every_order(self, three: tuple[str, ...], meet: Meet) -> None:
        assert meet(ACTS, *three).schedules > 5

    @pytest.mark.parametrize("name", OWNERS_ACTS)
    @pytest.mark.parametrize("revocation", REVOCATIONS)
    def test_revocations_end_exactly_the_existing_sessions_in_every_order(
        self, revocation: str, name: str, meet: Meet
    ) -> None:
        assert meet(OWNERS_ACTS, revocation, name, kind=RevocationRun).schedules > 1

    def test_revocations_among_three_acts_end_exactly_the_existing_sessions_in_every_order(
        self, three_of_one_owner: tuple[str, ...], meet: Meet
    ) -> None:
        assert meet(OWNERS_ACTS, *three_of_one_owner, idle=False, kind=RevocationRun).schedules > 5

    @pytest.mark.parametrize("name", [*ACTS, *ATOMIC_ACTS])
    def test_an_atomic_update_keeps_every_guarantee_in_every_order(self, name: str, meet: Meet) -> None:
        # Over a network, without the step that moves the expiry, so that there are fewer orders.
        assert meet(_ALL, "count", name, idle=self.triples).schedules > 1

    def test_two_atomic_updates_keep_every_guarantee_in_every_order(
        self, three_with_two_updates: tuple[str, ...], meet: Meet
    ) -> None:
        assert meet(_ALL, *three_with_two_updates, idle=False).schedules > 5
