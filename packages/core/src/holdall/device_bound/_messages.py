"""Represent the requests that a browser sends by itself, and their responses, between an adapter and the core."""

from collections.abc import Callable
from typing import NamedTuple

from holdall._cookies import SetCookie
from holdall._redacted import redacted

__all__ = ["EndpointRequest", "EndpointResponse"]


@redacted
class EndpointRequest(NamedTuple):
    """
    A request, as translated by an adapter.

    Attributes:
        method: ``"POST"``, or another method, which is not allowed.
        path: The path below the one that the application is mounted under.
        mounted_at: The path that the application is mounted under (``SCRIPT_NAME``, ``root_path``), decoded; ``""``
            for the root.
        host: The Host header.
        https: Whether the request reached us over HTTPS.
        header: Returns the value of a header by its name, or ``None`` if it is missing.
    """

    method: str
    path: str
    mounted_at: str
    host: str
    https: bool
    header: Callable[[str], str | None]


@redacted
class EndpointResponse(NamedTuple):
    """
    A response for an adapter to send.

    Attributes:
        headers: All headers except those for cookies.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    cookies: tuple[SetCookie, ...] = ()
    body: bytes = b""

    @property
    def lines(self) -> list[tuple[str, str]]:
        """The headers, with a Set-Cookie for each cookie."""
        return [*self.headers, *(("Set-Cookie", str(cookie)) for cookie in self.cookies)]
