"""
The page, the same from each framework.

Its forms are plain POSTs, answered with a redirect. They have no CSRF token: the cookie is ``SameSite=Lax``, so a form
on another site is sent without it. Other ports of this machine count as the same site, though; a shop that shares its
host name with untrusted applications needs its framework's own protection.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from jinja2 import Environment, PackageLoader, StrictUndefined

from demo import settings, shop
from demo.race import Outcome
from holdall import Event, Session, SessionInfo

__all__ = ["EVENTS_SHOWN", "devices", "home", "seen"]

EVENTS_SHOWN = 5


def home(
    framework: str,
    user: str | None,
    session: Session,
    cookie: str | None,
    scheme: str,
    *,
    thief: str | None = None,
    race: Outcome | None = None,
) -> str:
    """
    Return the home page of *framework*.

    Args:
        user: The user according to the framework's own login library.
        cookie: The cookie that came with the request.
        scheme: ``http`` or ``https``.
        thief: The user as whom *framework* let the thief in, or ``""``; ``None`` if there was no attempt.
        race: The results of concurrent requests; ``None`` if there were none.
    """
    return _templates.get_template("page.html").render(
        framework=framework,
        user=user,
        urls=settings.urls(),
        store=settings.store_name(),
        key=settings.session_key(),
        cookie_bytes=None if cookie is None else len(f"{settings.session_key()}={cookie}"),
        scheme=scheme,
        thief=thief,
        race=race,
        peer=settings.peer_name(),
        session=session,
        goods=shop.GOODS,
        cart_limit=shop.CART_LIMIT,
        now=datetime.now(UTC),
    )


def seen(framework: str, user: str | None, session: Session, events: Iterable[Event]) -> str:
    """Return the session and its events as *framework* sees them, for a frame in each page."""
    return _templates.get_template("seen.html").render(
        framework=framework,
        user=user,
        session=session,
        notes=shop.notes(session),
        events=events,
    )


def devices(framework: str, user: str | None, session: Session, found: list[SessionInfo] | None) -> str:
    """Return the page of a visitor's sessions; *found* is ``None`` if the store cannot list them."""
    return _templates.get_template("devices.html").render(
        framework=framework,
        user=user,
        urls=settings.urls(),
        store=settings.store_name(),
        session=session,
        devices=found,
        now=datetime.now(UTC),
    )


def _called(device: SessionInfo) -> str:
    """Return a name by which the owner recognizes *device*."""
    said = device.user_agent or ""
    browser = next((name for sign, name in _BROWSERS.items() if sign in said), said.partition("/")[0][:40])
    system = next((name for sign, name in _SYSTEMS.items() if sign in said), "")
    return " on ".join(filter(None, (browser, system))) or "An unknown device"


# The first match counts, because browsers also send the names of other browsers.
_BROWSERS = {"Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
_SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}


def _in_words(span: timedelta) -> str:
    seconds = round(abs(span).total_seconds())
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            count = round(seconds / length)
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return f"{seconds} second{'s' if seconds != 1 else ''}"


_templates = Environment(
    loader=PackageLoader("demo"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_templates.filters.update(in_words=_in_words, called=_called)
