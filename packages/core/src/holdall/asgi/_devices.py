"""Let an ASGI middleware handle the requests that a browser sends by itself."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import partial
from typing import Any, cast

from holdall.device_bound._answering import answer_by
from holdall.device_bound._messages import EndpointRequest
from holdall.nested import KEY

__all__ = ["answer_devices"]

_Scope = MutableMapping[str, Any]
_App = Callable[[Any, Any, Any], Awaitable[None]]


class _Answering:
    _devices: Any

    async def __call__(self, scope: _Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            mounted_at, path = _paths(scope)
            if path in self._devices:
                header = _Headers(scope["headers"])
                is_https = scope.get("scheme") == "https"
                request = EndpointRequest(scope["method"], path, mounted_at, header("Host") or "", is_https, header)
                answer = await self._devices.answer_async(request)
                headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.lines]
                headers.append((b"content-length", b"%d" % len(answer.body)))
                await send({"type": "http.response.start", "status": answer.status, "headers": headers})
                await send({"type": "http.response.body", "body": answer.body})
                return
        await cast("Any", super()).__call__(scope, receive, send)


class _Headers:
    """The values of a request's headers by name."""

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._headers = headers

    def __call__(self, name: str) -> str | None:
        wanted = name.lower().encode("latin-1")
        found = [value.decode("latin-1") for key, value in self._headers if key == wanted]
        # HTTP/2 may split the cookies into several headers (RFC 9113, section 8.2.3).
        return "; ".join(found) if found else None


def _noting(app: _App, group: Any) -> _App:
    async def note(scope: _Scope, receive: Any, send: Any) -> None:
        exchange = scope.get(KEY)
        # An outer adapter that keeps the session too has already noted it.
        if exchange is not None and exchange.group is group:
            group.devices.note(exchange, _paths(scope)[0], _Headers(scope["headers"])("Secure-Session-Skipped"))
        await app(scope, receive, send)

    return note


def _paths(scope: _Scope) -> tuple[str, str]:
    """Return the path where the application is mounted, and the path below that."""
    mounted_at = scope.get("root_path", "").rstrip("/")
    # Servers differ in whether the path includes the mount path.
    return mounted_at, scope["path"].removeprefix(mounted_at)


#: Let a middleware with a ``SessionGroup`` handle the requests for its devices.
answer_devices = partial(answer_by, _Answering, _noting)
