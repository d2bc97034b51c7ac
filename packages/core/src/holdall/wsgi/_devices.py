"""Let a WSGI middleware handle the requests that a browser sends by itself."""

from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from holdall._header_lists import environ_header
from holdall.device_bound._answering import answer_by
from holdall.device_bound._messages import EndpointRequest
from holdall.nested import KEY

__all__ = ["answer_devices"]


class _Answering:
    _devices: Any

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        mounted_at, path = _paths(environ)
        if path not in self._devices:
            body: Iterable[bytes] = cast("Any", super()).__call__(environ, start_response)
            return body
        header = partial(_header, environ)
        is_https = environ["wsgi.url_scheme"] == "https"
        answer = self._devices.answer(
            EndpointRequest(environ["REQUEST_METHOD"], path, mounted_at, header("Host") or "", is_https, header)
        )
        headers = [*answer.lines, ("Content-Length", str(len(answer.body)))]
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
        return [answer.body]


def _noting(app: Any, group: Any) -> Any:
    def note(environ: Any, start_response: Any) -> Any:
        exchange = environ[KEY]
        # An outer adapter that keeps the session too has already noted it.
        if exchange.group is group:
            group.devices.note(exchange, _paths(environ)[0], _header(environ, "Secure-Session-Skipped"))
        return app(environ, start_response)

    return note


def _header(environ: Any, name: str) -> str | None:
    return environ_header(environ, name) or None


def _paths(environ: Any) -> tuple[str, str]:
    """Return the path where the application is mounted, and the path below that (PEP 3333)."""
    # A server decodes the bytes of both as Latin-1.
    mounted_at = environ.get("SCRIPT_NAME", "").encode("latin-1").decode("utf-8", "surrogateescape")
    return mounted_at.rstrip("/"), environ.get("PATH_INFO", "")


#: Let a middleware with a ``SessionGroup`` handle the requests for its devices.
answer_devices = partial(answer_by, _Answering, _noting)
