"""Use the demo as visitors would, over HTTP, and report what they saw."""

import time
from collections import defaultdict
from collections.abc import Mapping
from html.parser import HTMLParser
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from http.cookies import SimpleCookie
from pathlib import Path
from ssl import SSLContext, create_default_context
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from demo.settings import FRAMEWORKS, key_at

__all__ = ["check"]

# For all requests together, which take less than one second.
_SECONDS = 12


def check(urls: Mapping[str, str], *, in_table: bool, certificate: Path | None = None) -> bool:
    """
    Return whether the servers at *urls*, by framework, share one session; print what each step saw.

    Args:
        in_table: Sessions are in a table, so that no copy of a cookie outlives them.
        certificate: The certificate to trust, if the servers speak HTTPS.
    """
    report = Report()
    tls = create_default_context(cafile=certificate) if certificate else None
    try:
        _visit(Visitor(urls, tls, until=time.monotonic() + _SECONDS), report, in_table=in_table)
    except (OSError, HTTPException) as exc:
        report.line("wait for a response", "", f"none came: {exc}", good=False)
    print("Everything works." if report.good else "Something does not work.", flush=True)
    return report.good


def _visit(visitor: "Visitor", report: "Report", *, in_table: bool) -> None:
    flask, fastapi, django = FRAMEWORKS

    for framework in FRAMEWORKS:
        report.page("visit", visitor.opens(framework), Page(framework))
        report.line("visit", framework, visitor.cookie_in_words, good=not visitor.cookie)
        scheme = visitor.scheme(framework)
        report.line("visit", framework, f"asked by {scheme}", good=scheme == ("HTTPS" if visitor.by_https else "HTTP"))

    report.page("add Tea", visitor.submits(fastapi, "/add", item="Tea"), Page(fastapi, cart=("Tea",)))
    guards = {"path=/", "HttpOnly", "SameSite=Lax"} | ({"secure"} if visitor.by_https else set())
    guarded = set(visitor.set_cookie.split("; ")[1:]) == guards
    report.line("add Tea", fastapi, visitor.cookie_in_words, good=guarded)
    anonymous = visitor.cookie

    report.page("log in", visitor.submits(flask, "/login", name="Ada"), Page(flask, "Ada", ("Tea",)))
    report.line("log in", flask, visitor.cookie_in_words, good=visitor.cookie not in ("", anonymous))
    for framework in FRAMEWORKS:
        report.page("come back", visitor.opens(framework), Page(framework, "Ada", ("Tea",)))
        # An old cookie still has its cart; the login is not in it.
        earlier = Page(framework, cart=() if in_table else ("Tea",))
        report.page("bring the cookie from before", visitor.bringing(anonymous).opens(framework), earlier)

    cart: tuple[str, ...] = ("Tea",)
    for framework, item in zip(FRAMEWORKS, ("Apples", "Bread", "Olives"), strict=True):
        cart = (*cart, item)
        report.page(f"add {item}", visitor.submits(framework, "/add", item=item), Page(framework, "Ada", cart))
    cart = ("Tea", "Apples", "Olives")
    removed = visitor.submits(django, "/remove", item="Bread", through=fastapi)
    report.page("remove Bread", removed, Page(django, "Ada", cart))
    for framework in FRAMEWORKS:
        report.page("look at the session", visitor.opens(framework, "/seen"), Page(framework, "Ada", cart))

    for framework in FRAMEWORKS:
        for forged in (_altered(visitor.cookie), "nonsense"):
            report.page("bring a forged cookie", visitor.bringing(forged).opens(framework), Page(framework))

    _look_at_devices(visitor, report, in_table=in_table)

    last = visitor.cookie
    report.page("log out", visitor.submits(django, "/logout"), Page(django))
    # Without a table, a cookie marks the end, so that no late response brings the session back.
    report.line("log out", django, visitor.cookie_in_words, good=not (in_table and visitor.cookie))
    for framework in FRAMEWORKS:
        report.page("come back", visitor.opens(framework), Page(framework))
        if in_table:
            report.page("bring a copy of the cookie", visitor.bringing(last).opens(framework), Page(framework))


