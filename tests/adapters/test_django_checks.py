"""``manage.py check`` reports faults in the setup of sessions, and how to fix them."""

from tests.django_project.visits import Configure, configure, environment  # isort: skip

from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.checks import run_checks
from django.core.management import call_command
from django.http import HttpResponse

from holdall import ConfigurationError, MemoryTable, Sessions, TableStore
from holdall_django import SessionMiddleware
from holdall_django.engine import SessionStore as OurStore
from holdall_django.sources import EngineSource

__all__ = ["configure", "environment"]

OURS = "holdall_django.SessionMiddleware"
DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"
OUR_AUTH = "holdall_django.auth.AuthenticationMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
CACHE = "django.middleware.cache.UpdateCacheMiddleware"
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"

# Encrypted like rows outside the process, with a secret that is checked when the table is opened.
SEALED = {"store": "table", "table": "a", "encrypt": True}

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"


class OwnSessionMiddleware(SessionMiddleware):
    """A project's own middleware."""


class SessionStore(OurStore):
    """A project's own engine: this module."""


def Sessionless(get_response: Any) -> Any:  # noqa: N802  # the name is what counts
    return get_response


OWN = f"{__name__}.OwnSessionMiddleware"


def found(*, deploy: bool = False) -> dict[str, str]:
    """Return our messages with their hints, by the last part of their IDs."""
    messages = run_checks(include_deployment_checks=deploy)
    return {
        each.id.rpartition(".")[2]: f"{each.msg} {each.hint}"
        for each in messages
        if (each.id or "").startswith("holdall_django.")
    }


