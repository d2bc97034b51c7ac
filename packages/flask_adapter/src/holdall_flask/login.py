"""
Use Flask-Login for visitors who logged in through another framework.

``LoginManager`` replaces Flask-Login's. It derives ``current_user`` from the session's principal, whichever library
logged the user in. When Flask-Login first receives such a session, the keys that ``login_user`` writes are added, so
that all of Flask-Login works as if the user had logged in here.
"""

from typing import Any

from flask import Flask

from holdall.adapters import record_repeated_login
from holdall_flask._verbs import fetch_session

try:
    import flask_login  # type: ignore[import-untyped]  # it has no types
except ModuleNotFoundError as exc:
    msg = "holdall_flask.login needs Flask-Login. Install it with: pip install flask-login"
    raise ModuleNotFoundError(msg, name=exc.name) from exc

__all__ = ["LoginManager"]

_USER = "_user_id"


class LoginManager(flask_login.LoginManager):  # type: ignore[misc]  # as above
    """
    Flask-Login's manager, for a session shared with other frameworks.

    The ``user_loader`` receives the principal as text, and a user's ``get_id`` must return the same text.

    ``logout_user`` ends the session for all frameworks, with all its data, because others may store the user's data
    there. Values stored afterwards start a new session.

    A login by another framework is not fresh: ``fresh_login_required`` asks the user to log in here, unless
    *trust_other_logins* is set. Session protection (``session_protection``) starts at the session's first request to
    Flask-Login.

    Args:
        trust_other_logins: Treat a login by another framework as fresh. Use it only if no application logs users in
            without asking for a password, for example by a "remember me" cookie.
    """

    def __init__(
        self, app: Flask | None = None, add_context_processor: bool = True, *, trust_other_logins: bool = False
    ) -> None:
        self._trusts_others = trust_other_logins
        super().__init__(app, add_context_processor)

    def init_app(self, app: Flask, add_context_processor: bool = True) -> None:
        super().init_app(app, add_context_processor)
        flask_login.user_logged_in.connect(_record_login, app)
        flask_login.user_login_confirmed.connect(_record_login, app)
        flask_login.user_logged_out.connect(_end_session, app)

    # Flask-Login calls these two methods itself, and loads users only through them.

    def _load_user(self) -> None:
        session = fetch_session()
        principal = session.principal
        if principal is not None and _USER not in session:
            session[_USER] = principal
            session["_fresh"] = self._trusts_others
            session["_id"] = self._session_identifier_generator()
        super()._load_user()

    def _load_user_from_remember_cookie(self, cookie: str) -> Any:
        user = super()._load_user_from_remember_cookie(cookie)
        if user is None:
            # Flask-Login keeps the ID of a user whom the loader refuses. Other frameworks would treat that as a login.
            fetch_session().pop(_USER, None)
        return user


def _record_login(app: Flask, **kwargs: object) -> None:
    session = fetch_session()
    # A login by its "remember me" cookie is not fresh.
    if session.get("_fresh"):
        record_repeated_login(session)


def _end_session(app: Flask, **kwargs: object) -> None:
    session = fetch_session()
    # This key tells Flask-Login to delete its own cookie with this response.
    remember = session.get("_remember")
    session.logout()
    if remember is not None:
        session["_remember"] = remember
