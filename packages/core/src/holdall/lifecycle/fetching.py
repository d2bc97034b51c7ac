"""The beginning: which session a request brings."""

from collections.abc import Sequence
from datetime import datetime

from holdall.cookies import OldCookie, SentCookie
from holdall.lifecycle.drafts import draft_of, principal_of
from holdall.lifecycle.limits import expiry, has_ended
from holdall.lifecycle.store_steps import Get, Move
from holdall.policy import Policy
from holdall.session import Fetched
from holdall.steps import Steps
from holdall.stores import Changes, Missing, Stored

__all__ = ["fetch"]

# An honest browser sends two or three cookies of one name at most; each one looked at costs us a read.
_MAX_DUPLICATES = 16

_UNCHANGED = Changes({})


def fetch(cookies: Sequence[SentCookie], policy: Policy, *, now: datetime) -> Steps[Fetched]:
    """
    Find the session among the values of our cookie.

    Several with our name mean that another host or path has set one too ("cookie tossing"): then the one
    that holds a session is taken, if exactly one does. Copies of one session, left where its path or domain
    was another once, count as one: what was written last expires last.

    A cookie under an old name counts where none under a later one does. It opens under the name that it came under.
    """
    found: list[Stored] = []
    reason = "duplicate"
    renewed: Stored | None = None
    old_key: str | None = None
    for sent in cookies[:_MAX_DUPLICATES]:
        key, cookie = sent if isinstance(sent, OldCookie) else (None, sent)
        if key != old_key and (found or renewed):
            break
        old_key = key
        answer = yield Get(cookie, key or policy.key)
        if isinstance(answer, Stored) and answer.origin:
            answer = _as_ours(answer, policy)
        if isinstance(answer, Stored) and answer.elsewhere and not has_ended(answer, policy, now):
            # Not for longer than the other library would keep it unused; each use here moves the limit.
            expires = min(expiry(answer.created, now, policy.idle_timeout, policy), answer.expires)
            draft = draft_of(policy, answer.data, _UNCHANGED, answer.created, expires, now)
            answer = yield Move(answer, draft, key or policy.key)
        if isinstance(answer, Missing):
            reason = answer.reason
            if answer.late:
                renewed = Stored(answer.cookie or cookie, {}, now, now, "")
        elif has_ended(answer, policy, now):
            reason = "expired"
        else:
            found.append(answer)
    if len(found) == 1:
        return _with_origin(Fetched(found[0], old_key=old_key), found[0], cookies, policy)
    if len({each.log_id for each in found}) == 1:
        # Of two that expire together the browser has sent the newer one last (RFC 6265, section 5.4).
        newest = max(enumerate(found), key=lambda each: (each[1].expires, each[0]))[1]
        return _with_origin(Fetched(newest, copies=True, old_key=old_key), newest, cookies, policy)
    if found:
        reason = "duplicate"
    if cookies:
        policy.emit("expired" if reason == "expired" else "rejected", reason, "")
    if found:
        return Fetched()
    return Fetched(late=renewed is not None, renewed=renewed, old_key=old_key)


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
