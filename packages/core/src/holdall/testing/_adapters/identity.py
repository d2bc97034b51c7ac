"""Test that a login changes the ID, late requests undo nothing, and a logout ends the session."""

from typing import Any

import pytest

from holdall._events import Event
from holdall.stores._principals import owner
from holdall.tables import MemoryTable
from holdall.testing._adapters.suite import KEY, AdapterSuite, Visit

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
        assert len(table.find(owner("7", "", KEY))) == 1

    def test_an_id_planted_before_the_login_is_worthless_after_it(self, visit_table: Visit) -> None:
        attacker = visit_table(principal_key="user_id")
        attacker.does(["put", "n", 1])
        victim = attacker.another()
        victim.browser.keep([f"{KEY}={attacker.browser[KEY]}; path=/"])

        victim.does(["login", 7])

        assert victim.does(["ask", "principal"]).results == ["7"]
        assert attacker.does(["all"]).results == [{}]

    @pytest.mark.parametrize("key", ["member", "customer_id", "logged_in"])
    def test_a_login_under_an_unconfigured_key_is_refused_until_it_is_configured(
        self, visit_table: Visit, key: str
    ) -> None:
        attacker = visit_table()
        attacker.does(["put", "n", 1])
        planted = attacker.browser[KEY]

        victim = attacker.another()
        victim.browser.keep([f"{KEY}={planted}; path=/"])
        answer = victim.does(["put", key, 7])

        assert (answer.status, answer.cookies) == (500, [])
        assert attacker.does(["put", key, False], ["all"]).results[-1] == {"n": 1, key: False}

        named = visit_table(principal_key=key)
        named.browser.keep([f"{KEY}={planted}; path=/"])
        assert named.does(["put", key, 7]).cookie.value != planted
        assert attacker.does(["all"]).results == [{}]

    def test_a_login_under_an_unconfigured_key_is_accepted_with_one_under_a_known_key(self, visit_table: Visit) -> None:
        visitor = visit_table()

        assert visitor.does(["put", "logged_in", True], ["put", "user_id", 7], ["ask", "principal"]).results[-1]

    def test_a_csrf_token_from_before_the_login_is_not_valid_after_it(self, visit: Visit) -> None:
        visitor = visit()
        visitor.does(["put", "cart", [1]], ["put", "_csrf_token", "planted"], ["put", "csrf_token", "planted"])
        visitor.does(["login", 7])

        assert visitor.does(["all"]).results == [{"cart": [1], "user_id": 7}]

    def test_a_login_carries_over_the_keys_in_carry(self, visit: Visit) -> None:
        visitor = visit(carry=["cart"])
        visitor.does(["put", "cart", [1]], ["put", "n", 1])
        visitor.does(["login", 7])

        assert visitor.does(["all"]).results == [{"cart": [1], "user_id": 7}]

    @pytest.mark.parametrize("login", [["login", 8], ["put", "user_id", 8]], ids=["login", "another library's login"])
    def test_another_user_inherits_nothing(self, visit: Visit, login: list[Any]) -> None:
        visitor = visit()
        visitor.does(["login", 7], ["put", "card", "7's"])

        visitor.does(login, ["put", "n", 1])

        assert visitor.does(["all"]).results == [{"user_id": 8, "n": 1}]

    def test_a_login_works_in_a_cookie(self, visit_cookie: Visit) -> None:
        visitor = visit_cookie(principal_key="user_id")
        visitor.does(["put", "cart", [1]])
        visitor.does(["login", 7])

        assert visitor.does(["ask", "principal"], ["get", "cart"]).results == ["7", [1]]

    def test_a_repeated_login_of_the_same_principal_keeps_the_id(self, visit_table: Visit) -> None:
        visitor = visit_table(principal_key="user_id")
        visitor.does(["login", 7])

        assert visitor.does(["put", "user_id", 7]).cookies == []

    @pytest.mark.parametrize("key", ["_auth_user_id", "_user_id", "user_id"])
    def test_the_last_login_counts_whichever_library_made_it(
        self, visit_table: Visit, table: MemoryTable, key: str
    ) -> None:
        visitor = visit_table(principal_key="auto")
        visitor.does(["put", "_user_id", "7"], ["put", "_auth_user_id", "7"], ["put", "cart", [1]])
        before = visitor.browser[KEY]

        answer = visitor.does(["put", key, "8"], ["ask", "principal"])

        assert answer.results[-1] == "8"
        assert answer.cookie.value != before
        assert visitor.does(["all"]).results == [{key: "8"}]
        assert [len(table.find(owner(user, "", KEY))) for user in "78"] == [1, 1]
        assert [each.is_tombstone for each in table.find(owner("7", "", KEY))] == [True]

    @pytest.mark.parametrize("key", ["_auth_user_id", "_user_id"])
    def test_a_logout_in_one_library_is_a_logout_in_all(self, visit: Visit, key: str) -> None:
        visitor = visit(principal_key="auto")
        visitor.does(["put", "_user_id", "7"], ["put", "_auth_user_id", "7"], ["put", "cart", [1]])
        before = visitor.browser[KEY]

        answer = visitor.does(["delete", key], ["ask", "principal"])

        assert answer.results[-1] is None
        assert answer.cookie.value != before
        assert visitor.does(["all"]).results == [{"cart": [1]}]

    def test_logout_ends_the_session(self, visit: Visit) -> None:
        visitor = visit(principal_key="user_id")
        visitor.does(["login", 7])

        answer = visitor.does(["logout"], ["all"])

        assert answer.results == [None, {}]
        assert answer.expired.value == ""
        assert KEY not in visitor.browser

    def test_logout_deletes_the_additional_cookies_in_the_settings(self, visit: Visit) -> None:
        visitor = visit(principal_key="user_id", delete_at_logout=["remember_token"])
        visitor.does(["login", 7])
        visitor.browser.keep(["remember_token=7; path=/"])

        answer = visitor.does(["logout"])

        assert {cookie.key for cookie in answer.cookies} == {KEY, "remember_token"}
        assert "remember_token" not in visitor.browser
        assert visitor.does(["all"]).results == [{}]

    def test_logout_leaves_no_row(self, visit_table: Visit, table: MemoryTable) -> None:
        visitor = visit_table(principal_key="user_id")
        visitor.does(["login", 7])
        visitor.does(["logout"])

        assert len(table) == 0

    def test_a_write_after_a_logout_begins_a_new_session(self, visit: Visit) -> None:
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
    def test_a_late_request_does_not_undo_the_login_before_it(
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
