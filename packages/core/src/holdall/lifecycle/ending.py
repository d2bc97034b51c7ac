"""The end of a request: its situation is noted, a rule decides, and the action is carried out."""

from holdall._state import Phase, SessionState
from holdall.lifecycle import actions
from holdall.lifecycle.actions import End
from holdall.lifecycle.expiry import expiry, is_due
from holdall.lifecycle.headers import LOOKED_AT, UNTOUCHED, ResponseHeaders
from holdall.lifecycle.rules import Owner, Place, Situation, decide
from holdall.steps import Steps

__all__ = ["abandon", "commit", "commit_unchanged", "commit_unused", "finish", "owner_of", "situation_of"]


def commit_unused(state: SessionState, *, streams: bool = False) -> ResponseHeaders:
    """Commit a session that was not used: most requests do no more than this."""
    # Touched only later, it is read then; what is changed then needs a row.
    if state.phase is Phase.HEADERS_PENDING:
        state.phase = Phase.BODY
    return LOOKED_AT if streams or state.accessed else UNTOUCHED


def commit_unchanged(state: SessionState, *, now: int) -> ResponseHeaders | None:
    """Commit a session that was only read and is not due; ``None``, with nothing done, for any other."""
    # The last rule of the table, for the request that needs no other: nothing is asked of the store.
    fetched, lifetime = state.fetched, state.lifetime_before
    stored = fetched.stored
    if stored is None or lifetime is None or not state.is_as_stored or stored.rewrite or state.must_create:
        return None
    if fetched.moved or is_due(stored, expiry(stored.created, now, lifetime, state.settings), lifetime):
        return None
    state.phase = Phase.DONE if stored.version is None else Phase.BODY
    return ResponseHeaders(vary=True, cookie=stored.cookie)


def commit(state: SessionState, *, now: int, status: int = 200, streams: bool = False) -> Steps[ResponseHeaders]:
    """
    Carry out what the application decided, and return what the response's headers must say.

    Args:
        status: The response's: after a failure (5xx) only an ending is carried out.
        streams: The body is made after the headers have been sent, and may yet depend on the session.
    """
    if not state.is_used:
        return commit_unused(state, streams=streams)
    end = End(state, now, failed=_is_failure(state, status))
    return (yield from actions.carry_out(decide(situation_of(end, Place.HEADERS), Place.HEADERS), end))


def finish(state: SessionState, *, now: int) -> Steps[None]:
    """Save what was changed while the body was sent: into a row that exists, because no cookie can be sent any more."""
    is_over = state.phase in (Phase.HEADERS_PENDING, Phase.ENDED)
    if state.tracked is not None and not is_over and not state.is_as_stored:
        end = End(state, now, place=Place.ROW)
        yield from actions.carry_out(decide(situation_of(end, Place.ROW), Place.ROW), end)


def abandon(state: SessionState, *, now: int, status: int = 500) -> Steps[None]:
    """
    End a request to whose response no cookie can be added: it failed beyond us, or its WebSocket was refused.

    What was to end does, including the session of a visitor who was logged out. A renewal is not carried out, because
    the browser could not learn of the new ID. After a failure (5xx) nothing else is saved either.
    """
    if state.tracked is not None and state.phase not in (Phase.DONE, Phase.ENDED):
        end = End(state, now, failed=_is_failure(state, status), place=Place.NO_RESPONSE)
        yield from actions.carry_out(decide(situation_of(end, Place.NO_RESPONSE), Place.NO_RESPONSE), end)
    if state.phase is not Phase.ENDED:
        state.phase = Phase.DONE


def situation_of(end: End, place: Place) -> Situation:
    """Return all that a rule may look at."""
    state, stored = end.state, end.state.fetched.stored
    writable = stored is not None and (place is not Place.ROW or state.phase is Phase.BODY)
    wrote = bool(end.changes) or state.marked
    return Situation(
        used=state.is_used,
        intent=state.intent,
        failed=end.failed,
        superseded=state.fetched.superseded,
        stored=writable,
        wrote=wrote,
        has_data=bool(state.data),
        must_create=state.must_create,
        owner=owner_of(state) if wrote else Owner.SAME,
        refresh=writable and place is not Place.ROW and end.refresh,
    )


def owner_of(state: SessionState) -> Owner:
    """Return what became of the session's principal in this request."""
    before, now = state.principal_before, state.principal
    if before == now:
        return Owner.SAME
    if before is None:
        return Owner.LOGIN
    return Owner.LOGOUT if now is None else Owner.SWITCH


def _is_failure(state: SessionState, status: int) -> bool:
    return status >= 500 and not state.settings.save_on_error
