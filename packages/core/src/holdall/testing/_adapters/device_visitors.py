"""Visitors of an application that binds sessions: the owner of a device, and a thief who copied the cookies."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import pytest

from holdall._events import Event
from holdall.device_bound import DeviceBound
from holdall.testing._adapters.suite import KEY, AdapterSuite, Visit
from holdall.testing._adapters.visitor import Visitor
from holdall.testing._browser import Browser
from holdall.testing._clients import Client, Request, Response
from holdall.testing._clock import FakeClock
from holdall.testing._device_browser import DeviceBrowser, DeviceSession

__all__ = ["BOUND", "GRACE", "MAX_AGE", "OVERLAP", "PATH", "DeviceSuite", "Owner", "Owns", "Thief"]

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
        """Continue at another application on the host."""
        self._visitor = Visitor(client, self._clock, self.browser)
        self.browser = cast("DeviceBrowser", self._visitor.browser)

    def steals(self) -> "Thief":
        return Thief(self.browser.thief())

    def passes(self, by: timedelta) -> None:
        self._clock.advance(by)

    @property
    def refused(self) -> list[str]:
        """Return the reasons for refusals so far."""
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


class DeviceSuite(AdapterSuite, sealed=True):
    """Fixtures for tests of device-bound sessions."""

    @pytest.fixture(autouse=True)
    def skip_what_binds_devices(self, request: pytest.FixtureRequest) -> None:
        """Skip the tests of these classes, and none of a suite's others."""
        if not self.binds_devices and request.function.__qualname__.startswith(("RegistrationTests.", "DeviceTests.")):
            pytest.skip("the adapter does not support device-bound sessions")

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
        """Return whether this test's sessions are in a table."""
        # A third party's visit may take no parameters, because all its sessions are in one kind of table.
        chosen = getattr(request.node, "callspec", None)
        return chosen is None or chosen.params.get("visit", "table") == "table"
