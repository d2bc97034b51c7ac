"""The end: what becomes of a session when its response's headers go."""

from datetime import datetime, timedelta
from typing import Any

from holdall.cookies import SetCookie
from holdall.devices import text_of
from holdall.lifecycle.drafts import draft_of, principal_of
from holdall.lifecycle.headers import LOOKED_AT, UNTOUCHED, ResponseHeaders, check_size, expired, old_places
from holdall.lifecycle.limits import expiry, is_due, lifetime
from holdall.lifecycle.losing import lost
from holdall.lifecycle.store_steps import Delete, Put
from holdall.policy import Policy
from holdall.session import ENDS, Fetched, Intent, Phase, Session, phase_after
from holdall.steps import Steps
from holdall.stores import Changes, Draft, Stored, Succession

__all__ = ["commit", "drop", "pass_by", "unsaved"]

# A renewed id is remembered so long: requests that the browser sent before it had the new one have ended by then.
_GRACE = timedelta(minutes=1)


def pass_by(session: Session, *, streams: bool = False) -> ResponseHeaders:
    """Commit a session that was not used, which takes no steps: most requests do no more than this."""
    # Touched only later, it is read then; what is changed then needs a row as well.
    if session.phase is Phase.OPEN:
        session.phase = Phase.ROW_ONLY
    return LOOKED_AT if session.accessed or streams else UNTOUCHED


def commit(
    session: Session, policy: Policy, *, now: datetime, status: int = 200, streams: bool = False
) -> Steps[ResponseHeaders]:
    """
    Carry out what the application decided, and say what the response's headers must.

    Args:
        status: That of the response: after a failure (5xx) a plain write is not saved.
        streams: The body is made after the headers have gone, and may yet depend on the session.
    """
    if not session.is_used:
        return pass_by(session, streams=streams)
    changes = session.changes()
    intent = session.intent
    failed = status >= 500 and not policy.save_on_error
    if intent is Intent.KEEP and session.principal != session.principal_before:
        # Whatever library logged the visitor in or out: an id from before must not reach what comes after.
        # Of a request that failed only the end of a login stands.
        intent = Intent.IGNORE if failed and session.principal is not None else Intent.RENEW
    if intent is Intent.LOGOUT and not session.data():
        intent = Intent.DROP
    if intent is Intent.IGNORE or (intent is Intent.KEEP and failed):
        return unsaved(session)
    if session.fetched.renewed is not None and intent in ENDS:
        # Whoever leaves by the old cookie leaves the session that it was renewed to.
        return (yield from drop(session, policy, now))
    if session.fetched.late and not _logs_in(session):
        # The answer to a late request must not take from the browser the cookie of the session that this one
        # was renewed to. Only a login may, for it brings one as good.
        return lost(session, policy, "renewed", wrote=bool(changes))
    match intent:
        case Intent.DROP:
            return (yield from drop(session, policy, now))
        case Intent.RENEW | Intent.LOGOUT:
            return (yield from _renew(session, policy, changes, now, intent))
    return (yield from _write(session, policy, changes, now))


def unsaved(session: Session) -> ResponseHeaders:
    """Forget this request's changes."""
    stored = session.fetched.stored
    session.settle(stored, Phase.CLOSED)
    return ResponseHeaders(vary=True, cookie=stored and stored.cookie)


def drop(session: Session, policy: Policy, now: datetime) -> Steps[ResponseHeaders]:
    """End the session, and its cookie wherever the browser may have it."""
    stored, old = session.fetched.stored or session.fetched.renewed, old_places(session, policy)
    last = None if stored is None else (yield Delete(stored, session.fetched.old_key or policy.key))
    session.settle(None, Phase.CLOSED)
    if last is None:
        # There was no session, or it has ended meanwhile. What the browser holds by now may be
        # the cookie of a new login, which a deletion would wipe out.
        return LOOKED_AT
    policy.emit("ended", "", last.log_id)
    places = {each.place: each for each in (policy.attributes, policy.attributes.changed(session.overrides))}
    return ResponseHeaders(tuple(expired(each, session, now) for each in (*old, *places.values())), vary=True)


def _renew(session: Session, policy: Policy, changes: Changes, now: datetime, intent: Intent) -> Steps[ResponseHeaders]:
    stored = session.fetched.stored
    if stored is None:
        return (yield from _begin(session, policy, session.data(), changes, now, now))
    # What was altered in place may be refused only now, and must be before the old id is gone.
    for key, value in changes.put.items():
        policy.check(key, value)
    principal_of(session.data(), policy)
    # Delete before put. If the put then fails, the visitor is signed out: a nuisance.
    # The other order can leave alive an id that an attacker planted: a breach.
    until = now + _GRACE
    last = yield Delete(stored, session.fetched.old_key or policy.key, tombstone=until)
    if last is None and intent is Intent.LOGOUT:
        return (yield from drop(session, policy, now))
    if last is None and _logs_in(session):
        # Another request has logged the visitor in or out: this login begins anew, with what it brings itself.
        session.fetched = Fetched()
        return (yield from _begin(session, policy, dict(changes.put), changes, now, now))
    if last is None:
        return lost(session, policy, "ended", wrote=True)
    data = changes.over(last.data)
    if intent is Intent.LOGOUT:
        policy.emit("ended", "", last.log_id)
        return (yield from _begin(session, policy, data, changes, now, now))
    # What a logout then meets is to end too, unless it has become another's meanwhile.
    succeeds = None
    if session.principal == session.principal_before:
        succeeds = Succession(stored, until)
    elif session.principal_before is None:
        succeeds = Succession(stored, until, login=True)
    return (yield from _begin(session, policy, data, changes, last.created, now, succeeds))


