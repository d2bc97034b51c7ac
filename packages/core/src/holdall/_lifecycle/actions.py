"""Carry out the actions that the rules select, as steps. An action does not know why it was selected."""

from collections.abc import Callable, Generator
from types import GeneratorType
from typing import Any

from holdall._cookie_header import OldCookie
from holdall._cookies import MAX_COOKIE_BYTES, SUFFIXES, SetCookie
from holdall._errors import LostWriteError, StoreError
from holdall._lifecycle.end import End
from holdall._lifecycle.headers import (
    LOOKED_AT,
    ResponseHeaders,
    cleared,
    expired,
    mark_of,
    old_places,
    other_names,
    outdated,
    refuse_too_large,
)
from holdall._lifecycle.login import carried_over, own_values, removals
from holdall._lifecycle.rules import Action, Place
from holdall._state import SUPERSEDED, FetchResultOfSeveral, Phase, SessionState
from holdall._tracking import NO_CHANGES
from holdall.steps import Steps, asked
from holdall.stores._contract import Changes, NotFound, RenewalFailure, StoredSession, Write
from holdall.stores._generations import Apart, suffix_of

__all__ = ["ACTIONS", "let_go", "lose", "write_row"]

# How long an old ID keeps its tombstone, in seconds. By then, requests sent with it are no longer in flight.
_GRACE = 60


def leave(end: End) -> Steps[ResponseHeaders]:
    yield from ()
    state, stored = end.state, end.state.fetched.stored
    if end.place is Place.HEADERS:
        state.phase = state.phase_after_headers
    return ResponseHeaders(outdated(state, end.now), vary="Cookie", cookie=None if stored is None else stored.cookie)


def forget(end: End) -> Steps[ResponseHeaders]:
    yield from ()
    stored, cookies = end.state.fetched.stored, outdated(end.state, end.now)
    end.state.mark_saved(stored, Phase.DONE)
    return ResponseHeaders(cookies, vary="Cookie", cookie=None if stored is None else stored.cookie)


def drop(end: End) -> Steps[ResponseHeaders]:
    state, settings = end.state, end.state.settings
    stored, old, late = state.fetched.stored or state.fetched.renewed, old_places(state), outdated(state, end.now)
    last = None if stored is None else (yield from _delete(state, stored))
    state.mark_saved(None, Phase.DONE)
    if last is None:
        # There was no session, or it has ended in the meantime. The browser may already have the cookie of a new login,
        # which a deletion would remove.
        return ResponseHeaders(late, vary="Cookie") if late else LOOKED_AT
    settings.emit("ended", "", last.log_id)
    old += settings.delete_at_logout
    both = settings.attributes, settings.attributes.changed(state.overrides)
    places = list({each.place: each for each in both}.values())
    mark: tuple[SetCookie, ...] = ()
    if state.backend.can_mark_ended:
        marker = yield from asked(state.backend.store.mark_ended(last, key=places[-1].key))
        names = other_names(state, last, suffix_of(marker))
        mark = mark_of(marker, places[-1], state, end.lifetime, end.now)
        places = [each.ending[suffix] for each in places for suffix in names]
    headers = ResponseHeaders((*(expired(each, state, end.now) for each in (*old, *places)), *mark), vary="Cookie")
    return cleared(headers, state.clears) if state.clears else headers


def log_out_and_begin(end: End) -> Steps[ResponseHeaders]:
    state = end.state
    stored = state.fetched.stored
    last = None
    if stored is not None:
        # A late request with the old cookie must not start a session alongside the new one.
        last = yield from _delete(state, stored, superseded_until=end.now + _GRACE)
    ended = stored or state.fetched.renewed
    if last is None and ended is not None:
        # Another request has renewed it: a logout also ends the session it was renewed to.
        last = yield from _delete(state, ended)
    if last is not None:
        state.settings.emit("ended", "", last.log_id)
    if ended is not None and state.backend.can_mark_ended:
        ended = yield from asked(state.backend.store.mark_ended(ended, key=state.settings.key))
        state.fetched = FetchResultOfSeveral(state.fetched, ended, ())
    headers = yield from _begin(end, end.data, end.changes, came=stored or state.fetched.renewed)
    return cleared(headers, state.clears, begins=True) if state.clears else headers


