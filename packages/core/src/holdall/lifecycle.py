"""
What happens to a session in one request: every rule about sessions stands here, and none elsewhere.

``fetch`` begins a request's use of its session, ``commit`` ends it when the headers go, ``finish`` when the body has
gone, and ``abandon`` in place of both where no headers of ours go. ``enter``, ``leave`` and ``release`` are the parts
of a block that has one key to itself (``session.atomic``); ``save`` and ``reload`` are for requests that last. Each is
a generator of steps (``holdall.steps``): what needs the store is yielded, and the answer comes back.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, cast

from holdall._discreet import discreet
from holdall.clock import NEVER
from holdall.cookies import MAX_COOKIE_BYTES, CookieAttributes, FormerCookie, SentCookie, SetCookie
from holdall.devices import text_of
from holdall.errors import ConfigurationError, ContentionError, CookieOverflowError, LostWriteError
from holdall.ownership import principal_text
from holdall.policy import Policy
from holdall.session import Block, Fetched, Intent, Phase, Session, phase_after
from holdall.steps import Pause, Steps
from holdall.stores import Changes, Draft, Missing, Stored, Succession

__all__ = [
    "Delete",
    "Get",
    "Lease",
    "Move",
    "Put",
    "Release",
    "ResponseHeaders",
    "Step",
    "abandon",
    "can_save",
    "commit",
    "enter",
    "fetch",
    "finish",
    "leave",
    "pass_by",
    "release",
    "reload",
    "save",
]

# A renewed id is remembered so long: requests that the browser sent before it had the new one have ended by then.
_GRACE = timedelta(minutes=1)

_TOUCHES_PER_IDLE_TIMEOUT = 10
# Servers whose clocks differ by less do not write in turns what the other has written.
_CLOCK_SKEW = timedelta(minutes=1)

# Nobody has a key for longer, so that a request which dies in its block holds up others for no more than this.
_LEASE = timedelta(seconds=5)
# Who waits for a lease asks again after pauses that grow from the time that a fast table takes for a block.
_SHORTEST_PAUSE = 0.001
_LONGEST_PAUSE = 0.032

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
class Move(NamedTuple):
    """Bring *stored*, which another library keeps, into the store, as *draft* says."""

    stored: Stored
    draft: Draft
    key: str

    def on(self, store: Any) -> Any:
        return store.move(self.stored, self.draft, key=self.key)


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


@discreet
class Lease(NamedTuple):
    """Have a key of *stored* for this request alone. The answer is what it is given back with, or ``None``."""

    stored: Stored
    name: str
    until: datetime

    def on(self, store: Any) -> Any:
        return store.lease(self.stored, self.name, until=self.until)


@discreet
class Release(NamedTuple):
    """Give a lease back."""

    stored: Stored
    name: str
    lease: int

    def on(self, store: Any) -> Any:
        return store.release(self.stored, self.name, self.lease)


Step = Get | Move | Put | Delete | Lease | Release | Pause


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


_ENDS = (Intent.DROP, Intent.LOGOUT)
# What is put after one of these is not for the row that there is.
_LEAVES_THE_ROW = (*_ENDS, Intent.IGNORE)

_UNCHANGED = Changes({})

_UNTOUCHED = ResponseHeaders()
_LOOKED_AT = ResponseHeaders(vary=True)


def fetch(cookies: Sequence[SentCookie], policy: Policy, *, now: datetime) -> Steps[Fetched]:
    """
    Find the session among the values of our cookie.

    Several with our name mean that another host or path has set one too ("cookie tossing"): then the one
    that holds a session is taken, if exactly one does. Copies of one session, left where its path or domain
    was another once, count as one: what was written last expires last.

    A cookie under a former name counts where none under a later one does. It opens under the name that it came under.
    """
    found: list[Stored] = []
    reason = "duplicate"
    renewed: Stored | None = None
    former: str | None = None
    for sent in cookies[:_MAX_DUPLICATES]:
        key, cookie = sent if isinstance(sent, FormerCookie) else (None, sent)
        if key != former and (found or renewed):
            break
        former = key
        answer = yield Get(cookie, key or policy.key)
        if isinstance(answer, Stored) and answer.elsewhere and not _has_ended(answer, policy, now):
            # Not for longer than the other library would keep it unused; each use here moves the limit.
            expires = min(_expiry(answer.created, now, policy.idle_timeout, policy), answer.expires)
            draft = _draft(policy, answer.data, _UNCHANGED, answer.created, expires, now)
            answer = yield Move(answer, draft, key or policy.key)
        if isinstance(answer, Missing):
            reason = answer.reason
            if answer.late:
                renewed = Stored(answer.cookie or cookie, {}, now, now, "")
        elif _has_ended(answer, policy, now):
            reason = "expired"
        else:
            found.append(answer)
    if len(found) == 1:
        return _with_origin(Fetched(found[0], former=former), found[0], cookies, policy)
    if len({each.log_id for each in found}) == 1:
        # Of two that expire together the browser has sent the newer one last (RFC 6265, section 5.4).
        newest = max(enumerate(found), key=lambda each: (each[1].expires, each[0]))[1]
        return _with_origin(Fetched(newest, copies=True, former=former), newest, cookies, policy)
    if found:
        reason = "duplicate"
    if cookies:
        policy.emit("expired" if reason == "expired" else "rejected", reason, "")
    if found:
        return Fetched()
    return Fetched(late=renewed is not None, renewed=renewed, former=former)


def _with_origin(fetched: Fetched, stored: Stored, cookies: Sequence[SentCookie], policy: Policy) -> Fetched:
    """Return *fetched*, and tell of a session that is not kept as one would be written today, or not under its name."""
    origin = stored.origin or fetched.former
    if not origin:
        return fetched
    policy.emit("former", origin, stored.log_id)
    values = (each.value if isinstance(each, FormerCookie) else each for each in cookies)
    return fetched._replace(moved=stored.cookie not in values)


def pass_by(session: Session, *, streams: bool = False) -> ResponseHeaders:
    """Commit a session that was not used, which takes no steps: most requests do no more than this."""
    # Touched only later, it is read then; what is changed then needs a row as well.
    session.phase = Phase.ROW_ONLY
    return _LOOKED_AT if session.accessed or streams else _UNTOUCHED


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
        return _unsaved(session)
    if session.fetched.renewed is not None and intent in _ENDS:
        # Whoever leaves by the old cookie leaves the session that it was renewed to.
        return (yield from _drop(session, policy, now))
    if session.fetched.late and not _logs_in(session):
        # The answer to a late request must not take from the browser the cookie of the session that this one
        # was renewed to. Only a login may, for it brings one as good.
        return _lost(session, policy, "renewed", wrote=bool(changes))
    match intent:
        case Intent.DROP:
            return (yield from _drop(session, policy, now))
        case Intent.RENEW | Intent.LOGOUT:
            return (yield from _renew(session, policy, changes, now, intent))
    return (yield from _write(session, policy, changes, now))


def finish(session: Session, policy: Policy, *, now: datetime) -> Steps[None]:
    """Save what was changed while the body was sent: into a row that exists, for no cookie can be sent any more."""
    if session.is_as_stored or not session.is_loaded or session.phase is Phase.OPEN:
        return
    changes = session.changes()
    stored = session.fetched.stored
    is_late = stored is None or session.phase is Phase.CLOSED
    if session.intent is not Intent.KEEP and not is_late:
        yield from _drop(session, policy, now)
    elif stored is None or is_late or session.principal != session.principal_before:
        if changes:
            # A list, a dict or an object was altered in place, which no call of ours could refuse. Where that is about
            # whose the session is, its id can't be renewed any more.
            policy.emit("lost_write", "response started", stored.log_id if stored else "")
            session.settle(stored, Phase.CLOSED)
    elif changes or session.marked:
        written = yield _put_late(session, policy, stored, changes, now)
        if written is None:
            # No error page can be sent any more, whatever was configured.
            _let_go(session, policy, "ended")
        else:
            session.settle(written, Phase.ROW_ONLY)


def _put_late(session: Session, policy: Policy, stored: Stored, changes: Changes, now: datetime) -> Put:
    """Put *changes* into a row after the headers have gone."""
    # Others' changes that the commit met are in the stored data, though not in this request's view.
    # A long body may outlast the limit that was stored when it began.
    idle_timeout, _ = _lifetime(session, policy)
    expires = _expiry(stored.created, now, idle_timeout, policy)
    return Put(stored, _draft(policy, changes.over(stored.data), changes, stored.created, expires, now), policy.key)


def can_save(session: Session, policy: Policy) -> bool:
    """Say whether what became of a session can be saved now: no cookie is needed for it, or none can be sent."""
    if session.phase is not Phase.OPEN:
        return session.phase is Phase.ROW_ONLY
    stored = session.fetched.stored
    if stored is None or stored.version is None or session.intent is not Intent.KEEP:
        return False
    # A login renews the id, and another lifetime sends the cookie once more.
    return session.principal == session.principal_before and _lifetime(session, policy) == session.lifetime_before


def save(session: Session, policy: Policy, changes: Changes, *, now: datetime) -> Steps[None]:
    """
    Write *changes* of a session into its row while the request goes on, or end it if that was asked for.

    Raises:
        LostWriteError: The session has ended meanwhile, and it is configured that this is an error.
    """
    stored = cast("Stored", session.fetched.stored)
    if session.intent is not Intent.KEEP:
        yield from _drop(session, policy, now)
    elif changes:
        if session.phase is Phase.OPEN:
            # The expiry is left to the response: what moves it may have to send the cookie once more.
            draft = _draft(policy, changes.over(stored.data), changes, stored.created, stored.expires, now)
            written = yield Put(stored, draft, session.fetched.former or policy.key)
        else:
            written = yield _put_late(session, policy, stored, changes, now)
        if written is None:
            _lose(session, policy, "ended", wrote=True)
        else:
            session.fetched = session.fetched._replace(stored=written)


def reload(session: Session, policy: Policy, *, now: datetime) -> Steps[None]:
    """
    Let a session show what others have made of it since; one that has ended is empty.

    Raises:
        LostWriteError: It has ended, and changes of this request with it; and it is configured that this is an error.
    """
    stored = session.fetched.stored
    if stored is None or stored.version is None or session.intent in _ENDS:
        return
    found = yield from fetch((stored.cookie,), policy, now=now)
    if found.stored is not None:
        session.see(found.stored)
        return
    wrote = session.changed
    session.forget_data()
    _lose(session, policy, "renewed" if found.late else "ended", wrote=wrote)


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
    if intent in _ENDS or (signed_out and intent is not Intent.IGNORE):
        yield from _drop(session, policy, now)
    elif intent is not Intent.KEEP or other_principal or (status >= 500 and not policy.save_on_error):
        _unsaved(session)
    else:
        session.phase = phase_after(stored)
        yield from finish(session, policy, now=now)


def enter(session: Session, policy: Policy, key: str, *, timeout: timedelta, now: datetime) -> Steps[Block]:
    """
    Begin a block that changes *key* as if no other request were there.

    One block at a time has the lease of a session's key, and finds there what was written last. That is all the lease
    is for: it may run out, so what the block has made of the key is written only if the key is as it was found.

    Args:
        timeout: How long to wait for a lease that another has.

    Raises:
        ContentionError: It was not to be had for so long.
    """
    session.check_block(key)
    stored = session.fetched.stored
    if stored is None or session.intent in _LEAVES_THE_ROW:
        # What will be a new session has nobody else.
        return session.begin_block(key)
    if stored.version is None:
        msg = "this session is in its cookie, where session.atomic cannot hold off others: it needs one in a table."
        raise ConfigurationError(msg)
    pause, left = _SHORTEST_PAUSE, timeout.total_seconds()
    while (lease := (yield Lease(stored, key, (now + _LEASE).replace(microsecond=0)))) is None:
        if left <= 0:
            msg = f"others kept session[{key!r}] to themselves for {timeout.total_seconds()} seconds: try again."
            raise ContentionError(msg)
        now = yield Pause(pause)
        left -= pause
        pause = min(2 * pause, _LONGEST_PAUSE)
    latest = yield Get(stored.cookie, session.fetched.former or policy.key)
    # If it has ended meanwhile, that is found when the block is saved, as with any other write.
    return session.begin_block(key, stored if isinstance(latest, Missing) else latest, lease=lease)


def leave(session: Session, policy: Policy, block: Block, *, now: datetime) -> Steps[None]:
    """
    Write what a block has made of its key, ahead of all else that this request has changed.

    Raises:
        ContentionError: The key is not as the block found it: the lease had run out, or who wrote needed none.
        LostWriteError: The session has ended meanwhile, and it is configured that this is an error.
    """
    stored, change = block.stored, session.changes().of(block.key)
    if stored is None or not change or session.intent in _LEAVES_THE_ROW:
        # What there is to save is saved with the response.
        block.saved = True
        return
    # The expiry is left to the end of the request: what moves it may have to send the cookie once more.
    draft = _draft(policy, change.over(stored.data), change, stored.created, stored.expires, now)
    written = yield Put(stored, draft._replace(unchanged=frozenset((block.key,))), policy.key)
    if written is not None:
        session.save_block(block, written)
        return
    _refuse_if_lost(policy)
    # The end of the request meets the same, and tells the log of all that it loses.
    block.saved = True


def release(block: Block) -> Steps[None]:
    """Give back the lease that a block has taken."""
    if block.stored is not None and block.lease is not None:
        yield Release(block.stored, block.key, block.lease)


def _drop(session: Session, policy: Policy, now: datetime) -> Steps[ResponseHeaders]:
    stored, former = session.fetched.stored or session.fetched.renewed, _former_places(session, policy)
    last = None if stored is None else (yield Delete(stored, session.fetched.former or policy.key))
    session.settle(None, Phase.CLOSED)
    if last is None:
        # There was no session, or it has ended meanwhile. What the browser holds by now may be
        # the cookie of a new login, which a deletion would wipe out.
        return _LOOKED_AT
    policy.emit("dropped", "", last.log_id)
    places = {each.place: each for each in (policy.attributes, policy.attributes.changed(session.overrides))}
    return ResponseHeaders(tuple(_expire(each, session, now) for each in (*former, *places.values())), vary=True)


def _renew(session: Session, policy: Policy, changes: Changes, now: datetime, intent: Intent) -> Steps[ResponseHeaders]:
    stored = session.fetched.stored
    if stored is None:
        return (yield from _begin(session, policy, session.data(), changes, now, now))
    # What was altered in place may be refused only now, and must be before the old id is gone.
    for key, value in changes.put.items():
        policy.check(key, value)
    _principal(session.data(), policy)
    # Delete before put. If the put then fails, the visitor is signed out: a nuisance.
    # The other order can leave alive an id that an attacker planted: a breach.
    until = now + _GRACE
    last = yield Delete(stored, session.fetched.former or policy.key, tombstone=until)
    if last is None and intent is Intent.LOGOUT:
        return (yield from _drop(session, policy, now))
    if last is None and _logs_in(session):
        # Another request has logged the visitor in or out: this login begins anew, with what it brings itself.
        session.fetched = Fetched()
        return (yield from _begin(session, policy, dict(changes.put), changes, now, now))
    if last is None:
        return _lost(session, policy, "ended", wrote=True)
    data = changes.over(last.data)
    if intent is Intent.LOGOUT:
        policy.emit("dropped", "", last.log_id)
        return (yield from _begin(session, policy, data, changes, now, now))
    # What a logout then meets is to end too, unless it has become another's meanwhile.
    succeeds = Succession(stored, until) if session.principal == session.principal_before else None
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
    idle_timeout, max_age = _lifetime(session, policy)
    draft = _draft(policy, data, changes, created, _expiry(created, now, idle_timeout, policy), now)
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
        return _unsaved(session)
    # The data alone decides about the lifetime.
    lifetime = _lifetime(session, policy) if wrote else session.lifetime_before
    idle_timeout, max_age = lifetime
    expires = _expiry(stored.created, now, idle_timeout, policy)
    due = _is_due(stored, expires, idle_timeout)
    changed = lifetime != session.lifetime_before
    if not (wrote or due or changed or stored.rewrite or session.fetched.moved):
        session.phase = phase_after(stored)
        return ResponseHeaders(vary=True, cookie=stored.cookie)
    if max_age is not None and stored.version is not None and not (due or changed):
        # Many writes, each of which moved the row's limit a little, would never let the cookie's own be due.
        expires = min(expires, stored.expires)
    draft = _draft(policy, data, changes, stored.created, expires, now)
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
        policy.emit("dropped", "", draft.succeeds.stored.log_id)
    if written is None:
        return _lost(session, policy, "ended", wrote=bool(draft.changes))
    cookies: tuple[SetCookie, ...] = ()
    # The same id is not sent twice: an answer that overtakes a login's would bring the old one back.
    fetched = session.fetched
    moved = came is None or written.cookie != came.cookie or fetched.former is not None or fetched.moved
    if moved or resend or session.overrides:
        age = attributes.seconds if "max_age" in session.overrides else max_age
        if isinstance(age, datetime):
            age = int((age - now).total_seconds())
        cookie = SetCookie(written.cookie, attributes, https=session.https, now=now, max_age=age)
        _check_size(cookie, draft.data, policy)
        former = _former_places(session, policy)
        if came is not None and attributes.place != policy.attributes.place:
            former.append(policy.attributes)
        cookies = (*(_expire(each, session, now) for each in former), cookie)
    if stored is None:
        renewed = came is not None and session.intent is not Intent.LOGOUT
        policy.emit("renewed" if renewed else "created", "", written.log_id)
    session.settle(written, phase_after(written))
    return ResponseHeaders(cookies, vary=True, cookie=written.cookie)


def _lost(session: Session, policy: Policy, reason: str, *, wrote: bool) -> ResponseHeaders:
    """Let go of a request's part in a session that has ended, and if it wrote, say so as it is configured."""
    if not wrote:
        _forget(session)
        return _LOOKED_AT
    _let_go(session, policy, reason)
    _refuse_if_lost(policy)
    return _LOOKED_AT


