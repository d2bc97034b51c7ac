"""Test adapters for event loops: requests cancelled at any wait, calls that were not awaited, WebSockets."""

import json
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

import pytest

from holdall._events import Event
from holdall._sessions import Sessions
from holdall.serializers import TaggedJSON
from holdall.stores import TableStore
from holdall.stores._principals import owner
from holdall.tables import MemoryTable
from holdall.testing._adapters.failures import FailingTable
from holdall.testing._adapters.suite import KEY, AdapterSuite, Mount, Visit, VisitStore
from holdall.testing._adapters.visitor import Visitor
from holdall.testing._awaited import Awaited
from holdall.testing._clients import Moments, Request
from holdall.testing._clock import FakeClock

__all__ = ["AwaitedTable", "AwaitingTests", "WebSocketTests"]

_OLD = {"user_id": 7, "n": 1}

# What a request does before its headers or while its body is sent, and everything that is stored afterwards.
_ACTS: dict[str, tuple[list[list[Any]], list[list[Any]], list[dict[str, Any]]]] = {
    "put": ([["put", "n", 2]], [], [{"user_id": 7, "n": 2}]),
    "renew": ([["put", "n", 2], ["configure", {"renew": True}]], [], [{"user_id": 7, "n": 2}]),
    "log in": ([["put", "n", 2], ["login", 8]], [], [{"user_id": 8, "n": 2}]),
    "log out": ([["logout"]], [], []),
    "save": ([["put", "n", 2], ["save"]], [], [{"user_id": 7, "n": 2}]),
    "put late": ([["get", "n"]], [["put", "n", 2]], [{"user_id": 7, "n": 2}]),
    "log out late": ([["get", "n"]], [["configure", {"drop": True}]], []),
}


class AwaitedTable(Awaited):
    """An async table in memory that lets other tasks run, or its request be cancelled, before and after each verb."""

    def __init__(self, table: MemoryTable, moments: Moments) -> None:
        super().__init__(table)
        self._moments = moments

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        return self._waiting(found) if iscoroutinefunction(found) else found

    def _waiting(self, verb: Callable[..., Any]) -> Callable[..., Any]:
        async def wait(*args: Any, **options: Any) -> Any:
            await self._moments.wait()
            answer = await verb(*args, **options)
            await self._moments.wait()
            return answer

        return wait


class AwaitingTests(AdapterSuite, sealed=True):
    """Requests to an async table."""

    @pytest.fixture(autouse=True)
    def _awaits(self, request: pytest.FixtureRequest) -> None:
        if request.function.__name__ in vars(AwaitingTests) and not self.awaits_tables:
            pytest.skip("the adapter does not support async tables")

    @pytest.mark.parametrize("act", _ACTS)
    @pytest.mark.parametrize("library", ["asyncio", "trio"])
    def test_a_request_cancelled_at_any_wait_leaves_the_old_session_or_the_new_one(
        self, mount: Mount, clock: FakeClock, library: str, act: str
    ) -> None:
        if library == "trio":
            pytest.importorskip("trio")
            if not self.runs_in_trio:
                pytest.skip("the framework supports only asyncio")
        actions, later, new = _ACTS[act]
        if later and not self.streams:
            pytest.skip("the framework does not stream")
        states: list[list[dict[str, Any]]] = []
        was_cancelled = True
        while was_cancelled:
            rows, moments = MemoryTable(clock=clock), Moments()
            sessions = Sessions(TableStore(AwaitedTable(rows, moments)), key=KEY, clock=clock, principal_key="user_id")
            client: Any = mount(sessions)
            visitor = Visitor(client, clock)
            visitor.does(["put", "n", 1], ["login", 7])
            headers = [("Content-Type", "application/json"), ("Cookie", visitor.browser.header())]
            body = json.dumps({"actions": actions, "later": later}).encode()
            was_cancelled = client.cancelled(
                Request("POST", "/stream" if later else "/", headers, body), moments, len(states), library
            )
            states.append(_stored_in(rows))

        assert len(states) > 2, "the request never waited"
        for moment, state in enumerate(states):
            assert state in ([_OLD], new), (
                f"cancelled at wait {moment}, the request left {state}, which is neither the old session nor the new "
                "one: a commit must be finished even if its request is cancelled"
            )
        assert states[-1] == new

    @pytest.mark.parametrize("later", [False, True], ids=["before the headers", "in a body"])
    def test_a_save_that_is_not_awaited_is_done_or_reported(self, mount: Mount, clock: FakeClock, later: bool) -> None:
        if later and not self.streams:
            pytest.skip("the framework does not stream")
        rows = MemoryTable(clock=clock)
        visitor = Visitor(mount(Sessions(TableStore(AwaitedTable(rows, Moments())), key=KEY, clock=clock)), clock)
        visitor.does(["put", "n", 1])
        actions: list[list[Any]] = [["put", "n", 2], ["forget_to_await_save"]]

        script: dict[str, Any] = {"later": actions, "path": "/stream"} if later else {}
        answer = visitor.does(*([["get", "n"]] if later else actions), **script)

        if answer.response.error is None and answer.status == 200:
            # A handler in a thread awaits nothing.
            did_nothing = (answer.later["results"] if later else answer.results)[-1]
            assert not did_nothing, "a save that was never awaited was not reported"
            assert visitor.does(["get", "n"]).results == [2]


