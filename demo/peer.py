"""The same slow requests with a peer's sessions: Flask-Session if the demo uses a table, or else Flask's own."""

import flask
from flask import Flask, redirect, request
from werkzeug import Response

from demo import shop
from demo.settings import PEER_PATH, behind_proxy, keeps_rows, secret, session_key

__all__ = ["peer_app"]

_SEEN = """
<p itemprop="user">{{ user }}</p>
{% for note in notes %}<p itemprop="note">{{ note }}</p>{% endfor %}
"""


def peer_app() -> Flask:
    """Return an application that uses the peer's session as the shop uses holdall's."""
    app = Flask("peer")
    app.config.update(
        SECRET_KEY=secret(),
        SESSION_COOKIE_NAME=f"{session_key()}-peer",
        SESSION_COOKIE_PATH="/",
        SESSION_COOKIE_SECURE=behind_proxy(),
    )
    if keeps_rows():
        import flask_session  # type: ignore[import-untyped]  # it has no types
        from cachelib import SimpleCache

        app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=SimpleCache())
        flask_session.Session(app)

    @app.post("/login")
    def login() -> Response:
        flask.session["user"] = shop.name_of(request.form["name"])
        return redirect(f"{PEER_PATH}/seen", 303)

    @app.post("/logout")
    def logout() -> Response:
        flask.session.clear()
        return redirect(f"{PEER_PATH}/seen", 303)

    @app.post("/slow")
    def slow() -> Response:
        shop.note_slowly(flask.session, request.form["name"])
        return redirect(f"{PEER_PATH}/seen", 303)

    @app.get("/seen")
    def seen() -> str:
        return flask.render_template_string(_SEEN, user=flask.session.get("user", ""), notes=shop.notes(flask.session))

    return app
