"""The end of a request: its situation is noted, a rule decides, and the action is carried out."""

from holdall._state import Phase, SessionState
from holdall.errors import TooManySessionsError
from holdall.lifecycle.actions import ACTIONS, End, let_go
from holdall.lifecycle.expiry import expiry, is_due
from holdall.lifecycle.headers import UNTOUCHED, ResponseHeaders, looked_at
from holdall.lifecycle.rules import Owner, Place, Situation, decide
from holdall.steps import Steps

__all__ = ["abandon", "commit", "commit_unchanged", "commit_unused", "finish", "situation_of"]


def commit_unused(state: SessionState, *, streams: bool = False) -> ResponseHeaders:
    """Commit a session that was not used: most requests do no more than this."""
    # Touched only later, it is read then; what is changed then needs a row.
    if state.phase is Phase.HEADERS_PENDING:
        state.phase = Phase.BODY
    return looked_at(state.vary) if streams or state.looked_at else UNTOUCHED


def commit_unchanged(state: SessionState, *, now: int) -> ResponseHeaders | None:
    """Commit a session that is as stored, unless it is due; ``None``, with nothing done, for one that is."""
    # The last rule of the table, for the request that needs no other: nothing is asked of the store.
    stored, lifetime = state.fetched.stored, state.lifetime_before
    if stored is None or lifetime is None or stored.rewrite or state.must_create:
        return None
    if (
        state.fetched.moved
        or state.fetched.outdated
        or is_due(stored, expiry(stored.created, now, lifetime, state.settings), lifetime)
    ):
        return None
    state.phase = Phase.DONE if stored.version is None else Phase.BODY
    return ResponseHeaders((), state.vary, stored.cookie)


def commit(state: SessionState, *, now: int, status: int = 200, streams: bool = False) -> Steps[ResponseHeaders]:
    """
    Carry out what the application decided, and return what the response's headers must say.

    Args:
        status: The response's: after a failure (5xx) only an ending is carried out.
        streams: The body is made after the headers have been sent, and may yet depend on the session.
    """
    if state.tracked is None and not state.marked_unread:
        return commit_unused(state, streams=streams)
    end = End(state, now, status)
    try:
        return (yield from ACTIONS[decide(situation_of(end), Place.HEADERS)](end))
    except TooManySessionsError:
        # Whatever answers it must neither see the refused login nor save it.
        state.forget()
        let_go(end, "", wrote=False)
        raise


def finish(state: SessionState, *, now: int) -> Steps[None]:
    """Save what was changed while the body was sent: into a row that exists, because no cookie can be sent any more."""
    is_over = state.phase in (Phase.HEADERS_PENDING, Phase.ENDED)
    if state.tracked is not None and not is_over and not state.is_as_stored:
        end = End(state, now, place=Place.ROW)
        yield from ACTIONS[decide(situation_of(end), Place.ROW)](end)


def abandon(state: SessionState, *, now: int, status: int = 500) -> Steps[None]:
    """
    End a request to whose response no cookie can be added: it failed beyond us, or its WebSocket was refused.

    What was to end does, including the session of a visitor who was logged out. A renewal is not carried out, because
    the browser could not learn of the new ID. After a failure (5xx) nothing else is saved either.
    """
    if state.tracked is not None and state.phase not in (Phase.DONE, Phase.ENDED):
        end = End(state, now, status=status, place=Place.NO_RESPONSE)
        yield from ACTIONS[decide(situation_of(end), Place.NO_RESPONSE)](end)
    if state.phase is not Phase.ENDED:
        state.phase = Phase.DONE


def situation_of(end: End) -> Situation:
    """Return all that a rule may look at."""
    state, fetched = end.state, end.state.fetched
    stored, wrote = fetched.stored, end.wrote
    writable = stored is not None and (
        end.place is Place.HEADERS
        # A session in its cookie has no row that could be written without a response.
        or (stored.version is not None if end.place is Place.NO_RESPONSE else state.phase is Phase.BODY)
    )
    refresh = False
    # What is written anyway need not be due.
    if stored is not None and not wrote and end.place is not Place.ROW:
        refresh = end.is_due(stored) or end.lifetime != state.lifetime_before or stored.rewrite or fetched.moved
    used, has_data, owner = True, bool(end.data), Owner.SAME
    if end.principal != state.principal_before:
        owner = _owner_of(end)
    # In order: by name it would take three times as long.
    return Situation(
        used,
        state.intent,
        end.failed,
        fetched.superseded,
        writable,
        wrote,
        has_data,
        state.must_create,
        owner,
        refresh,
    )


def _owner_of(end: End) -> Owner:
    """Return what became of a principal that is another now."""
    if end.state.principal_before is None:
        return Owner.LOGIN
    return Owner.LOGOUT if end.principal is None else Owner.SWITCH