class WebSocketTests(AdapterSuite, sealed=True):
    """A handshake, and the messages after it."""

    @pytest.fixture(autouse=True)
    def _has_websockets(self, request: pytest.FixtureRequest) -> None:
        if request.function.__name__ in vars(WebSocketTests) and not self.websockets:
            pytest.skip("the framework has no WebSockets, or mount has none at /ws")

    def test_a_handshake_carries_the_cookie(self, visit: Visit) -> None:
        visitor = visit()

        talk = visitor.talks(before=[["put", "n", 1]])

        assert talk.accepted is not None
        assert len(talk.all("Set-Cookie")) == 1
        assert visitor.does(["get", "n"]).results == [1]

    def test_a_handshake_that_changes_nothing_sets_no_cookie(self, visit: Visit) -> None:
        visitor = visit()
        visitor.does(["put", "n", 1])

        talk = visitor.talks([["get", "n"]])

        assert (talk.all("Set-Cookie"), talk.results) == ([], [[1]])

    def test_changes_made_by_messages_are_stored(self, visit_table: Visit) -> None:
        visitor = visit_table()
        visitor.does(["put", "n", 1])

        talk = visitor.talks([["get", "n"]], [["put", "n", 2]], [["get", "n"]])

        assert talk.results == [[1], [None], [2]]
        assert visitor.does(["get", "n"]).results == [2]

    def test_a_logout_ends_the_session_of_an_open_websocket(self, visit_table: Visit, table: MemoryTable) -> None:
        visitor = visit_table(principal_key="user_id")
        visitor.does(["login", 7])

        visitor.talks([["configure", {"drop": True}]])

        assert visitor.does(["all"]).results == [{}]
        assert table.find("7") == []

    def test_a_handshake_is_refused_if_its_session_cannot_be_stored(
        self, visit_store: VisitStore, clock: FakeClock, events: list[Event]
    ) -> None:
        table = FailingTable(clock=clock)
        visitor = visit_store(TableStore(table))
        table.failing = frozenset({"insert"})

        talk = visitor.talks(before=[["put", "n", 1]])

        assert (talk.accepted, talk.code) == (None, 1011)
        assert [event.name for event in events] == []


def _stored_in(rows: MemoryTable) -> list[dict[str, Any]]:
    """Return the data of all sessions that have a user."""
    listed = [each for user in ("7", "8") for each in rows.find(owner(user, "", KEY)) if not each.is_tombstone]
    found = (rows.read(each.digest) for each in listed)
    # A row names its cookie and application before its data.
    return [TaggedJSON().loads(row.data.rpartition(b"\0")[2]) for row in found if row is not None]
