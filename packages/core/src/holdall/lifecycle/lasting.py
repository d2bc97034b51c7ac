"""What is saved and seen beside the headers: while a request goes on, while its body is sent, and where none go."""

from datetime import datetime
from typing import cast

from holdall.lifecycle.committing import drop, unsaved
from holdall.lifecycle.drafts import draft_of
from holdall.lifecycle.fetching import fetch
from holdall.lifecycle.limits import expiry, lifetime
from holdall.lifecycle.losing import let_go, lose
from holdall.lifecycle.store_steps import Put
from holdall.policy import Policy
from holdall.session import ENDS, Intent, Phase, Session, phase_after
from holdall.steps import Steps
from holdall.stores import Changes, Stored

__all__ = ["abandon", "can_save", "finish", "reload", "save"]


def finish(session: Session, policy: Policy, *, now: datetime) -> Steps[None]:
    """Save what was changed while the body was sent: into a row that exists, for no cookie can be sent any more."""
    if session.is_as_stored or not session.is_loaded or session.phase in (Phase.OPEN, Phase.ENDED):
        return
    changes = session.changes()
    stored = session.fetched.stored
    is_late = stored is None or session.phase is Phase.CLOSED
    if session.intent is not Intent.KEEP and not is_late:
        yield from drop(session, policy, now)
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
            let_go(session, policy, "ended")
        else:
            session.settle(written, Phase.ROW_ONLY)


def _put_late(session: Session, policy: Policy, stored: Stored, changes: Changes, now: datetime) -> Put:
    """Put *changes* into a row after the headers have gone."""
    # Others' changes that the commit met are in the stored data, though not in this request's view.
    # A long body may outlast the limit that was stored when it began.
    idle_timeout, _ = lifetime(session, policy)
    expires = expiry(stored.created, now, idle_timeout, policy)
    return Put(stored, draft_of(policy, changes.over(stored.data), changes, stored.created, expires, now), policy.key)


def can_save(session: Session, policy: Policy) -> bool:
    """Say whether what became of a session can be saved now: no cookie is needed for it, or none can be sent."""
    if session.phase is not Phase.OPEN:
        return session.phase is Phase.ROW_ONLY
    stored = session.fetched.stored
    if stored is None or stored.version is None or session.intent is not Intent.KEEP:
        return False
    # A login renews the id, and another lifetime sends the cookie once more.
    return session.principal == session.principal_before and lifetime(session, policy) == session.lifetime_before


def save(session: Session, policy: Policy, changes: Changes, *, now: datetime) -> Steps[None]:
    """
    Write *changes* of a session into its row while the request goes on, or end it if that was asked for.

    Raises:
        LostWriteError: The session has ended meanwhile, and it is configured that this is an error.
    """
    stored = cast("Stored", session.fetched.stored)
    if session.intent is not Intent.KEEP:
        yield from drop(session, policy, now)
    elif changes:
        if session.phase is Phase.OPEN:
            # The expiry is left to the response: what moves it may have to send the cookie once more.
            draft = draft_of(policy, changes.over(stored.data), changes, stored.created, stored.expires, now)
            written = yield Put(stored, draft, session.fetched.old_key or policy.key)
        else:
            written = yield _put_late(session, policy, stored, changes, now)
        if written is None:
            lose(session, policy, "ended", wrote=True)
        else:
            session.fetched = session.fetched._replace(stored=written)


def reload(session: Session, policy: Policy, *, now: datetime) -> Steps[None]:
    """
    Let a session show what others have made of it since; one that has ended is empty.

    Raises:
        LostWriteError: It has ended, and changes of this request with it; and it is configured that this is an error.
    """
    stored = session.fetched.stored
    if stored is None or stored.version is None or session.intent in ENDS:
        return
    found = yield from fetch((stored.cookie,), policy, now=now)
    if found.stored is not None:
        session.see(found.stored)
        return
    wrote = session.changed
    session.forget_data()
    lose(session, policy, "renewed" if found.late else "ended", wrote=wrote)


def abandon(session: Session, policy: Policy, *, now: datetime, status: int = 500) -> Steps[None]:
    """
    End a request to whose response no cookie can be added: it failed beyond us, or its WebSocket was refused.

    What was to end does, the session of somebody who was signed out too. A renewal is not carried out, nor is what it
    was for: the browser could not learn of the new id. After a failure (5xx) nothing else is saved either.
    """
    if not session.is_loaded or session.phase in (Phase.CLOSED, Phase.ENDED):
        return
    stored, intent = session.fetched.stored, session.intent
    other_principal = session.principal != session.principal_before
    signed_out = other_principal and session.principal_before is not None
    if intent in ENDS or (signed_out and intent is not Intent.IGNORE):
        yield from drop(session, policy, now)
    elif intent is not Intent.KEEP or other_principal or (status >= 500 and not policy.save_on_error):
        unsaved(session)
    else:
        session.phase = phase_after(stored)
        yield from finish(session, policy, now=now)
