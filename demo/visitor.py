"""A visitor with a separate browser, who reads the demo's pages: for the check, and for the demo's thief."""

import json
import time
from base64 import urlsafe_b64encode
from collections import defaultdict
from collections.abc import Mapping
from html.parser import HTMLParser
from http.client import HTTPConnection, HTTPSConnection
from http.cookies import SimpleCookie
from ssl import SSLContext
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from demo.settings import key_at

__all__ = ["Devices", "Page", "Visitor"]


class Devices(NamedTuple):
    """What the page of devices shows."""

    others: tuple[str, ...]
    current: str
    note: str

    def __str__(self) -> str:
        return self.note or f"this one is {self.current or 'none'}, others: {', '.join(self.others) or 'none'}"


class Page(NamedTuple):
    """What a page shows: the framework, the user, the cart."""

    framework: str
    user: str = ""
    cart: tuple[str, ...] = ()
    status: int = 200

    def __str__(self) -> str:
        who = f"{self.user} is logged in" if self.user else "not logged in"
        return f"{self.status}, {who}, in the cart: {', '.join(self.cart) or 'nothing'}"


class Visitor:
    """
    A visitor with a browser, which keeps the session's cookie for all three servers.

    A session that is kept in its cookie alternates between several names for it, and one that is bound to a device has
    further cookies.

    Args:
        jar: The cookies that the browser already has.

    Attributes:
        by_https: Whether the servers speak HTTPS.
        set_cookie: The last Set-Cookie header that set the session's cookie.
    """

    def __init__(
        self, urls: Mapping[str, str], tls: SSLContext | None, *, until: float, jar: Mapping[str, str]
    ) -> None:
        self._urls = urls
        self._tls = tls
        self._until = until
        self._key = key_at(next(iter(urls.values())))
        self.by_https = tls is not None
        self.set_cookie = ""
        self._jar = dict(jar)
        self._offer = ""

    @property
    def cookie(self) -> str:
        """The value that was set last; ``""`` if there is none."""
        own = (value for name, value in reversed(self._jar.items()) if not name.endswith(("-bound", "-device")))
        return next(own, "")

    def bringing(self, cookie: str) -> "Visitor":
        """Return another visitor, whose browser has this *cookie*."""
        return Visitor(self._urls, self._tls, until=self._until, jar={self._key: cookie} if cookie else {})

    @property
    def cookie_in_words(self) -> str:
        if not self.cookie:
            return "no cookie"
        attributes = self.set_cookie.partition("; ")[2]
        return f"the cookie {self._key} of {len(f'{self._key}={self.cookie}')} bytes; {attributes}"

    def opens(self, framework: str, path: str = "/") -> Page:
        """Open a page."""
        return self._sends("GET", framework, path)

    def reads(self, framework: str, what: str, path: str = "/") -> str:
        """Open a page, and return its text with the ``itemprop`` *what*."""
        _, said = self._asks("GET", framework, path)
        return " ".join(said[what])

    def compares(self, framework: str, path: str) -> tuple[str, str]:
        """Open a page about concurrent requests, and return its results for holdall and for the peer."""
        _, said = self._asks("GET", framework, path)
        return " ".join(said["race"]), " ".join(said["peer"])

    def registers(self, framework: str) -> int:
        """Register a new key for the session, like a browser that supports binding, and return the status."""
        offer = dict(part.strip().split("=", 1) for part in self._offer.split(";")[1:])
        path, challenge = (offer[name].strip('"') for name in ("path", "challenge"))
        status, _ = self._asks("POST", framework, path, headers={"Secure-Session-Response": _proof(challenge)})
        return status

    def devices(self, framework: str) -> Devices:
        """Open the page of devices."""
        _, said = self._asks("GET", framework, "/devices")
        return Devices(tuple(said["handle"]), " ".join(said["current"]), " ".join(said["note"]))

    def submits(self, framework: str, path: str, **fields: str) -> Page:
        """Submit a form, and return the page that its response leads to."""
        return self._sends("POST", framework, path, urlencode(fields))

    def _sends(self, method: str, framework: str, path: str, body: str = "") -> Page:
        status, said = self._asks(method, framework, path, body)
        return Page(" ".join(said["framework"]), " ".join(said["user"]), tuple(said["item"]), status)

    def _asks(
        self, method: str, framework: str, path: str, body: str = "", *, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, list[str]]]:
        """Return the status of the response, after a redirect, and what the page shows."""
        headers = dict(headers or {})
        if self._jar:
            headers["Cookie"] = "; ".join(map("=".join, self._jar.items()))
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = self._connection(urlsplit(self._urls[framework]).netloc)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie", []):
            self._keeps(line)
        self._offer = answer.headers.get("Secure-Session-Registration", self._offer)
        if method == "POST" and answer.status == 303:
            return self._asks("GET", framework, answer.headers["Location"])
        return answer.status, _said(text)

    def _connection(self, where: str) -> HTTPConnection:
        # The rest of the time; a timeout of 0 would make a socket non-blocking.
        timeout = max(0.1, self._until - time.monotonic())
        if self._tls is None:
            return HTTPConnection(where, timeout=timeout)
        return HTTPSConnection(where, timeout=timeout, context=self._tls)

    def _keeps(self, set_cookie: str) -> None:
        for name, cookie in SimpleCookie(set_cookie).items():
            if name.startswith(self._key):
                self._jar.pop(name, None)
                if cookie["max-age"] != "0":
                    self._jar[name] = cookie.value
                    self.set_cookie = set_cookie


class _Said(HTMLParser):
    """Collect the texts of a page by the ``itemprop`` that marks them."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = defaultdict(list)
        self._inside: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = dict(attrs).get("itemprop")

    def handle_endtag(self, tag: str) -> None:
        self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside is not None:
            self.texts[self._inside].append(data.strip())


def _said(html: str) -> dict[str, list[str]]:
    parser = _Said()
    parser.feed(html)
    return parser.texts


def _proof(challenge: str) -> str:
    """Return what a browser sends to register a new key: the key and the challenge, signed with it."""
    key = generate_private_key(SECP256R1())
    point = key.public_key().public_numbers()
    jwk = {"kty": "EC", "crv": "P-256", "x": _text(point.x.to_bytes(32)), "y": _text(point.y.to_bytes(32))}
    header = {"alg": "ES256", "typ": "dbsc+jwt", "jwk": jwk}
    message = ".".join(_text(json.dumps(part).encode()) for part in (header, {"jti": challenge}))
    r, s = decode_dss_signature(key.sign(message.encode(), ECDSA(SHA256())))
    return f"{message}.{_text(r.to_bytes(32) + s.to_bytes(32))}"


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
