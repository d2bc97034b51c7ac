"""
Handle the two requests that a browser sends by itself: to register the device's key, and to renew the bound cookie.

The draft's sections on registration and refresh specify the requests and responses. ``holdall._lifecycle.device`` makes
all decisions; this module parses the requests and writes the responses.
"""

import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from holdall._cookie_header import cookie_finder
from holdall._cookies import SetCookie
from holdall._errors import LostWriteError, StoreError
from holdall._lifecycle import fetch
from holdall._lifecycle.device import Answer, Binding, Found, Refresh, Shown, answer_to, binding_of
from holdall._settings import Settings
from holdall.device_bound._bindings import BindingStore, Device
from holdall.device_bound._marks import finder
from holdall.device_bound._messages import EndpointRequest, EndpointResponse
from holdall.device_bound._paths import browser_path
from holdall.device_bound._proofs import Flaw, Proof, header_text, verify
from holdall.device_bound._told import cookies_of, removed_cookies
from holdall.steps import Steps, asked
from holdall.stores._contract import StoredSession

__all__ = ["DeviceEndpoints"]

_logger = logging.getLogger("holdall")

#: The reasons that a browser gives for skipping a refresh (the draft, section "Secure-Session-Skipped").
_SKIPPED = frozenset(
    {"unreachable", "server_error", "quota_exceeded", "signing_quota_exceeded", "transient_signing_error"}
)


class DeviceEndpoints:
    """
    The endpoints of one ``Sessions``.

    Args:
        store: The store of its sessions and their bindings.
        backend: The backend for that store, which runs its steps.
    """

    def __init__(self, store: BindingStore, backend: Any) -> None:
        self._store = store
        self._backend = backend
        self._settings: Settings = store.settings
        self._options = store.options
        self._cookies = cookies_of(store)
        self._find_devices: Callable[[str], Any] = cookie_finder(self._cookies[-1].key)
        find = cookie_finder(self._settings.key, [old.key for old in self._settings.old_cookies])
        # These requests come without the bound cookie.
        self._find = finder(find, lambda header: None, self._find_devices)
        self.steps = {
            f"{self._options.path}/register": self._register,
            f"{self._options.path}/refresh": self._refresh,
        }

    def answer(self, request: EndpointRequest) -> EndpointResponse:
        """Return the response to a request for one of the paths in ``steps``."""
        try:
            response: EndpointResponse = self._backend.run(self._answer(request))
        except (StoreError, LostWriteError):
            response = _failed()
        return response

    async def answer_async(self, request: EndpointRequest) -> EndpointResponse:
        """Do the same as ``answer``."""
        try:
            response: EndpointResponse = await self._backend.finish(self._answer(request))
        except (StoreError, LostWriteError):
            response = _failed()
        return response

    def note_skipped(self, value: str) -> None:
        """Report that the browser sent a request without a bound cookie, given the header Secure-Session-Skipped."""
        reason = header_text(value) or ""
        self._settings.emit("device_skipped", reason if reason in _SKIPPED else "another reason", "")

    def _answer(self, request: EndpointRequest) -> Steps[EndpointResponse]:
        if request.method != "POST":
            return EndpointResponse(405, (("Allow", "POST"), *_NO_STORE))
        if not request.https:
            return self._refused("sent over http")
        return (yield from self.steps[request.path](request))

    # Registration.

    def _register(self, request: EndpointRequest) -> Steps[EndpointResponse]:
        now = self._backend.now()
        fetched = yield from fetch(self._find(request.header("Cookie") or ""), self._backend, now=now)
        stored = fetched.stored
        if stored is None or self._settings.principals.of(stored.data) is None:
            return self._refused("a registration without a login")
        if binding_of(stored) is not None:
            return self._refused("a second registration", stored)
        proof = _proof(request)
        if not isinstance(proof, Proof):
            return self._refused("no proof" if proof is None else proof.reason, stored)
        if not self._store.accepts_offer(stored, proof.challenge, now):
            return self._refused("a registration with a wrong challenge", stored)
        bound = yield from self._store.bind(stored, proof.key, now)
        binding = binding_of(bound)
        if bound is None or binding is None:
            return self._refused("a second registration", stored)
        self._settings.emit("device_bound", "", bound.log_id)
        cookies = [self._bound_cookie(binding, now)]
        device = self._store.device_cookie(bound, proof.key, now)
        if device is not None:
            cookies.append(_cookie(device, self._cookies[-1], self._cookies[-1].seconds, now))
        return self._told(request, binding, cookies)

    # Refresh.

    def _refresh(self, request: EndpointRequest) -> Steps[EndpointResponse]:
        now = self._backend.now()
        cookie = request.header("Cookie") or ""
        fetched = yield from fetch(self._find(cookie), self._backend, now=now)
        stored, binding_id = fetched.stored, header_text(request.header("Sec-Secure-Session-Id")) or ""
        found = Found.SESSION if stored else Found.SUPERSEDED if fetched.superseded else Found.NOTHING
        device = None
        if found is not Found.NOTHING:
            device = yield from self._store.device(binding_id, stored, self._find_devices(cookie))
        proof = None if device is None else _proof(request, device)
        match answer_to(Refresh(found, device is not None, _shown(proof))), device:
            case Answer.CHALLENGE, Device():
                challenge = yield from self._store.challenge(device, now)
                return _challenged(device, challenge)
            case Answer.RENEW, Device():
                return (yield from self._renewed(request, device, proof, stored, now))
            case Answer.REFUSE, _:
                return self._refused(proof.reason if isinstance(proof, Flaw) else "", stored)
            case Answer.ALARM, _:
                return (yield from self._alarmed(binding_id, stored or fetched.renewed, now))
            case _ if found is Found.NOTHING:
                return self._ended(binding_id, removed_cookies(self._store, now))
            case _:
                # The cookies may belong to another binding, from a later login.
                return self._ended(binding_id)

    def _renewed(
        self, request: EndpointRequest, device: Device, proof: Any, stored: StoredSession | None, now: int
    ) -> Steps[EndpointResponse]:
        challenge = yield from self._store.accept(device, proof.challenge, stored, now)
        if challenge is None:
            # No reason for an alarm: a browser that was suspended signs the last challenge it was given, even if that
            # has expired.
            if not self._store.is_latest(device, proof.challenge):
                self._settings.emit("device_refused", "an old challenge", "" if stored is None else stored.log_id)
            anew = yield from self._store.challenge(device, now)
            return _challenged(device, anew)
        cookies = [self._bound_cookie(device.binding, now)]
        return self._told(request, device.binding, cookies, ("Secure-Session-Challenge", _quoted(challenge, device)))

    def _alarmed(self, binding_id: str, stored: StoredSession | None, now: int) -> Steps[EndpointResponse]:
        self._settings.emit("device_refused", "a wrong signature", stored.log_id if stored else "")
        if stored is None or self._options.enforce == "report":
            return self._ended(binding_id)
        last = yield from asked(self._store.delete(stored, key=self._settings.key))
        if last is not None:
            self._settings.emit("ended", "", last.log_id)
        session = _cookie(None, self._settings.attributes, None, now)
        return self._ended(binding_id, (session, *removed_cookies(self._store, now)))

    # Responses.

    def _bound_cookie(self, binding: Binding, now: int) -> SetCookie:
        return _cookie(self._store.bound_cookie(binding, now), self._cookies[0], self._options.seconds, now)

    def _told(
        self, request: EndpointRequest, binding: Binding, cookies: list[SetCookie], *headers: tuple[str, str]
    ) -> EndpointResponse:
        """Return the instructions for the browser, including the bound cookie."""
        origin, bound = self._options.origin or f"https://{request.host}", self._cookies[0]
        host = urlsplit(origin).hostname or ""
        excluded = [
            {"type": "exclude", "domain": host, "path": browser_path(request.mounted_at, path)}
            for path in self._options.exclude
        ]
        body = {
            "session_identifier": binding.id,
            "refresh_url": browser_path(request.mounted_at, f"{self._options.path}/refresh"),
            "scope": {"origin": origin, "include_site": self._options.include_site, "scope_specification": excluded},
            # Without Max-Age and Expires, because otherwise the browser always considers the cookie missing.
            "credentials": [{"type": "cookie", "name": bound.key, "attributes": _attributes(cookies[0])}],
        }
        return EndpointResponse(200, (*_JSON, *headers), tuple(cookies), json.dumps(body).encode())

    def _refused(self, reason: str, stored: StoredSession | None = None) -> EndpointResponse:
        self._settings.emit("device_refused", reason, stored.log_id if stored else "")
        return EndpointResponse(400, _NO_STORE)

    def _ended(self, binding_id: str, cookies: tuple[SetCookie, ...] = ()) -> EndpointResponse:
        # Browsers treat a name other than their own as an error.
        body = {"session_identifier": binding_id, "continue": False}
        return EndpointResponse(200, _JSON, cookies, json.dumps(body).encode())


