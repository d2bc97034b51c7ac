"""Test what requests do to a session, and what the responses say about it."""

from datetime import timedelta
from typing import Any

import pytest

from holdall.tables import MemoryTable
from holdall.testing._adapters.suite import KEY, AdapterSuite, Visit
from holdall.testing._adapters.visitor import Visitor
from holdall.testing._clock import FakeClock

__all__ = ["RequestTests"]

_RENEW, _DROP, _IGNORE = ({"renew": True}, {"drop": True}, {"ignore": True})


class RequestTests(AdapterSuite, sealed=True):
    """A visitor comes, reads, writes, and goes."""

    def test_an_untouched_session_sends_nothing(self, visitor: Visitor) -> None:
        for answer in (visitor.does(), visitor.sends(f"{KEY}=whatever", actions=[])):
            assert (answer.status, answer.results) == (200, [])
            assert answer.cookies == []
            assert "cookie" not in answer.vary
            assert answer.cache_control == []

    def test_a_session_that_was_only_read_sends_only_vary(self, visitor: Visitor) -> None:
        visitor.does(["put", "cart", [7]])

        answer = visitor.does(["get", "cart"])

        assert answer.results == [[7]]
        assert answer.cookies == []
        assert answer.vary.count("cookie") == 1
        assert answer.cache_control == []

    def test_a_value_is_there_in_the_next_request(self, visitor: Visitor) -> None:
        data = {"id": 7, "name": "Zoë", "cart": [{"sku": "a", "count": 2}], "none": None, "price": 1.5, "yes": True}
        visitor.does(*(["put", key, value] for key, value in data.items()))

        assert visitor.does(["all"]).results == [data]

    def test_a_write_sends_one_cookie_and_keeps_it_from_caches(self, visitor: Visitor) -> None:
        answer = visitor.does(["put", "n", 1])

        assert answer.cookie.key == KEY
        assert answer.cookie.attributes == {"path": "/", "httponly": "", "samesite": "Lax"}
        assert answer.cache_control == ["no-store"]
        assert "cookie" in answer.vary

    def test_a_second_write_sends_an_encrypted_cookie_again(self, visit_cookie: Visit) -> None:
        visitor = visit_cookie()
        first = visitor.does(["put", "n", 1])

        second = visitor.does(["put", "n", 2])

        assert second.cookie.value != first.cookie.value
        assert visitor.does(["get", "n"]).results == [2]

    def test_a_second_write_does_not_send_the_same_id_again(self, visit_table: Visit) -> None:
        visitor = visit_table()
        visitor.does(["put", "n", 1])

        second = visitor.does(["put", "n", 2])

        assert second.cookies == []
        assert second.cache_control == []
        assert visitor.does(["get", "n"]).results == [2]

    def test_a_stored_none_is_not_the_default(self, visitor: Visitor) -> None:
        visitor.does(["put", "n", None])

        assert visitor.does(["get", "n", "default"], ["get", "absent", "default"]).results == [None, "default"]

    def test_a_list_changed_in_place_is_kept(self, visitor: Visitor) -> None:
        visitor.does(["put", "cart", [7]])
        visitor.does(["mutate", "cart", 8])

        assert visitor.does(["get", "cart"]).results == [[7, 8]]

    def test_a_session_that_is_saved_early_is_sent_with_the_response(self, visitor: Visitor) -> None:
        answer = visitor.does(["put", "n", 1], ["save"], ["put", "m", 2])

        assert answer.cookies[-1].name == KEY
        assert visitor.does(["all"]).results == [{"n": 1, "m": 2}]

    def test_delete_removes_a_key(self, visitor: Visitor) -> None:
        visitor.does(["put", "n", 1], ["put", "m", 2])
        visitor.does(["delete", "n"], ["delete", "absent"])

        assert visitor.does(["all"]).results == [{"m": 2}]

    def test_clear_empties_the_session_and_keeps_it(self, visitor: Visitor) -> None:
        visitor.does(["put", "n", 1])
        log_id = visitor.does(["ask", "log_id"]).results
        visitor.does(["clear"])

        assert visitor.does(["all"], ["ask", "is_new"]).results == [{}, False]
        assert visitor.does(["ask", "log_id"]).results == log_id

    def test_drop_ends_the_session_and_its_cookie(self, visitor: Visitor) -> None:
        visitor.does(["put", "n", 1])

        answer = visitor.does(["put", "n", 2], ["configure", _DROP], ["get", "n"])

        assert answer.results[-1] == 2
        assert (answer.expired.key, answer.expired.value) == (KEY, "")
        assert answer.expired.attributes == {
            "path": "/",
            "expires": "Thu, 01 Jan 1970 00:00:00 GMT",
            "max-age": "0",
            "httponly": "",
            "samesite": "Lax",
        }
        assert answer.cache_control == ["no-store"]
        assert KEY not in visitor.browser
        assert visitor.does(["all"], ["ask", "is_new"]).results == [{}, True]

    def test_drop_without_a_session_sends_nothing(self, visitor: Visitor) -> None:
        for cookie in ((), (f"{KEY}=forged",)):
            answer = visitor.sends(*cookie, actions=[["put", "n", 1], ["configure", _DROP]])

            assert answer.cookies == []

    def test_renew_keeps_the_data_under_a_new_cookie(self, visitor: Visitor) -> None:
        before = visitor.does(["put", "n", 1]).cookie.value

        answer = visitor.does(["configure", _RENEW])

        assert answer.cookie.value not in ("", before)
        assert visitor.does(["get", "n"]).results == [1]

    def test_renew_ends_the_old_id(self, visit_table: Visit, table: MemoryTable) -> None:
        visitor = visit_table(principal_key="user_id")
        visitor.does(["put", "n", 1])
        before = visitor.browser[KEY]
        visitor.does(["configure", _RENEW])

        assert visitor.sends(f"{KEY}={before}", actions=[["all"]]).results == [{}]

    def test_renewing_an_empty_anonymous_session_creates_nothing(self, visitor: Visitor) -> None:
        assert visitor.does(["configure", _RENEW]).cookies == []

        assert visitor.does(["all"], ["ask", "is_new"]).results == [{}, True]

    def test_ignore_forgets_the_changes_of_this_request(self, visitor: Visitor) -> None:
        visitor.does(["put", "n", 1])

        answer = visitor.does(["put", "n", 2], ["configure", _IGNORE], ["put", "m", 3], ["all"])

        assert answer.results[-1] == {"n": 2, "m": 3}
        assert answer.cookies == []
        assert visitor.does(["all"]).results == [{"n": 1}]

    @pytest.mark.parametrize(
        ("calls", "outcome"),
        [
            ([{"renew": True, "drop": True, "ignore": True}], "renewed"),
            ([{"drop": True, "ignore": True}], "dropped"),
            ([{"renew": False, "drop": False, "ignore": False}], "written"),
            ([_DROP, _RENEW], "renewed"),
            ([_RENEW, _DROP], "dropped"),
            ([_DROP, _IGNORE], "ignored"),
            ([_IGNORE, _DROP], "dropped"),
            ([_IGNORE, _RENEW], "renewed"),
            ([_DROP, {"drop": False}], "dropped"),
            ([_IGNORE, {"path": "/"}], "ignored"),
        ],
    )
    def test_renew_outranks_drop_outranks_ignore_and_the_last_call_counts(
        self, visit_table: Visit, calls: list[dict[str, Any]], outcome: str
    ) -> None:
        visitor = visit_table()
        visitor.does(["put", "n", 1])
        before = visitor.browser[KEY]

        answer = visitor.does(["put", "n", 2], *(["configure", call] for call in calls))

        sent = [line.value for line in answer.cookies]
        data = visitor.does(["get", "n"]).results
        match outcome:
            case "renewed":
                assert sent not in ([], [before], [""])
                assert data == [2]
            case "dropped":
                assert sent == [""]
                assert data == [None]
            case "ignored":
                assert sent == []
                assert data == [1]
            case _:
                assert sent == []
                assert data == [2]

    @pytest.mark.parametrize(("key", "text"), [(7, "7"), (None, "null"), (True, "true"), (0.5, "0.5")])
    def test_a_key_that_is_not_text_is_converted_to_text(self, visitor: Visitor, key: Any, text: str) -> None:
        answer = visitor.does(["put", key, 1], ["get", text])

        assert answer.results == [None, 1]
        assert visitor.does(["get", key], ["get", text]).results == [1, 1]

    def test_a_key_without_a_text_form_is_refused(self, visitor: Visitor) -> None:
        answer = visitor.does(["put", ["a"], 1])

        assert answer.status == 500
        assert answer.cookies == []

    def test_the_applications_own_cache_control_stays(self, visitor: Visitor) -> None:
        answer = visitor.does(["put", "n", 1], headers={"Cache-Control": "private, max-age=60"})

        assert sorted(answer.cache_control) == ["max-age=60", "private"]

    @pytest.mark.parametrize("own", ["Accept", "Accept, Cookie", "cookie", "Accept-Encoding,ACCEPT"])
    def test_vary_is_added_to_the_applications_own(self, visitor: Visitor, own: str) -> None:
        answer = visitor.does(["get", "n"], headers={"Vary": own})

        assert sorted(answer.vary) == sorted({*own.lower().replace(" ", "").split(","), "cookie"})

    def test_reading_moves_the_expiry_every_tenth_of_the_idle_timeout(self, visit: Visit, clock: FakeClock) -> None:
        visitor = visit(idle_timeout=timedelta(hours=10))
        visitor.does(["put", "n", 1])
        began = visitor.does(["ask", "expires"]).results
        clock.advance(timedelta(minutes=59))
        visitor.does(["get", "n"])
        early = visitor.does(["ask", "expires"]).results
        clock.advance(timedelta(minutes=1))
        visitor.does(["get", "n"])

        assert early == began
        assert visitor.does(["ask", "expires"]).results > began

    def test_an_unused_session_ends(self, visit: Visit, clock: FakeClock) -> None:
        visitor = visit(idle_timeout=timedelta(hours=10))
        visitor.does(["put", "n", 1])
        clock.advance(timedelta(hours=10))

        assert visitor.does(["all"]).results == [{}]

    def test_a_session_in_use_ends_at_the_absolute_timeout(self, visit: Visit, clock: FakeClock) -> None:
        visitor = visit(idle_timeout=timedelta(hours=10), absolute_timeout=timedelta(hours=24))
        visitor.does(["put", "n", 1])
        seen = []
        for _ in range(3):
            clock.advance(timedelta(hours=9))
            seen += visitor.does(["get", "n"]).results

        assert seen == [1, 1, None]

    def test_visitors_do_not_see_each_others_sessions(self, visitor: Visitor) -> None:
        other = visitor.another()
        visitor.does(["put", "n", 1])
        other.does(["put", "n", 2])

        assert visitor.does(["all"]).results == [{"n": 1}]
        assert other.does(["all"]).results == [{"n": 2}]

    def test_anonymous_requests_leave_no_row(self, visit_table: Visit, table: MemoryTable) -> None:
        visitor = visit_table(principal_key="user_id")
        for n in range(10):
            visitor.does(["get", "n"])
            visitor.sends(f"{KEY}={n:040}", actions=[["get", "n"]])
            visitor.sends(f"{KEY}={n:040}", actions=[["logout"]])
            visitor.does(["clear"], ["delete", "n"])

        assert len(table) == 0
