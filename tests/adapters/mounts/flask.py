"""The Flask application that the suite of all adapters, and the test across frameworks, drive."""

from flask import Flask, Response, request, session

from holdall import Sessions
from holdall.testing import Client, perform, stream, wsgi_client
from holdall_flask import Holdall, fetch_session

__all__ = ["mount"]


def mount(sessions: Sessions) -> Client:
    app = Flask(__name__)
    Holdall(app, sessions)

    @app.post("/", defaults={"path": ""})
    @app.post("/<path:path>")
    def act(path: str) -> tuple[dict[str, object], int, dict[str, str]]:
        script = request.get_json()
        result, status = perform(session, script)
        return result, status, script.get("headers", {})

    @app.post("/stream")
    def streamed() -> Response:
        return Response(stream(fetch_session(), request.get_json()))

    return wsgi_client(app)