def test_a_well_configured_project_has_no_findings() -> None:
    assert found() == {}


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ({"SESSION_ENGINE": "django.contrib.sessions.backends.db"}, "E001", "holdall_django.engine"),
        ({"SESSION_ENGINE": "django.contrib.sessions.backends.cache"}, "E001", "backends.cache"),
        ({"SESSION_ENGINE": "json"}, "E001", "'json'"),
        ({"MIDDLEWARE": [OURS, DJANGOS, AUTH, MESSAGES]}, "E002", "Remove 'django.contrib"),
        ({"MIDDLEWARE": [DJANGOS, OURS, AUTH, MESSAGES]}, "E002", "Remove 'django.contrib"),
        ({"MIDDLEWARE": [OURS, AUTH, MESSAGES, OURS]}, "E003", "Keep one"),
        ({"MIDDLEWARE": [AUTH, MESSAGES]}, "E004", OURS),
        ({"MIDDLEWARE": [DJANGOS, AUTH, MESSAGES]}, "E004", OURS),
        ({"MIDDLEWARE": [AUTH, OURS, MESSAGES]}, "E005", "Move"),
        ({"MIDDLEWARE": [MESSAGES, OURS, AUTH]}, "E005", "MessageMiddleware"),
        ({"MIDDLEWARE": [CSRF, OURS, AUTH, MESSAGES], "CSRF_USE_SESSIONS": True}, "E005", "CsrfViewMiddleware"),
        ({"MIDDLEWARE": [OURS, CACHE, AUTH, MESSAGES]}, "W001", "before 'holdall_django"),
        ({"HOLDAL": {}}, "W007", "HOLDAL has no effect: all of holdall's own options are in HOLDALL. Write"),
        ({"HOLD_ALL": {}}, "W007", "HOLD_ALL has no effect"),
        ({"HOLDALL_STORE": "cookie"}, "W007", "Write HOLDALL = {'store': …}."),
        (
            {"SESSION_SERIALIZER": "shop.Pickles"},
            "W008",
            "'shop.Pickles', but holdall does not use it to store sessions",
        ),
        ({"SESSION_SERIALIZER": "shop.Pickles", "HOLDALL": {"store": "cookie"}}, "W008", "HOLDALL['serializer'] takes"),
        ({"HOLDALL": {"store": "cookie", "idle_timeuot": 60}}, "E006", "Did you mean 'idle_timeout'?"),
        ({"HOLDALL": {"alsos": []}}, "E006", "Did you mean 'also'?"),
        ({"HOLDALL": {"zzzzzz": 1}}, "E006", "Choose one of: absolute_timeout"),
        ({"HOLDALL": {"store": "cookies"}}, "E007", "'cookies'"),
        ({"HOLDALL": {"store": "table"}}, "E007", "needs a table"),
        ({"HOLDALL": {"store": "table", "table": "nosuch://x"}}, "E007", "nosuch"),
        ({"HOLDALL": {"fetch": "never"}}, "E007", "fetch"),
        ({"HOLDALL": {"sessions": "no.such.module"}}, "E007", "HOLDALL['sessions'] has 'no.such.module', which cannot"),
        ({"SECRET_KEY": ""}, "E007", "SECRET_KEY"),
        ({"SESSION_COOKIE_AGE": "week"}, "E007", "SESSION_COOKIE_AGE='week' is not a"),
        ({"SESSION_COOKIE_AGE": -1}, "E007", "SESSION_COOKIE_AGE is -1 seconds"),
        ({"HOLDALL": 7}, "E007", "int"),
        ({"HOLDALL": {"same_site": "None"}}, "E007", "Secure"),
        (
            {"HOLDALL": {"store": "cookie", "secret_key_base": ""}},
            "E007",
            "for any others, from SECRET_KEY",
        ),
        ({"HOLDALL": {"store": "cookie", "record_client": True}}, "E007", "no rows"),
        (
            {"HOLDALL": {"store": "table", "table": "a", "record_client": True, "principal_key": None}},
            "E007",
            "principal_key=None",
        ),
        ({"HOLDALL": {"store": "cookie", "lifetime": 60}}, "E006", "'idle_timeout' or 'absolute_timeout'"),
        ({"HOLDALL": {"store": "table", "table": "a", "principal_key": "user_id"}}, "W002", "_auth_user_id"),
        (
            {
                "HOLDALL": {"store": "table", "table": "a", "principal_key": "user_id"},
                "MIDDLEWARE": [OURS, OUR_AUTH, MESSAGES],
            },
            "E008",
            "_auth_user_id",
        ),
        ({"HOLDALL": {"store": "cookie", "weak_secrets": False}, "SECRET_KEY": "weak"}, "E007", "SECRET_KEY has 4"),
        ({"HOLDALL": {**SEALED, "weak_secrets": False}, "SECRET_KEY": "weak"}, "E007", "SECRET_KEY has 4"),
        (
            {"HOLDALL": {**SEALED, "weak_secrets": False}, "SECRET_KEY_FALLBACKS": ["weak"]},
            "E007",
            "SECRET_KEY_FALLBACKS has 4",
        ),
    ],
)
def test_a_mistake_is_found_with_a_hint(configure: Configure, given: dict[str, Any], code: str, words: str) -> None:
    configure(**given)

    messages = found()

    assert list(messages) == [code]
    assert words in messages[code]


@pytest.mark.parametrize(
    "given",
    [
        {"MIDDLEWARE": [CSRF, OURS, AUTH, MESSAGES]},
        {"MIDDLEWARE": [CACHE, OURS, AUTH, MESSAGES]},
        {"MIDDLEWARE": [OWN, AUTH, MESSAGES]},
        {"MIDDLEWARE": [OURS, AUTH, MESSAGES, f"{__name__}.Sessionless"]},
        {"SESSION_ENGINE": __name__},
        {"SESSION_COOKIE_AGE": 1.5 * 24 * 3600},
        {"HOLDALL": {"store": "table", "table": "a", "principal_key": None}},
        {"HOLDALL": {"store": "table", "table": "a", "record_client": True}},
        {"HOLDALL": {"sessions": Sessions(TableStore(MemoryTable()), key="sid")}},
        {"SESSION_SERIALIZER": "django.contrib.sessions.serializers.JSONSerializer"},
        {
            "SESSION_SERIALIZER": "shop.Pickles",
            "HOLDALL": {"store": "table", "table": "a", "migrate_from": [EngineSource("cache")]},
        },
    ],
)
def test_intended_settings_are_accepted(configure: Configure, given: dict[str, Any]) -> None:
    configure(**given)

    assert found() == {}


