"""What a request does whose session has ended meanwhile: it brings nothing back."""

from holdall.errors import LostWriteError
from holdall.lifecycle.headers import LOOKED_AT, ResponseHeaders
from holdall.policy import Policy
from holdall.session import Fetched, Phase, Session

__all__ = ["forget_ended", "let_go", "lose", "lost", "refuse_if_lost"]


def lost(session: Session, policy: Policy, reason: str, *, wrote: bool) -> ResponseHeaders:
    """Let go of a request's part in a session that has ended, and if it wrote, say so as it is configured."""
    if not wrote:
        _forget(session)
        return LOOKED_AT
    let_go(session, policy, reason)
    refuse_if_lost(policy)
    return LOOKED_AT


def lose(session: Session, policy: Policy, reason: str, *, wrote: bool) -> None:
    """Do what ``lost`` does in a request that goes on: before its headers go it may log in anew."""
    phase = session.phase
    if wrote:
        let_go(session, policy, reason)
    else:
        _forget(session)
    if phase is Phase.OPEN:
        session.phase = phase
    if wrote:
        refuse_if_lost(policy)


def forget_ended(session: Session, policy: Policy) -> None:
    """Empty a session that was seen to have ended elsewhere while its connection goes on."""
    wrote = session.changed
    session.forget_data()
    if wrote:
        let_go(session, policy, "ended")
    else:
        _forget(session)


def refuse_if_lost(policy: Policy) -> None:
    """Raise ``LostWriteError`` where it is configured that a lost write is an error."""
    if policy.raise_on_lost_write:
        msg = "the session was ended or renewed by another request while this one changed it: let the visitor retry."
        raise LostWriteError(msg)


def let_go(session: Session, policy: Policy, reason: str) -> None:
    """Drop a write to a session that has ended: bring nothing back, send no cookie, tell the log."""
    log_id = session.fetched.stored.log_id if session.fetched.stored else ""
    _forget(session)
    policy.emit("lost_write", reason, log_id)


def _forget(session: Session) -> None:
    session.settle(None, Phase.CLOSED)
    # An adapter that can save ahead of the response lets the request go on: what it puts then is as late as this.
    session.fetched = Fetched(late=True)
