"""The shop in Flask."""

from collections import deque
from typing import cast

import flask
from flask import Flask, redirect, request
from werkzeug import Response

from demo import page, shop
from demo.settings import KEY, session_options
from holdall import Event, Sessions
from holdall_flask import FlaskSession, Holdall

events: deque[Event] = deque(maxlen=page.EVENTS_SHOWN)

app = Flask(__name__)
Holdall(app, Sessions(**session_options(), on_event=events.append))

# Flask's own name for it, with the type that it has now.
session = cast("FlaskSession", flask.session)


@app.get("/")
def home() -> str:
    return page.home("Flask", session, request.cookies.get(KEY))


@app.get("/seen")
def seen() -> str:
    return page.seen("Flask", session, events)


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
