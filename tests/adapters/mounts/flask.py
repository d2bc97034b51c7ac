"""The Flask application for the adapter suite and the test across frameworks."""

from collections.abc import Sequence

from flask import Flask, Response, request, session

from holdall import Sessions
from holdall.testing import METHODS, Client, perform, stream, wsgi_client
from holdall_flask import Holdall, fetch_session

__all__ = ["mount"]


def mount(sessions: Sessions, also: Sequence[Sessions] = ()) -> Client:
    app = Flask(__name__)
    Holdall(app, sessions, also=also)
    named = {each.key: each for each in also}

    @app.route("/", methods=METHODS, defaults={"path": ""})
    @app.route("/<path:path>", methods=METHODS)
    def act(path: str) -> tuple[dict[str, object], int, dict[str, str]]:
        script = request.get_json()
        result, status = perform(session, script, lambda key: fetch_session(named[key]))
        return result, status, script.get("headers", {})

    @app.post("/stream")
    def streamed() -> Response:
        main = fetch_session()
        return Response(stream(main, request.get_json(), lambda key: main.exchange.session_of(named[key])))

    return wsgi_client(app)
