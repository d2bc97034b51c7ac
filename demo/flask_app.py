"""The shop in Flask."""

from collections import deque
from typing import cast

import flask
from flask import Flask, redirect, request
from werkzeug import Response
from werkzeug.middleware.proxy_fix import ProxyFix

from demo import page, shop
from demo.settings import behind_proxy, keeps_rows, session_key, session_options
from holdall import Event, Sessions
from holdall_flask import FlaskSession, Holdall

events: deque[Event] = deque(maxlen=page.EVENTS_SHOWN)

sessions = Sessions(**session_options(), on_event=events.append)

app = Flask(__name__)
Holdall(app, sessions)
if behind_proxy():
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]  # as Flask's manual has it

# flask.session with its actual type.
session = cast("FlaskSession", flask.session)


@app.get("/")
def home() -> str:
    return page.home("Flask", session, request.cookies.get(session_key()), request.scheme)


@app.get("/seen")
def seen() -> str:
    return page.seen("Flask", session, events)


@app.get("/devices")
def devices() -> str:
    found = sessions.list(session.principal, current=session) if keeps_rows() else None
    return page.devices("Flask", session, found)


@app.post("/devices/end")
def end_device() -> Response:
    sessions.revoke(session.principal, handle=request.form.get("handle", ""))
    return redirect("/devices", 303)


@app.post("/devices/end-others")
def end_other_devices() -> Response:
    sessions.revoke(session.principal, keep=session)
    return redirect("/devices", 303)


@app.post("/login")
def login() -> Response:
    shop.log_in(session, request.form.get("name", ""))
    return redirect("/", 303)


@app.post("/logout")
def logout() -> Response:
    shop.log_out(session)
    return redirect("/", 303)


@app.post("/add")
def add() -> Response:
    shop.add(session, request.form.get("item", ""), through="Flask")
    return redirect("/", 303)


@app.post("/remove")
def remove() -> Response:
    shop.remove(session, request.form.get("item", ""), request.form.get("through", ""))
    return redirect("/", 303)