_NO_STORE = (("Cache-Control", "no-store"),)
_JSON = (("Content-Type", "application/json"), *_NO_STORE)


def _proof(request: EndpointRequest, device: Device | None = None) -> Proof | Flaw | None:
    """Return the proof in a request, or its flaw; ``None`` if the request has no token."""
    token = header_text(request.header("Secure-Session-Response"))
    return None if token is None else verify(token, None if device is None else device.key)


def _shown(proof: Proof | Flaw | None) -> Shown:
    match proof:
        case None:
            return Shown.NOTHING
        case Flaw():
            return Shown.FORGED if proof.forged else Shown.FLAWED
        case _:
            return Shown.PROOF


def _challenged(device: Device, challenge: str) -> EndpointResponse:
    # Without a challenge the browser would keep asking.
    return EndpointResponse(403, (("Secure-Session-Challenge", _quoted(challenge, device)), *_NO_STORE))


def _quoted(challenge: str, device: Device) -> str:
    return f'"{challenge}";id="{device.binding.id}"'


def _failed() -> EndpointResponse:
    # The browser sends the requests it held back, and asks again later.
    _logger.exception("a session's store failed, responding with 503 to the browser's refresh")
    return EndpointResponse(503, _NO_STORE)


def _cookie(value: str | None, attributes: Any, max_age: int | None, now: int) -> SetCookie:
    return SetCookie(value, attributes, https=True, now=now, max_age=max_age)


def _attributes(cookie: SetCookie) -> str:
    """Return a cookie's attributes as the browser compares them: all except its expiry."""
    parts = [part.strip() for part in str(cookie).split(";")[1:]]
    return "; ".join(part for part in parts if not part.lower().startswith(("max-age", "expires")))
