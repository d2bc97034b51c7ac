"""
A browser that binds sessions to its device, following the draft of Device Bound Session Credentials (sections 4 and 5).

If the server violates the draft, ``AssertionError`` is raised; a real browser would silently give up the session.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from holdall._clock import Clock, utc_now
from holdall.testing._browser import Browser
from holdall.testing._clients import HOST, Client, Request, Response
from holdall.testing._device_keys import SoftwareKey

__all__ = ["DeviceBrowser", "DeviceSession"]

_OFFER = re.compile(r'\(([\w ]+)\);path="([^"]+)";challenge="([^"]+)"')
_CHALLENGE = re.compile(r'"([^"]+)";id="([^"]+)"')

# A browser gives up after this many challenges for one refresh.
_MOST_CHALLENGES = 3


@dataclass
class DeviceSession:
    """
    A browser's data for a session that is bound to its device.

    Attributes:
        id: The server's name for the session.
        instructions: The JSON object in the response to the registration or a refresh.
        key: The device's key.
        challenge: The challenge to sign next; ``None`` if the browser must ask the server for it.
    """

    id: str
    instructions: dict[str, Any]
    key: SoftwareKey
    challenge: str | None = None

    @property
    def cookie(self) -> str:
        """Return the name of the bound cookie."""
        name: str = self.instructions["credentials"][0]["name"]
        return name

    def includes(self, path: str) -> bool:
        """Return whether requests for *path* wait for the bound cookie."""
        rules = self.instructions["scope"]["scope_specification"]
        excluded = [rule["path"] for rule in rules if rule["type"] == "exclude" and rule["domain"] == HOST]
        return path != self.instructions["refresh_url"] and not path.startswith(tuple(excluded))


@dataclass
class _Device:
    """The state that all tabs of a browser share besides its cookies."""

    sessions: dict[str, DeviceSession] = field(default_factory=dict)
    trips: list[tuple[str, int]] = field(default_factory=list)


class DeviceBrowser(Browser):
    """
    A browser with a device that can bind sessions.

    Attributes:
        reaches: It can reach the refresh endpoint; if not, it sends a request without the bound cookie.
        registers: It accepts offers; set it to ``False`` for a browser without support.
    """

    def __init__(self, client: Client | None = None, *, clock: Clock = utc_now, host: str = HOST) -> None:
        super().__init__(client, clock=clock, host=host)
        self._device = _Device()
        self.reaches = True
        self.registers = True
        self._root = ""

    @property
    def sessions(self) -> list[DeviceSession]:
        """Return the sessions that are bound to this device."""
        return list(self._device.sessions.values())

    @property
    def trips(self) -> list[tuple[str, int]]:
        """Return the requests that the browser made by itself: the path, and the response's status."""
        return self._device.trips

    def at(self, client: Client) -> "DeviceBrowser":
        browser = DeviceBrowser(client, clock=self._clock, host=self.host)
        browser._jar, browser._serials, browser._device = self._jar, self._serials, self._device
        browser.reaches, browser.registers = self.reaches, self.registers
        return browser

    def thief(self) -> Browser:
        """Return another browser that has a copy of the cookies, but not the key."""
        browser = Browser(self._client, clock=self._clock, host=self.host)
        browser._jar = dict(self._jar)
        return browser

    def send(self, request: Request) -> Response:
        """Send *request* once the bound cookies that it needs are there."""
        self._root = request.root
        for session in self._needed(request):
            if not self.reaches or not self.refresh(session):
                skipped = ("Secure-Session-Skipped", f'unreachable;session_identifier="{session.id}"')
                request = replace(request, headers=[*request.headers, skipped])
        response = super().send(request)
        self._note_challenges(response)
        for offer in response.all("Secure-Session-Registration") if self.registers else ():
            self.register(offer, request)
        return response

    def register(self, offer: str, request: Request) -> Response:
        """Create a key for the offer in the response to *request*, and register it."""
        parts = _OFFER.fullmatch(offer)
        assert parts is not None, "the offer is malformed"
        assert request.https, "an offer over HTTP is not secure"
        algorithms, path, challenge = parts.groups()
        key = SoftwareKey(algorithms.split()[0])
        # Chrome sends a bare token, although the draft says that it is quoted.
        response = self.post(path, [("Secure-Session-Response", key.proof(challenge, brings_key=True))])
        if response.status == 200:
            assert not response.all("Secure-Session-Challenge"), "a registration is answered without a challenge"
            self._instructed(response, key)
        return response

    def refresh(self, session: DeviceSession) -> bool:
        """Ask for a new bound cookie, and return whether the browser is done: it has one, or has given up."""
        for _ in range(_MOST_CHALLENGES):
            signed = session.challenge
            response = self.post(session.instructions["refresh_url"], self.refresh_headers(session))
            if response.status == 403:
                self._note_challenges(response)
                assert session.challenge not in (None, signed), "a 403 without a new challenge makes the browser loop"
                continue
            if response.status in (407, 429) or response.status >= 500:
                return False
            if response.status >= 400 or (response.body and not json.loads(response.body).get("continue", True)):
                self._device.sessions.pop(session.id, None)
                return True
            session.challenge = None
            self._note_challenges(response)
            self._instructed(response, session.key)
            return True
        return False

    def refresh_headers(self, session: DeviceSession) -> list[tuple[str, str]]:
        """Return the headers of a request for a new bound cookie, with a proof if there is a challenge to sign."""
        headers = [("Sec-Secure-Session-Id", f'"{session.id}"')]
        if session.challenge is not None:
            proof = session.key.proof(session.challenge, brings_key=False)
            headers.append(("Secure-Session-Response", f'"{proof}"'))
        return headers

    def post(self, path: str, headers: list[tuple[str, str]], *, https: bool = True) -> Response:
        """Send a request of the browser itself, with its cookies and without a body."""
        response = super().send(Request("POST", path, headers, https=https, root=self._root))
        self._device.trips.append((path, response.status))
        return response

    def _needed(self, request: Request) -> Iterator[DeviceSession]:
        for session in self.sessions:
            if request.https and session.includes(request.where) and session.cookie not in self:
                yield session

    def _note_challenges(self, response: Response) -> None:
        for value in response.all("Secure-Session-Challenge"):
            parts = _CHALLENGE.fullmatch(value)
            assert parts is not None, "the challenge is malformed"
            challenge, binding_id = parts.groups()
            if binding_id in self._device.sessions:
                self._device.sessions[binding_id].challenge = challenge

    def _instructed(self, response: Response, key: SoftwareKey) -> None:
        """Process a response's instructions, and check that they follow the draft."""
        assert response.all("Content-Type") == ["application/json"]
        assert response.all("Cache-Control") == ["no-store"]
        instructions = json.loads(response.body)
        assert instructions["scope"]["origin"] == f"https://{self.host}", "a browser ignores another origin's session"
        (credential,) = instructions["credentials"]
        lines = [line for line in response.all("Set-Cookie") if line.startswith(f"{credential['name']}=")]
        assert len(lines) == 1, "the response with the instructions must set the bound cookie"
        assert _attributes(lines[0]) == _attributes(f"; {credential['attributes']}"), (
            "the bound cookie's attributes are not those instructed"
        )
        binding_id = instructions["session_identifier"]
        before = self._device.sessions.get(binding_id)
        challenge = None if before is None else before.challenge
        self._device.sessions[binding_id] = DeviceSession(binding_id, instructions, key, challenge)


def _attributes(line: str) -> set[str]:
    """Return the attributes that a browser compares."""
    parts = (part.strip().lower() for part in line.split(";")[1:])
    return {part for part in parts if not part.startswith(("max-age", "expires"))}
