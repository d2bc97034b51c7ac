"""
What happens to a session in one request: every rule about sessions stands here, and none elsewhere.

``fetch`` begins a request's use of its session, ``commit`` ends it when the headers go, ``finish`` when the body has
gone, and ``abandon`` in place of both where no headers of ours go. Each is a generator of steps (``holdall.steps``):
what needs the store is yielded, and the answer comes back.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from holdall._discreet import discreet
from holdall.cookies import MAX_COOKIE_BYTES, CookieAttributes, SetCookie
from holdall.errors import CookieOverflowError, LostWriteError
from holdall.policy import Policy
from holdall.session import Fetched, Intent, Phase, Session, phase_after
from holdall.steps import Steps
from holdall.stores import Changes, Draft, Missing, Stored

__all__ = [
    "NEVER",
    "Delete",
    "Get",
    "Put",
    "ResponseHeaders",
    "Step",
    "abandon",
    "commit",
    "fetch",
    "finish",
]

#: The latest time that a cookie's 32 bits can say: the expiry of a session without a limit.
NEVER = datetime.fromtimestamp(2**32 - 1, UTC)

# A renewed id is remembered so long: requests that the browser sent before it had the new one have ended by then.
_GRACE = timedelta(minutes=1)

_TOUCHES_PER_IDLE_TIMEOUT = 10

# An honest browser sends two or three cookies of one name at most; each one looked at costs us a read.
_MAX_DUPLICATES = 16


@discreet
class Get(NamedTuple):
    """Read the session that *cookie* stands for."""

    cookie: str
    key: str

    def on(self, store: Any) -> Any:
        return store.get(self.cookie, key=self.key)


@discreet
class Put(NamedTuple):
    """Write *draft* over *stored*, or as a new session."""

    stored: Stored | None
    draft: Draft
    key: str

    def on(self, store: Any) -> Any:
        return store.put(self.stored, self.draft, key=self.key)


@discreet
class Delete(NamedTuple):
    """End *stored*."""

    stored: Stored
    key: str
    tombstone: datetime | None = None

    def on(self, store: Any) -> Any:
        return store.delete(self.stored, key=self.key, tombstone=self.tombstone)


Step = Get | Put | Delete


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


_UNTOUCHED = ResponseHeaders()
_LOOKED_AT = ResponseHeaders(vary=True)


def fetch(cookies: Sequence[str], policy: Policy, *, now: datetime) -> Steps[Fetched]:
    """
    Find the session among the values of our cookie.

    Several with our name mean that another host or path has set one too ("cookie tossing"): then the one
    that holds a session is taken, if exactly one does.
    """
    found: list[Stored] = []
    reason = "duplicate"
    late = False
    for cookie in cookies[:_MAX_DUPLICATES]:
        answer = yield Get(cookie, policy.key)
        if isinstance(answer, Missing):
            reason = answer.reason
            late = late or answer.late
        elif _has_ended(answer, policy, now):
            reason = "expired"
        else:
            found.append(answer)
    if len(found) == 1:
        return Fetched(found[0])
    if found:
        reason = "duplicate"
    if cookies:
        policy.emit("expired" if reason == "expired" else "rejected", reason, "")
    return Fetched(None, late and not found)


def commit(session: Session, policy: Policy, *, now: datetime, status: int = 200) -> Steps[ResponseHeaders]:
    """
    Carry out what the application decided, and say what the response's headers must.

    *status* is that of the response: after a failure (5xx) a plain write is not saved.
    """
    if not (session.is_loaded or session.marked):
        # Touched only later, it is read then; what is changed then needs a row as well.
        session.phase = Phase.ROW_ONLY
        return _LOOKED_AT if session.accessed else _UNTOUCHED
    changes = session.changes()
    intent = session.intent
    if intent is Intent.KEEP and session.principal != session.principal_before:
        # Whatever library logged the visitor in or out: an id from before must not reach what comes after.
        intent = Intent.RENEW
    if intent is Intent.LOGOUT and not session.data():
        intent = Intent.DROP
    failed = status >= 500 and not policy.save_on_error
    if intent is Intent.IGNORE or (intent is Intent.KEEP and failed):
        return _unsaved(session)
    if session.fetched.late and not (intent is Intent.RENEW and session.principal is not None):
        # The answer to a late request must not take from the browser the cookie of the session that this one
        # was renewed to. Only a login may, for it brings one as good.
        return _lost(session, policy, "renewed", wrote=bool(changes))
    match intent:
        case Intent.DROP:
            return (yield from _drop(session, policy, now))
        case Intent.RENEW | Intent.LOGOUT:
            return (yield from _renew(session, policy, changes, now, keep_created=intent is Intent.RENEW))
    return (yield from _write(session, policy, changes, now))


def finish(session: Session, policy: Policy, *, now: datetime) -> Steps[None]:
    """Save what was changed while the body was sent: into a row that exists, for no cookie can be sent any more."""
    if not session.is_loaded or session.phase is Phase.OPEN:
        return
    changes = session.changes()
    stored = session.fetched.stored
    if stored is None or session.phase is Phase.CLOSED:
        if changes:
            # A list or dict was altered in place, which no call of ours could refuse.
            policy.emit("lost_write", "response started", stored.log_id if stored else "")
            session.settle(stored, Phase.CLOSED)
    elif session.intent is not Intent.KEEP:
        yield from _drop(session, policy, now)
    elif changes or session.marked:
        # Others' changes that the commit met are in the stored data, though not in this request's view.
        # A long body may outlast the limit that was stored when it began.
        idle_timeout, _ = _lifetime(session, policy)
        expires = _expiry(stored.created, now, idle_timeout, policy)
        draft = _draft(policy, changes.over(stored.data), changes, stored.created, expires)
        written = yield Put(stored, draft, policy.key)
        if written is None:
            _lost(session, policy, "ended", wrote=True)
        else:
            session.settle(written, Phase.ROW_ONLY)


def abandon(session: Session, policy: Policy, *, now: datetime, status: int = 500) -> Steps[None]:
    """
    End a request to whose response no cookie can be added: it failed beyond us, or its WebSocket was refused.

    What was to end does, the session of somebody who was signed out too. A renewal is not carried out, nor is what it
    was for: the browser could not learn of the new id. After a failure (5xx) nothing else is saved either.
    """
    if not session.is_loaded or session.phase is Phase.CLOSED:
        return
    stored, intent = session.fetched.stored, session.intent
    other_principal = session.principal != session.principal_before
    signed_out = other_principal and session.principal_before is not None
    if intent in (Intent.DROP, Intent.LOGOUT) or (signed_out and intent is not Intent.IGNORE):
        yield from _drop(session, policy, now)
    elif intent is not Intent.KEEP or other_principal or (status >= 500 and not policy.save_on_error):
        _unsaved(session)
    else:
        session.phase = phase_after(stored)
        yield from finish(session, policy, now=now)


def _drop(session: Session, policy: Policy, now: datetime) -> Steps[ResponseHeaders]:
    stored = session.fetched.stored
    last = None if stored is None else (yield Delete(stored, policy.key))
    session.settle(None, Phase.CLOSED)
    if last is None:
        # There was no session, or it has ended meanwhile. What the browser holds by now may be
        # the cookie of a new login, which a deletion would wipe out.
        return _LOOKED_AT
    policy.emit("dropped", "", last.log_id)
    attributes = policy.attributes.changed(session.overrides)
    places = {each.place: each for each in (policy.attributes, attributes)}
    return ResponseHeaders(tuple(_expire(each, session, now) for each in places.values()), vary=True)


def _renew(
    session: Session, policy: Policy, changes: Changes, now: datetime, *, keep_created: bool
) -> Steps[ResponseHeaders]:
    stored = session.fetched.stored
    data = session.data()
    created = now
    if stored is not None:
        for key, value in changes.put.items():
            # What was altered in place may be refused only now, and must be before the old id is gone.
            policy.check(key, value)
        # Delete before put. If the put then fails, the visitor is signed out: a nuisance.
        # The other order can leave alive an id that an attacker planted: a breach.
        last = yield Delete(stored, policy.key, tombstone=now + _GRACE)
        if last is None:
            return _lost(session, policy, "ended", wrote=True)
        data = changes.over(last.data)
        created = last.created if keep_created else now
    return (yield from _begin(session, policy, data, changes, created, now))


def _begin(
    session: Session, policy: Policy, data: dict[str, Any], changes: Changes, created: datetime, now: datetime
) -> Steps[ResponseHeaders]:
    """Put *data* into a session never in use."""
    idle_timeout, max_age = _lifetime(session, policy)
    draft = _draft(policy, data, changes, created, _expiry(created, now, idle_timeout, policy))
    return (yield from _put(session, policy, None, draft, max_age, now))


def _write(session: Session, policy: Policy, changes: Changes, now: datetime) -> Steps[ResponseHeaders]:
    stored = session.fetched.stored
    wrote = changes or session.marked
    data = session.data()
    if stored is None:
        if wrote and data:
            return (yield from _begin(session, policy, data, changes, now, now))
        # Nobody's empty session is not worth a row, nor a cookie.
        return _unsaved(session)
    lifetime = _lifetime(session, policy)
    idle_timeout, max_age = lifetime
    expires = _expiry(stored.created, now, idle_timeout, policy)
    # The idle limit is moved at most every tenth of it, so that reading a session seldom writes.
    due = isinstance(idle_timeout, timedelta) and expires - stored.expires >= idle_timeout / _TOUCHES_PER_IDLE_TIMEOUT
    changed = lifetime != session.lifetime_before
    if not (wrote or due or changed or stored.rewrite):
        session.phase = phase_after(stored)
        return ResponseHeaders(vary=True, cookie=stored.cookie)
    draft = _draft(policy, data, changes, stored.created, expires if due or changed else stored.expires)
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
    if written is None:
        return _lost(session, policy, "ended", wrote=bool(draft.changes))
    cookies: tuple[SetCookie, ...] = ()
    # The same id is not sent twice: an answer that overtakes a login's would bring the old one back.
    if resend or session.overrides or came is None or written.cookie != came.cookie:
        age = attributes.seconds if "max_age" in session.overrides else max_age
        if isinstance(age, datetime):
            age = int((age - now).total_seconds())
        cookie = SetCookie(written.cookie, attributes, https=session.https, now=now, max_age=age)
        _check_size(cookie, draft.data, policy)
        cookies = (cookie,)
        if came is not None and attributes.place != policy.attributes.place:
            cookies = (_expire(policy.attributes, session, now), cookie)
    if stored is None:
        policy.emit("created" if came is None else "renewed", "", written.log_id)
    session.settle(written, phase_after(written))
    return ResponseHeaders(cookies, vary=True, cookie=written.cookie)


def _lost(session: Session, policy: Policy, reason: str, *, wrote: bool) -> ResponseHeaders:
    """Let go of a write to a session that has ended: bring nothing back, send no cookie, say so."""
    log_id = session.fetched.stored.log_id if session.fetched.stored else ""
    session.settle(None, Phase.CLOSED)
    # An adapter that can save ahead of the response lets the request go on: what it puts then is as late as this.
    session.fetched = Fetched(late=True)
    if wrote:
        policy.emit("lost_write", reason, log_id)
        if policy.raise_on_lost_write:
            msg = (
                "the session was ended or renewed by another request while this one changed it: let the visitor retry."
            )
            raise LostWriteError(msg)
    return _LOOKED_AT


def _unsaved(session: Session) -> ResponseHeaders:
    """Forget this request's changes."""
    stored = session.fetched.stored
    session.settle(stored, Phase.CLOSED)
    return ResponseHeaders(vary=True, cookie=stored and stored.cookie)


