"""How a Flask application answers the requests that a browser makes by itself, for sessions bound to a device."""

from collections.abc import Callable

from flask import Flask, Response, current_app, request

from holdall.adapters import EndpointRequest, SessionGroup
from holdall.nested import KEY

__all__ = ["device_answerer"]


def device_answerer(group_of: Callable[[Flask], SessionGroup | None]) -> Callable[[], Response | None]:
    """
    Return a function for ``before_request``, ahead of all others.

    So the application needs no route for it, and neither a check for CSRF nor one for a login stands before it: a
    browser sends no token with these requests, and shows by its signature that they are its own.
    """

    def answer() -> Response | None:
        group, exchange = group_of(current_app), request.environ.get(KEY)
        # An adapter around this one, which keeps the session too, has looked already.
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
