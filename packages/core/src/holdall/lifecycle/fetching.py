"""The beginning: which session a request brings."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

from holdall.cookies import CookieAttributes, OldCookie, SentCookie
from holdall.lifecycle.drafts import draft_of, principal_of
from holdall.lifecycle.limits import expiry, has_ended
from holdall.lifecycle.store_steps import Get, Move
from holdall.policy import Policy
from holdall.session import Fetched
from holdall.steps import Steps
from holdall.stores import Changes, Missing, Stored

__all__ = ["fetch"]

# The most values of our cookie that a request may bring, besides one for each old name or place, because each may cost
# a read of the table and of each source of a migration. An honest browser has one, and perhaps others for a parent
# domain, for another path and from before a change. With more than that the request has no session, so that an attacker
# who fills the header cannot choose which ones count. A value under an old name counts only when it is read, so it
# hides none under the present name.
_MOST_VALUES = 4

_UNCHANGED = Changes({})


def fetch(cookies: Sequence[SentCookie], policy: Policy, *, now: datetime) -> Steps[Fetched]:
    """
    Find the session among the values of our cookie.

    Several with our name mean that another host or path has set one too ("cookie tossing"): then the one
    that holds a session is taken, if exactly one does. Copies of one session count as one, and so do as many sessions
    as the cookie had places, by ``old_keys``: what was written last expires last.

    A cookie under an old name counts where none under a later one does. It opens under the name that it came under.
    """
    old = policy.old_cookies
    if old and now >= policy.read_old_until:
        old, cookies = (), [sent for sent in cookies if not isinstance(sent, OldCookie)]
    found: list[Stored] = []
    reason = "duplicate"
    renewed: Stored | None = None
    old_key: str | None = None
    left = _MOST_VALUES + len(old)
    for old_key, sent in groupby(cookies, _old_name):
        values = [each.value if isinstance(each, OldCookie) else each for each in sent]
        left -= len(values)
        if left < 0:
            policy.emit("rejected", "too many duplicates", "")
            return Fetched()
        for cookie in values:
            answer = yield Get(cookie, old_key or policy.key)
            if isinstance(answer, Stored) and answer.origin:
                answer = _as_ours(answer, policy)
            if isinstance(answer, Stored) and answer.elsewhere and not has_ended(answer, policy, now):
                # Not for longer than the other library would keep it unused; each use here moves the limit.
                expires = min(expiry(answer.created, now, policy.idle_timeout, policy), answer.expires)
                draft = draft_of(policy, answer.data, _UNCHANGED, answer.created, expires, now)
                answer = yield Move(answer, draft, old_key or policy.key)
            if isinstance(answer, Missing):
                reason = answer.reason
                if answer.late:
                    renewed = Stored(answer.cookie or cookie, {}, now, now, "")
            elif has_ended(answer, policy, now):
                reason = "expired"
            else:
                found.append(answer)
        if found or renewed:
            break
    if len(cookies) == len(found) == 1:
        return _with_origin(Fetched(found[0], old_key=old_key), found[0], cookies, policy)
    places = _places(old_key or policy.key, policy, old)
    if found and len({each.log_id for each in found}) <= places:
        # Of two that expire together the browser has sent the newer one last (RFC 6265, section 5.4).
        newest = max(enumerate(found), key=lambda each: (each[1].expires, each[1].created, each[0]))[1]
        copies = len(found) > 1 or places > 1
        return _with_origin(Fetched(newest, copies=copies, old_key=old_key), newest, cookies, policy)
    if found:
        reason = "duplicate"
    if cookies:
        policy.emit("expired" if reason == "expired" else "rejected", reason, "")
    if found:
        return Fetched()
    return Fetched(late=renewed is not None, renewed=renewed, old_key=old_key)


def _old_name(sent: SentCookie) -> str | None:
    return sent.key if isinstance(sent, OldCookie) else None


def _places(key: str, policy: Policy, old: Sequence[CookieAttributes]) -> int:
    """Return in how many places a browser may honestly have the cookie *key*."""
    return max(1, sum(each.key == key for each in old) + (key == policy.key))


def _as_ours(stored: Stored, policy: Policy) -> Stored | Missing:
    """Return *stored*, which another library wrote, unless it can't be told of it whose it is."""
    try:
        principal_of(stored.data, policy)
    except TypeError:
        return Missing(f"session[{policy.principal_key!r}] is no valid text")
    return stored


def _with_origin(fetched: Fetched, stored: Stored, cookies: Sequence[SentCookie], policy: Policy) -> Fetched:
    """Return *fetched*, and tell of a session that is not kept as one would be written today, or not under its name."""
    origin = stored.origin or fetched.old_key
    if not origin:
        return fetched
    policy.emit("old_cookie", origin, stored.log_id)
    values = (each.value if isinstance(each, OldCookie) else each for each in cookies)
    return fetched._replace(moved=stored.cookie not in values)
