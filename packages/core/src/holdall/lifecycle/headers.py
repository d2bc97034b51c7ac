"""What a response says about the session: its cookies, and what caches are told."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from holdall._redacted import Redacted
from holdall._state import SessionState
from holdall.cookie_header import OldCookie
from holdall.cookies import MAX_COOKIE_BYTES, CookieAttributes, SetCookie
from holdall.errors import CookieOverflowError

__all__ = ["LOOKED_AT", "UNTOUCHED", "ResponseHeaders", "expired", "old_places", "refuse_too_large"]


class ResponseHeaders(Redacted):
    """
    What a response has to say about the session.

    Attributes:
        cookies: A Set-Cookie header each.
        vary: The response depends on the cookie: it needs ``Vary: Cookie``.
        cookie: The cookie's value that now stands for the session; ``None`` where there is no session.
    """

    __slots__ = ("cookie", "cookies", "vary")

    def __init__(self, cookies: tuple[SetCookie, ...] = (), *, vary: bool = False, cookie: str | None = None) -> None:
        self.cookies = cookies
        self.vary = vary
        self.cookie = cookie

    @property
    def no_store(self) -> bool:
        """Whether the response sets a cookie, which a cache must not keep."""
        return bool(self.cookies)


UNTOUCHED = ResponseHeaders()
LOOKED_AT = ResponseHeaders(vary=True)


def old_places(state: SessionState) -> list[CookieAttributes]:
    """Return where the browser may have old cookies of ours: under old names, for another path or domain."""
    settings = state.settings
    places: list[CookieAttributes] = []
    if settings.old_cookies:
        came = {cookie.key if isinstance(cookie, OldCookie) else settings.key for cookie in state.cookies}
        # A cookie for another path is not sent with every request.
        places += [each for each in settings.old_cookies if each.key in came or each.path != "/"]
    if settings.attributes.domain and sum(not isinstance(cookie, OldCookie) for cookie in state.cookies) > 1:
        # From before the domain was added. A cookie without a domain belongs to this host alone.
        without = settings.attributes.changed({"domain": None})
        if without.place not in (each.place for each in places):
            places.append(without)
    return places


def expired(attributes: CookieAttributes, state: SessionState, now: int) -> SetCookie:
    """Return what removes a cookie with these *attributes* from the browser."""
    return SetCookie(None, attributes, https=state.https, now=datetime.fromtimestamp(now, UTC))


def refuse_too_large(size: int, data: Mapping[str, Any], state: SessionState) -> NoReturn:
    """
    Refuse a cookie of this *size*, which browsers would drop without a word.

    Raises:
        CookieOverflowError: It names the largest keys of *data*.
    """
    state.settings.emit("cookie_too_large", f"{size} bytes", "")
    sizes = sorted(((len(repr(value)), key) for key, value in data.items()), reverse=True)
    largest = ", ".join(f"{key!r} (about {size} bytes)" for size, key in sizes[:3])
    msg = (
        f"the session's cookie would have {size} bytes, and browsers keep {MAX_COOKIE_BYTES}. "
        f"The largest of its keys: {largest}. Store less, or keep sessions in a table (store='table')."
    )
    raise CookieOverflowError(msg)
