"""
The cookie handling of a browser (RFC 6265 with 6265bis: prefixes, limits, Secure).

It decides like a real browser which cookies of a response it keeps, which they replace, and which a request sends.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import count

from holdall._clock import Clock, utc_now
from holdall._cookies import SUFFIXES
from holdall.testing._clients import HOST, Client, Request, Response

__all__ = ["Browser", "KeptCookie"]

_MOST_BYTES = 4096
_LONGEST_AGE = timedelta(days=400)
_LONGEST_ATTRIBUTE = 1024


@dataclass(frozen=True)
class KeptCookie:
    """
    A cookie in the jar.

    Attributes:
        host_only: It is sent only to ``domain`` itself, not to its subdomains.
        expires: When the browser forgets it; ``None`` when it is closed.
        partitioned: It is kept separately for the site that embeds the host, here the host itself.
        serial: Counts the cookies that the browser has kept.
    """

    name: str
    value: str
    domain: str
    host_only: bool
    path: str
    secure: bool
    http_only: bool
    expires: datetime | None
    partitioned: bool
    serial: int

    @property
    def place(self) -> tuple[object, ...]:
        """Return the cookie's identity in the jar."""
        return self.name, self.domain, self.host_only, self.path, self.partitioned


class Browser:
    """A cookie jar for one *host*, and optionally the *client* of an application there, which sends requests."""

    def __init__(self, client: Client | None = None, *, clock: Clock = utc_now, host: str = HOST) -> None:
        self._client = client
        self._clock = clock
        self.host = host
        self._jar: dict[tuple[object, ...], KeptCookie] = {}
        self._serials = count(1)

    @property
    def jar(self) -> list[KeptCookie]:
        """Return the cookies that have not expired, the longest path first, then the oldest."""
        now = self._clock()
        kept = [each for each in self._jar.values() if each.expires is None or each.expires > now]
        return sorted(kept, key=lambda each: (-len(each.path), each.serial))

    def at(self, client: Client) -> "Browser":
        """Return the same browser, sharing the jar, for another application on the host."""
        browser = Browser(client, clock=self._clock, host=self.host)
        browser._jar = self._jar
        browser._serials = self._serials
        return browser

    def send(self, request: Request) -> Response:
        """Send *request* with the matching cookies, store those of its response, and return the response."""
        if self._client is None:
            msg = "this browser was given no client to send requests to: Browser(client)."
            raise TypeError(msg)
        cookie = self.header(request.where, https=request.https)
        headers = [*request.headers, *([("Cookie", cookie)] if cookie else [])]
        response = self._client(replace(request, headers=headers))
        self.keep(response.all("Set-Cookie"), request.where, https=request.https)
        return response

    def header(self, path: str = "/", *, https: bool = False) -> str:
        """Return the Cookie header of a request; ``""`` for none."""
        sent = (each for each in self.jar if _goes_to(each, path, https=https))
        return "; ".join(f"{each.name}={each.value}" for each in sent)

    def keep(self, set_cookies: Iterable[str], path: str = "/", *, https: bool = False) -> None:
        """Process the Set-Cookie headers of a response to a request for *path*."""
        for line in set_cookies:
            cookie = self._parsed(line, path)
            if cookie is None or not _may_be_kept(cookie, line, https=https):
                continue
            if not https and any(_is_shielded(kept, cookie) for kept in self.jar):
                continue
            place = cookie.place
            before = self._jar.get(place)
            if before is not None:
                cookie = replace(cookie, serial=before.serial)
            if cookie.expires is not None and cookie.expires <= self._clock():
                self._jar.pop(place, None)
            else:
                self._jar[place] = cookie

    def __getitem__(self, name: str) -> str:
        """Return the value of the only cookie called *name*, or one of the names that a session's cookie has."""
        (value,) = self._values(name)
        return value

    def get(self, name: str) -> str | None:
        """Return the value of the first cookie called *name* that is sent, or ``None``."""
        return next(iter(self._values(name)), None)

    def __contains__(self, name: str) -> bool:
        return any(each.name == name for each in self.jar)

    def _values(self, name: str) -> list[str]:
        jar = self.jar
        usual = [each.value for each in jar if each.name == name]
        return usual or [
            each.value for each in jar if each.name.startswith(name) and each.name[len(name) :] in SUFFIXES
        ]

    def _parsed(self, line: str, path: str) -> KeptCookie | None:
        pair, *rest = line.split(";")
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not name:
            return None
        attributes = _attributes(rest)
        domain = attributes.get("domain", "").lstrip(".").lower()
        if domain and not (_is_within(self.host, domain) and ("." in domain or domain == self.host)):
            # Another host's domain, or a top-level domain.
            return None
        given = attributes.get("path", "")
        return KeptCookie(
            name,
            value,
            domain or self.host,
            host_only=not domain,
            path=given if given.startswith("/") else path.rpartition("/")[0] or "/",
            secure="secure" in attributes,
            http_only="httponly" in attributes,
            expires=self._expiry(attributes),
            partitioned="partitioned" in attributes,
            serial=next(self._serials),
        )

    def _expiry(self, attributes: dict[str, str]) -> datetime | None:
        now = self._clock()
        if "max-age" in attributes:
            return now + min(timedelta(seconds=int(attributes["max-age"])), _LONGEST_AGE)
        if "expires" in attributes:
            return min(parsedate_to_datetime(attributes["expires"]), now + _LONGEST_AGE)
        return None


def _goes_to(cookie: KeptCookie, path: str, *, https: bool) -> bool:
    if cookie.secure and not https:
        return False
    return path == cookie.path or path.startswith(cookie.path.rstrip("/") + "/")


def _attributes(parts: Iterable[str]) -> dict[str, str]:
    pairs = (part.partition("=") for part in parts)
    stripped = ((name.strip().lower(), value.strip()) for name, _, value in pairs)
    return {name: value for name, value in stripped if len(value) <= _LONGEST_ATTRIBUTE}


def _is_shielded(kept: KeptCookie, cookie: KeptCookie) -> bool:
    """Return whether *kept* was set over HTTPS and must not be replaced by *cookie*, which was not."""
    same_hosts = _is_within(kept.domain, cookie.domain) or _is_within(cookie.domain, kept.domain)
    within = cookie.path == kept.path or cookie.path.startswith(kept.path.rstrip("/") + "/")
    return kept.secure and kept.name == cookie.name and same_hosts and within


def _may_be_kept(cookie: KeptCookie, line: str, *, https: bool) -> bool:
    name = cookie.name.lower()
    if len(cookie.name) + len(cookie.value) > _MOST_BYTES:
        return False
    if cookie.secure and not https:
        return False
    if not cookie.secure and (name.startswith(("__secure-", "__host-", "__http-")) or cookie.partitioned):
        return False
    if not cookie.http_only and name.startswith(("__http-", "__host-http-")):
        return False
    if _says(line, "samesite=none") and not cookie.secure:
        return False
    return not name.startswith("__host-") or (cookie.host_only and cookie.path == "/" and _says(line, "path=/"))


def _says(line: str, attribute: str) -> bool:
    return any(part.strip().lower() == attribute for part in line.split(";")[1:])


def _is_within(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")
