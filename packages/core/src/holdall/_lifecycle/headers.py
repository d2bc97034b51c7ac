"""Create the headers that a response needs for the session: its cookies, and instructions for caches."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NoReturn

from holdall._cookie_header import OldCookie, suffix_sent
from holdall._cookies import MAX_COOKIE_BYTES, SUFFIXES, CookieAttributes, SetCookie
from holdall._errors import CookieOverflowError
from holdall._redacted import Redacted
from holdall._settings import Lifetime
from holdall._state import SessionState
from holdall.stores._contract import StoredSession
from holdall.stores._generations import suffix_of

__all__ = [
    "LOOKED_AT",
    "UNTOUCHED",
    "ExtraHeaders",
    "ResponseHeaders",
    "cleared",
    "expired",
    "looked_at",
    "mark_of",
    "old_places",
    "other_names",
    "outdated",
    "refuse_too_large",
]

# Responses that send a cookie arrive at most this many seconds after their request.
_LATEST = 60 * 60


class ResponseHeaders(Redacted):
    """
    The headers that a response needs for the session.

    Attributes:
        cookies: The Set-Cookie headers.
        vary: The request headers that the response depends on, for Vary: ``"Cookie"``, or ``""`` for none.
        cookie: The session's current cookie value; ``None`` if there is no session.
    """

    __slots__ = ("cookie", "cookies", "vary")

    #: Additional headers, by name and value, of a response that sets cookies.
    extra: Sequence[tuple[str, str]] = ()

    def __init__(self, cookies: tuple[SetCookie, ...] = (), vary: str = "", cookie: str | None = None) -> None:
        self.cookies = cookies
        self.vary = vary
        self.cookie = cookie

    @property
    def no_store(self) -> bool:
        """Whether the response sets a cookie, which a cache must not store."""
        return bool(self.cookies)


class ExtraHeaders(ResponseHeaders):
    """The headers for a response that needs additional ones."""

    __slots__ = ("extra",)

    def __init__(
        self, cookies: tuple[SetCookie, ...], *, vary: str, cookie: str | None, extra: Sequence[tuple[str, str]]
    ) -> None:
        super().__init__(cookies, vary=vary, cookie=cookie)
        self.extra = extra


UNTOUCHED = ResponseHeaders()
LOOKED_AT = ResponseHeaders(vary="Cookie")


@cache
def looked_at(vary: str) -> ResponseHeaders:
    """Return the headers of a response whose session was only read."""
    return ResponseHeaders(vary=vary)


def old_places(state: SessionState) -> list[CookieAttributes]:
    """Return the places where the browser may have old cookies of ours: under old names, for other paths or domains."""
    settings = state.settings
    places: list[CookieAttributes] = []
    if settings.old_cookies:
        came: dict[str, set[str]] = {}
        for cookie in state.cookies:
            key = cookie.key if isinstance(cookie, OldCookie) else settings.key
            came.setdefault(key, set()).add(suffix_sent(cookie))
        for each in settings.old_cookies:
            # A cookie for another path is not sent with every request.
            suffixes = came.get(each.key, set())
            if each.path != "/":
                suffixes = suffixes.union(SUFFIXES if state.backend.can_mark_ended else ("",))
            places += [each.ending[suffix] for suffix in sorted(suffixes)]
    if settings.attributes.domain:
        sent = [suffix_sent(cookie) for cookie in state.cookies if not isinstance(cookie, OldCookie)]
        # Cookies from before the domain was added. A cookie without a domain belongs only to this host.
        without = settings.attributes.changed({"domain": None})
        twice = [without.ending[each] for each in sorted(set(sent)) if sent.count(each) > 1]
        places += [each for each in twice if each.place not in [old.place for old in places]]
    return places


def other_names(state: SessionState, last: StoredSession | None, kept: str) -> list[str]:
    """
    Return the name suffixes under which the browser has sessions other than the one it should keep.

    Args:
        last: The request's session, which may have come in another header.
        kept: The suffix of the name to keep.
    """
    # Not the suffixes of old names, which ``old_places`` handles, but those of the current name.
    sent = [each for each in state.cookies if not isinstance(each, OldCookie) or each.key == state.settings.key]
    names = {suffix_sent(each) for each in sent}
    if last is not None:
        names.add(suffix_of(last))
    return sorted(names - {kept})


def outdated(state: SessionState, now: int) -> tuple[SetCookie, ...]:
    """Return the headers that remove outdated sessions from the browser, which late responses may have left there."""
    attributes = state.settings.attributes
    return tuple(expired(attributes.ending[suffix], state, now) for suffix in state.fetched.outdated)


def mark_of(
    marker: StoredSession, attributes: CookieAttributes, state: SessionState, lifetime: Lifetime, now: int
) -> tuple[SetCookie, ...]:
    """Return the marker of an ended session, kept in the browser while a late response could bring it back."""
    age = lifetime.max_age if lifetime.ends is None else lifetime.ends - now
    if age is not None:
        if age <= 0:
            return ()
        # The cookie of a response that is late by less than this does not outlive the marker.
        age += _LATEST
    named = attributes.ending[suffix_of(marker)]
    return (SetCookie(marker.cookie, named, state.https, now, age),)


def expired(attributes: CookieAttributes, state: SessionState, now: int) -> SetCookie:
    """Return the header that removes a cookie with these *attributes* from the browser."""
    return SetCookie(None, attributes, state.https, now)


def cleared(headers: ResponseHeaders, kinds: frozenset[str], *, begins: bool = False) -> ResponseHeaders:
    """
    Return *headers* with Clear-Site-Data, for a logout.

    Args:
        kinds: The kinds of data that the browser should clear, such as ``"cache"``.
        begins: Whether the response sets the cookie of a new session, which must be kept.
    """
    value = ", ".join(f'"{kind}"' for kind in sorted(kinds - {"cookies"} if begins else kinds))
    if not value:
        return headers
    extra = (("Clear-Site-Data", value),)
    return ExtraHeaders(headers.cookies, vary=headers.vary, cookie=headers.cookie, extra=extra)


def refuse_too_large(size: int, data: Mapping[str, Any], state: SessionState) -> NoReturn:
    """
    Refuse a cookie of this *size*, which browsers would silently drop.

    Raises:
        CookieOverflowError: Always; the message names the largest keys of *data*.
    """
    state.settings.emit("cookie_too_large", f"{size} bytes", "")
    sizes = sorted(((_size(value), key) for key, value in data.items()), reverse=True)
    largest = ", ".join(f"{key!r} (about {size} bytes)" for size, key in sizes[:3])
    msg = (
        f"{state.settings.attributes.overflow.format(size=size, most=MAX_COOKIE_BYTES)} "
        f"The largest of its keys: {largest}. Store less, or keep sessions in a table (store='table'), "
        "or those that do not fit (overflow='redis://…')."
    )
    raise CookieOverflowError(msg)


def _size(value: Any) -> int:
    """Return the approximate size of a *value* in bytes."""
    try:
        return len(repr(value))
    except ValueError:
        # It contains a number with more digits than Python converts.
        return MAX_COOKIE_BYTES
