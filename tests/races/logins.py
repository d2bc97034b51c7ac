"""Login libraries of several frameworks with one session, as further acts for ``explore``."""

from collections.abc import Callable
from typing import Any

from holdall._principals import principal_keys
from holdall._session import Session
from holdall.stores._principals import owner
from holdall.testing._acts import ACTS, BEFORE, IDLE_TIMEOUT, KEY, Act
from holdall.testing._interleavings import Run

__all__ = ["LOGINS", "LOGIN_ACTS", "LOGOUTS", "LoginRun"]

_KEYS = principal_keys("auto")


def _django(user: str) -> Callable[[Session], None]:
    def logs_in(session: Session) -> None:
        session.update(_auth_user_id=user, _auth_user_backend="backend", _auth_user_hash=f"hash of {user}")

    return logs_in


def _django_learns(session: Session) -> None:
    if session.principal is not None:
        _django(session.principal)(session)


def _flask_login_leaves(session: Session) -> None:
    for key in ("_user_id", "_fresh", "_id"):
        session.pop(key, None)


#: Each logs in another user than the session's.
LOGINS = {
    "Django logs in": Act("Django logs in", _django("8"), ends=True, logs_in=True),
    "FastAPI logs in": Act("FastAPI logs in", lambda session: session.login("9"), ends=True, logs_in=True),
}

LOGOUTS = {
    "Django logs out": Act("Django logs out", lambda session: session.logout(), ends=True, drops=True),
    "Flask-Login logs out": Act("Flask-Login logs out", _flask_login_leaves, ends=True),
}

LOGIN_ACTS = {
    **LOGINS,
    **LOGOUTS,
    "Django learns the login": Act("Django learns the login", _django_learns),
    "write": ACTS["write"],
}


class LoginRun(Run):
    """One schedule with a session of user 7, who logged in through Flask-Login."""

    principal_key = "auto"

    async def _begin_session(self) -> str:
        cookie = await self._put({**BEFORE, "_user_id": "7", "_fresh": True, "_id": "browser"}, "7")
        if self._idle:
            self._clock.advance(IDLE_TIMEOUT / 2)
        return cookie

    async def _broken(self, now: dict[str, Any] | None, old: dict[str, Any] | None) -> str:
        names = {act.name for act in self._acts}
        logs_in, logs_out = names & LOGINS.keys(), names & LOGOUTS.keys()
        if (logs_in or logs_out) and old is not None:
            return "the old cookie still opens a session"
        theirs = await self._table.find(owner("7", "", KEY))
        if (logs_in or logs_out) and not all(row.is_tombstone for row in theirs):
            return "a session of the user who logged out is still there"
        said = {str(now[key]) for key in _KEYS.keys if key in now} if now else set()
        if len(said) > 1:
            return "two libraries see two users"
        user = said.pop() if said else None
        if now and now.get("_auth_user_hash") not in (None, f"hash of {user}"):
            return "the hash is another user's"
        if logs_in and not logs_out and user not in ("8", "9"):
            return "no user is logged in"
        if logs_out and not logs_in and user is not None:
            return "a logout was undone"
        if not (logs_in or logs_out) and (user != "7" or any(self.lost)):
            return "the login was lost"
        return ""
