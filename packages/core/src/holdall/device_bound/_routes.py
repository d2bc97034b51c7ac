"""Let an adapter recognize the requests for device-bound sessions."""

from collections.abc import Iterable
from typing import Any

from holdall._errors import ConfigurationError
from holdall.device_bound._endpoints import DeviceEndpoints
from holdall.device_bound._messages import EndpointRequest, EndpointResponse

__all__ = ["DeviceRoutes"]


class DeviceRoutes:
    """
    The endpoints of all sessions of an application.

    Args:
        backends: The backends of the sessions that can be bound.

    Raises:
        ConfigurationError: Two of them have the same path.
    """

    def __init__(self, backends: Iterable[Any]) -> None:
        self._by_path: dict[str, DeviceEndpoints] = {}
        self._all = tuple(DeviceEndpoints(each.store, each) for each in backends)
        for endpoints in self._all:
            for path in endpoints.steps:
                if path in self._by_path:
                    msg = (
                        f"two Sessions of one application use {path!r} for their devices: give one of them another "
                        "path with device_bound=DeviceBound(path='/…')."
                    )
                    raise ConfigurationError(msg)
                self._by_path[path] = endpoints

    def __contains__(self, path: object) -> bool:
        """Return whether *path*, relative to the application, is one that a browser requests by itself."""
        return path in self._by_path

    def answer(self, request: EndpointRequest) -> EndpointResponse:
        """Return the response to a request for one of these paths."""
        return self._by_path[request.path].answer(request)

    async def answer_async(self, request: EndpointRequest) -> EndpointResponse:
        """Do the same as ``answer``."""
        return await self._by_path[request.path].answer_async(request)

    def note(self, exchange: Any, mounted_at: str, skipped: str | None) -> None:
        """
        Record information from a request for another path, before its response is created.

        Args:
            exchange: The request's ``Exchange``.
            mounted_at: The path that the application is mounted under, decoded; ``""`` for the root.
            skipped: The header Secure-Session-Skipped, in which a browser says why the bound cookie is missing.
        """
        exchange.mount(mounted_at)
        if skipped is not None:
            self._all[0].note_skipped(skipped)
