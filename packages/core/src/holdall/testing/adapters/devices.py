"""Sessions that are bound to the visitor's device, with a browser that follows the draft."""

import json
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import pytest

from holdall._sessions import Sessions
from holdall.device_bound import DeviceBound
from holdall.events import Event
from holdall.stores import TableStore
from holdall.tables import MemoryTable
from holdall.testing.adapters.suite import KEY, AdapterSuite, Mount, Visit, cookie_store
from holdall.testing.adapters.visitor import Visitor
from holdall.testing.browser import Browser
from holdall.testing.clients import Client, Request, Response
from holdall.testing.clock import FakeClock
from holdall.testing.device_browser import DeviceBrowser, DeviceSession
from holdall.testing.device_keys import SoftwareKey

__all__ = ["DeviceTests"]

PATH = "/device-bound-session"
BOUND = f"{KEY}-bound"
MAX_AGE, GRACE, OVERLAP = timedelta(minutes=10), timedelta(minutes=1), timedelta(seconds=30)


class Owner:
    """A visitor who has logged in over HTTPS, with a browser that binds sessions."""

    def __init__(self, visitor: Visitor, clock: FakeClock, events: list[Event]) -> None:
        self.browser = DeviceBrowser(visitor.client, clock=clock)
        self._clock = clock
        self._events = events
        self.at(visitor.client)

    def does(self, *actions: list[Any], **options: Any) -> list[Any]:
        """Return the results of *actions*."""
        return self._visitor.does(*actions, https=True, **options).results

    def answer_to(self, *actions: list[Any], **options: Any) -> Response:
        return self._visitor.does(*actions, https=True, **options).response

    @property
    def session(self) -> DeviceSession:
        (session,) = self.browser.sessions
        return session

    def another(self) -> "Owner":
        """Return another visitor, who has not logged in yet."""
        return Owner(self._visitor, self._clock, self._events)

    def at(self, client: Client) -> None:
        """Go on at another application of the host."""
        self._visitor = Visitor(client, self._clock, self.browser)
        self.browser = cast("DeviceBrowser", self._visitor.browser)

    def steals(self) -> "Thief":
        return Thief(self.browser.thief())

    def passes(self, by: timedelta) -> None:
        self._clock.advance(by)

    @property
    def refused(self) -> list[str]:
        """The reasons for refusals so far."""
        return [event.reason for event in self._events if event.name == "device_refused"]


