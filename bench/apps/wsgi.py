"""The parts that the WSGI frameworks share."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

from werkzeug.test import create_environ

from bench.apps import cookie_header

__all__ = ["WSGISite"]


class WSGISite:
    """A WSGI application."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def act(self, page: str, cookie: str) -> Callable[[], object]:
        environ = create_environ(f"/{page}", headers={"Cookie": cookie})

        def send() -> None:
            body = self.app({**environ, "wsgi.input": BytesIO()}, _start_response)
            b"".join(body)
            if hasattr(body, "close"):
                body.close()

        send()
        return send

    def begin(self) -> str:
        answered: list[Any] = []

        def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
            answered.extend(headers)

        body = self.app(create_environ("/begin"), start_response)
        b"".join(body)
        if hasattr(body, "close"):
            body.close()
        return cookie_header(dict(answered).get("Set-Cookie", ""))


def _start_response(status: str, headers: Any, exc_info: Any = None) -> None:
    if not status.startswith("200"):
        msg = f"the application responded with {status}"
        raise RuntimeError(msg)