def _lose(session: Session, policy: Policy, reason: str, *, wrote: bool) -> None:
    """Do what ``_lost`` does in a request that goes on: before its headers go it may log in anew."""
    phase = session.phase
    if wrote:
        _let_go(session, policy, reason)
    else:
        _forget(session)
    if phase is Phase.OPEN:
        session.phase = phase
    if wrote:
        _refuse_if_lost(policy)


def _refuse_if_lost(policy: Policy) -> None:
    if policy.raise_on_lost_write:
        msg = "the session was ended or renewed by another request while this one changed it: let the visitor retry."
        raise LostWriteError(msg)


def _let_go(session: Session, policy: Policy, reason: str) -> None:
    """Drop a write to a session that has ended: bring nothing back, send no cookie, tell the log."""
    log_id = session.fetched.stored.log_id if session.fetched.stored else ""
    _forget(session)
    policy.emit("lost_write", reason, log_id)


def _forget(session: Session) -> None:
    session.settle(None, Phase.CLOSED)
    # An adapter that can save ahead of the response lets the request go on: what it puts then is as late as this.
    session.fetched = Fetched(late=True)


def _unsaved(session: Session) -> ResponseHeaders:
    """Forget this request's changes."""
    stored = session.fetched.stored
    session.settle(stored, Phase.CLOSED)
    return ResponseHeaders(vary=True, cookie=stored and stored.cookie)


