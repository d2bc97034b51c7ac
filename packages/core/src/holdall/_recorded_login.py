"""
Record when and how strongly a session's user was authenticated: ``Sessions(record_login=True)``.

Time and level are stored in the session's data under a key of ours, so that every format and every row can hold them.
They are missing from a session whose user did not log in here. Every change to them renews the ID, so they never change
within a row. The key is hidden from the application::

    "_holdall_login": [authenticated at (Unix seconds; 0 if unknown), level]
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from holdall._errors import ConfigurationError, LoginRequiredError
from holdall._state import Intent, Phase, SessionState
from holdall.stores._contract import Write

__all__ = ["LOGIN_KEY", "RecordedLogin", "RecordingState", "note_login", "record_repeated_login"]

LOGIN_KEY = "_holdall_login"

# Flask-Login sets it to False after a login by its "remember me" cookie instead of a password.
_FRESH_KEY = "_fresh"


class RecordedLogin:
    """The part of ``Session`` that deals with its login."""

    __slots__ = ()

    _state: SessionState

    def login(self, principal: Any, *, level: int = 1) -> None:
        """
        Log *principal* in: renew the session's ID and restart the absolute timeout.

        If the session already belongs to this user, the call is a re-authentication: the data is kept, and
        ``authenticated_at`` is set to now. So call it only when the user has just been authenticated.

        If the session has ended since the request read it, for example through ``Sessions.revoke``, the login begins
        a new one, without the data of the old one.

        Args:
            level: How strongly the user was authenticated, from 1; more than 1 needs ``record_login=True``.

        Raises:
            ConfigurationError: ``Sessions`` was created with ``principal_key=None``.
        """
        state = self._state
        key = state.settings.principals.written
        if key is None:
            msg = "login() stores the principal under a session key: leave out principal_key=None."
            raise ConfigurationError(msg)
        self[key] = principal  # type: ignore[index]  # the session's own method
        if state.settings.record_login or level != 1:
            _note(state, state.backend.now(), level)
        _log_in(state)

    def confirm_login(self, *, level: int | None = None) -> None:
        """
        Record that the session's user has just authenticated again, for example with a password.

        The session gets a new ID, and its absolute timeout restarts. Like ``login``, it begins a new session if this
        one has ended since the request read it.

        Args:
            level: How strongly the user was authenticated; if left out, the level does not change.

        Raises:
            ConfigurationError: ``Sessions`` was created without ``record_login=True``.
            LoginRequiredError: No user is logged in.
        """
        _require(self._state)
        _note(self._state, self._state.backend.now(), level or self.level)
        _log_in(self._state)

    @property
    def authenticated_at(self) -> datetime | None:
        """
        The time at which its user was last authenticated, in UTC: by ``login``, a login library, or ``confirm_login``.

        ``None`` if no user is logged in or the login was not recorded here, because it came from another library's
        cookie or from Flask-Login's "remember me".

        Raises:
            ConfigurationError: ``Sessions`` was created without ``record_login=True``.
        """
        at = _noted(self._state)[0]
        return datetime.fromtimestamp(at, UTC) if at else None

    @property
    def level(self) -> int:
        """
        The strength of its user's authentication: 0 without a login, 1 after a login, more after ``login(level=…)``.

        Setting it gives the session a new ID.

        Raises:
            ConfigurationError: ``Sessions`` was created without ``record_login=True``.
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
        Raise ``LoginRequiredError`` (403) unless the user was authenticated less than *max_age* ago.

        Raises:
            ConfigurationError: ``Sessions`` was created without ``record_login=True``.
        """
        at, now = _noted(self._state)[0], self._state.backend.now()
        if not at or now - at > max_age.total_seconds():
            msg = f"this needs a login that is at most {max_age} old: ask the user to authenticate again."
            raise LoginRequiredError(msg)

    def require_level(self, level: int) -> None:
        """
        Raise ``LoginRequiredError`` (403) unless the user was authenticated at this *level* or above.

        Raises:
            ConfigurationError: ``Sessions`` was created without ``record_login=True``.
        """
        if self.level < level:
            msg = f"this needs a login at level {level}: ask the user to authenticate more strongly."
            raise LoginRequiredError(msg)


class RecordingState(SessionState):
    """The state of a session whose login is recorded; the record is hidden from the application's data."""

    @property
    def data(self) -> dict[str, Any]:
        data = self.loaded().data
        return {key: value for key, value in data.items() if key != LOGIN_KEY} if LOGIN_KEY in data else data


def note_login(end: Any, write: Write) -> None:
    """Record the login of a session that begins, unless ``login`` has recorded it or no user has just logged in."""
    data, principal = write.data, write.principal
    if principal is not None and (principal == end.state.identity_before or LOGIN_KEY in end.changes.put):
        return
    if principal is None or data.get(_FRESH_KEY) is False:
        data.pop(LOGIN_KEY, None)
    else:
        data[LOGIN_KEY] = [end.now, 1]


def record_repeated_login(session: RecordedLogin) -> None:
    """
    Register a login by a framework's login library, and record it if ``record_login`` is on.

    The first login changes the session's data. A repeated one writes the same data again, so it would not be noticed.
    Without ``record_login`` this does not renew the ID, because some applications log their user in with each request.
    But if the session's row is gone, the login begins a new session.
    """
    state = session._state
    if state.principal is None:
        return
    if state.settings.record_login:
        session.confirm_login()
    elif state.phase is Phase.HEADERS_PENDING and state.backend.table is not None:
        state.logs_in = state.marked = True


def _log_in(state: SessionState) -> None:
    """Let this request count as a login of the session's user."""
    state.logs_in = True
    # After logout() the intent stays: it starts a new session too, and ends the old one even if the request fails.
    if state.intent is not Intent.LOGOUT:
        state.intent = Intent.RENEW


def _require(state: SessionState) -> None:
    if state.principal is None:
        msg = "no user is logged in: the user must log in first."
        raise LoginRequiredError(msg)


def _note(state: SessionState, at: int, level: int) -> None:
    _check_recorded(state)
    if type(level) is not int or level < 1:
        msg = f"level={level!r} is not a whole number of at least 1."
        raise ConfigurationError(msg)
    state.changeable(row_suffices=False).put(LOGIN_KEY, [at, level])


def _noted(state: SessionState) -> tuple[int, int]:
    """Return when the user was authenticated (0 if unknown) and the level."""
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
        msg = "logins are not recorded: set Sessions(record_login=True)."
        raise ConfigurationError(msg)