def _lifetime(session: Session, policy: Policy) -> tuple[timedelta | datetime | None, int | datetime | None]:
    return session.lifetime(session.data(), policy.idle_timeout, policy.attributes.seconds)


def _expiry(created: datetime, now: datetime, idle_timeout: timedelta | datetime | None, policy: Policy) -> datetime:
    if isinstance(idle_timeout, timedelta):
        idle_timeout = now + idle_timeout
    return min(idle_timeout or NEVER, NEVER if policy.absolute_timeout is None else created + policy.absolute_timeout)


def _has_ended(stored: Stored, policy: Policy, now: datetime) -> bool:
    if stored.expires <= now:
        return True
    # The limit may have been made shorter since this one began.
    return policy.absolute_timeout is not None and stored.created + policy.absolute_timeout <= now


def _draft(policy: Policy, data: dict[str, Any], changes: Changes, created: datetime, expires: datetime) -> Draft:
    principal = None if policy.principal_key is None else data.get(policy.principal_key)
    # Stores count whole seconds; all of them are told the same.
    return Draft(
        data,
        changes,
        created.replace(microsecond=0),
        expires.replace(microsecond=0),
        None if principal is None else str(principal),
    )


def _expire(attributes: CookieAttributes, session: Session, now: datetime) -> SetCookie:
    return SetCookie(None, attributes, https=session.https, now=now)


def _check_size(cookie: SetCookie, data: Mapping[str, Any], policy: Policy) -> None:
    size = len(str(cookie))
    if size <= MAX_COOKIE_BYTES:
        return
    policy.emit("overflow", f"{size} bytes", "")
    sizes = sorted(((len(repr(value)), key) for key, value in data.items()), reverse=True)
    largest = ", ".join(f"{key!r} (about {size} bytes)" for size, key in sizes[:3])
    msg = (
        f"the session's cookie would have {size} bytes, and browsers keep {MAX_COOKIE_BYTES}. "
        f"The largest of its keys: {largest}. Store less, or keep sessions in a table (store='table')."
    )
    raise CookieOverflowError(msg)
