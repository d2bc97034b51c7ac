"""Save, reload and update a session during its request."""

from collections.abc import Callable
from typing import Any

from holdall._errors import ConfigurationError
from holdall._lifecycle import actions
from holdall._lifecycle.end import End
from holdall._lifecycle.fetching import fetch
from holdall._lifecycle.rules import Action, Place
from holdall._state import ENDS, Intent, Phase, SessionState
from holdall.steps import Steps, asked
from holdall.stores._contract import Changes, NotFound, StoredSession, Write

__all__ = ["can_save", "check_savable", "forget_ended", "reload", "save", "update"]

_MISSING = object()


def check_savable(state: SessionState) -> None:
    """Raise an error if there are changes that can no longer be saved."""
    if state.phase in (Phase.DONE, Phase.ENDED) and state.modified:
        state.changeable()
    is_kept = state.phase is Phase.BODY and state.intent is Intent.KEEP
    if is_kept and state.identity != state.identity_before:
        state.changeable(state.settings.principals.keys[0])


def can_save(state: SessionState) -> bool:
    """Return whether the changes can be saved now: they need no cookie, or no cookie can be sent any more."""
    if state.phase is not Phase.HEADERS_PENDING:
        return state.phase is Phase.BODY
    stored = state.stored
    if stored is None or stored.version is None or state.intent is not Intent.KEEP:
        return False
    # A login renews the ID, and a new lifetime sends the cookie again.
    return state.identity == state.identity_before and state.lifetime == state.lifetime_before


def save(state: SessionState, changes: Changes, *, now: int) -> Steps[None]:
    """
    Write *changes* to the session's row during the request, or end the session if that was requested.

    Raises:
        LostWriteError: The session has ended in the meantime, and ``on_lost_write="raise"``.
    """
    end = End(state, now, place=Place.ROW, changes=changes)
    if state.intent is not Intent.KEEP:
        yield from actions.ACTIONS[Action.DROP](end)
        return
    if not changes:
        return
    if state.phase is Phase.HEADERS_PENDING and state.stored is not None:
        # The expiry is left to the response, because moving it may require sending the cookie again.
        end.expires = state.stored.expires
    written = yield from actions.write_row(end)
    if written is None:
        _lose(end, "ended")
    else:
        state.update_stored(written)


def reload(state: SessionState, *, now: int) -> Steps[None]:
    """
    Update a session with what other requests have written since; one that has ended becomes empty.

    Raises:
        LostWriteError: The session has ended while it had unsaved changes, and ``on_lost_write="raise"``.
    """
    stored = state.stored
    if stored is None or stored.version is None or state.intent in ENDS:
        return
    found = yield from fetch((stored.cookie,), state.backend, now=now)
    if found.stored is not None:
        state.loaded().rebase(found.stored.data)
        state.update_stored(found.stored)
        return
    # Created first, because it collects the views' changes before the data is discarded.
    end = End(state, now)
    state.forget()
    _lose(end, "renewed" if found.superseded else "ended")


def forget_ended(state: SessionState) -> None:
    """Empty a session that was found to have ended elsewhere while its connection continues."""
    end = End(state, state.backend.now())
    wrote = end.wrote
    state.forget()
    actions.let_go(end, "ended", wrote=wrote)


def update(state: SessionState, key: str, function: Callable[[Any], Any], default: Any, *, now: int) -> Steps[Any]:
    """
    Replace the value under *key* with the result of *function* for the stored value, and return it.

    Raises:
        ConfigurationError: The store cannot update a value atomically, or *key* identifies the user.
        ContentionError: Other requests kept writing.
        LostWriteError: The session has ended in the meantime, and ``on_lost_write="raise"``.
    """
    tracked, settings = state.changeable(key), state.settings
    if key in settings.principals:
        msg = f"session.atomic_update({key!r}) would change the session's user, and so its ID: use login()."
        raise ConfigurationError(msg)
    if not state.backend.can_update:
        msg = (
            "sessions in cookies cannot be updated atomically, because other requests cannot see them: "
            "session.atomic_update needs sessions in a table, Sessions(store='table', table=…)."
        )
        raise ConfigurationError(msg)
    stored = state.stored
    if stored is None or state.intent in (*ENDS, Intent.IGNORE):
        # No other request can use a session that is not stored yet.
        return _set(state, key, function, tracked.current().get(key, default))
    if isinstance(state.identity_before, str) and state.principal not in (state.identity_before, None):
        # Another user has logged in, whose session begins with the response and has none of the stored data.
        return _set(state, key, function, tracked.changes().put.get(key, default))
    found = yield from asked(state.backend.store.get(stored.cookie, key=state.fetched.old_key or settings.key))
    written, value = None, _MISSING

    def make_write(last: StoredSession) -> Write:
        nonlocal value
        value = function(last.data.get(key, default))
        state.backend.check(key, value)
        # This request's other changes are written with its response.
        changes = Changes({key: value})
        end = End(state, now, changes=changes)
        return end.write(changes.over(last.data), changes, last.created, last.expires, end.principal)

    if not isinstance(found, NotFound):
        written = yield from asked(state.backend.store.update(found, make_write, key=settings.key))
    if written is None and End(state, now).logs_in:
        # The login begins a new session with the response, so no other request can use it yet.
        return _set(state, key, function, state.loaded().changes().put.get(key, default))
    if written is None:
        end = End(state, now, changes=Changes({key: value}))
        _lose(end, "ended")
        return default if value is _MISSING else value
    tracked.rebase(written.data)
    tracked.adopt(key, written.data[key])
    state.update_stored(written)
    return value


def _set(state: SessionState, key: str, function: Callable[[Any], Any], last: Any) -> Any:
    """Set *key* to the result of *function* for the *last* value, to be stored with the response, and return it."""
    value = function(last)
    state.backend.check(key, value)
    state.loaded().put(key, value)
    return value


def _lose(end: End, reason: str) -> None:
    """Discard changes while the request continues, because before its headers are sent it may still log in again."""
    phase = end.state.phase
    try:
        actions.lose(end, reason)
    finally:
        if phase is Phase.HEADERS_PENDING:
            end.state.phase = phase
