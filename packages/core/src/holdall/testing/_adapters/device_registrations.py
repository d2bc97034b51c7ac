"""Test the protocol of device-bound sessions: registration and refresh, with a browser that follows the draft."""

import json
import random
from datetime import timedelta
from typing import Any

import pytest

from holdall._events import Event
from holdall.testing._adapters.device_visitors import (
    BOUND,
    GRACE,
    MAX_AGE,
    OVERLAP,
    PATH,
    DeviceSuite,
    Owner,
    Thief,
)
from holdall.testing._adapters.suite import Visit
from holdall.testing._adapters.visitor import Visitor
from holdall.testing._browser import Browser
from holdall.testing._clients import Request
from holdall.testing._clock import FakeClock
from holdall.testing._device_browser import DeviceBrowser
from holdall.testing._device_keys import SoftwareKey

__all__ = ["RegistrationTests"]


class RegistrationTests(DeviceSuite, sealed=True):
    """How a session is bound to a device, and how it stays bound."""

    # Registration.

    def test_a_login_binds_the_session_unnoticed_by_the_application(self, owner: Owner, events: list[Event]) -> None:
        assert owner.browser.trips == [(f"{PATH}/register", 200)]
        assert owner.does(["ask", "device_bound"], ["all"], ["put", "n", 1]) == [True, {"user_id": 7}, None]
        assert owner.does(["all"], ["ask", "device_bound"]) == [{"user_id": 7, "n": 1}, True]
        assert [event.name for event in events if event.name.startswith("device")] == ["device_bound"]

    def test_a_browser_without_support_keeps_its_session_unbound(self, visit: Visit, clock: FakeClock) -> None:
        visitor = visit(device_bound=True)
        offer = visitor.does(["login", 7], https=True)
        clock.advance(timedelta(days=1))

        assert len(offer.response.all("Secure-Session-Registration")) == 1
        assert visitor.does(["ask", "device_bound"], ["get", "user_id"], https=True).results == [False, 7]

    def test_registration_is_offered_only_to_logged_in_users_over_https(self, visit: Visit) -> None:
        visitor = visit(device_bound=True)

        assert visitor.does(["put", "n", 1], https=True).response.all("Secure-Session-Registration") == []
        assert visitor.does(["login", 7]).response.all("Secure-Session-Registration") == []

    def test_registration_is_not_offered_unless_it_is_enabled(self, visit: Visit) -> None:
        answer = visit().does(["login", 7], https=True)

        assert answer.response.all("Secure-Session-Registration") == []
        assert answer.status == 200

    def test_a_request_in_flight_during_registration_keeps_its_write_and_the_binding(
        self, visit: Visit, clock: FakeClock, events: list[Event], keeps_rows: bool
    ) -> None:
        owner = Owner(visit(device_bound=True), clock, events)
        owner.browser.registers = False
        offer = owner.answer_to(["login", 7])
        page = owner.browser.thief()
        (value,) = offer.all("Secure-Session-Registration")
        owner.browser.register(value, Request(https=True))

        late = Thief(page)
        assert late.does(["put", "n", 1]) == [None]
        owner.browser.keep([f"{each.name}={each.value}; path=/; secure" for each in page.jar], https=True)

        assert owner.does(["ask", "device_bound"], ["get", "n"]) == [True, 1]
        owner.passes(GRACE + MAX_AGE + OVERLAP)
        stolen = owner.steals()
        assert stolen.does(["all"]) == [{}]
        assert owner.does(["get", "n"]) == [1]

    def test_requests_after_the_login_repeat_no_offer(
        self, visit: Visit, clock: FakeClock, events: list[Event]
    ) -> None:
        """A second offer would make the browser register another key, which a session in a cookie could not refuse."""
        owner = Owner(visit(device_bound=True), clock, events)
        owner.browser.registers = False
        assert len(owner.answer_to(["login", 7]).all("Secure-Session-Registration")) == 1

        assert owner.answer_to(["put", "n", 1]).all("Secure-Session-Registration") == []
        # A new ID makes the offer void.
        assert len(owner.answer_to(["configure", "renew", True]).all("Secure-Session-Registration")) == 1

    @pytest.mark.parametrize("change", [["delete", "_holdall_device"], ["put", "_holdall_device", "s.x.0"]])
    def test_the_application_cannot_undo_the_binding(self, owner: Owner, change: list[Any]) -> None:
        owner.does(change)

        assert owner.does(["ask", "device_bound"], ["get", "_holdall_device"]) == [True, None]

    @pytest.mark.parametrize(
        "headers", [[], [("Secure-Session-Response", "garbage")], [("Secure-Session-Response", "")]]
    )
    def test_a_registration_without_a_proof_is_refused(
        self, visit: Visit, clock: FakeClock, events: list[Event], headers: list[tuple[str, str]]
    ) -> None:
        owner = Owner(visit(device_bound=True), clock, events)
        owner.browser.registers = False
        owner.answer_to(["login", 7])

        assert owner.browser.post(f"{PATH}/register", headers).status == 400
        assert len(owner.refused) == 1
        assert owner.does(["ask", "device_bound"]) == [False]

    def test_only_the_first_device_is_bound_and_only_by_its_challenge(
        self, visit: Visit, clock: FakeClock, events: list[Event]
    ) -> None:
        owner = Owner(visit(device_bound=True), clock, events)
        owner.browser.registers = False
        (offer,) = owner.answer_to(["login", 7]).all("Secure-Session-Registration")
        other = owner.another()
        other.browser.registers = False
        (theirs,) = other.answer_to(["login", 8]).all("Secure-Session-Registration")

        assert owner.browser.register(theirs, Request(https=True)).status == 400
        assert owner.browser.register(offer, Request(https=True)).status == 200
        assert (
            Thief(owner.browser.thief())
            .sends(
                f"{PATH}/register",
                [("Secure-Session-Response", SoftwareKey().proof(offer.split('"')[3], brings_key=True))],
            )
            .status
            == 400
        )
        assert owner.refused == ["a registration with a wrong challenge", "a second registration"]

    def test_an_offer_expires(self, visit: Visit, clock: FakeClock, events: list[Event]) -> None:
        owner = Owner(visit(device_bound=True), clock, events)
        owner.browser.registers = False
        (offer,) = owner.answer_to(["login", 7]).all("Secure-Session-Registration")
        owner.passes(timedelta(hours=1))

        assert owner.browser.register(offer, Request(https=True)).status == 400

    def test_a_registration_needs_a_login(self, owner: Owner) -> None:
        stranger = DeviceBrowser(owner._visitor.client)

        assert stranger.post(f"{PATH}/register", []).status == 400
        assert owner.refused == ["a registration without a login"]

    def test_the_endpoints_accept_only_a_post_over_https(self, owner: Owner) -> None:
        for path in (f"{PATH}/register", f"{PATH}/refresh"):
            response = owner.browser.thief().send(Request("GET", path, https=True))
            assert (response.status, response.all("Allow")) == (405, ["POST"])
            assert owner.browser.post(path, [], https=False).status == 400

    # Refresh.

    def test_the_first_refresh_takes_two_trips_and_later_ones_take_one(self, owner: Owner) -> None:
        owner.browser.trips.clear()
        values = set()
        for trips in ([403, 200], [200], [200]):
            owner.passes(MAX_AGE)
            assert owner.does(["get", "user_id"]) == [7]
            assert [status for _, status in owner.browser.trips] == trips
            owner.browser.trips.clear()
            values.add(owner.browser[BOUND])

        assert len(values) == 3
        assert owner.refused == []

    def test_a_refresh_works_after_a_long_time(self, owner: Owner) -> None:
        owner.passes(MAX_AGE)
        owner.does(["get", "user_id"])
        owner.passes(timedelta(days=6))

        # The challenge that the browser has kept has expired, which is no alarm.
        owner.browser.trips.clear()
        assert owner.does(["get", "user_id"]) == [7]
        assert [status for _, status in owner.browser.trips] == [403, 200]
        assert owner.refused == []

    def test_two_tabs_refresh_with_one_challenge(self, owner: Owner) -> None:
        owner.passes(MAX_AGE)
        owner.does(["get", "user_id"])
        headers = owner.browser.refresh_headers(owner.session)

        first, second = (owner.browser.post(f"{PATH}/refresh", headers) for _ in range(2))

        assert (first.status, second.status) == (200, 200)
        assert owner.does(["get", "user_id"]) == [7]
        assert owner.refused == []

    def test_a_proof_is_not_accepted_twice(self, owner: Owner, keeps_rows: bool) -> None:
        owner.passes(MAX_AGE)
        owner.does(["get", "user_id"])
        headers = owner.browser.refresh_headers(owner.session)
        assert owner.browser.post(f"{PATH}/refresh", headers).status == 200
        owner.passes(OVERLAP)
        # A session in a cookie counts no uses, so a proof is valid there until the challenge expires.
        if not keeps_rows:
            owner.passes(3 * MAX_AGE)

        assert owner.steals().sends(f"{PATH}/refresh", headers).status == 403
        assert owner.refused == (["an old challenge"] if keeps_rows else [])

    def test_requests_without_the_key_push_out_no_challenge(self, owner: Owner) -> None:
        owner.passes(MAX_AGE)
        owner.does(["get", "user_id"])
        for _ in range(3):
            assert (
                owner.steals().sends(f"{PATH}/refresh", owner.browser.refresh_headers(owner.session)[:1]).status == 403
            )
        owner.passes(MAX_AGE)
        owner.browser.trips.clear()

        assert owner.does(["get", "user_id"]) == [7]
        assert owner.browser.trips == [(f"{PATH}/refresh", 200)]

    def test_a_proof_for_another_session_is_refused(self, owner: Owner, clock: FakeClock, events: list[Event]) -> None:
        other = Owner(Visitor(owner._visitor.client, clock), clock, events)
        other.does(["login", 8])
        for each in (owner, other):
            each.passes(MAX_AGE)
            each.does(["get", "user_id"])

        answer = owner.steals().sends(f"{PATH}/refresh", other.browser.refresh_headers(other.session))

        assert json.loads(answer.body)["continue"] is False
        assert (owner.does(["get", "user_id"]), other.does(["get", "user_id"])) == ([7], [8])

    def test_a_wrong_signature_ends_the_session(self, owner: Owner, keeps_rows: bool) -> None:
        owner.passes(MAX_AGE)
        owner.does(["get", "user_id"])
        thief, challenge = owner.steals(), owner.session.challenge or ""
        proof = SoftwareKey().proof(challenge, brings_key=False)

        answer = thief.sends(
            f"{PATH}/refresh", [("Sec-Secure-Session-Id", owner.session.id), ("Secure-Session-Response", proof)]
        )

        assert (answer.status, json.loads(answer.body)["continue"]) == (200, False)
        assert owner.refused == ["a wrong signature"]
        # A session in a cookie leaves nothing on the server that could be ended.
        assert owner.does(["get", "user_id"]) == [None if keeps_rows else 7]

    @pytest.mark.parametrize("registers", [True, False], ids=["a key", "garbage"])
    def test_a_malformed_proof_is_refused_and_ends_nothing(self, owner: Owner, registers: bool) -> None:
        proof = SoftwareKey().proof("x", brings_key=True) if registers else "garbage"
        thief = owner.steals()

        answer = thief.sends(
            f"{PATH}/refresh", [("Sec-Secure-Session-Id", owner.session.id), ("Secure-Session-Response", proof)]
        )

        assert (answer.status, len(owner.refused)) == (400, 1)
        owner.passes(MAX_AGE)
        assert owner.does(["get", "user_id"]) == [7]

    def test_no_mutated_proof_is_accepted_or_causes_an_error(self, owner: Owner) -> None:
        dice = random.Random(20260301)  # noqa: S311  # test data may be predictable
        owner.passes(MAX_AGE)
        owner.does(["get", "user_id"])
        session = owner.session
        _, (name, proof) = owner.browser.refresh_headers(session)

        for _ in range(25):
            place = dice.randrange(1, len(proof) - 1)
            mutant = proof[:place] + dice.choice("Aa0-_.=%") + proof[place + 1 :]
            if mutant != proof:
                answer = owner.steals().sends(
                    f"{PATH}/refresh", [("Sec-Secure-Session-Id", session.id), (name, mutant)]
                )
                assert BOUND not in str([line for line in answer.all("Set-Cookie") if "Max-Age=600" in line])
                assert answer.status in (200, 400, 403)

    @pytest.mark.parametrize("binding_id", ["", "x", "A" * 32, "\xe9" * 32, '"', None])
    def test_a_refresh_of_an_unknown_session_ends_it_in_the_browser(self, owner: Owner, binding_id: str | None) -> None:
        headers = [] if binding_id is None else [("Sec-Secure-Session-Id", binding_id)]

        for thief in (owner.steals(), Thief(Browser(owner._visitor.client))):
            answer = thief.sends(f"{PATH}/refresh", headers)
            assert json.loads(answer.body)["continue"] is False
        assert owner.does(["get", "user_id"]) == [7]
