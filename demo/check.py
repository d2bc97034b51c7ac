"""Use the demo as visitors would, over HTTP, and report what they saw."""

import time
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from ssl import create_default_context

from demo.settings import FRAMEWORKS
from demo.visitor import Page, Visitor

__all__ = ["check"]

# For all requests together, which take a few seconds: some are slow on purpose, and the thief is let in for a while.
_SECONDS = 60
_SECONDS_UNTIL_REFUSED = 5
_SECONDS_BETWEEN_LOOKS = 0.2


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
        _visit(Visitor(urls, tls, until=time.monotonic() + _SECONDS, jar={}), report, in_table=in_table)
    except (OSError, HTTPException) as exc:
        report.line("wait for a response", "", f"none came: {exc}", good=False)
    print("Everything works." if report.good else "Something does not work.", flush=True)
    return report.good


def _visit(visitor: Visitor, report: "Report", *, in_table: bool) -> None:
    flask, fastapi, django = FRAMEWORKS

    for framework in FRAMEWORKS:
        report.page("visit", visitor.opens(framework), Page(framework))
        report.line("visit", framework, visitor.cookie_in_words, good=not visitor.cookie)
        scheme = visitor.reads(framework, "scheme")
        report.line("visit", framework, f"over {scheme}", good=scheme == ("HTTPS" if visitor.by_https else "HTTP"))

    report.page("add Tea", visitor.submits(fastapi, "/add", item="Tea"), Page(fastapi, cart=("Tea",)))
    guards = {"path=/", "HttpOnly", "SameSite=Lax"} | ({"secure"} if visitor.by_https else set())
    guarded = set(visitor.set_cookie.split("; ")[1:]) == guards
    report.line("add Tea", fastapi, visitor.cookie_in_words, good=guarded)
    anonymous = visitor.cookie

    report.page("log in", visitor.submits(flask, "/login", name="Ada"), Page(flask, "Ada", ("Tea",)))
    report.line("log in", flask, visitor.cookie_in_words, good=visitor.cookie not in ("", anonymous))
    for framework in FRAMEWORKS:
        report.page("come back", visitor.opens(framework), Page(framework, "Ada", ("Tea",)))
        # An old cookie still contains its cart, but not the login.
        earlier = Page(framework, cart=() if in_table else ("Tea",))
        report.page("send the cookie from before", visitor.bringing(anonymous).opens(framework), earlier)

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
            report.page("send a forged cookie", visitor.bringing(forged).opens(framework), Page(framework))

    # Early, because a thief is let in for a moment after the binding.
    bound = _bind_to_devices(visitor, report) if visitor.by_https else {}
    _let_requests_overlap(visitor, report, in_table=in_table)
    _look_at_devices(visitor, report, in_table=in_table)
    _look_at_bindings(bound, report)

    last = visitor.cookie
    report.page("log out", visitor.submits(django, "/logout"), Page(django))
    # Without a table, a cookie marks the end, so that no late response brings the session back.
    report.line("log out", django, visitor.cookie_in_words, good=not (in_table and visitor.cookie))
    for framework in FRAMEWORKS:
        report.page("come back", visitor.opens(framework), Page(framework))
        if in_table:
            report.page("send a copy of the cookie", visitor.bringing(last).opens(framework), Page(framework))


def _bind_to_devices(visitor: Visitor, report: "Report") -> dict[str, Visitor]:
    """Return other visitors, by framework, whose sessions are bound to their devices."""
    others = {framework: visitor.bringing("") for framework in FRAMEWORKS}
    for framework, other in others.items():
        other.submits(framework, "/login", name="Eve")
        badge = other.reads(framework, "bound")
        report.line("not be bound to a device yet", framework, f"the badge: {badge or 'none'}", good=not badge)
        thief = other.reads(framework, "thief", "/replay")
        report.line("replay cookies", framework, thief, good=thief.startswith("Let in as Eve: the session is not"))
        status = other.registers(framework)
        badge = other.reads(framework, "bound")
        report.line("register a device's key", framework, f"{status}, {badge}", good=badge == "bound to this device")
    return others


def _let_requests_overlap(visitor: Visitor, report: "Report", *, in_table: bool) -> None:
    """Let the demo show on its own pages that concurrent writes are kept, and that a logout is final."""
    for framework in FRAMEWORKS:
        ours, peers = visitor.compares(framework, "/race/writes")
        # With cookies, the last response wins, and timing decides how many requests overlap.
        good = ours == f"{len(FRAMEWORKS)} of {len(FRAMEWORKS)} writes kept" or (not in_table and ours != "")
        report.line("write at the same time", framework, f"{ours} (the peer: {peers})", good=good)
        ours, peers = visitor.compares(framework, "/race/logout")
        good = ours == "Still logged out."
        report.line("log out during a request", framework, f"{ours} (the peer: {peers})", good=good)


def _look_at_devices(visitor: Visitor, report: "Report", *, in_table: bool) -> None:
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
        report.page("stay logged in elsewhere", others[1].opens(framework), Page(framework, "Ada"))
        visitor.submits(framework, "/devices/end-others")
        for other in others[1:]:
            report.page("be signed out with all others", other.opens(framework), Page(framework))
        devices = visitor.devices(framework)
        report.line("stay logged in here", framework, str(devices), good=not devices.others and devices.current != "")


def _look_at_bindings(others: Mapping[str, Visitor], report: "Report") -> None:
    """Let the demo replay the cookies of *others* without the keys of their devices."""
    until = time.monotonic() + _SECONDS_UNTIL_REFUSED
    for framework, other in others.items():
        thief = other.reads(framework, "thief", "/replay")
        while not thief.startswith("Refused") and time.monotonic() < until:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            thief = other.reads(framework, "thief", "/replay")
        report.line("replay them without the key", framework, thief, good=thief.startswith("Refused"))
        report.page("come back with the device", other.opens(framework), Page(framework, "Eve"))
        report.page("log out", other.submits(framework, "/logout"), Page(framework))


class Report:
    """Prints what was seen, one line each."""

    def __init__(self) -> None:
        self.good = True

    def line(self, step: str, framework: str, saw: str, *, good: bool) -> None:
        """Print what was seen, and remember whether it was correct."""
        print(f"{'ok' if good else 'FAILED':7} {step:29} {framework:8} {saw}", flush=True)
        self.good = self.good and good

    def page(self, step: str, page: Page, expected: Page) -> None:
        """Print what *page* shows, and what it should show if that differs."""
        good = page == expected
        self.line(step, expected.framework, str(page) if good else f"{page} (expected: {expected})", good=good)


def _altered(cookie: str) -> str:
    """Return *cookie* with a changed character in its middle."""
    middle = len(cookie) // 2
    return cookie[:middle] + ("A" if cookie[middle] != "A" else "B") + cookie[middle + 1 :]
