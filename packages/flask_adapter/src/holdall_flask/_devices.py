"""Let a Flask application handle the requests that a browser sends by itself for device-bound sessions."""

from collections.abc import Callable

from flask import Flask, Response, current_app, request

from holdall.adapters import EndpointRequest, SessionGroup
from holdall.nested import KEY

__all__ = ["device_answerer"]


def device_answerer(group_of: Callable[[Flask], SessionGroup | None]) -> Callable[[], Response | None]:
    """
    Return a function for ``before_request`` that must run ahead of all others.

    The application then needs no route for these requests, and no CSRF or login check comes first: a browser sends no
    token with them, and authenticates them with its signature.
    """

    def answer() -> Response | None:
        group, exchange = group_of(current_app), request.environ.get(KEY)
        # An outer adapter that keeps the session too has already checked.
        if group is None or group.devices is None or exchange is None or exchange.group is not group:
            return None
        mounted_at = request.root_path.rstrip("/")
        if request.path not in group.devices:
            group.devices.note(exchange, mounted_at, request.headers.get("Secure-Session-Skipped"))
            return None
        told = group.devices.answer(
            EndpointRequest(
                request.method, request.path, mounted_at, request.host, request.is_secure, request.headers.get
            )
        )
        return Response(told.body, told.status, told.lines)

    return answer