def renew(end: End) -> Steps[ResponseHeaders]:
    state, stored = end.state, end.state.fetched.stored
    assert stored is not None  # noqa: S101  # the rule requires it
    changes = end.changes
    if end.failed:
        changes = removals(changes, state.settings) if end.logs_out else NO_CHANGES
    if end.failed and stored.version is None:
        # The data that was read is the request's own copy; its discarded changes must not be written.
        stored = yield from asked(
            state.backend.store.get(stored.cookie, key=state.fetched.old_key or state.settings.key)
        )
        if isinstance(stored, NotFound):
            # A format that limits the age of its cookies may have stopped accepting this one since the request began.
            return lose(end, "ended", wrote=False)
    # A value that was mutated in place is validated only now, which must happen before the old ID is deleted.
    for key, value in changes.put.items():
        state.backend.check(key, value)
    principals = state.settings.principals
    is_same = not changes or end.identity == state.identity_before

    def make_write(last: StoredSession) -> Write:
        if is_same:
            # After the user has authenticated again, the session is as good as after a login.
            return end.new(changes.over(last.data), changes, end.now if end.logs_in else last.created)
        if end.logs_out:
            # Another request may have written a login library's key while this one logged the user out.
            return end.new(principals.without_login(changes.over(last.data), changes.put), changes, last.created)
        # A login restarts the absolute timeout, and keeps what this request set and what may be carried over.
        carried: dict[str, Any] = {}
        if not isinstance(state.identity_before, str):
            carried = carried_over(changes, last.data, state.settings, names=end.principal is None)
        return end.new({**carried, **changes.put}, changes, end.now)

    renewed = yield from _renew(state, stored, make_write, until=end.now + _GRACE, followed=is_same)
    if isinstance(renewed, StoredSession):
        headers = _sent(end, renewed, came=stored)
        state.settings.emit("renewed", "", renewed.log_id)
        return headers
    if renewed is RenewalFailure.ENDED:
        state.settings.emit("ended", "", stored.log_id)
    if end.logs_in:
        return (yield from _begin_again(end, stored, is_same=is_same))
    return lose(end, "ended", wrote=True)


def begin(end: End) -> Steps[ResponseHeaders]:
    fetched = end.state.fetched
    if fetched.superseded:
        # A login. The session may have ended in the middle of the request, which can still see its data.
        return _begin_with_own_values(end, came=fetched.renewed)
    return _begin(end, end.data, end.changes, came=fetched.renewed)


def write(end: End) -> Steps[ResponseHeaders]:
    if end.place is not Place.HEADERS:
        return (yield from write_late(end))
    state, stored = end.state, end.state.fetched.stored
    assert stored is not None  # noqa: S101  # the rule requires it
    expires, changes_lifetime = end.expires, end.lifetime != state.lifetime_before
    # The cookie's own expiry. A cookie that lasts until the browser closes has none.
    due = end.lifetime.max_age is not None and end.is_due(stored)
    if end.lifetime.max_age is not None and stored.version is not None and not (due or changes_lifetime):
        # Frequent writes that each move the row's expiry a little would keep the cookie's own from ever being due.
        expires = min(expires, stored.expires)
    wanted = end.write(end.data, end.changes, stored.created, expires, end.principal)
    wanted.sets_lifetime, wanted.logs_in = changes_lifetime, end.logs_in
    try:
        written = yield from _put(state, stored, wanted)
    except StoreError as exc:
        if end.changes or changes_lifetime or stored.rewrite:
            raise
        _note_failed_touch(end, exc)
        return (yield from leave(end))
    if written is None:
        return (yield from _begin_again(end, stored, is_same=True)) if end.logs_in else lose(end, "ended")
    return _sent(end, written, came=stored, resend=changes_lifetime or due)


def write_late(end: End) -> Steps[ResponseHeaders]:
    """Write changes to a row when headers can no longer be sent."""
    try:
        written = yield from write_row(end)
    except StoreError as exc:
        if end.changes:
            raise
        _note_failed_touch(end, exc)
        return LOOKED_AT
    if written is None:
        # An error page can no longer be sent, whatever is configured.
        let_go(end, "ended", wrote=True)
    else:
        end.state.mark_saved(written, end.state.phase_after_headers)
    return LOOKED_AT


