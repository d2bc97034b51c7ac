"""Test what binding a session to the visitor's device protects against, and how a binding ends."""

import json
from datetime import timedelta
from typing import Any

import pytest

from holdall._events import Event
from holdall._sessions import Sessions
from holdall.device_bound import DeviceBound
from holdall.stores import TableStore
from holdall.tables import MemoryTable
from holdall.testing._adapters.device_registrations import RegistrationTests
from holdall.testing._adapters.device_visitors import BOUND, GRACE, MAX_AGE, OVERLAP, PATH, Owner, Owns
from holdall.testing._adapters.suite import KEY, Mount, Visit, cookie_store
from holdall.testing._adapters.visitor import Visitor
from holdall.testing._browser import Browser
from holdall.testing._clients import Request
from holdall.testing._clock import FakeClock
from holdall.testing._device_keys import SoftwareKey

__all__ = ["DeviceTests"]


class DeviceTests(RegistrationTests, sealed=True):
    """The promises of ``Sessions(device_bound=True)``, in every framework."""

    # Theft.

    def test_copied_cookies_work_only_as_long_as_the_bound_cookie(self, owner: Owner) -> None:
        thief = owner.steals()
        owner.passes(MAX_AGE - timedelta(seconds=1))
        assert thief.does(["get", "user_id"]) == [7]

        owner.passes(OVERLAP + timedelta(seconds=1))

        assert thief.does(["all"], ["ask", "device_bound"]) == [{}, False]
        assert owner.refused == ["no bound cookie"]
        assert owner.does(["get", "user_id"]) == [7]

    def test_without_the_bound_cookie_copied_cookies_work_only_during_the_grace_period(self, owner: Owner) -> None:
        thief = owner.steals()
        thief.browser.keep([f"{BOUND}=; path=/; secure; Max-Age=0"], https=True)
        assert thief.does(["get", "user_id"]) == [7]

        owner.passes(GRACE)

        assert thief.does(["get", "user_id"]) == [None]
        assert owner.does(["get", "user_id"]) == [7]

    @pytest.mark.parametrize("act", [["logout"], ["put", "n", 1], ["configure", "drop", True], ["login", 9]])
    def test_a_thief_without_the_bound_cookie_cannot_change_the_session(self, owner: Owner, act: list[Any]) -> None:
        thief = owner.steals()
        owner.passes(MAX_AGE + OVERLAP)
        thief.does(act)

        assert owner.does(["all"]) == [{"user_id": 7}]

    def test_a_renewal_by_a_thief_does_not_unbind_the_session(self, owner: Owner) -> None:
        thief = owner.steals()
        answer = thief.sends("/", [], ["configure", "renew", True])

        assert answer.all("Secure-Session-Registration") == []
        owner.passes(MAX_AGE + OVERLAP)
        assert thief.does(["all"]) == [{}]

    def test_the_bound_cookie_of_another_session_is_refused(self, owner: Owner) -> None:
        other = owner.another()
        other.does(["login", 8])
        owner.passes(MAX_AGE)
        other.does(["get", "user_id"])
        thief = owner.steals()
        thief.browser.keep([f"{BOUND}={other.browser[BOUND]}; path=/; secure"], https=True)
        owner.passes(OVERLAP)

        assert thief.does(["get", "user_id"]) == [None]

    @pytest.mark.parametrize("value", ["x", "1", "99999999999.AAAAAAAAAAAAAAAA." + "A" * 43, "x" * 5000])
    def test_no_other_value_is_accepted(self, owner: Owner, value: str) -> None:
        # From the next response on, the session's own cookie says that it is bound.
        owner.does(["get", "user_id"])
        thief = owner.steals()
        owner.passes(MAX_AGE + OVERLAP)
        session = thief.browser[KEY]
        thief.browser = Browser(thief.browser._client)

        answer = thief.sends("/", [("Cookie", f"{KEY}={session}; {BOUND}={value}")], ["all"])

        assert json.loads(answer.body)["results"] == [{}]

    def test_enforce_report_only_reports(self, owns: Owns) -> None:
        owner = owns(enforce="report")
        thief = owner.steals()
        owner.passes(MAX_AGE + OVERLAP)
        assert thief.does(["get", "user_id"]) == [7]

        owner.does(["get", "user_id"])
        challenge = owner.session.challenge or ""
        proof = SoftwareKey().proof(challenge, brings_key=False)
        thief.sends(
            f"{PATH}/refresh", [("Sec-Secure-Session-Id", owner.session.id), ("Secure-Session-Response", proof)]
        )

        assert owner.refused == ["no bound cookie", "a wrong signature"]
        assert owner.does(["get", "user_id"]) == [7]

    # Ends, and other changes of a session.

    def test_a_logout_ends_the_binding_in_the_browser(self, owner: Owner) -> None:
        owner.does(["logout"])

        assert BOUND not in owner.browser
        assert owner.does(["all"]) == [{}]
        assert owner.browser.sessions == []
        assert owner.refused == []

    def test_a_logout_elsewhere_ends_the_binding_at_the_next_refresh(self, owner: Owner, keeps_rows: bool) -> None:
        if not keeps_rows:
            pytest.skip("a session in its cookie cannot be ended elsewhere")
        assert owner.steals().does(["logout"]) == [None]
        owner.passes(MAX_AGE)

        assert owner.does(["all"]) == [{}]
        assert owner.browser.sessions == []

    def test_a_new_login_begins_its_own_binding(self, owner: Owner) -> None:
        first = owner.session
        owner.does(["login", 8])
        owner.passes(MAX_AGE)

        assert owner.does(["get", "user_id"], ["ask", "device_bound"]) == [8, True]
        assert first.id not in [each.id for each in owner.browser.sessions]

    def test_a_renewal_keeps_the_binding(self, owner: Owner) -> None:
        before, bound = owner.browser[KEY], owner.session.id
        owner.does(["configure", "renew", True])
        assert owner.browser[KEY] != before
        assert owner.does(["ask", "device_bound"]) == [True]

        for _ in range(2):
            owner.passes(MAX_AGE)
            assert owner.does(["get", "user_id"]) == [7]

        assert owner.session.id == bound

    def test_a_refresh_with_the_cookie_from_before_a_renewal_succeeds(self, owner: Owner) -> None:
        owner.passes(MAX_AGE)
        owner.does(["get", "user_id"])
        tab = owner.steals()
        owner.does(["configure", "renew", True])
        owner.passes(timedelta(seconds=1))

        answer = tab.sends(f"{PATH}/refresh", owner.browser.refresh_headers(owner.session))

        assert answer.status == 200
        owner.browser.keep(answer.all("Set-Cookie"), https=True)
        assert owner.does(["get", "user_id"]) == [7]

    def test_a_browsers_failure_is_reported(self, owner: Owner, events: list[Event]) -> None:
        owner.passes(MAX_AGE + OVERLAP)
        owner.browser.reaches = False

        assert owner.does(["get", "user_id"]) == [None]
        assert [event.reason for event in events if event.name == "device_skipped"] == ["unreachable"]
        owner.browser.reaches = True
        assert owner.does(["get", "user_id"]) == [7]

    def test_an_excluded_path_does_not_wait_and_does_not_bypass_the_check(self, owns: Owns) -> None:
        owner = owns(exclude=["/static/"])
        owner.passes(MAX_AGE + OVERLAP)
        owner.browser.trips.clear()

        assert owner.does(["get", "user_id"], path="/static/logo") == [None]
        assert owner.browser.trips == []
        assert owner.does(["get", "user_id"]) == [7]

    def test_a_restarted_server_continues_the_binding(
        self, mount: Mount, clock: FakeClock, events: list[Event], table: MemoryTable
    ) -> None:
        for store in (lambda: TableStore(table), cookie_store):
            clients = [
                mount(Sessions(store(), key=KEY, clock=each, device_bound=True, on_event=events.append))
                # The restarted server's clock is slightly wrong too.
                for each in (clock, lambda: clock() + timedelta(seconds=20), lambda: clock() - timedelta(seconds=20))
            ]
            owner = Owner(Visitor(clients[0], clock), clock, events)
            owner.does(["login", 7])
            for client in (*clients, *clients):
                owner.at(client)
                owner.passes(MAX_AGE / 2)
                assert owner.does(["get", "user_id"], ["ask", "device_bound"]) == [7, True]
            assert owner.refused == []

    @pytest.mark.parametrize(
        ("root", "shown"),
        [
            ("/shop", "/shop"),
            ("/t/caf%C3%A9", "/t/caf%C3%A9"),
            ("/t/%E6%9D%B1%E4%BA%AC", "/t/%E6%9D%B1%E4%BA%AC"),
            ("/t/a%22;path=%22evil", "/t/a%22%3Bpath=%22evil"),
            ("/t/50%25", "/t/50%25"),
        ],
    )
    def test_binding_works_in_a_mounted_application_whatever_its_path(
        self, visit: Visit, clock: FakeClock, events: list[Event], root: str, shown: str
    ) -> None:
        owner = Owner(visit(device_bound=DeviceBound(path="/bind", exclude=["/static/"])), clock, events)
        send = owner.browser.send
        body = b'{"actions": [["login", 7]]}'
        headers = [("Content-Type", "application/json")]

        answer = send(Request("POST", f"{root}/", headers, body, https=True, root=root))

        assert answer.status == 200
        assert owner.browser.trips == [(f"{shown}/bind/register", 200)]
        assert owner.session.instructions["refresh_url"] == f"{shown}/bind/refresh"
        assert owner.session.includes("/static/")
        assert not owner.session.includes(f"{shown}/static/x")
        owner.passes(MAX_AGE)
        body = b'{"actions": [["get", "user_id"]]}'
        answer = send(Request("POST", f"{root}/", headers, body, https=True, root=root))
        assert json.loads(answer.body)["results"] == [7]