class Thief:
    """A thief who has a copy of the cookies, but not the device."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    def does(self, *actions: list[Any]) -> list[Any]:
        results: list[Any] = json.loads(self.sends("/", [], *actions).body)["results"]
        return results

    def sends(self, path: str, headers: list[tuple[str, str]], *actions: list[Any]) -> Response:
        body = json.dumps({"actions": actions}).encode()
        return self.browser.send(
            Request("POST", path, [("Content-Type", "application/json"), *headers], body, https=True)
        )


Owns = Callable[..., Owner]


class DeviceTests(AdapterSuite, sealed=True):
    """What ``Sessions(device_bound=True)`` promises, in every framework."""

    @pytest.fixture(autouse=True)
    def skip_what_binds_devices(self, request: pytest.FixtureRequest) -> None:
        """Skip the tests of this class alone, of all that a suite has."""
        if not self.binds_devices and request.function.__qualname__.startswith(f"{DeviceTests.__name__}."):
            pytest.skip("the adapter does not answer a browser that binds sessions to its device")

    @pytest.fixture
    def owns(self, visit: Visit, clock: FakeClock, events: list[Event]) -> Owns:
        """Log a visitor in, with options of ``DeviceBound``."""

        def owns(**options: Any) -> Owner:
            owner = Owner(visit(device_bound=DeviceBound(**options)), clock, events)
            owner.does(["login", 7])
            return owner

        return owns

    @pytest.fixture
    def owner(self, owns: Owns) -> Owner:
        return owns()

    @pytest.fixture
    def keeps_rows(self, request: pytest.FixtureRequest) -> bool:
        """Whether this test's sessions are in a table."""
        # A third party's visit may have no parameters, because all its sessions are in one kind of table.
        chosen = getattr(request.node, "callspec", None)
        return chosen is None or chosen.params.get("visit", "table") == "table"

    # Registration.

    def test_a_login_binds_the_session_and_nothing_is_seen_of_it(self, owner: Owner, events: list[Event]) -> None:
        assert owner.browser.trips == [(f"{PATH}/register", 200)]
        assert owner.does(["ask", "device_bound"], ["all"], ["put", "n", 1]) == [True, {"user_id": 7}, None]
        assert owner.does(["all"], ["ask", "device_bound"]) == [{"user_id": 7, "n": 1}, True]
        assert [event.name for event in events if event.name.startswith("device")] == ["device_bound"]

    def test_a_browser_that_does_not_know_of_it_goes_on_for_ever(self, visit: Visit, clock: FakeClock) -> None:
        visitor = visit(device_bound=True)
        offer = visitor.does(["login", 7], https=True)
        clock.advance(timedelta(days=1))

        assert len(offer.response.all("Secure-Session-Registration")) == 1
        assert visitor.does(["ask", "device_bound"], ["get", "user_id"], https=True).results == [False, 7]

    def test_it_is_offered_to_nobody_who_is_not_logged_in_and_not_by_http(self, visit: Visit) -> None:
        visitor = visit(device_bound=True)

        assert visitor.does(["put", "n", 1], https=True).response.all("Secure-Session-Registration") == []
        assert visitor.does(["login", 7]).response.all("Secure-Session-Registration") == []

    def test_it_is_not_offered_where_it_is_off(self, visit: Visit) -> None:
        answer = visit().does(["login", 7], https=True)

        assert answer.response.all("Secure-Session-Registration") == []
        assert answer.status == 200

    def test_a_page_that_was_on_its_way_neither_loses_its_write_nor_undoes_the_binding(
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

    def test_what_follows_the_login_offers_nothing_more(
        self, visit: Visit, clock: FakeClock, events: list[Event]
    ) -> None:
        """A browser would register a second key at the same time, and in a cookie nothing could refuse it."""
        owner = Owner(visit(device_bound=True), clock, events)
        owner.browser.registers = False
        assert len(owner.answer_to(["login", 7]).all("Secure-Session-Registration")) == 1

        assert owner.answer_to(["put", "n", 1]).all("Secure-Session-Registration") == []
        # A new ID makes the offer void.
        assert len(owner.answer_to(["configure", "renew", True]).all("Secure-Session-Registration")) == 1

    @pytest.mark.parametrize("change", [["delete", "_holdall_device"], ["put", "_holdall_device", "s.x.0"]])
    def test_the_application_cannot_undo_it(self, owner: Owner, change: list[Any]) -> None:
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

    def test_an_offer_ends(self, visit: Visit, clock: FakeClock, events: list[Event]) -> None:
        owner = Owner(visit(device_bound=True), clock, events)
        owner.browser.registers = False
        (offer,) = owner.answer_to(["login", 7]).all("Secure-Session-Registration")
        owner.passes(timedelta(hours=1))

        assert owner.browser.register(offer, Request(https=True)).status == 400

    def test_a_registration_needs_a_login(self, owner: Owner) -> None:
        stranger = DeviceBrowser(owner._visitor.client)

        assert stranger.post(f"{PATH}/register", []).status == 400
        assert owner.refused == ["a registration without a login"]

    def test_the_endpoints_take_a_post_by_https_and_nothing_else(self, owner: Owner) -> None:
        for path in (f"{PATH}/register", f"{PATH}/refresh"):
            response = owner.browser.thief().send(Request("GET", path, https=True))
            assert (response.status, response.all("Allow")) == (405, ["POST"])
            assert owner.browser.post(path, [], https=False).status == 400

    # Refresh.

    def test_a_refresh_takes_two_trips_and_then_one(self, owner: Owner) -> None:
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

    def test_it_works_after_a_long_time(self, owner: Owner) -> None:
        owner.passes(MAX_AGE)
        owner.does(["get", "user_id"])
        owner.passes(timedelta(days=6))

        # The challenge that the browser has kept is over, which is no alarm.
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

    def test_a_proof_is_not_taken_again(self, owner: Owner, keeps_rows: bool) -> None:
        owner.passes(MAX_AGE)
        owner.does(["get", "user_id"])
        headers = owner.browser.refresh_headers(owner.session)
        assert owner.browser.post(f"{PATH}/refresh", headers).status == 200
        owner.passes(OVERLAP)
        # In a cookie nothing counts how often: there it is valid until the challenge ends.
        if not keeps_rows:
            owner.passes(3 * MAX_AGE)

        assert owner.steals().sends(f"{PATH}/refresh", headers).status == 403
        assert owner.refused == (["an old challenge"] if keeps_rows else [])

    def test_somebody_who_asks_without_the_key_pushes_out_no_challenge(self, owner: Owner) -> None:
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

    def test_a_proof_for_another_session_is_worth_nothing(
        self, owner: Owner, clock: FakeClock, events: list[Event]
    ) -> None:
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
        # Nothing is kept of a cookie's session that could be ended.
        assert owner.does(["get", "user_id"]) == [None if keeps_rows else 7]

    @pytest.mark.parametrize("registers", [True, False], ids=["a key", "garbage"])
    def test_a_proof_that_cannot_be_read_is_refused_and_ends_nothing(self, owner: Owner, registers: bool) -> None:
        proof = SoftwareKey().proof("x", brings_key=True) if registers else "garbage"
        thief = owner.steals()

        answer = thief.sends(
            f"{PATH}/refresh", [("Sec-Secure-Session-Id", owner.session.id), ("Secure-Session-Response", proof)]
        )

        assert (answer.status, len(owner.refused)) == (400, 1)
        owner.passes(MAX_AGE)
        assert owner.does(["get", "user_id"]) == [7]

    def test_no_mutated_proof_is_taken_and_none_makes_a_failure(self, owner: Owner) -> None:
        dice = random.Random(20260301)  # noqa: S311  # nobody gains by foreseeing it
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
    def test_a_refresh_of_no_session_of_ours_ends_in_the_browser(self, owner: Owner, binding_id: str | None) -> None:
        headers = [] if binding_id is None else [("Sec-Secure-Session-Id", binding_id)]

        for thief in (owner.steals(), Thief(Browser(owner._visitor.client))):
            answer = thief.sends(f"{PATH}/refresh", headers)
            assert json.loads(answer.body)["continue"] is False
        assert owner.does(["get", "user_id"]) == [7]

    # Theft.

    def test_a_copy_of_the_cookies_is_worth_as_much_as_the_bound_cookie(self, owner: Owner) -> None:
        thief = owner.steals()
        owner.passes(MAX_AGE - timedelta(seconds=1))
        assert thief.does(["get", "user_id"]) == [7]

        owner.passes(OVERLAP + timedelta(seconds=1))

        assert thief.does(["all"], ["ask", "device_bound"]) == [{}, False]
        assert owner.refused == ["no bound cookie"]
        assert owner.does(["get", "user_id"]) == [7]

    def test_without_the_bound_cookie_it_is_worth_the_grace(self, owner: Owner) -> None:
        thief = owner.steals()
        thief.browser.keep([f"{BOUND}=; path=/; secure; Max-Age=0"], https=True)
        assert thief.does(["get", "user_id"]) == [7]

        owner.passes(GRACE)

        assert thief.does(["get", "user_id"]) == [None]
        assert owner.does(["get", "user_id"]) == [7]

    @pytest.mark.parametrize("act", [["logout"], ["put", "n", 1], ["configure", "drop", True], ["login", 9]])
    def test_what_a_thief_does_without_it_leaves_the_session_alone(self, owner: Owner, act: list[Any]) -> None:
        thief = owner.steals()
        owner.passes(MAX_AGE + OVERLAP)
        thief.does(act)

        assert owner.does(["all"]) == [{"user_id": 7}]

    def test_a_renewal_by_a_thief_does_not_set_the_session_free(self, owner: Owner) -> None:
        thief = owner.steals()
        answer = thief.sends("/", [], ["configure", "renew", True])

        assert answer.all("Secure-Session-Registration") == []
        owner.passes(MAX_AGE + OVERLAP)
        assert thief.does(["all"]) == [{}]

    def test_the_bound_cookie_of_another_session_does_not_count(self, owner: Owner) -> None:
        other = owner.another()
        other.does(["login", 8])
        owner.passes(MAX_AGE)
        other.does(["get", "user_id"])
        thief = owner.steals()
        thief.browser.keep([f"{BOUND}={other.browser[BOUND]}; path=/; secure"], https=True)
        owner.passes(OVERLAP)

        assert thief.does(["get", "user_id"]) == [None]

    @pytest.mark.parametrize("value", ["x", "1", "99999999999.AAAAAAAAAAAAAAAA." + "A" * 43, "x" * 5000])
    def test_no_other_value_counts(self, owner: Owner, value: str) -> None:
        # From the next response on the session's own cookie says that it is bound.
        owner.does(["get", "user_id"])
        thief = owner.steals()
        owner.passes(MAX_AGE + OVERLAP)
        session = thief.browser[KEY]
        thief.browser = Browser(thief.browser._client)

        answer = thief.sends("/", [("Cookie", f"{KEY}={session}; {BOUND}={value}")], ["all"])

        assert json.loads(answer.body)["results"] == [{}]

    def test_a_report_is_all_there_is_with_enforce_report(self, owns: Owns) -> None:
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

    # Endings, and what else happens to a session.

    def test_a_logout_ends_it_in_the_browser(self, owner: Owner) -> None:
        owner.does(["logout"])

        assert BOUND not in owner.browser
        assert owner.does(["all"]) == [{}]
        assert owner.browser.sessions == []
        assert owner.refused == []

    def test_a_logout_elsewhere_ends_it_at_the_next_refresh(self, owner: Owner, keeps_rows: bool) -> None:
        if not keeps_rows:
            pytest.skip("a session in its cookie cannot be ended elsewhere")
        assert owner.steals().does(["logout"]) == [None]
        owner.passes(MAX_AGE)

        assert owner.does(["all"]) == [{}]
        assert owner.browser.sessions == []

    def test_a_new_login_begins_a_binding_of_its_own(self, owner: Owner) -> None:
        first = owner.session
        owner.does(["login", 8])
        owner.passes(MAX_AGE)

        assert owner.does(["get", "user_id"], ["ask", "device_bound"]) == [8, True]
        assert first.id not in [each.id for each in owner.browser.sessions]

    def test_a_renewal_carries_it(self, owner: Owner) -> None:
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

    def test_what_the_browser_could_not_do_is_reported(self, owner: Owner, events: list[Event]) -> None:
        owner.passes(MAX_AGE + OVERLAP)
        owner.browser.reaches = False

        assert owner.does(["get", "user_id"]) == [None]
        assert [event.reason for event in events if event.name == "device_skipped"] == ["unreachable"]
        owner.browser.reaches = True
        assert owner.does(["get", "user_id"]) == [7]

    def test_an_excluded_path_does_not_wait_and_is_no_way_in(self, owns: Owns) -> None:
        owner = owns(exclude=["/static/"])
        owner.passes(MAX_AGE + OVERLAP)
        owner.browser.trips.clear()

        assert owner.does(["get", "user_id"], path="/static/logo") == [None]
        assert owner.browser.trips == []
        assert owner.does(["get", "user_id"]) == [7]

    def test_a_server_that_starts_again_goes_on_with_it(
        self, mount: Mount, clock: FakeClock, events: list[Event], table: MemoryTable
    ) -> None:
        for store in (lambda: TableStore(table), cookie_store):
            clients = [
                mount(Sessions(store(), key=KEY, clock=each, device_bound=True, on_event=events.append))
                # And its clock is a little wrong.
                for each in (clock, lambda: clock() + timedelta(seconds=20), lambda: clock() - timedelta(seconds=20))
            ]
            owner = Owner(Visitor(clients[0], clock), clock, events)
            owner.does(["login", 7])
            for client in (*clients, *clients):
                owner.at(client)
                owner.passes(MAX_AGE / 2)
                assert owner.does(["get", "user_id"], ["ask", "device_bound"]) == [7, True]
            assert owner.refused == []

    def test_it_works_where_the_application_is_mounted(
        self, visit: Visit, clock: FakeClock, events: list[Event]
    ) -> None:
        owner = Owner(visit(device_bound=DeviceBound(path="/bind", exclude=["/static/"])), clock, events)
        send = owner.browser.send
        body = b'{"actions": [["login", 7]]}'
        headers = [("Content-Type", "application/json")]

        answer = send(Request("POST", "/shop/", headers, body, https=True, root="/shop"))

        assert answer.status == 200
        assert owner.browser.trips == [("/shop/bind/register", 200)]
        assert owner.session.instructions["refresh_url"] == "/shop/bind/refresh"
        assert owner.session.includes("/static/")
        assert not owner.session.includes("/shop/static/x")
        owner.passes(MAX_AGE)
        body = b'{"actions": [["get", "user_id"]]}'
        answer = send(Request("POST", "/shop/", headers, body, https=True, root="/shop"))
        assert json.loads(answer.body)["results"] == [7]
