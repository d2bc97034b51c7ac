"""Test what an application can require of a login: that it is fresh, strong, one of few, and still valid."""

from datetime import datetime, timedelta

import pytest

from holdall.testing._adapters.suite import KEY, AdapterSuite, Visit
from holdall.testing._clock import FakeClock

__all__ = ["LoginTests"]

_HOUR = timedelta(hours=1)


class LoginTests(AdapterSuite, sealed=True):
    """Recorded logins, their limit, and their end from outside."""

    def test_a_page_that_needs_a_fresh_login_is_403_until_the_login_is_confirmed(
        self, visit: Visit, clock: FakeClock
    ) -> None:
        visitor = visit(record_login=True)
        visitor.does(["login", 7])
        before = visitor.browser[KEY]
        clock.advance(_HOUR)

        refused = visitor.does(["require_fresh", 60])
        assert (refused.status, refused.cookies) == (403, [])
        visitor.does(["confirm_login"])
        assert visitor.browser[KEY] != before
        assert visitor.does(["require_fresh", 60], ["ask", "level"], ["all"]).results == [None, 1, {"user_id": 7}]

    def test_a_change_of_level_renews_the_id(self, visit_table: Visit) -> None:
        visitor = visit_table(record_login=True)
        visitor.does(["login", 7])
        before = visitor.browser[KEY]
        visitor.does(["level", 2])

        assert visitor.browser[KEY] != before
        assert visitor.does(["ask", "level"]).results == [2]

    def test_a_login_beyond_the_limit_is_403_and_saves_nothing(self, visit_table: Visit) -> None:
        visitor = visit_table(max_sessions=1, when_full="refuse")
        visitor.does(["login", 7])
        other = visitor.another()
        other.does(["put", "n", 1])

        refused = other.does(["login", 7], ["put", "n", 2])

        assert (refused.status, refused.cookies) == (403, [])
        assert other.does(["all"]).results == [{"n": 1}]
        assert visitor.does(["ask", "principal"]).results == ["7"]

    def test_a_login_beyond_the_limit_ends_the_oldest(self, visit_table: Visit, clock: FakeClock) -> None:
        visitor = visit_table(max_sessions=1)
        visitor.does(["login", 7])
        clock.advance(_HOUR)
        other = visitor.another()
        other.does(["login", 7])

        assert visitor.does(["ask", "principal"]).results == [None]
        assert other.does(["ask", "principal"]).results == ["7"]

    def test_a_session_that_began_before_valid_since_is_ignored(self, visit: Visit, clock: FakeClock) -> None:
        since: dict[str, datetime] = {}
        visitor = visit(valid_since=since.get)
        visitor.does(["login", 7])
        clock.advance(_HOUR)
        assert visitor.does(["ask", "principal"]).results == ["7"]
        since["7"] = clock()

        assert visitor.does(["all"]).results == [{}]
        visitor.does(["login", 7])
        assert visitor.does(["ask", "principal"]).results == ["7"]

    def test_an_error_in_valid_since_is_503(self, visit: Visit) -> None:
        def fail(principal: str) -> None:
            raise OSError

        visitor = visit(valid_since=fail)
        visitor.does(["login", 7])

        assert visitor.does(["all"]).status == 503

    @pytest.mark.parametrize(
        ("after", "kinds"),
        [([], '"cache", "cookies"'), ([["put", "n", 1]], '"cache"')],
        ids=["nothing", "a new session"],
    )
    def test_a_logout_can_clear_the_browsers_data(self, visit: Visit, after: list[list[object]], kinds: str) -> None:
        visitor = visit()
        assert visitor.does(["logout", "cache", "cookies"]).response.all("Clear-Site-Data") == []
        visitor.does(["login", 7])

        answer = visitor.does(["logout", "cache", "cookies"], *after)

        assert answer.response.all("Clear-Site-Data") == [kinds]
        assert {line.key for line in answer.cookies} == {KEY}
        visitor.does(["login", 7])
        assert visitor.does(["logout"]).response.all("Clear-Site-Data") == []
