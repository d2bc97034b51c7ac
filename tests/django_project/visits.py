"""Helpers for the adapter's tests: one view's response to one request, with settings for one test."""

import tests.django_project  # noqa: F401  # sets Django up

# isort: split

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import Client, override_settings
from django.test.utils import setup_databases, setup_test_environment, teardown_databases, teardown_test_environment
from django.urls import path

__all__ = ["Configure", "configure", "environment", "key_of", "requested"]

Configure = Callable[..., None]


@pytest.fixture(scope="module", autouse=True)
def environment() -> Iterator[None]:
    setup_test_environment()
    databases = setup_databases(verbosity=0, interactive=False)
    yield
    teardown_databases(databases, verbosity=0)
    teardown_test_environment()


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Override settings until the test ends."""
    with ExitStack() as stack:
        yield lambda **given: stack.enter_context(override_settings(**given))


def requested(view: Callable[[HttpRequest], Any], client: Client | None = None, url: str = "/", **extra: Any) -> Any:
    """Return the response to a request that *view* handles."""

    def adapted(request: HttpRequest, rest: str = "") -> HttpResponse:
        answer = view(request)
        return answer if isinstance(answer, HttpResponse | StreamingHttpResponse) else JsonResponse({"is": answer})

    with override_settings(ROOT_URLCONF=(path("", adapted), path("<path:rest>", adapted))):
        return (client or Client()).get(url, **extra)


def key_of(client: Client) -> str:
    return client.cookies[settings.SESSION_COOKIE_NAME].value
