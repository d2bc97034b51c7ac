"""Flask, where a session is ``flask.session``."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import flask
import flask_session
from cachelib import SimpleCache
from flask.sessions import SessionInterface, SessionMixin

from bench.apps import BARE, our_sessions
from bench.apps.wsgi import WSGISite
from bench.samples import SECRET, SMALL
from holdall_flask import Holdall

__all__ = ["OWN", "sites"]

OWN = "Flask"


def sites() -> Mapping[str, WSGISite]:
    """Return the sites by where they keep their sessions."""
    ours = {
        name: _site(lambda app, sessions=sessions: Holdall(app, sessions)) for name, sessions in our_sessions().items()
    }
    return {
        BARE: _site(_without, uses=False),
        **ours,
        OWN: _site(lambda app: None, flags=True),
        "Flask-Session, memory": _site(_flask_session, flags=True),
    }


def _site(install: Callable[[flask.Flask], object], *, uses: bool = True, flags: bool = False) -> WSGISite:
    """Return a site whose handlers use the session, and flag changes in place."""
    app = flask.Flask(__name__)
    app.secret_key = SECRET
    install(app)

    @app.get("/<page>")
    def answer(page: str) -> str:
        if uses:
            _use(page, flags=flags)
        return "ok"

    return WSGISite(app)


def _use(page: str, *, flags: bool) -> None:
    session = flask.session
    match page:
        case "read":
            session["user_id"]
        case "write":
            session["theme"] = "light"
        case "nested":
            session["cart"][0] += 1
            if flags:
                session.modified = True
        case "begin":
            # A new value, as in a real application: one that other code holds would be watched from then on.
            session.update(deepcopy(SMALL))


class _Nothing(dict[str, Any], SessionMixin):
    pass


class _NoSessions(SessionInterface):
    def open_session(self, app: Any, request: Any) -> _Nothing:
        return _Nothing()

    def save_session(self, app: Any, session: Any, response: Any) -> None:
        pass


def _without(app: flask.Flask) -> None:
    app.session_interface = _NoSessions()


def _flask_session(app: flask.Flask) -> None:
    app.config |= {"SESSION_TYPE": "cachelib", "SESSION_CACHELIB": SimpleCache(threshold=10**9)}
    flask_session.Session(app)
