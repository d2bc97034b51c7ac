"""A login changes the ID, requests with the old cookie take nothing away, and a logout ends the session."""

from typing import Any

import pytest

from holdall.events import Event
from holdall.tables import MemoryTable
from holdall.testing.adapters.suite import KEY, AdapterSuite, Visit

__all__ = ["IdentityTests"]


class IdentityTests(AdapterSuite, sealed=True):
    """Login and logout."""

    @pytest.mark.parametrize("login", [["login", 7], ["put", "user_id", 7]], ids=["login", "another library's login"])
    def test_a_login_changes_the_id_and_keeps_the_data(
        self, visit_table: Visit, table: MemoryTable, login: list[Any]
    ) -> None:
        visitor = visit_table(principal_key="user_id")
        visitor.does(["put", "cart", [1]])
        before = visitor.browser[KEY]

        answer = visitor.does(login)

        assert answer.cookie.value != before
        assert visitor.does(["all"], ["ask", "principal"]).results == [{"cart": [1], "user_id": 7}, "7"]
        assert len(table.find("7")) == 1

    def test_an_id_planted_before_the_login_is_worth_nothing_after_it(self, visit_table: Visit) -> None:
        attacker = visit_table(principal_key="user_id")
        attacker.does(["put", "n", 1])
        victim = attacker.another()
        victim.browser.keep([f"{KEY}={attacker.browser[KEY]}; path=/"])

        victim.does(["login", 7])

        assert victim.does(["ask", "principal"]).results == ["7"]
        assert attacker.does(["all"]).results == [{}]

    def test_a_login_works_in_a_cookie(self, visit_cookie: Visit) -> None:
        visitor = visit_cookie(principal_key="user_id")
        visitor.does(["put", "cart", [1]])
        visitor.does(["login", 7])

        assert visitor.does(["ask", "principal"], ["get", "cart"]).results == ["7", [1]]

    def test_the_same_principal_again_keeps_the_id(self, visit_table: Visit) -> None:
        visitor = visit_table(principal_key="user_id")
        visitor.does(["login", 7])

        assert visitor.does(["put", "user_id", 7]).cookies == []

    def test_logout_ends_the_session(self, visit: Visit) -> None:
        visitor = visit(principal_key="user_id")
        visitor.does(["login", 7])

        answer = visitor.does(["logout"], ["all"])

        assert answer.results == [None, {}]
        assert answer.cookie.value == ""
        assert KEY not in visitor.browser

    def test_logout_leaves_no_row(self, visit_table: Visit, table: MemoryTable) -> None:
        visitor = visit_table(principal_key="user_id")
        visitor.does(["login", 7])
        visitor.does(["logout"])

        assert len(table) == 0

    def test_what_is_put_after_a_logout_begins_a_new_session(self, visit: Visit) -> None:
        visitor = visit(principal_key="user_id")
        visitor.does(["login", 7], ["put", "cart", [1]])
        before = visitor.browser[KEY]

        answer = visitor.does(["logout"], ["put", "flash", "Bye"])

        assert answer.cookie.value not in ("", before)
        assert visitor.does(["all"]).results == [{"flash": "Bye"}]

    @pytest.mark.parametrize(
        "actions",
        [["put", "n", 2], ["clear"], ["configure", {"renew": True}], ["configure", {"drop": True}], ["logout"]],
    )
    def test_a_late_request_takes_nothing_from_the_login_before_it(
        self, visit_table: Visit, events: list[Event], actions: list[Any]
    ) -> None:
        visitor = visit_table(principal_key="user_id")
        visitor.does(["put", "n", 1])
        before = visitor.browser[KEY]
        visitor.does(["login", 7])
        events.clear()

        late = visitor.sends(f"{KEY}={before}", actions=[["all"], actions])

        assert late.results[0] == {}
        assert late.cookies == []
        assert "cookie" in late.vary
        assert visitor.does(["all"]).results == [{"n": 1, "user_id": 7}]
        if actions[0] == "put":
            assert [event.name for event in events][-1] == "lost_write"

    def test_a_late_request_may_log_in_again(self, visit_table: Visit) -> None:
        visitor = visit_table(principal_key="user_id")
        visitor.does(["put", "n", 1])
        before = visitor.browser[KEY]
        visitor.does(["login", 7])

        late = visitor.sends(f"{KEY}={before}", actions=[["login", 7]])

        assert late.cookie.value not in ("", before)

    def test_a_lost_write_can_be_an_error(self, visit_table: Visit) -> None:
        visitor = visit_table(principal_key="user_id", on_lost_write="raise")
        visitor.does(["put", "n", 1])
        before = visitor.browser[KEY]
        visitor.does(["login", 7])

        late = visitor.sends(f"{KEY}={before}", actions=[["put", "n", 2]])

        assert late.status == 409
        assert late.cookies == []
