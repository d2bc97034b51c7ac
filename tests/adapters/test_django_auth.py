"""``contrib.auth`` with visitors who logged in through another framework, over one ``Sessions``."""

from tests.django_project.visits import Configure, configure, environment, requested  # isort: skip

import asyncio
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.apps import apps
from django.contrib import auth
from django.contrib.auth.models import User
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core.management import call_command
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.test import AsyncClient, Client, override_settings
from django.urls import path

import tests.django_project
from holdall import ConfigurationError, MemoryTable, Session, Sessions, TableStore
from holdall.testing import FakeClock, as_async
from holdall_django import DjangoSession

__all__ = ["configure", "environment"]

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"
OURS = "holdall_django.auth.AuthenticationMiddleware"
MIDDLEWARE = [
    OURS if each == "django.contrib.auth.middleware.AuthenticationMiddleware" else each
    for each in tests.django_project.settings.MIDDLEWARE
]


@pytest.fixture(params=["memory", "cookie"])
def store(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def sessions(configure: Configure, store: str) -> Sessions:
    if store == "cookie":
        sessions = Sessions("cookie", key="sessionid", secret_key_base=SECRET)
    else:
        table: Any = MemoryTable()
        sessions = Sessions(TableStore(table if store == "memory" else as_async(table)), key="sessionid")
    configure(MIDDLEWARE=MIDDLEWARE, HOLDALL=sessions)
    return sessions


in_all = pytest.mark.parametrize("store", ["memory", "cookie", "awaited"])
in_a_table = pytest.mark.parametrize("store", ["memory"])


@pytest.fixture
def ada() -> Iterator[User]:
    user = User.objects.create_user("ada", password="analytical", is_staff=True, is_superuser=True)
    yield user
    User.objects.filter(username="ada").delete()


def held(client: Client | AsyncClient) -> dict[str, str]:
    """Return the client's cookies. A session in a cookie alternates between several names."""
    return {name: each.value for name, each in client.cookies.items() if each.value}


def elsewhere(sessions: Sessions, client: Client | AsyncClient, act: Callable[[Session], object]) -> Any:
    """Run *act* in another framework's request with the session in the client's cookie, and return its result."""

    async def request() -> Any:
        session = await sessions.fetch_async("; ".join(map("=".join, held(client).items())))
        result = act(session)
        for each in (await sessions.commit_async(session)).cookies:
            client.cookies.load(str(each))
        return result

    return asyncio.run(request())


def principal(sessions: Sessions, client: Client | AsyncClient) -> Any:
    return elsewhere(sessions, client, lambda session: session.principal)


def logged_in(sessions: Sessions, user: Any, client: Client | None = None) -> Client:
    """Return a client that has logged in elsewhere."""
    client = client or Client()
    elsewhere(sessions, client, lambda session: session.update(_user_id=str(user.pk), cart=["hat"]))
    return client


def who(client: Client, **extra: Any) -> str:
    return str(requested(lambda request: request.user.username, client, **extra).json()["is"])


def test_a_login_elsewhere_is_a_login_here(sessions: Sessions, ada: User) -> None:
    client = logged_in(sessions, ada)
    assert who(client) == "ada"

    seen = elsewhere(sessions, client, dict)
    assert seen.keys() >= {"_user_id", "_auth_user_id", "_auth_user_backend", "_auth_user_hash", "cart"}
    assert who(client) == "ada"
    assert elsewhere(sessions, client, dict) == seen


async def _who(request: HttpRequest) -> HttpResponse:
    assert await request.auser() is await request.auser()
    return HttpResponse((await request.auser()).get_username())


async def _change(request: HttpRequest) -> HttpResponse:
    user = await request.auser()
    user.set_password("another")
    await user.asave()
    if "keep" in request.GET:
        await auth.aupdate_session_auth_hash(request, user)
    return HttpResponse()


ASYNC = (path("who", _who), path("change", _change))


@in_all
def test_a_login_elsewhere_is_a_login_in_an_async_view(sessions: Sessions, ada: User) -> None:
    client = AsyncClient()
    elsewhere(sessions, client, lambda session: session.login(ada.pk))

    with override_settings(ROOT_URLCONF=ASYNC):
        assert asyncio.run(client.get("/who")).content == b"ada"
        assert asyncio.run(AsyncClient().get("/who")).content == b""


@in_all
@pytest.mark.parametrize("keeps", [True, False])
def test_a_password_changed_by_an_async_view_ends_the_other_sessions(
    sessions: Sessions, store: str, ada: User, keeps: bool
) -> None:
    client, other = AsyncClient(), AsyncClient()
    for each in (client, other):
        elsewhere(sessions, each, lambda session: session.login(ada.pk))

    with override_settings(ROOT_URLCONF=ASYNC):
        asyncio.run(client.get("/change?keep" if keeps else "/change"))
        assert principal(sessions, client) == (str(ada.pk) if keeps else None)
        assert asyncio.run(client.get("/who")).content == (b"ada" if keeps else b"")
    if store != "cookie":
        assert principal(sessions, other) is None


def test_a_login_or_logout_here_takes_effect_elsewhere(sessions: Sessions, ada: User) -> None:
    client = Client()
    assert principal(sessions, client) is None
    requested(lambda request: auth.login(request, ada), client)
    assert principal(sessions, client) == str(ada.pk)
    requested(auth.logout, client)
    assert principal(sessions, client) is None


def test_a_logout_here_ends_a_session_that_began_elsewhere(sessions: Sessions, ada: User) -> None:
    client = logged_in(sessions, ada)
    requested(auth.logout, client)
    assert elsewhere(sessions, client, dict) == {}


def test_a_logout_elsewhere_ends_the_login_here(sessions: Sessions, ada: User) -> None:
    client = logged_in(sessions, ada)
    assert who(client) == "ada"
    elsewhere(sessions, client, lambda session: session.pop("_user_id"))
    assert who(client) == ""


def test_a_login_here_replaces_another_user_of_the_other_framework(sessions: Sessions, ada: User) -> None:
    client = Client()
    elsewhere(sessions, client, lambda session: session.update(_user_id="9999", cart=["hat"]))
    requested(lambda request: auth.login(request, ada), client)

    seen = elsewhere(sessions, client, dict)
    assert seen["_auth_user_id"] == str(ada.pk)
    assert not seen.keys() & {"_user_id", "cart"}


def test_a_login_here_as_the_same_user_keeps_the_data_under_a_new_id(sessions: Sessions, ada: User) -> None:
    client = logged_in(sessions, ada)
    before = held(client)
    requested(lambda request: auth.login(request, ada), client)

    assert set(before.values()).isdisjoint(held(client).values())
    assert elsewhere(sessions, client, lambda session: session["cart"]) == ["hat"]


@pytest.mark.parametrize("given", ["9999", "nonsense", "", "07", " 7"])
@in_a_table
def test_a_principal_that_is_not_a_users_key_is_anonymous(sessions: Sessions, given: str) -> None:
    User.objects.create_user("grace", pk=7)
    client = Client()
    elsewhere(sessions, client, lambda session: session.update(_user_id=given))

    assert who(client) == ""
    assert elsewhere(sessions, client, dict) == {"_user_id": given}
    User.objects.filter(pk=7).delete()


@pytest.mark.parametrize("name", ["userid", "uid", "user", "username"])
def test_a_name_that_a_guest_has_typed_is_no_login(sessions: Sessions, name: str, ada: User) -> None:
    client = Client()
    elsewhere(sessions, client, lambda session: session.put(name, str(ada.pk)))

    assert requested(lambda request: request.user.is_authenticated, client).json() == {"is": False}


@in_a_table
def test_an_inactive_user_is_anonymous_and_leaves_no_session(sessions: Sessions, ada: User) -> None:
    client = logged_in(sessions, ada)
    ada.is_active = False
    ada.save()

    assert principal(sessions, client) is None
    assert who(logged_in(sessions, ada)) == ""


@in_a_table
def test_a_backend_without_users_is_skipped(configure: Configure, sessions: Sessions, ada: User) -> None:
    backends = ["tests.adapters.test_django_auth.Knowing", "django.contrib.auth.backends.ModelBackend"]
    configure(AUTHENTICATION_BACKENDS=backends)
    client = logged_in(sessions, ada)

    assert who(client) == "ada"
    assert elsewhere(sessions, client, lambda session: session["_auth_user_backend"]) == backends[1]


class Knowing:
    """A backend that only authenticates."""

    def authenticate(self, request: HttpRequest | None) -> None: ...


@in_a_table
def test_permissions_the_admin_and_login_required_work(configure: Configure, sessions: Sessions, ada: User) -> None:
    configure(MIDDLEWARE=[*MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"])
    client = logged_in(sessions, ada)

    assert requested(lambda request: request.user.has_perm("auth.add_user"), client).json() == {"is": True}
    assert client.get("/admin/").status_code == 200
    assert Client().get("/admin/").status_code == 302
    assert requested(lambda request: "shown", Client()).status_code == 302


@in_a_table
def test_a_login_elsewhere_issues_a_new_csrf_token(sessions: Sessions, ada: User) -> None:
    client = Client()
    requested(lambda request: HttpResponse(get_token(request)), client)
    planted = client.cookies["csrftoken"].value

    assert who(logged_in(sessions, ada, client)) == "ada"
    assert client.cookies["csrftoken"].value != planted


@in_a_table
def test_a_form_in_flight_keeps_its_token(sessions: Sessions, ada: User) -> None:
    client = Client(enforce_csrf_checks=True)
    requested(lambda request: HttpResponse(get_token(request)), client)
    planted = client.cookies["csrftoken"].value
    logged_in(sessions, ada, client)

    with override_settings(ROOT_URLCONF=(path("", lambda request: HttpResponse(request.user.username)),)):
        answer = client.post("/", headers={"X-CSRFToken": planted})
    assert answer.content == b"ada"
    assert client.cookies["csrftoken"].value == planted


# Changed passwords.


def change(request: HttpRequest) -> None:
    user: Any = User.objects.get(pk=request.user.pk)
    user.set_password("another")
    user.save()
    if "keep" in request.GET:
        auth.update_session_auth_hash(request, user)


@pytest.mark.parametrize("here", [True, False])
@pytest.mark.parametrize("keeps", [True, False])
def test_a_changed_password_ends_the_sessions_wherever_they_began(
    sessions: Sessions, store: str, ada: User, here: bool, keeps: bool
) -> None:
    client, other = Client(), Client()
    for each in (client, other):
        if here:
            requested(lambda request: auth.login(request, ada), each)
        else:
            assert who(logged_in(sessions, ada, each)) == "ada"

    requested(change, client, url="/?keep" if keeps else "/")

    assert principal(sessions, client) == (str(ada.pk) if keeps else None)
    assert who(client) == ("ada" if keeps else "")
    if store != "cookie":
        # In the other frameworks too, immediately.
        assert principal(sessions, other) is None
    assert who(other) == ""
    assert principal(sessions, other) is None


@in_a_table
def test_a_session_that_django_never_saw_ends_too(sessions: Sessions, ada: User) -> None:
    client = logged_in(sessions, ada)
    stranger = Client()
    elsewhere(sessions, stranger, lambda session: session.login(9999))
    call_command("shell", command="from django.contrib.auth.models import User; u = User.objects.get(username='ada'); "
                 "u.set_password('x'); u.save()", verbosity=0)  # fmt: skip

    assert principal(sessions, client) is None
    assert principal(sessions, stranger) == "9999"


@in_all
def test_a_command_ends_sessions_in_an_async_table(sessions: Sessions, store: str, ada: User) -> None:
    client = logged_in(sessions, ada)
    ada.set_password("another")
    ada.save()

    assert principal(sessions, client) == (str(ada.pk) if store == "cookie" else None)


@in_a_table
@pytest.mark.parametrize("end", ["delete", "set_unusable_password"])
def test_a_user_who_is_deleted_or_loses_the_password_has_no_session(sessions: Sessions, ada: User, end: str) -> None:
    client = logged_in(sessions, ada)
    if end == "delete":
        ada.delete()
    else:
        ada.set_unusable_password()
        ada.save()

    assert principal(sessions, client) is None


@in_a_table
def test_a_user_deleted_during_a_request_is_logged_out(sessions: Sessions, ada: User) -> None:
    client = logged_in(sessions, ada)
    requested(lambda request: User.objects.get(pk=request.user.pk).delete(), client)

    assert principal(sessions, client) is None


@in_a_table
def test_a_rolled_back_or_unrelated_change_ends_nothing(sessions: Sessions, ada: User) -> None:
    client = logged_in(sessions, ada)
    ada.first_name = "Ada"
    ada.save()
    User(pk=987654, username="new").save()
    User.objects.filter(username="new").delete()
    with transaction.atomic():
        ada.set_password("another")
        ada.save()
        transaction.set_rollback(True)

    assert principal(sessions, client) == str(ada.pk)


@in_a_table
def test_other_models_are_ignored(sessions: Sessions, ada: User) -> None:
    from django.contrib.auth.models import Group

    client = logged_in(sessions, ada)
    group = Group.objects.create(pk=ada.pk, name="staff")
    group.save()
    group.delete()

    assert principal(sessions, client) == str(ada.pk)


@in_a_table
@pytest.mark.parametrize(("before", "expected"), [(-1, "ada"), (1, ""), (None, "ada")])
def test_a_users_sessions_from_before_sessions_valid_since_are_invalid(
    sessions: Sessions, ada: User, monkeypatch: pytest.MonkeyPatch, before: int | None, expected: str
) -> None:
    client = logged_in(sessions, ada)
    since = None if before is None else datetime.now(UTC) + timedelta(hours=before)
    monkeypatch.setattr(User, "sessions_valid_since", since, raising=False)

    assert who(client) == expected
    assert principal(sessions, client) == (str(ada.pk) if expected else None)


@in_a_table
def test_another_engines_session_is_left_to_django(sessions: Sessions, ada: User) -> None:
    def view(request: HttpRequest) -> str:
        request.session = {}  # type: ignore[assignment]  # as a test may do
        ada.set_password("another")
        ada.save()
        return request.user.username

    client = logged_in(sessions, ada)
    assert requested(view, client).json() == {"is": ""}
    assert principal(sessions, client) is None


def replaced(request: HttpRequest) -> HttpResponse:
    request.session = SessionStore()  # type: ignore[assignment]  # as above
    return HttpResponse()


async def _replaced(request: HttpRequest) -> HttpResponse:
    await sync_to_async(replaced)(request)
    return HttpResponse((await request.auser()).get_username())


@in_a_table
def test_another_engines_session_is_left_to_django_in_an_async_view(sessions: Sessions, ada: User) -> None:
    client = AsyncClient()
    elsewhere(sessions, client, lambda session: session.login(ada.pk))

    with override_settings(ROOT_URLCONF=(path("who", _replaced),)):
        assert asyncio.run(client.get("/who")).content == b""


@pytest.mark.usefixtures("sessions")
@in_a_table
def test_commands_notice_changed_passwords_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("holdall_django.auth", "holdall_django._changed_users"):
        monkeypatch.delitem(sys.modules, name)

    apps.get_app_config("holdall_django").ready()

    assert "holdall_django._changed_users" in sys.modules


@in_a_table
def test_a_password_changed_by_an_admin_ends_the_users_sessions_and_not_the_admins(
    sessions: Sessions, ada: User
) -> None:
    grace = User.objects.create_user("grace", password="nanosecond")
    client, hers = logged_in(sessions, ada), logged_in(sessions, grace)
    form = {"password1": "another-one-9", "password2": "another-one-9", "usable_password": "true"}

    assert client.post(f"/admin/auth/user/{grace.pk}/password/", form).status_code == 302

    assert principal(sessions, hers) is None
    assert principal(sessions, client) == str(ada.pk)
    grace.delete()


def test_sessions_that_do_not_know_djangos_login_key_are_refused(configure: Configure) -> None:
    configure(MIDDLEWARE=MIDDLEWARE, HOLDALL=Sessions("memory://auth", key="sessionid", principal_key="user_id"))

    with pytest.raises(ConfigurationError, match=r"principal_key lacks '_auth_user_id', which django\.contrib\.auth"):
        Client().get("/")


@in_a_table
def test_a_session_with_djangos_own_login_is_not_rewritten(sessions: Sessions, ada: User) -> None:
    client = Client()
    requested(lambda request: auth.login(request, ada), client)
    seen: list[Any] = []

    def view(request: HttpRequest) -> str:
        assert isinstance(request.session, DjangoSession)
        _ = request.user.username
        seen.append(request.session.modified)
        return request.user.username

    assert requested(view, client).json() == {"is": "ada"}
    assert seen == [False]


def test_a_known_user_is_not_queried_again(sessions: Sessions, ada: User) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        request._cached_user = ada
        return HttpResponse(request.user.username)

    assert requested(view, Client()).content == b"ada"


def test_a_login_without_a_session_of_ours_is_not_recorded() -> None:
    user = SimpleNamespace(save=lambda **options: None)

    assert auth.user_logged_in.send(sender=None, request=HttpRequest(), user=user)


@pytest.mark.parametrize("awaited", [False, True])
def test_a_user_who_logs_in_again_has_just_been_authenticated(configure: Configure, ada: User, awaited: bool) -> None:
    clock = FakeClock()
    sessions = Sessions("cookie", key="sessionid", secret_key_base=SECRET, record_login=True, clock=clock)
    configure(MIDDLEWARE=MIDDLEWARE, HOLDALL=sessions)
    client = Client()

    def log_in(request: HttpRequest) -> str:
        auth.login(request, ada, backend="django.contrib.auth.backends.ModelBackend")
        return str(request.session.authenticated_at.isoformat())

    def alog_in(request: HttpRequest) -> str:
        asyncio.run(auth.alogin(request, ada, backend="django.contrib.auth.backends.ModelBackend"))
        return str(request.session.authenticated_at.isoformat())

    for _ in range(2):
        clock.advance(timedelta(hours=1))
        answer = requested(alog_in if awaited else log_in, client).json()
        assert answer["is"] == clock().isoformat()
    assert elsewhere(sessions, client, lambda session: session.authenticated_at) == clock()


BACKEND = "django.contrib.auth.backends.ModelBackend"


@in_a_table
def test_a_user_can_log_in_again_after_revoke(sessions: Sessions, ada: User) -> None:
    client, other = logged_in(sessions, ada), logged_in(sessions, ada)
    assert who(client) == who(other) == "ada"
    before = held(client)

    def log_in(request: HttpRequest) -> int:
        user = User.objects.get(pk=request.user.pk)
        ended = sessions.revoke(user.pk)
        auth.login(request, user, backend=BACKEND)
        return ended

    assert requested(log_in, client).json() == {"is": 2}

    assert (who(client), who(other)) == ("ada", "")
    assert held(client) != before
    assert len(sessions.list(ada.pk)) == 1


@in_a_table
def test_update_session_auth_hash_is_no_login_so_revoke_must_keep_the_session(sessions: Sessions, ada: User) -> None:
    client, other = logged_in(sessions, ada), logged_in(sessions, ada)
    assert who(client) == who(other) == "ada"

    def keep(request: HttpRequest) -> int:
        auth.update_session_auth_hash(request, request.user)
        return sessions.revoke(request.user.pk, keep=request.session)

    def end(request: HttpRequest) -> int:
        ended = sessions.revoke(request.user.pk)
        auth.update_session_auth_hash(request, request.user)
        return ended

    assert requested(keep, client).json() == {"is": 1}
    assert (who(client), who(other)) == ("ada", "")
    assert requested(end, client).json() == {"is": 1}
    assert who(client) == ""
