"""What a response says about the session: its cookies, and what caches are told."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, NoReturn

from holdall._redacted import Redacted
from holdall._state import SessionState
from holdall.cookie_header import OldCookie, suffix_sent
from holdall.cookies import MAX_COOKIE_BYTES, SUFFIXES, CookieAttributes, SetCookie
from holdall.errors import CookieOverflowError
from holdall.settings import Lifetime
from holdall.stores.contract import StoredSession
from holdall.stores.generations import suffix_of

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

# No response that sends a cookie comes later than this after its request, in seconds.
_LATEST = 60 * 60


class ResponseHeaders(Redacted):
    """
    What a response has to say about the session.

    Attributes:
        cookies: A Set-Cookie header each.
        vary: The request's headers that the response depends on, as Vary names them: ``"Cookie"``, or ``""`` for none.
        cookie: The cookie's value that now stands for the session; ``None`` where there is no session.
    """

    __slots__ = ("cookie", "cookies", "vary")

    #: Further headers, by name and value, of a response that sets cookies.
    extra: Sequence[tuple[str, str]] = ()

    def __init__(self, cookies: tuple[SetCookie, ...] = (), *, vary: str = "", cookie: str | None = None) -> None:
        self.cookies = cookies
        self.vary = vary
        self.cookie = cookie

    @property
    def no_store(self) -> bool:
        """Whether the response sets a cookie, which a cache must not keep."""
        return bool(self.cookies)


class ExtraHeaders(ResponseHeaders):
    """What a response has to say besides."""

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
    """Return what a response says whose session was looked at."""
    return ResponseHeaders(vary=vary)


def old_places(state: SessionState) -> list[CookieAttributes]:
    """Return where the browser may have old cookies of ours: under old names, for another path or domain."""
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
                suffixes = suffixes.union(SUFFIXES if state.backend.can_bury else ("",))
            places += [each.ending[suffix] for suffix in sorted(suffixes)]
    if settings.attributes.domain:
        sent = [suffix_sent(cookie) for cookie in state.cookies if not isinstance(cookie, OldCookie)]
        # From before the domain was added. A cookie without a domain belongs to this host alone.
        without = settings.attributes.changed({"domain": None})
        twice = [without.ending[each] for each in sorted(set(sent)) if sent.count(each) > 1]
        places += [each for each in twice if each.place not in [old.place for old in places]]
    return places


def other_names(state: SessionState, last: StoredSession | None, kept: str) -> list[str]:
    """
    Return what the names end with under which the browser has sessions besides the one that it is to keep.

    Args:
        last: The session that the request came with, which need not have come with its header.
        kept: What that one's name ends with.
    """
    # Not an old name's, which ``old_places`` returns, but for the present one where it took turns before.
    sent = [each for each in state.cookies if not isinstance(each, OldCookie) or each.key == state.settings.key]
    names = {suffix_sent(each) for each in sent}
    if last is not None:
        names.add(suffix_of(last))
    return sorted(names - {kept})


def outdated(state: SessionState, now: int) -> tuple[SetCookie, ...]:
    """Return what removes sessions from the browser that were outdated when they came, as late responses' are."""
    attributes = state.settings.attributes
    return tuple(expired(attributes.ending[suffix], state, now) for suffix in state.fetched.outdated)


def mark_of(
    buried: StoredSession, attributes: CookieAttributes, state: SessionState, lifetime: Lifetime, now: int
) -> tuple[SetCookie, ...]:
    """Return what marks in the browser that a session was ended, for as long as a late response could bring it back."""
    age = lifetime.max_age if lifetime.ends is None else lifetime.ends - now
    if age is not None:
        if age <= 0:
            return ()
        # A response that is late by less than this brings a cookie that does not live longer.
        age += _LATEST
    named, sent = attributes.ending[suffix_of(buried)], datetime.fromtimestamp(now, UTC)
    return (SetCookie(buried.cookie, named, https=state.https, now=sent, max_age=age),)


def expired(attributes: CookieAttributes, state: SessionState, now: int) -> SetCookie:
    """Return what removes a cookie with these *attributes* from the browser."""
    return SetCookie(None, attributes, https=state.https, now=datetime.fromtimestamp(now, UTC))


def cleared(headers: ResponseHeaders, kinds: frozenset[str], *, begins: bool = False) -> ResponseHeaders:
    """
    Return *headers* with Clear-Site-Data, for a logout.

    Args:
        kinds: What the browser is to clear, such as ``"cache"``.
        begins: The response sets the cookie of a new session, which must stay.
    """
    value = ", ".join(f'"{kind}"' for kind in sorted(kinds - {"cookies"} if begins else kinds))
    if not value:
        return headers
    extra = (("Clear-Site-Data", value),)
    return ExtraHeaders(headers.cookies, vary=headers.vary, cookie=headers.cookie, extra=extra)


def refuse_too_large(size: int, data: Mapping[str, Any], state: SessionState) -> NoReturn:
    """
    Refuse a cookie of this *size*, which browsers would drop without a word.

    Raises:
        CookieOverflowError: It names the largest keys of *data*.
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
    """Return about how many bytes a *value* takes."""
    try:
        return len(repr(value))
    except ValueError:
        # It holds a number with more digits than Python writes.
        return MAX_COOKIE_BYTES
