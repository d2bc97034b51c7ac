"""Find the session that a request belongs to."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from holdall._cookie_header import OldCookie, SentCookie
from holdall._cookies import CookieAttributes
from holdall._lifecycle.expiry import expiry, has_ended
from holdall._settings import Settings
from holdall._state import NOT_STORED, Backend, FetchResult, FetchResultOfSeveral
from holdall.steps import Steps, asked
from holdall.stores._contract import Changes, ForeignSession, NotFound, StoredSession, Write
from holdall.stores._generations import Apart, is_foreign, latest, suffix_of

__all__ = ["fetch", "fetched_at_once"]

# The maximum number of values of our cookie in a request, plus one for each old name or place, because each may cost
# a read of the table and of each migration source. An honest browser has one, and perhaps others for a parent domain,
# for another path or from before a change. With more than that the request has no session, so that an attacker who
# fills the header cannot choose which ones count. A value under an old name counts only when it is read, so it cannot
# crowd out one under the current name.
_MOST_VALUES = 4

_UNCHANGED = Changes({})


def fetched_at_once(answer: Any, settings: Settings, *, now: int) -> FetchResult | None:
    """Return the result for the only cookie if *answer* is an up-to-date session of ours; ``None`` otherwise."""
    if not isinstance(answer, StoredSession) or answer.origin or answer.ended or answer.expires <= now:
        return None
    # The same check as in has_ended().
    longest = settings.absolute_timeout
    return None if longest is not None and answer.created + longest <= now else FetchResult(answer)


def fetch(cookies: Sequence[SentCookie], backend: Backend, *, now: int, first: Any = None) -> Steps[FetchResult]:
    """
    Find the session among the values of our cookie.

    If several cookies have our name, another host or path has set one too ("cookie tossing"); then the one that
    contains a session is used, if exactly one does. Copies of one session count as one. So do several sessions, up to
    the number of places that the cookie has had (``old_keys``). Of these, the one that was written last is used.

    Among sessions with generations (``stores._generations``) the latest counts, and if it has ended there is none.

    A cookie under an old name counts if there is none under a later name. It is opened with the name it came under.

    Args:
        first: The store's answer for the first cookie, if the store has already been asked.
    """
    settings = backend.settings
    old = settings.old_cookies
    if old and now >= settings.read_old_until:
        old, cookies = (), [sent for sent in cookies if not isinstance(sent, OldCookie)]
    found: list[StoredSession] = []
    gone: list[StoredSession] = []
    reason = "duplicate"
    renewed: StoredSession | None = None
    old_key: str | None = None
    left = _MOST_VALUES + len(old)
    for old_key, sent in groupby(cookies, _old_name):
        values = [each.value if isinstance(each, OldCookie) else each for each in sent]
        left -= len(values)
        if left < 0:
            settings.emit("rejected", "too many duplicates", "")
            return NOT_STORED
        for cookie in values:
            answer = (yield from _asked(cookie, old_key, backend)) if first is None else first
            first = None
            if isinstance(answer, ForeignSession):
                answer = yield from _adopted(answer, settings, now)
            if isinstance(answer, NotFound):
                reason = answer.reason
                if answer.superseded:
                    renewed = answer.stored or StoredSession(cookie, {}, now, now)
                if answer.stored is not None:
                    gone.append(answer.stored)
            elif not answer.ended and has_ended(answer, settings, now):
                reason = "expired"
            else:
                found.append(answer)
        if found or renewed:
            break
    if len(cookies) == len(found) == 1 and not found[0].ended:
        return _with_origin(found[0], cookies, settings, old_key=old_key, copies=False)
    standing = latest([*found, *gone], now)
    current = [each for each in standing if not any(each is one for one in gone)]
    ended = current[0] if len(current) == 1 and current[0].ended else None
    places = _places(old_key or settings.key, settings, old)
    if ended is not None or not cookies:
        fetched = NOT_STORED
    elif current and not any(each.ended for each in current) and len({each.log_id for each in current}) <= places:
        newest = _written_last(current, settings)
        copies = len(current) > 1 or places > 1
        fetched = _with_origin(newest, cookies, settings, old_key=old_key, copies=copies)
    else:
        reason = "duplicate" if current else reason
        settings.emit("expired" if reason == "expired" else "rejected", reason, "")
        fetched = (
            NOT_STORED if current else FetchResult(superseded=renewed is not None, renewed=renewed, old_key=old_key)
        )
        if standing:
            ended = Apart() if current or len(standing) > 1 else Apart(standing[0])
    # If no session counts, do not expire these names, because a new cookie may have one of them by now.
    others = (*found, *gone) if current else ()
    return _of_several(fetched, ended, others, current) if backend.can_mark_ended and cookies else fetched


def _written_last(found: Sequence[StoredSession], settings: Settings) -> StoredSession:
    """
    Return the session in *found* that was written last.

    Our own sessions expire one idle timeout after they were written. Another library's session expires by its own rule,
    but its start is the time when its cookie was written, or now if the cookie does not contain it.
    """
    idle = settings.lifetime.idle or 0

    def written(place: int) -> tuple[int, int, int]:
        each = found[place]
        # If two were written at the same time, the browser has sent the newer one last (RFC 6265, section 5.4).
        return each.created if is_foreign(each) else each.expires - idle, each.created, place

    return found[max(range(len(found)), key=written)]


def _of_several(
    fetched: FetchResult, ended: StoredSession | None, found: Sequence[StoredSession], current: list[StoredSession]
) -> FetchResult:
    """Return *fetched* with information about the request's other cookies."""
    kept = {suffix_of(each) for each in current}
    return FetchResultOfSeveral(fetched, ended, sorted({suffix_of(each) for each in found} - kept))