def _note_failed_touch(end: End, exc: StoreError) -> None:
    # Not an error, because only the expiry had to be moved: the next request tries again.
    stored = end.state.fetched.stored
    end.state.settings.emit("touch_failed", type(exc).__name__, "" if stored is None else stored.log_id)


def write_row(end: End) -> Steps[StoredSession | None]:
    """Write changes to the row, and return the stored session; ``None`` if the session has ended."""
    state, stored, changes = end.state, end.state.fetched.stored, end.changes
    assert stored is not None  # noqa: S101  # the rule requires it
    # The stored data may include other requests' changes from the commit, which this request's view does not have.
    # A long body may last beyond the expiry that was stored when it began.
    wanted = end.write(changes.over(stored.data), changes, stored.created, end.expires, end.principal)
    written: StoredSession | None = yield from _put(state, stored, wanted)
    return written


def discard(end: End) -> Steps[ResponseHeaders]:
    yield from ()
    if end.place is Place.HEADERS:
        return lose(end, "renewed")
    let_go(end, "renewed", wrote=end.wrote)
    return LOOKED_AT


def report_lost(end: End) -> Steps[ResponseHeaders]:
    yield from ()
    state, stored = end.state, end.state.fetched.stored
    if end.changes:
        # A list, dict or object was mutated in place, which no call of ours could refuse.
        state.settings.emit("lost_write", "response started", stored.log_id if stored else "")
    state.mark_saved(stored, Phase.DONE)
    return LOOKED_AT


def lose(end: End, reason: str, *, wrote: bool | None = None) -> ResponseHeaders:
    """Discard changes to a session that has ended; report them, or raise if ``on_lost_write="raise"``."""
    wrote = end.wrote if wrote is None else wrote
    let_go(end, reason, wrote=wrote)
    if wrote and end.state.settings.raise_on_lost_write:
        msg = "the session was ended or renewed by another request while this one changed it: the client should retry."
        raise LostWriteError(msg)
    return LOOKED_AT


def let_go(end: End, reason: str, *, wrote: bool) -> None:
    """Discard changes to a session that has ended: restore nothing, send no cookie, report what was lost."""
    state, stored = end.state, end.state.fetched.stored
    state.mark_saved(None, Phase.DONE)
    # An adapter that can save before the response lets the request continue, but its later changes are just as late.
    state.fetched = SUPERSEDED
    if wrote:
        state.settings.emit("lost_write", reason, stored.log_id if stored else "")


def _begin_again(end: End, stored: StoredSession, *, is_same: bool) -> Steps[ResponseHeaders]:
    """Begin a session for a login whose own session is gone, unless that was only renewed for the same user."""
    state = end.state
    if is_same and state.backend.can_revoke and (yield from asked(state.backend.store.follow(stored))) is not None:
        return lose(end, "renewed", wrote=True)
    if state.backend.can_mark_ended:
        # As after any other login, the new session's cookie takes precedence over those of the old session.
        state.fetched = FetchResultOfSeveral(state.fetched, Apart(stored), ())
    return (yield from _begin_with_own_values(end, came=stored))


def _begin_with_own_values(end: End, *, came: StoredSession | None) -> Steps[ResponseHeaders]:
    """Begin a session for a login whose own session has ended, without that session's data."""
    is_same = end.identity == end.state.identity_before
    data = own_values(end.changes, end.data, end.state.settings, same_user=is_same)
    return _begin(end, data, end.changes, came=came)


def _begin(end: End, data: dict[str, Any], changes: Changes, *, came: StoredSession | None) -> Steps[ResponseHeaders]:
    """Store *data* as a new session."""
    state = end.state
    written = yield from _put(state, state.fetched.ended, end.new(data, changes, end.now))
    headers = _sent(end, written, came=came)
    state.settings.emit("created", "", written.log_id)
    return headers