def _lifetime(session: Session, policy: Policy) -> tuple[timedelta | datetime | None, int | datetime | None]:
    return session.lifetime(session.data(), policy.idle_timeout, policy.attributes.seconds)


def _logs_in(session: Session) -> bool:
    """Say whether this request made the session somebody's, or somebody else's."""
    return session.principal is not None and session.principal != session.principal_before


def _former_places(session: Session, policy: Policy) -> list[CookieAttributes]:
    """Return where cookies of ours may be left over: without the domain that was added since, under former names."""
    places = []
    if session.fetched.copies and policy.attributes.domain:
        places.append(policy.attributes.changed({"domain": None}))
    if policy.former:
        came = {cookie.key for cookie in session.cookies if isinstance(cookie, FormerCookie)}
        places += [each for each in policy.former if each.key in came]
    return places


def _expiry(created: datetime, now: datetime, idle_timeout: timedelta | datetime | None, policy: Policy) -> datetime:
    idle = now + idle_timeout if isinstance(idle_timeout, timedelta) else idle_timeout or NEVER
    absolute = NEVER if policy.absolute_timeout is None else created + policy.absolute_timeout
    return min(idle, absolute, NEVER)


def _is_due(stored: Stored, expires: datetime, idle_timeout: timedelta | datetime | None) -> bool:
    """
    Say whether a session that was only read is to be written all the same, because of its expiry.

    The idle limit is moved at most every tenth of it, so that reading a session seldom writes. A cookie that would live
    longer than it may, another library's or one from before the limits were shortened, is sealed anew.
    """
    later = expires - stored.expires
    if stored.version is None and later < -_CLOCK_SKEW:
        return True
    return isinstance(idle_timeout, timedelta) and later >= _touch_interval(idle_timeout)


@lru_cache(maxsize=64)
def _touch_interval(idle_timeout: timedelta) -> timedelta:
    """Return how far an idle limit is moved at least. To divide it is dear."""
    return idle_timeout / _TOUCHES_PER_IDLE_TIMEOUT


def _has_ended(stored: Stored, policy: Policy, now: datetime) -> bool:
    if stored.expires <= now:
        return True
    # The limit may have been made shorter since this one began.
    return policy.absolute_timeout is not None and stored.created + policy.absolute_timeout <= now


def _draft(
    policy: Policy, data: dict[str, Any], changes: Changes, created: datetime, expires: datetime, now: datetime
) -> Draft:
    # Stores count whole seconds; all of them are told the same.
    return Draft(
        data,
        changes,
        created.replace(microsecond=0),
        expires.replace(microsecond=0),
        now.replace(microsecond=0),
        _principal(data, policy),
    )


def _principal(data: Mapping[str, Any], policy: Policy) -> str | None:
    return None if policy.principal_key is None else principal_text(data.get(policy.principal_key), policy)


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
