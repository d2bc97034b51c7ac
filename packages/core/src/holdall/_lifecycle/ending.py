"""End a request: determine its situation, let a rule decide, and carry out the action."""

from holdall._errors import TooManySessionsError
from holdall._lifecycle.actions import ACTIONS, let_go
from holdall._lifecycle.end import End
from holdall._lifecycle.expiry import expiry, is_due
from holdall._lifecycle.headers import UNTOUCHED, ResponseHeaders, looked_at
from holdall._lifecycle.rules import Owner, Place, Situation, decide
from holdall._state import Intent, Phase, SessionState
from holdall.steps import Steps

__all__ = ["abandon", "commit", "commit_unchanged", "commit_unused", "finish", "situation_of"]


def commit_unused(state: SessionState, *, streams: bool = False) -> ResponseHeaders:
    """Commit a session that was not used, which is all that most requests need."""
    # If it is first used later, it is read then; changes made then need a row.
    if state.phase is Phase.HEADERS_PENDING:
        state.phase = Phase.BODY
    return looked_at(state.vary) if streams or state.looked_at else UNTOUCHED


def commit_unchanged(state: SessionState, *, now: int) -> ResponseHeaders | None:
    """Commit an unchanged session unless its expiry is due; in that case do nothing and return ``None``."""
    # The last rule of the table, for requests to which no other applies, without calling the store.
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
    Carry out what the application decided, and return the headers to add to the response.

    Args:
        status: The response's status: after a failure (5xx) only the end of a session is carried out.
        streams: Whether the body is produced after the headers have been sent and may still use the session.
    """
    if state.tracked is None and not state.marked_unread:
        return commit_unused(state, streams=streams)
    end = End(state, now, status)
    try:
        return (yield from ACTIONS[decide(situation_of(end), Place.HEADERS)](end))
    except TooManySessionsError:
        # The error handler must neither see the refused login nor save it.
        state.forget()
        let_go(end, "", wrote=False)
        raise


def finish(state: SessionState, *, now: int) -> Steps[None]:
    """Save the changes made while the body was sent to an existing row, because no cookie can be sent any more."""
    is_over = state.phase in (Phase.HEADERS_PENDING, Phase.ENDED)
    if state.tracked is not None and not is_over and not state.is_unchanged:
        end = End(state, now, place=Place.ROW)
        yield from ACTIONS[decide(situation_of(end), Place.ROW)](end)


def abandon(state: SessionState, *, now: int, status: int = 500) -> Steps[None]:
    """
    End a request whose response cannot take a cookie: it failed outside our control, or its WebSocket was refused.

    Sessions that should end are ended, including that of a user who was logged out. A renewal is not carried out,
    because the browser could not learn the new ID. After a failure (5xx) nothing else is saved either.
    """
    if state.tracked is not None and state.phase not in (Phase.DONE, Phase.ENDED):
        end = End(state, now, status=status, place=Place.NO_RESPONSE)
        yield from ACTIONS[decide(situation_of(end), Place.NO_RESPONSE)](end)
    if state.phase is not Phase.ENDED:
        state.phase = Phase.DONE


def situation_of(end: End) -> Situation:
    """Return everything that a rule may depend on."""
    state, fetched = end.state, end.state.fetched
    stored, wrote = fetched.stored, end.wrote
    writable = stored is not None and (
        end.place is Place.HEADERS
        # A session in its cookie has no row that could be written without a response.
        or (stored.version is not None if end.place is Place.NO_RESPONSE else state.phase is Phase.BODY)
    )
    refresh = False
    # The expiry is written anyway, so it does not matter whether it is due.
    if stored is not None and not wrote and end.place is not Place.ROW:
        refresh = end.is_due(stored) or end.lifetime != state.lifetime_before or stored.rewrite or fetched.moved
    used, has_data, owner = True, bool(end.data), Owner.SAME
    if end.identity != state.identity_before:
        owner = _owner_of(end)
    elif end.logs_in and state.intent is Intent.RENEW:
        owner = Owner.AGAIN
    # Positional, because passing the fields by name would take three times as long.
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
    """Classify a change of identity."""
    if end.logs_out:
        return Owner.LOGOUT
    # A guest with a name is anonymous.
    return Owner.SWITCH if isinstance(end.state.identity_before, str) else Owner.LOGIN