def test_a_project_without_users_names_its_own_principal_key(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(HOLDALL={"store": "table", "table": "a", "principal_key": "user_id"})
    monkeypatch.setattr(apps, "is_installed", lambda name: name != "django.contrib.auth")

    assert "W002" not in found()


def test_a_missing_middleware_is_left_to_django(configure: Configure) -> None:
    configure(MIDDLEWARE=["no.such.SessionMiddleware", OURS, AUTH, MESSAGES])

    assert found() == {}


def test_the_check_shows_no_secret(configure: Configure) -> None:
    configure(HOLDALL={"store": "table", "table": "nosuch://:pa55w0rd@host/0"})

    assert "pa55w0rd" not in str(found())


# In production.


def test_a_good_secret_in_production_has_no_findings() -> None:
    assert found(deploy=True) == {}


@pytest.mark.filterwarnings("ignore::holdall._keys.WeakSecretWarning")
@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ({"SECRET_KEY": "django-insecure-" + SECRET}, "W003", "well-known"),
        ({"HOLDALL": {"store": "table", "table": "a"}}, "W004", "memory"),
        ({"HOLDALL": {"store": "table", "table": "memory://a"}}, "W004", "memory"),
        ({"HOLDALL": {"store": TableStore(MemoryTable())}}, "W004", "memory"),
        ({"SESSION_COOKIE_SECURE": False}, "W005", "HTTPS"),
        ({"SESSION_COOKIE_HTTPONLY": False}, "W006", "scripts"),
    ],
)
def test_dangerous_settings_in_production_are_found(
    configure: Configure, given: dict[str, Any], code: str, words: str
) -> None:
    configure(**given)

    assert found() == {}
    messages = found(deploy=True)
    assert list(messages) == [code]
    assert words in messages[code]


@pytest.mark.parametrize("workers", ["2", "1", "many", ""])
def test_a_table_in_memory_with_several_workers_is_found(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    configure(HOLDALL={"store": "table", "table": "a"})
    monkeypatch.setenv("WEB_CONCURRENCY", workers)

    assert ("W004" in found()) is (workers == "2")


def test_a_servers_arguments_count_as_workers_too(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(HOLDALL={"store": "table", "table": "a"})
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--workers 3")

    assert "GUNICORN_CMD_ARGS asks for several workers" in found()["W004"]


def test_a_mistake_is_reported_once(configure: Configure) -> None:
    configure(HOLDALL={"store": "cookies"})

    assert list(found(deploy=True)) == ["E007"]


def test_the_command_fails_on_an_error(configure: Configure) -> None:
    from django.core.management.base import SystemCheckError

    configure(HOLDALL={"keys": "_shop"})

    with pytest.raises(SystemCheckError, match=r"Did you mean 'key'\?"):
        call_command("check")


# Settings that cannot work are refused when requests are handled, too.


@pytest.mark.parametrize(
    "given",
    [
        {"SESSION_ENGINE": "django.contrib.sessions.backends.db"},
        {"MIDDLEWARE": [OURS, DJANGOS]},
        {"MIDDLEWARE": [OURS, OURS]},
    ],
)
def test_the_middleware_refuses_settings_that_cannot_work(configure: Configure, given: dict[str, Any]) -> None:
    configure(**given)

    with pytest.raises(ConfigurationError):
        SessionMiddleware(lambda request: HttpResponse())


def test_the_application_has_a_name() -> None:
    assert apps.get_app_config("holdall_django").verbose_name == "holdall"
    assert "holdall_django" in settings.INSTALLED_APPS
