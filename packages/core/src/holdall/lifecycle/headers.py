"""What a response says about the session: its cookies, and what caches are told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from holdall._discreet import discreet
from holdall.cookies import MAX_COOKIE_BYTES, CookieAttributes, OldCookie, SetCookie
from holdall.errors import CookieOverflowError
from holdall.policy import Policy
from holdall.session import Session

__all__ = ["LOOKED_AT", "UNTOUCHED", "ResponseHeaders", "check_size", "expired", "old_places"]


@discreet
class ResponseHeaders(NamedTuple):
    """
    What a response has to say about the session.

    Attributes:
        cookies: A Set-Cookie header each.
        vary: The response depends on the cookie: it needs ``Vary: Cookie``.
        cookie: The cookie's value that now stands for the session; ``None`` where there is no session.
    """

    cookies: tuple[SetCookie, ...] = ()
    vary: bool = False
    cookie: str | None = None

    @property
    def no_store(self) -> bool:
        """A cookie must not be kept by a cache: ``Cache-Control: no-store`` unless the application set its own."""
        return bool(self.cookies)


UNTOUCHED = ResponseHeaders()
LOOKED_AT = ResponseHeaders(vary=True)


def old_places(session: Session, policy: Policy) -> list[CookieAttributes]:
    """Return where the browser may have cookies of ours left over: under old names, for another path or domain."""
    places: list[CookieAttributes] = []
    if policy.old_cookies:
        came = {cookie.key if isinstance(cookie, OldCookie) else policy.key for cookie in session.cookies}
        # A cookie for another path is not sent with every request.
        places += [each for each in policy.old_cookies if each.key in came or each.path != "/"]
    if policy.attributes.domain and sum(not isinstance(cookie, OldCookie) for cookie in session.cookies) > 1:
        # From before the domain was added. What has no domain belongs to this host alone.
        without = policy.attributes.changed({"domain": None})
        if without.place not in (each.place for each in places):
            places.append(without)
    return places


def expired(attributes: CookieAttributes, session: Session, now: datetime) -> SetCookie:
    """Return what removes a cookie with these *attributes* from the browser."""
    return SetCookie(None, attributes, https=session.https, now=now)


def check_size(cookie: SetCookie, data: Mapping[str, Any], policy: Policy) -> None:
    """
    Refuse a *cookie* that browsers would drop in silence.

    Raises:
        CookieOverflowError: It names the largest keys of *data*.
    """
    size = len(str(cookie))
    if size <= MAX_COOKIE_BYTES:
        return
    policy.emit("cookie_too_large", f"{size} bytes", "")
    sizes = sorted(((len(repr(value)), key) for key, value in data.items()), reverse=True)
    largest = ", ".join(f"{key!r} (about {size} bytes)" for size, key in sizes[:3])
    msg = (
        f"the session's cookie would have {size} bytes, and browsers keep {MAX_COOKIE_BYTES}. "
        f"The largest of its keys: {largest}. Store less, or keep sessions in a table (store='table')."
    )
    raise CookieOverflowError(msg)
