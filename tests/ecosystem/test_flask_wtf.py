"""Flask-WTF: it keeps the CSRF token in the session."""

import re

import flask
import pytest
from flask.testing import FlaskClient

from holdall import Sessions
from holdall_flask import Holdall

flask_wtf = pytest.importorskip("flask_wtf")
csrf = pytest.importorskip("flask_wtf.csrf")
StringField = pytest.importorskip("wtforms").StringField


class CommentForm(flask_wtf.FlaskForm):
    text = StringField()


@pytest.fixture
def client(sessions: Sessions) -> FlaskClient:
    app = flask.Flask(__name__)
    app.secret_key = "8f7d02c6e1b94a35-5c30e97bd1f2a864"
    Holdall(app, sessions)
    csrf.CSRFProtect(app)

    @app.route("/", methods=["GET", "POST"])
    def comment() -> str:
        form = CommentForm()
        if form.validate_on_submit():
            flask.session["comment"] = form.text.data
            return "kept"
        return flask.render_template_string("{{ form.csrf_token }}", form=form)

    return app.test_client()


def token_of(client: FlaskClient) -> str:
    return re.search(r'value="([^"]+)"', client.get("/").text)[1]


def test_a_form_with_its_token_is_accepted(client: FlaskClient) -> None:
    token = token_of(client)
    assert client.post("/", data={"csrf_token": token, "text": "hello"}).text == "kept"
    # So is one in a page that was opened earlier, or in another tab.
    assert client.post("/", data={"csrf_token": token, "text": "hello"}).text == "kept"


@pytest.mark.parametrize("data", [{}, {"csrf_token": "forged"}])
def test_a_form_without_it_is_refused(client: FlaskClient, data: dict[str, str]) -> None:
    token_of(client)
    assert client.post("/", data=data).status_code == 400


def test_another_sessions_token_is_refused(client: FlaskClient) -> None:
    token = token_of(client.application.test_client())
    token_of(client)
    assert client.post("/", data={"csrf_token": token}).status_code == 400