def _begin(
    session: Session,
    policy: Policy,
    data: dict[str, Any],
    changes: Changes,
    created: datetime,
    now: datetime,
    succeeds: Succession | None = None,
) -> Steps[ResponseHeaders]:
    """Put *data* into a session never in use."""
    idle_timeout, max_age = lifetime(session, policy)
    draft = draft_of(policy, data, changes, created, expiry(created, now, idle_timeout, policy), now)
    if succeeds is not None:
        draft = draft._replace(succeeds=succeeds)
    if policy.devices and session.facts is not None:
        draft = draft._replace(device=text_of(session.facts))
    return (yield from _put(session, policy, None, draft, max_age, now))


def _write(session: Session, policy: Policy, changes: Changes, now: datetime) -> Steps[ResponseHeaders]:
    stored = session.fetched.stored
    wrote = changes or session.marked
    data = session.data()
    if stored is None:
        if wrote and data:
            return (yield from _begin(session, policy, data, changes, now, now))
        # Nobody's empty session is not worth a row, nor a cookie.
        return unsaved(session)
    # The data alone decides about the lifetime.
    wanted = lifetime(session, policy) if wrote else session.lifetime_before
    idle_timeout, max_age = wanted
    expires = expiry(stored.created, now, idle_timeout, policy)
    due = is_due(stored, expires, idle_timeout)
    changed = wanted != session.lifetime_before
    if not (wrote or due or changed or stored.rewrite or session.fetched.moved):
        session.phase = phase_after(stored)
        return ResponseHeaders(vary=True, cookie=stored.cookie)
    if max_age is not None and stored.version is not None and not (due or changed):
        # Many writes, each of which moved the row's limit a little, would never let the cookie's own be due.
        expires = min(expires, stored.expires)
    draft = draft_of(policy, data, changes, stored.created, expires, now)
    if changed:
        draft = draft._replace(limits=True)
    resend = changed or (due and max_age is not None)
    return (yield from _put(session, policy, stored, draft, max_age, now, resend=resend))


def _put(
    session: Session,
    policy: Policy,
    stored: Stored | None,
    draft: Draft,
    max_age: int | datetime | None,
    now: datetime,
    *,
    resend: bool = False,
) -> Steps[ResponseHeaders]:
    """Write *draft* over *stored*, or as a session never in use, and send the cookie if the browser needs it."""
    came = session.fetched.stored
    attributes = policy.attributes.changed(session.overrides)
    written = yield Put(stored, draft, attributes.key)
    if written is None and draft.succeeds is not None:
        # Somebody has logged out while the id was renewed, and that was carried out just now.
        policy.emit("ended", "", draft.succeeds.stored.log_id)
    if written is None:
        return lost(session, policy, "ended", wrote=bool(draft.changes))
    cookies: tuple[SetCookie, ...] = ()
    # The same id is not sent twice: an answer that overtakes a login's would bring the old one back.
    fetched = session.fetched
    moved = came is None or written.cookie != came.cookie or fetched.old_key is not None or fetched.moved
    # One that lies in several places is written in the present one, and expired in the others.
    moved = moved or (fetched.copies and any(each.key == policy.key for each in policy.old_cookies))
    if moved or resend or session.overrides:
        age = attributes.seconds if "max_age" in session.overrides else max_age
        if isinstance(age, datetime):
            age = int((age - now).total_seconds())
        login = session.principal is not None
        cookie = SetCookie(written.cookie, attributes, https=session.https, now=now, max_age=age, login=login)
        check_size(cookie, draft.data, policy)
        old = old_places(session, policy)
        if came is not None and attributes.place != policy.attributes.place:
            old.append(policy.attributes)
        cookies = (*(expired(each, session, now) for each in old), cookie)
    if stored is None:
        renewed = came is not None and session.intent is not Intent.LOGOUT
        policy.emit("renewed" if renewed else "created", "", written.log_id)
    session.settle(written, phase_after(written))
    return ResponseHeaders(cookies, vary=True, cookie=written.cookie)


def _logs_in(session: Session) -> bool:
    """Say whether this request made the session somebody's, or somebody else's."""
    return session.principal is not None and session.principal != session.principal_before
