"""The conformance suite's application in Django, under WSGI and under ASGI."""

import tests.django_project  # noqa: F401  # sets Django up

# isort: split

from collections.abc import Sequence
from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings

from holdall import Sessions
from holdall.testing import Client, Request, Response, asgi_client, wsgi_client

__all__ = ["mount", "mount_asgi"]


def mount(sessions: Sessions, also: Sequence[Sessions] = ()) -> Client:
    settings = {"HOLDALL": {"sessions": sessions, "also": also}}
    with override_settings(**settings):
        return _with_settings(settings, wsgi_client(WSGIHandler()))


def mount_asgi(
    sessions: Sessions, also: Sequence[Sessions] = (), *, urls: str = "tests.django_project.async_urls"
) -> Client:
    settings = {"HOLDALL": {"sessions": sessions, "also": also}, "ROOT_URLCONF": urls}
    with override_settings(**settings):
        return _with_settings(settings, asgi_client(ASGIHandler()))


def _with_settings(settings: dict[str, Any], client: Client) -> Client:
    """Return a client whose application has its own *settings*, although Django has one set per process."""

    def send(request: Request) -> Response:
        with override_settings(**settings):
            return client(request)

    def cancelled(*args: Any) -> bool:
        asgi: Any = client
        with override_settings(**settings):
            was_cancelled: bool = asgi.cancelled(*args)
        return was_cancelled

    send.cancelled = cancelled  # type: ignore[attr-defined]  # the client is one from asgi_client
    return send
