"""Test changes after the response has started: a row accepts them, a cookie does not."""

from typing import Any

import pytest

from holdall.testing._adapters.suite import KEY, AdapterSuite, Visit
from holdall.testing._adapters.visitor import Answer, Visitor

__all__ = ["StreamingTests"]


class StreamingTests(AdapterSuite, sealed=True):
    """A body that is sent piece by piece while the handler continues."""

    @pytest.fixture(autouse=True)
    def _streams(self, request: pytest.FixtureRequest) -> None:
        if request.function.__name__ in vars(StreamingTests) and not self.streams:
            pytest.skip("the framework does not stream")

    def test_a_write_before_the_response_is_saved(self, visitor: Visitor) -> None:
        answer = _streams(visitor, ["put", "n", 1])

        assert answer.cookie.key == KEY
        assert visitor.does(["get", "n"]).results == [1]

    def test_reading_continues_in_the_body(self, visitor: Visitor) -> None:
        visitor.does(["put", "n", 1])

        answer = _streams(visitor, ["get", "n"], later=[["get", "n"]])

        assert answer.later == {"results": [1]}

    def test_a_session_read_only_in_the_body_sends_vary_too(self, visitor: Visitor) -> None:
        visitor.does(["put", "n", 1])

        answer = _streams(visitor, later=[["get", "n"]])

        assert answer.later == {"results": [1]}
        assert answer.vary.count("cookie") == 1
        assert answer.cache_control == []

    @pytest.mark.parametrize("first", [[], [["get", "n"]], [["put", "n", 2]]], ids=["untouched", "read", "written"])
    @pytest.mark.parametrize(
        "change",
        [["put", "n", 3], ["delete", "n"], ["clear"], ["configure", {"renew": True}], ["configure", {"drop": True}]],
    )
    def test_a_cookie_takes_no_more_changes(
        self, visit_cookie: Visit, first: list[list[Any]], change: list[Any]
    ) -> None:
        visitor = visit_cookie()
        visitor.does(["put", "n", 1])

        answer = _streams(visitor, *first, later=[change])

        assert answer.later == {"error": "ResponseStartedError"}
        assert visitor.does(["get", "n"]).results == [2 if ["put", "n", 2] in first else 1]

    @pytest.mark.parametrize("first", [[], [["get", "n"]], [["put", "m", 2]]], ids=["untouched", "read", "written"])
    def test_a_row_takes_changes_until_the_end(self, visit_table: Visit, first: list[list[Any]]) -> None:
        visitor = visit_table()
        visitor.does(["put", "n", 1])

        answer = _streams(visitor, *first, later=[["put", "n", 3]])

        assert answer.later == {"results": [None]}
        assert visitor.does(["get", "n"]).results == [3]

    def test_changes_saved_during_the_body_stay_saved_whatever_follows(self, visit_table: Visit) -> None:
        visitor = visit_table()
        visitor.does(["put", "n", 1], ["put", "list", []])

        _streams(visitor, ["get", "n"], later=[["put", "n", 2], ["save"], ["mutate", "list", 1], ["save"]])

        assert visitor.does(["all"]).results == [{"n": 2, "list": [1]}]

    def test_a_cookie_cannot_be_saved_any_more(self, visit_cookie: Visit) -> None:
        visitor = visit_cookie()
        visitor.does(["put", "list", []])

        answer = _streams(visitor, ["get", "list"], later=[["mutate", "list", 1], ["save"]])

        assert answer.later == {"error": "ResponseStartedError"}

    def test_a_row_can_be_dropped_until_the_end(self, visit_table: Visit) -> None:
        visitor = visit_table()
        visitor.does(["put", "n", 1])

        _streams(visitor, ["get", "n"], later=[["configure", {"drop": True}]])

        assert visitor.does(["all"]).results == [{}]

    @pytest.mark.parametrize("change", [["configure", {"renew": True}], ["login", 7], ["put", "user_id", 7]])
    def test_a_login_is_refused_in_the_body(self, visit_table: Visit, change: list[Any]) -> None:
        visitor = visit_table(principal_key="user_id")
        visitor.does(["put", "n", 1])

        answer = _streams(visitor, ["get", "n"], later=[change])

        assert answer.later == {"error": "ResponseStartedError"}

    @pytest.mark.parametrize("first", [[], [["get", "n"]]], ids=["untouched", "read"])
    def test_a_new_session_cannot_begin_in_the_body(self, visit: Visit, first: list[list[Any]]) -> None:
        answer = _streams(visit(), *first, later=[["put", "n", 1]])

        assert answer.later == {"error": "ResponseStartedError"}


def _streams(visitor: Visitor, *actions: list[Any], **script: Any) -> Answer:
    return visitor.does(*actions, path="/stream", **script)
