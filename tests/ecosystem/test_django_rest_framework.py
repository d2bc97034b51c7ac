"""Django REST framework: ``SessionAuthentication`` finds the user in Django's session, and requires the CSRF token."""

import tests.django_project  # sets Django up

from tests.django_project.visits import environment  # isort: skip

# isort: split

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.test import Client, override_settings
from django.urls import path

from holdall_django import configured_sessions

pytest.importorskip("rest_framework")

__all__ = ["environment"]


def view(request: HttpRequest) -> HttpResponse:
    # It reads Django's settings at import.
    from rest_framework.authentication import SessionAuthentication
    from rest_framework.decorators import api_view, authentication_classes, permission_classes
    from rest_framework.permissions import IsAuthenticated
    from rest_framework.response import Response

    @api_view(["GET", "POST"])
    @authentication_classes([SessionAuthentication])
    @permission_classes([IsAuthenticated])
    def who(request: HttpRequest) -> Response:
        return Response({"user": request.user.username})

    return who(request)


@pytest.fixture
def client(stored: dict[str, str]) -> Iterator[Client]:
    urls = (path("", view), path("token", lambda request: HttpResponse(get_token(request))))
    installed = [*tests.django_project.settings.INSTALLED_APPS, "rest_framework"]
    with override_settings(HOLDALL={**stored, "key": "sid"}, ROOT_URLCONF=urls, INSTALLED_APPS=installed):
        user = User.objects.create_user("ada", password="analytical")
        yield Client(enforce_csrf_checks=True)
        user.delete()


def test_a_user_in_the_session_is_accepted(client: Client) -> None:
    assert client.get("/").status_code == 403
    client.login(username="ada", password="analytical")
    assert client.get("/").json() == {"user": "ada"}
    client.logout()
    assert client.get("/").status_code == 403


def test_a_user_who_logged_in_through_another_framework_is_accepted(client: Client) -> None:
    ours = [each.replace("django.contrib.auth.middleware", "holdall_django.auth") for each in settings.MIDDLEWARE]
    with override_settings(MIDDLEWARE=ours):
        session = configured_sessions().fetch()
        session.login(User.objects.get(username="ada").pk)
        client.cookies["sid"] = configured_sessions().commit(session).cookie

        assert client.get("/").json() == {"user": "ada"}
        assert client.post("/").status_code == 403
        token = client.get("/token").content.decode()
        assert client.post("/", headers={"X-CSRFToken": token}).json() == {"user": "ada"}


def test_a_write_needs_the_csrf_token(client: Client) -> None:
    client.login(username="ada", password="analytical")
    assert client.post("/").status_code == 403
    token = client.get("/token").content.decode()
    assert client.post("/", headers={"X-CSRFToken": token}).json() == {"user": "ada"}
