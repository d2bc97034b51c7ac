"""Let the middleware handle the requests that a browser sends by itself for device-bound sessions."""

from collections.abc import Callable
from functools import cache
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse

from holdall.adapters import EndpointRequest, EndpointResponse, SessionGroup
from holdall_django._cookies import add_cookies
from holdall_django._requests import opened_for

__all__ = ["with_devices"]


# Each of Django's test clients creates the middleware anew, and one class does for all.
@cache
def with_devices(middleware: Any) -> type:
    """
    Return the session *middleware* for a project whose sessions can be bound to a device.

    It responds before any view and before the CSRF check: a browser sends no token with these requests, and
    authenticates them with its signature.
    """

    class DeviceMiddleware(middleware):  # type: ignore[misc]  # the class that imports this module
        def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
            super().__init__(get_response)
            self.get_response = _noting(get_response, self.group)

        def __call__(self, request: HttpRequest) -> Any:
            if not self.async_mode and request.path_info in self.group.devices:
                return _response(self.group.devices.answer(_translated(request)))
            return super().__call__(request)

        async def __acall__(self, request: HttpRequest) -> Any:
            if request.path_info in self.group.devices:
                return _response(await self.group.devices.answer_async(_translated(request)))
            return await super().__acall__(request)

    return DeviceMiddleware


def _noting(get_response: Callable[[HttpRequest], Any], group: SessionGroup) -> Callable[[HttpRequest], Any]:
    """Return a wrapper of *get_response* that also records where the project is mounted."""

    def note(request: HttpRequest) -> None:
        opened = opened_for(request)
        # An outer adapter that keeps the session too has already noted it.
        if opened is not None and not opened.is_shared:
            skipped = request.headers.get("Secure-Session-Skipped")
            group.devices.note(opened.exchange, _mounted_at(request), skipped)

    def get_noted(request: HttpRequest) -> Any:
        note(request)
        return get_response(request)

    async def get_noted_async(request: HttpRequest) -> Any:
        note(request)
        return await get_response(request)

    return get_noted_async if iscoroutinefunction(get_response) else get_noted


def _translated(request: HttpRequest) -> EndpointRequest:
    return EndpointRequest(
        request.method or "",
        request.path_info,
        _mounted_at(request),
        request.get_host(),
        request.is_secure(),
        request.headers.get,
    )


def _mounted_at(request: HttpRequest) -> str:
    mounted_at: str = request.META.get("SCRIPT_NAME", "")
    return mounted_at.rstrip("/")


def _response(answer: EndpointResponse) -> HttpResponse:
    response = HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))
    add_cookies(response, answer.cookies)
    return response