def _look_at_devices(visitor: "Visitor", report: "Report", *, in_table: bool) -> None:
    """Sign out other visitors of the same name: first one, then all the others."""
    for framework in FRAMEWORKS:
        if not in_table:
            devices = visitor.devices(framework)
            report.line(
                "look at my devices", framework, str(devices), good="sessions are kept in cookies" in devices.note
            )
            continue
        others = [visitor.bringing("") for _ in range(3)]
        for other, through in zip(others, FRAMEWORKS, strict=True):
            other.submits(through, "/login", name="Ada")
        devices = visitor.devices(framework)
        report.line(
            "look at my devices", framework, str(devices), good=len(devices.others) == 3 and devices.current != ""
        )
        chosen = others[0].devices(framework).current
        visitor.submits(framework, "/devices/end", handle=chosen)
        report.page("be signed out", others[0].opens(framework), Page(framework))
        report.page("be another", others[1].opens(framework), Page(framework, "Ada"))
        visitor.submits(framework, "/devices/end-others")
        for other in others[1:]:
            report.page("be signed out with all others", other.opens(framework), Page(framework))
        devices = visitor.devices(framework)
        report.line(
            "be the one that is left", framework, str(devices), good=not devices.others and devices.current != ""
        )


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
        who = f"{self.user} is logged in" if self.user else "nobody is logged in"
        return f"{self.status}, {who}, in the cart: {', '.join(self.cart) or 'nothing'}"


class Report:
    """What was seen, one line each."""

    def __init__(self) -> None:
        self.good = True

    def line(self, step: str, framework: str, saw: str, *, good: bool) -> None:
        """Print what was seen, and remember whether it was right."""
        print(f"{'ok' if good else 'FAILED':7} {step:29} {framework:8} {saw}", flush=True)
        self.good = self.good and good

    def page(self, step: str, page: Page, expected: Page) -> None:
        """Print what *page* shows, and what it should show if that differs."""
        good = page == expected
        self.line(step, expected.framework, str(page) if good else f"{page} (expected: {expected})", good=good)


class Visitor:
    """
    A visitor with a browser, which keeps the session's cookie for all three servers.

    A session that is kept in its cookie has several names for it, which take turns.

    Attributes:
        by_https: Whether the servers speak HTTPS.
        set_cookie: The header that set or deleted it.
    """

    def __init__(self, urls: Mapping[str, str], tls: SSLContext | None, *, until: float, cookie: str = "") -> None:
        self._urls = urls
        self._tls = tls
        self._until = until
        self._key = key_at(next(iter(urls.values())))
        self.by_https = tls is not None
        self.set_cookie = ""
        self._jar = {self._key: cookie} if cookie else {}

    @property
    def cookie(self) -> str:
        """The value that was set last; ``""`` if there is none."""
        return next(reversed(self._jar.values()), "")

    def bringing(self, cookie: str) -> "Visitor":
        """Return another visitor, whose browser has this *cookie*."""
        return Visitor(self._urls, self._tls, until=self._until, cookie=cookie)

    @property
    def cookie_in_words(self) -> str:
        if not self.cookie:
            return "no cookie"
        attributes = self.set_cookie.partition("; ")[2]
        return f"the cookie {self._key} of {len(f'{self._key}={self.cookie}')} bytes; {attributes}"

    def opens(self, framework: str, path: str = "/") -> Page:
        """Open a page."""
        return self._sends("GET", framework, path)

    def scheme(self, framework: str) -> str:
        """Open the page, and return the scheme that it shows."""
        _, said = self._asks("GET", framework, "/")
        return " ".join(said["scheme"])

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

    def _asks(self, method: str, framework: str, path: str, body: str = "") -> tuple[int, dict[str, list[str]]]:
        """Return the status of the response, after a redirect, and what the page shows."""
        headers = {"Cookie": "; ".join(map("=".join, self._jar.items()))} if self._jar else {}
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
            if name == self._key or name.startswith(f"{self._key}."):
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


def _altered(cookie: str) -> str:
    """Return *cookie* with a changed character in its middle."""
    middle = len(cookie) // 2
    return cookie[:middle] + ("A" if cookie[middle] != "A" else "B") + cookie[middle + 1 :]
