"""
When a session's user was authenticated, and how strongly: ``Sessions(record_login=True)``.

Both stand in the session's data under a key of ours, so that every format and every row can hold them, and a session
whose user was not logged in here has neither. Each change of them comes with a new ID, so that a row never changes
them. What the application sees of its session leaves the key out::

    "_holdall_login": [authenticated at (Unix seconds; 0 if unknown), level]
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from holdall._state import Intent, SessionState
from holdall.errors import ConfigurationError, LoginRequiredError
from holdall.stores.contract import Write

__all__ = ["LOGIN_KEY", "RecordedLogin", "RecordingState", "note_login"]

LOGIN_KEY = "_holdall_login"

# Flask-Login sets it to False if its "remember me" cookie logged the visitor in without a password.
_FRESH_KEY = "_fresh"


class RecordedLogin:
    """What ``Session`` knows of its login."""

    __slots__ = ()

    _state: SessionState

    def login(self, principal: Any, *, level: int = 1) -> None:
        """
        Make this the session of *principal*, under a new ID. The absolute timeout begins anew.

        For the user whose session it is already, this is a re-authentication: the data stay, and ``authenticated_at``
        is now. So call it only when the user has just been authenticated.

        Args:
            level: How strongly the user was authenticated, from 1; more than 1 needs ``record_login=True``.

        Raises:
            ConfigurationError: ``Sessions`` was given ``principal_key=None``.
        """
        state = self._state
        key = state.settings.principals.written
        if key is None:
            msg = "login() keeps the principal under a key of the session: leave out principal_key=None."
            raise ConfigurationError(msg)
        self[key] = principal  # type: ignore[index]  # the session's own method
        if state.settings.record_login or level != 1:
            _note(state, state.backend.now(), level)
        state.restarts = True
        # After logout() it begins a new session as it is, and the old one ends even if the request fails.
        if state.intent is not Intent.LOGOUT:
            state.intent = Intent.RENEW

    def confirm_login(self, *, level: int | None = None) -> None:
        """
        Note that the user of this session has just been authenticated again, such as by a password.

        The session gets a new ID, and its absolute timeout begins anew.

        Args:
            level: How strongly; left out, the level stays.

        Raises:
            ConfigurationError: ``Sessions`` was set up without ``record_login=True``.
            LoginRequiredError: Nobody is logged in.
        """
        _require(self._state)
        _note(self._state, self._state.backend.now(), level or self.level)
        self._state.intent, self._state.restarts = Intent.RENEW, True

    @property
    def authenticated_at(self) -> datetime | None:
        """
        When its user was last authenticated, in UTC: by ``login``, a login library, or ``confirm_login``.

        ``None`` if no user is logged in, or the login was not seen here: it came from another library's cookie, or from
        Flask-Login's "remember me".

        Raises:
            ConfigurationError: ``Sessions`` was set up without ``record_login=True``.
        """
        at = _noted(self._state)[0]
        return datetime.fromtimestamp(at, UTC) if at else None

    @property
    def level(self) -> int:
        """
        How strongly its user was authenticated: 0 if no user is logged in, 1 after a login, more by ``login(level=…)``.

        Set it to raise or lower it, which gives the session a new ID.

        Raises:
            ConfigurationError: ``Sessions`` was set up without ``record_login=True``.
            LoginRequiredError: It is set while no user is logged in.
        """
        return _noted(self._state)[1]

    @level.setter
    def level(self, level: int) -> None:
        _require(self._state)
        at, before = _noted(self._state)
        if level != before:
            _note(self._state, at, level)
            self._state.intent = Intent.RENEW

    def require_fresh(self, max_age: timedelta) -> None:
        """
        Raise ``LoginRequiredError``, an answer of 403, unless the user was authenticated less than *max_age* ago.

        Raises:
            ConfigurationError: ``Sessions`` was set up without ``record_login=True``.
        """
        at, now = _noted(self._state)[0], self._state.backend.now()
        if not at or now - at > max_age.total_seconds():
            msg = f"this needs a login that is at most {max_age} old: let the user authenticate again."
            raise LoginRequiredError(msg)

    def require_level(self, level: int) -> None:
        """
        Raise ``LoginRequiredError``, an answer of 403, unless the user was authenticated at this *level* or above.

        Raises:
            ConfigurationError: ``Sessions`` was set up without ``record_login=True``.
        """
        if self.level < level:
            msg = f"this needs a login at level {level}: let the user authenticate more strongly."
            raise LoginRequiredError(msg)


class RecordingState(SessionState):
    """A session whose login is recorded; the application's data is the rest."""

    @property
    def data(self) -> dict[str, Any]:
        data = self.loaded().data
        return {key: value for key, value in data.items() if key != LOGIN_KEY} if LOGIN_KEY in data else data


def note_login(end: Any, write: Write) -> None:
    """Record the login that a new session begins with, unless ``login`` has recorded it or no user is logged in."""
    data = write.data
    if write.principal is None or data.get(_FRESH_KEY) is False:
        data.pop(LOGIN_KEY, None)
    elif write.principal != end.state.principal_before and LOGIN_KEY not in end.changes.put:
        data[LOGIN_KEY] = [end.now, 1]


def _require(state: SessionState) -> None:
    if state.principal is None:
        msg = "no user is logged in: let the user log in first."
        raise LoginRequiredError(msg)


def _note(state: SessionState, at: int, level: int) -> None:
    _check_recorded(state)
    if type(level) is not int or level < 1:
        msg = f"level={level!r} is not a whole number from 1."
        raise ConfigurationError(msg)
    state.changeable(row_suffices=False).put(LOGIN_KEY, [at, level])


def _noted(state: SessionState) -> tuple[int, int]:
    """Return when the user was authenticated, 0 if that is not known, and the level."""
    _check_recorded(state)
    if state.principal is None:
        return 0, 0
    data: Mapping[str, Any] = state.loaded().data
    match data.get(LOGIN_KEY):
        case [int(at), int(level)]:
            return at, level
    return 0, 1


def _check_recorded(state: SessionState) -> None:
    if not state.settings.record_login:
        msg = "when and how strongly users are authenticated is not recorded: give Sessions(record_login=True)."
        raise ConfigurationError(msg)
