"""Test that visitors stay logged in when the cookie is renamed."""

from datetime import timedelta
from typing import Any

import pytest

from holdall.testing._adapters.suite import KEY, AdapterSuite, Visit
from holdall.testing._adapters.visitor import Visitor
from holdall.testing._browser import KeptCookie
from holdall.testing._clock import FakeClock

__all__ = ["OldNameTests", "OldPlaceTests"]

_OLD = "_old"
_OVER = "Thu, 01 Jan 1970 00:00:00 GMT"


class OldNameTests(AdapterSuite, sealed=True):
    """A session under an old name is read, and moves to the present one."""

    @pytest.fixture
    def before(self, visit: Visit) -> Visitor:
        """Return a visitor with a session from when the cookie had its old name."""
        visitor = visit(key=_OLD, principal_key="user_id")
        visitor.does(["put", "n", 1])
        return visitor

    @pytest.fixture
    def after(self, visit: Visit, before: Visitor, clock: FakeClock) -> Visitor:
        """Return the same visitor, with the same browser, now that the cookie has its present name."""
        application = visit(old_keys=["_older", _OLD], principal_key="user_id")
        return Visitor(application.client, clock, before.browser)

    def test_reading_alone_moves_nothing(self, after: Visitor) -> None:
        answer = after.does(["get", "n"])

        assert answer.results == [1]
        assert answer.cookies == []

    def test_a_write_sets_the_present_name_and_expires_the_old(self, after: Visitor) -> None:
        answer = after.does(["put", "m", 2])

        expired, new = answer.cookies
        assert (expired.name, expired.value, expired.attributes["expires"]) == (_OLD, "", _OVER)
        assert new.name == KEY
        assert [kept.name for kept in after.browser.jar] == [KEY]
        assert after.does(["all"]).results == [{"n": 1, "m": 2}]

    def test_moving_the_idle_limit_sets_the_present_name(self, after: Visitor, clock: FakeClock) -> None:
        clock.advance(timedelta(days=1))

        after.does(["get", "n"])

        assert [kept.name for kept in after.browser.jar] == [KEY]
        assert after.does(["all"]).results == [{"n": 1}]

    def test_a_login_moves_the_session(self, after: Visitor) -> None:
        answer = after.does(["login", 7])

        assert (answer.cookie.key, len(after.browser.jar)) == (KEY, 1)
        assert after.does(["all"]).results == [{"n": 1, "user_id": 7}]

    def test_a_drop_leaves_no_cookie(self, after: Visitor) -> None:
        held = {kept.place for kept in after.browser.jar}

        after.does(["configure", {"drop": True}])

        assert held.isdisjoint(kept.place for kept in after.browser.jar)
        assert after.does(["all"]).results == [{}]

    def test_a_session_under_the_present_name_outranks_one_under_an_old_name(self, after: Visitor) -> None:
        other = after.another()
        other.does(["put", "n", 2])
        after.browser.keep([f"{KEY}={other.browser[KEY]}; path=/"])

        assert after.does(["all"]).results == [{"n": 2}]
        held = {kept.place for kept in after.browser.jar}
        after.does(["configure", {"drop": True}])
        assert held.isdisjoint(kept.place for kept in after.browser.jar)
        assert after.does(["all"]).results == [{}]

    def test_a_bad_cookie_under_the_present_name_does_not_hide_the_old_one(self, after: Visitor) -> None:
        after.browser.keep([f"{KEY}=tossed; path=/"])

        assert after.does(["all"]).results == [{"n": 1}]

    def test_a_late_request_does_not_bring_the_old_name_back(self, visit_table: Visit, clock: FakeClock) -> None:
        before = visit_table(key=_OLD, principal_key="user_id")
        before.does(["put", "n", 1])
        late = f"{_OLD}={before.browser[_OLD]}"
        application = visit_table(old_keys=[_OLD], principal_key="user_id")
        after = Visitor(application.client, clock, before.browser)
        after.does(["login", 7])

        answer = after.sends(late, actions=[["put", "n", 2]])

        assert answer.cookies == []
        assert after.does(["all"]).results == [{"n": 1, "user_id": 7}]

    def test_a_cookie_opens_only_under_its_own_name(self, visit_cookie: Visit) -> None:
        before, after = visit_cookie(key=_OLD), visit_cookie(old_keys=[_OLD])
        before.does(["put", "n", 1])
        after.does(["put", "n", 2])

        assert after.sends(f"{KEY}={before.browser[_OLD]}", actions=[["all"]]).results == [{}]
        assert after.sends(f"{_OLD}={after.browser[KEY]}", actions=[["all"]]).results == [{}]

    def test_the_old_cookie_may_have_had_other_options(self, visit: Visit, clock: FakeClock) -> None:
        before = visit(key=_OLD, domain="shop.example", path="/shop")
        before.does(["put", "n", 1], path="/shop/", https=True)
        old = {_OLD: {"domain": "shop.example", "path": "/shop"}}
        end = clock() + timedelta(days=30)
        after = Visitor(visit(key="__Host-shop", old_keys=old, read_old_until=end).client, clock, before.browser)

        after.does(["put", "m", 2], path="/shop/", https=True)

        assert [kept.name for kept in after.browser.jar] == ["__Host-shop"]
        assert after.does(["all"], path="/shop/", https=True).results == [{"n": 1, "m": 2}]

    def test_old_names_are_not_read_after_read_old_until(self, visit: Visit, before: Visitor, clock: FakeClock) -> None:
        end = clock() + timedelta(days=1)
        after = Visitor(visit(old_keys=[_OLD], read_old_until=end).client, clock, before.browser)
        assert after.does(["all"]).results == [{"n": 1}]

        clock.advance(timedelta(days=1))

        assert after.does(["all"]).results == [{}]