def _asked(cookie: str, old_key: str | None, backend: Backend) -> Steps[StoredSession | NotFound]:
    """Return the store's answer for a cookie under its current name or an old one."""
    settings, store = backend.settings, backend.reading
    answer: StoredSession | NotFound = yield from asked(store.get(cookie, key=old_key or settings.key))
    is_unreadable = isinstance(answer, NotFound) and answer.reason == "unreadable"
    if old_key is not None and is_unreadable and backend.table is not None:
        # The row may have been bound to the current name since the browser sent the old one.
        answer = yield from asked(store.get(cookie, key=settings.key))
    return answer


def _old_name(sent: SentCookie) -> str | None:
    return sent.key if isinstance(sent, OldCookie) else None


def _places(key: str, settings: Settings, old: Sequence[CookieAttributes]) -> int:
    """Return the number of places in which an honest browser may have the cookie *key*."""
    return max(1, sum(each.key == key for each in old) + (key == settings.key))


def _adopted(found: ForeignSession, settings: Settings, now: int) -> Steps[StoredSession | NotFound]:
    """Return another library's session, moving it here first if it is stored elsewhere."""
    try:
        principal = settings.principals.of(found.data)
    except TypeError:
        return NotFound("its principal is not valid text")
    if found.move is None or has_ended(found, settings, now):
        return found
    # Keep the other library's idle limit if it is shorter; each use here moves it.
    expires = min(expiry(found.created, now, settings.lifetime, settings), found.expires)
    ends = settings.ends(found.created)
    write = Write(found.data, _UNCHANGED, found.created, expires, now, principal, ends=ends)
    answer: StoredSession | NotFound = yield from asked(found.move(write, key=settings.key))
    return answer


def _with_origin(
    stored: StoredSession, cookies: Sequence[SentCookie], settings: Settings, *, old_key: str | None, copies: bool
) -> FetchResult:
    """Return the result for *stored*, and report a session that is stored in an old way or under an old name."""
    origin = stored.origin or old_key
    if not origin:
        return FetchResult(stored, copies=copies)
    settings.emit("old_cookie", origin, stored.log_id)
    values = (each.value if isinstance(each, OldCookie) else each for each in cookies)
    return FetchResult(stored, copies=copies, old_key=old_key, moved=stored.cookie not in values)