def _sent(end: End, written: StoredSession, *, came: StoredSession | None, resend: bool = False) -> ResponseHeaders:
    """Use *written* as the current state, and send the cookie if the browser needs it."""
    state, settings, fetched = end.state, end.state.settings, end.state.fetched
    cookies: tuple[SetCookie, ...] = ()
    # The same ID is not sent twice: a response that arrives after a login's would bring the old one back.
    moved = came is None or written.cookie != came.cookie or fetched.old_key is not None or fetched.moved
    # A session that exists in several places is written in the current one and expired in the others.
    moved = moved or (fetched.copies and any(each.key == settings.key for each in settings.old_cookies))
    if moved or resend or state.overrides:
        attributes, lifetime, old = settings.attributes, end.lifetime, []
        age = lifetime.max_age if lifetime.ends is None else lifetime.ends - end.now
        if state.overrides:
            attributes = attributes.changed(state.overrides)
            age = attributes.seconds if "max_age" in state.overrides else age
            if came is not None and attributes.place != settings.attributes.place:
                old.append(settings.attributes.ending[suffix_of(came)])
        age = None if age is None else min(age, end.ends - end.now)
        # The same as ``suffix_of``, without a call.
        suffix = SUFFIXES[(written.generation or 0) % len(SUFFIXES)]
        named, has_owner = attributes.ending[suffix], end.identity is not None
        cookie = SetCookie(written.cookie, named, state.https, end.now, age, has_owner)
        if cookie.size > MAX_COOKIE_BYTES:
            refuse_too_large(cookie.size, written.data, state)
        if settings.has_other_cookies:
            old += [*old_places(state), *(settings.delete_at_logout if end.logs_out else ())]
        # The cookie may have come under another of its names, for example from a test.
        sent: Any = state._cookies
        is_same_name = not fetched.several and bool(sent) and type(sent[0]) is not OldCookie
        is_same_name = is_same_name and getattr(sent[0], "suffix", "") == suffix
        if came is None or came.generation != written.generation or not is_same_name:
            old += [attributes.ending[each] for each in other_names(state, came, suffix)]
        cookies = (*[expired(each, state, end.now) for each in old], cookie) if old else (cookie,)
    state.take_saved(written, Phase.DONE if written.version is None else Phase.BODY)
    state.identity_before, state.lifetime_before = end.identity, end.lifetime
    return ResponseHeaders(cookies, "Cookie", written.cookie)


def _put(state: SessionState, stored: StoredSession | None, wanted: Write) -> Steps[Any]:
    answer = state.backend.store.put(stored, wanted, key=state.overrides.get("key", state.settings.key))
    # The same as asked(), without the call.
    return (yield from answer) if type(answer) is GeneratorType else answer


def _delete(state: SessionState, stored: StoredSession, superseded_until: int | None = None) -> Steps[Any]:
    key = state.fetched.old_key or state.settings.key
    return asked(state.backend.store.delete(stored, key=key, superseded_until=superseded_until))


def _renew(
    state: SessionState,
    stored: StoredSession,
    make_write: Callable[[StoredSession], Write],
    *,
    until: int,
    followed: bool,
) -> Steps[StoredSession | RenewalFailure]:
    # The key is the name of the new cookie; the old one may have come under another.
    store, key = state.backend.store, state.overrides.get("key", state.settings.key)
    renewed: StoredSession | RenewalFailure
    if state.backend.can_renew:
        renewed = yield from asked(store.renew(stored, make_write, key=key, until=until, followed=followed))
        return renewed
    last = yield from _delete(state, stored, until)
    if last is None:
        return RenewalFailure.GONE
    renewed = yield from asked(store.put(None, make_write(last), key=key))
    return renewed


#: The function for each action: a generator of steps that returns the headers to add to the response.
ACTIONS: dict[Action, Callable[[End], Generator[Any, Any, ResponseHeaders]]] = {
    Action.LEAVE: leave,
    Action.FORGET: forget,
    Action.WRITE: write,
    Action.BEGIN: begin,
    Action.RENEW: renew,
    Action.DROP: drop,
    Action.LOG_OUT_AND_BEGIN: log_out_and_begin,
    Action.DISCARD: discard,
    Action.REPORT_LOST: report_lost,
}