# The cookie's options before and now, and the old options as the settings then name them.
_PLACES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"domain": "shop.example"}, {}, {"domain": "shop.example"}),
    ({}, {"domain": "shop.example"}, {"domain": None}),
    ({"path": "/shop"}, {}, {"path": "/shop"}),
    ({}, {"path": "/shop"}, {"path": "/"}),
    ({"secure": True}, {"secure": True, "partitioned": True}, {"partitioned": False}),
]


class OldPlaceTests(AdapterSuite, sealed=True):
    """
    A cookie that had another domain, path or partition before, under the same name.

    A request may send both, and a response expires one and sets the other: an adapter that stores a response's cookies
    by name alone loses one of the lines.
    """

    @pytest.mark.parametrize(("before", "now", "old"), _PLACES)
    def test_a_visitor_with_two_cookies_can_log_in_and_out(
        self, visit: Visit, clock: FakeClock, before: dict[str, Any], now: dict[str, Any], old: dict[str, Any]
    ) -> None:
        first = visit(principal_key="user_id", **before)
        first.does(["login", 7], path="/shop/", https=True)
        clock.advance(timedelta(hours=1))
        unaware = visit(principal_key="user_id", **now).another()
        unaware.does(["login", 8], path="/shop/", https=True)
        line = unaware.browser.jar[0]
        first.browser.keep([_line(line)], "/shop/", https=True)
        assert len(first.browser.jar) == 2
        after = Visitor(visit(principal_key="user_id", old_keys={KEY: old}, **now).client, clock, first.browser)

        assert after.does(["all"], path="/shop/", https=True).results == [{"user_id": 8}]
        answer = after.does(["login", 9], path="/shop/", https=True)

        *expired, new = answer.cookies
        assert {(each.key, each.value, each.attributes["expires"]) for each in expired} == {(KEY, "", _OVER)}
        assert (new.key, len(after.browser.jar)) == (KEY, 1)
        assert after.does(["all"], path="/shop/", https=True).results == [{"user_id": 9}]
        held = {kept.place for kept in after.browser.jar}
        after.does(["configure", {"drop": True}], path="/shop/", https=True)
        assert held.isdisjoint(kept.place for kept in after.browser.jar)
        assert after.does(["all"], path="/shop/", https=True).results == [{}]


def _line(kept: KeptCookie) -> str:
    """Return the Set-Cookie header that gives the cookie *kept* by one browser to another."""
    domain = "" if kept.host_only else f"; domain={kept.domain}"
    return f"{kept.name}={kept.value}; path={kept.path}{domain}; secure" + ("; partitioned" if kept.partitioned else "")
