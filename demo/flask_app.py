"""The shop in Flask."""

from collections import deque
from typing import Any, cast

import flask
import flask_login  # type: ignore[import-untyped]  # it has no types
from flask import Flask, redirect, request
from werkzeug import Response
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from demo import page, shop, thief
from demo.peer import peer_app
from demo.race import RACES
from demo.settings import PEER_PATH, behind_proxy, keeps_rows, session_key, session_options
from holdall import Event, Sessions
from holdall_flask import FlaskSession, Holdall
from holdall_flask.login import LoginManager

events: deque[Event] = deque(maxlen=page.EVENTS_SHOWN)

sessions = Sessions(**session_options(), on_event=events.append)

app = Flask(__name__)
Holdall(app, sessions)
manager = LoginManager(app)
# For comparison.
app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {PEER_PATH: peer_app()})  # type: ignore[method-assign]  # as in Flask's documentation
if behind_proxy():
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]  # as in Flask's documentation

# flask.session with its actual type.
session = cast("FlaskSession", flask.session)


class Shopper(flask_login.UserMixin):  # type: ignore[misc]  # as above
    def __init__(self, name: str) -> None:
        self.id = name


@manager.user_loader  # type: ignore[untyped-decorator]  # as above
def load_user(name: str) -> Shopper:
    return Shopper(name)


def user_name() -> str | None:
    name: str | None = flask_login.current_user.get_id()
    return name


@app.get("/")
def home(**shown: Any) -> str:
    return page.home("Flask", user_name(), session, request.cookies.get(session_key()), request.scheme, **shown)


@app.get("/replay")
def replay() -> str:
    return home(thief=thief.replay("Flask", request.cookies))


@app.get(f"/race/<any({','.join(RACES)}):name>")
def race(name: str) -> str:
    return home(race=RACES[name]("Flask"))


@app.post("/slow")
def slow() -> Response:
    shop.note_slowly(session, request.form["name"])
    return redirect("/seen", 303)


@app.get("/seen")
def seen() -> str:
    return page.seen("Flask", user_name(), session, events)


@app.get("/devices")
def devices() -> str:
    found = sessions.list(user_name(), current=session) if keeps_rows() else None
    return page.devices("Flask", user_name(), session, found)


@app.post("/devices/end")
def end_device() -> Response:
    sessions.revoke(user_name(), handle=request.form.get("handle", ""))
    return redirect("/devices", 303)


@app.post("/devices/end-others")
def end_other_devices() -> Response:
    sessions.revoke(user_name(), keep=session)
    return redirect("/devices", 303)


@app.post("/login")
def login() -> Response:
    if name := shop.name_of(request.form.get("name", "")):
        flask_login.login_user(Shopper(name))
        shop.note_login(session)
    return redirect("/", 303)


@app.post("/logout")
def logout() -> Response:
    flask_login.logout_user()
    return redirect("/", 303)


@app.post("/add")
def add() -> Response:
    shop.add(session, request.form.get("item", ""), through="Flask")
    return redirect("/", 303)


@app.post("/remove")
def remove() -> Response:
    shop.remove(session, request.form.get("item", ""), request.form.get("through", ""))
    return redirect("/", 303)
