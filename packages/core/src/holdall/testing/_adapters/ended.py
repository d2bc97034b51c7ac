"""Test that code that outlives a request, such as a thread or a task, can no longer change its session."""

from collections.abc import Callable
from typing import Any

import pytest

from holdall import _late_changes as late_changes
from holdall._errors import ResponseStartedError
from holdall._events import Event
from holdall.testing._adapters.suite import AdapterSuite, Visit
from holdall.testing._scripts import kept

__all__ = ["EndedTests"]

_CHANGES: list[Callable[[Any], Any]] = [
    lambda session: session.put("n", 2),
    lambda session: session.delete("n"),
    lambda session: session.pop("n"),
    lambda session: session.setdefault("absent", 2),
    lambda session: session.update(n=2),
    lambda session: session.clear(),
    lambda session: session.login(8),
    lambda session: session.logout(),
    lambda session: session.configure(drop=True),
    lambda session: session.configure(renew=True),
]


class EndedTests(AdapterSuite, sealed=True):
    """A session that is still referenced after its request has ended."""

    @pytest.fixture(params=["/", "/stream"])
    def path(self, request: pytest.FixtureRequest) -> str:
        if request.param == "/stream" and not self.streams:
            pytest.skip("the framework does not stream")
        path: str = request.param
        return path

    @pytest.mark.parametrize("first", [[], [["get", "n"]], [["put", "m", 1]]], ids=["untouched", "read", "written"])
    def test_changes_are_refused(self, visit: Visit, path: str, first: list[list[Any]]) -> None:
        visitor = visit(principal_key="user_id")
        visitor.does(["put", "n", 1])
        visitor.does(*first, ["keep"], path=path)
        session = kept.pop()

        for change in _CHANGES:
            with pytest.raises(ResponseStartedError):
                change(session)

        assert visitor.does(["get", "n"], ["ask", "principal"]).results == [1, None]

    def test_values_that_were_read_stay_readable(self, visit: Visit, path: str) -> None:
        visitor = visit()
        visitor.does(["put", "n", 1])
        visitor.does(["get", "n"], ["keep"], path=path)

        assert dict(kept.pop()) == {"n": 1}

    @pytest.mark.parametrize("first", [[], [["get", "list"]]], ids=["untouched", "handed out"])
    def test_a_mutation_in_place_is_reported(
        self, visit: Visit, path: str, first: list[list[Any]], events: list[Event]
    ) -> None:
        # A few sessions are compared each time, so those left by other tests would come first.
        late_changes.watched.clear()
        visitor = visit()
        visitor.does(["put", "list", []])
        visitor.does(*first, ["keep"], path=path)

        kept.pop()["list"].append(1)

        for _ in range(2):
            assert visitor.does(["get", "list"]).results == [[]]
        lost = [(event.name, event.reason) for event in events if event.name == "lost_write"]
        assert lost == [("lost_write", "request ended")]

    def test_an_unchanged_value_is_not_reported(self, visit: Visit, path: str, events: list[Event]) -> None:
        visitor = visit()
        visitor.does(["put", "list", []])
        visitor.does(["mutate", "list", 1], ["keep"], path=path)
        session = kept.pop()

        assert session["list"] == [1]
        for _ in range(2):
            assert visitor.does(["get", "list"]).results == [[1]]
        assert [event for event in events if event.name == "lost_write"] == []

    def test_a_failed_request_has_ended_too(self, visit: Visit) -> None:
        visitor = visit()
        visitor.does(["put", "n", 1])
        visitor.does(["keep"], ["get", "n"], fails=True)
        session = kept.pop()

        with pytest.raises(ResponseStartedError):
            session["n"] = 2
