"""HOLDALL in Django's error reports: its mail, its page, diffsettings, and a toolbar that shows the settings."""

from tests.django_project.visits import Configure, configure, environment, requested  # isort: skip

import logging
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
import pytest
from django.conf import settings
from django.core import mail
from django.http import HttpRequest
from django.test import Client, override_settings
from django.utils.log import AdminEmailHandler
from django.views.debug import SafeExceptionReporterFilter

from holdall import ConfigurationError, Sessions
from holdall_django import configured_sessions
from holdall_django._options import HiddenOptions, hide_options

__all__ = ["configure", "environment"]

SECRETS = [
    "f4d1-secret-of-old-5c39b7",
    "pa55w0rd-of-redis",
    "9b27e6d0-secret-base-c41f8a35d79e02b6",
    "salt-that-is-ours",
]

COOKIE = {
    "store": "cookie",
    "key": "_shop",
    "secret_key_base": SECRETS[2],
    "fallbacks": [SECRETS[0] + "-0e9b7d42f6a8c135"],
    "idle_timeout": timedelta(hours=1),
    "same_site": "Lax",
}
TABLE = {"store": "table", "table": f"redis://shop:{SECRETS[1]}@cache.internal:6379/0", "key": "_shop"}


# A pair before Django 6.0.
ADMINS = ["ada@shop.example"] if django.VERSION >= (6, 0) else [("Ada", "ada@shop.example")]


@pytest.fixture(params=["cookie", "table"])
def project(request: pytest.FixtureRequest, configure: Configure) -> None:
    configure(HOLDALL={"cookie": COOKIE, "table": TABLE}[request.param], ADMINS=ADMINS)


def fail(request: HttpRequest) -> None:
    raise ZeroDivisionError


def shows_no_secret(text: str) -> bool:
    return not any(secret in text for secret in SECRETS)


@pytest.mark.filterwarnings("ignore:Django 2028 will not have a default mailer")
@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("include_html", [True, False])
def test_the_mail_to_admins_shows_no_secret(include_html: bool) -> None:
    handler = AdminEmailHandler(include_html=include_html)
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    mail.outbox.clear()
    try:
        requested(fail, Client(raise_request_exception=False))
    finally:
        logger.removeHandler(handler)

    # Django's own handler has sent another mail.
    sent = mail.outbox[0]
    texts = [sent.body, *(content for content, _ in sent.alternatives)]
    assert len(texts) == 1 + include_html
    assert all("HOLDALL" in text and shows_no_secret(text) for text in texts)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("accept", ["text/html", "text/plain"])
def test_the_error_page_shows_no_secret(accept: str) -> None:
    with override_settings(DEBUG=True):
        page = requested(fail, Client(raise_request_exception=False), headers={"accept": accept}).content.decode()

    assert "HOLDALL" in page
    assert "_shop" in page
    assert shows_no_secret(page)


def test_a_failed_setup_outside_requests_shows_no_secret(configure: Configure) -> None:
    configure(HOLDALL={**TABLE, "tabel": SECRETS[0]}, DEBUG=True, MIDDLEWARE=[])

    def view(request: HttpRequest) -> None:
        configured_sessions()

    from django.views.debug import ExceptionReporter

    try:
        view(HttpRequest())
    except ConfigurationError:
        reporter = ExceptionReporter(None, *sys.exc_info())
    found = {
        name: repr(value)
        for frame in reporter.get_traceback_frames()
        for name, value in frame["vars"]
        if name in ("given", "options") and "holdall_django" in frame["filename"]
    }

    assert found
    assert all(shows_no_secret(text) for text in found.values())


def test_a_toolbar_gets_no_secret(configure: Configure) -> None:
    pytest.importorskip("debug_toolbar")
    configure(HOLDALL=TABLE)
    configured_sessions()
    from debug_toolbar.panels.settings import get_safe_settings

    assert shows_no_secret(repr(get_safe_settings()))


def test_the_options_still_behave_like_a_dict(configure: Configure) -> None:
    configure(HOLDALL=COOKIE)
    configured_sessions()

    assert {**settings.HOLDALL} == COOKIE
    assert settings.HOLDALL == COOKIE
    assert settings.HOLDALL | {"key": "other"} == COOKIE | {"key": "other"}
    assert settings.HOLDALL["fallbacks"] == COOKIE["fallbacks"]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"key": "_shop", "secure": True}, "{'key': '_shop', 'secure': True}"),
        ({"table": "redis://:pw@host/0"}, "{'table': 'redis://********************'}"),
        ({"store": "redis://:pw@host/0"}, "{'store': 'redis://********************'}"),
        ({"table": "pw"}, "{'table': '********************'}"),
        ({"fallbacks": ["pw"], "max_age": None}, "{'fallbacks': '********************', 'max_age': None}"),
        ({"on_event": print, 7: b"pw"}, "{'on_event': '********************', 7: '********************'}"),
    ],
)
def test_values_that_are_not_secret_are_shown(options: dict[Any, Any], shown: str) -> None:
    assert repr(HiddenOptions(options)) == shown
    assert str(HiddenOptions(options)) == shown
    assert repr(SafeExceptionReporterFilter().cleanse_setting("HOLDALL", HiddenOptions(options))) == shown


def test_a_value_that_is_not_a_dict_is_left_alone(configure: Configure) -> None:
    sessions = Sessions(store="table", table="reports", key="sid")
    configure(HOLDALL=sessions)
    hide_options()
    assert settings.HOLDALL is sessions
    configure(HOLDALL={"key": "a"})
    hide_options()
    hidden = settings.HOLDALL
    hide_options()
    assert settings.HOLDALL is hidden


@pytest.mark.parametrize("option", ["sessions", "also"])
def test_a_url_given_instead_of_a_path_is_not_repeated(configure: Configure, option: str) -> None:
    configure(HOLDALL={option: TABLE["table"] if option == "sessions" else [TABLE["table"]]})

    with pytest.raises(ConfigurationError, match="a str, which is neither") as raised:
        configured_sessions()
    assert shows_no_secret(str(raised.value))


def test_diffsettings_shows_no_secret(tmp_path: Path) -> None:
    (tmp_path / "shop_settings.py").write_text(
        f"INSTALLED_APPS = ['holdall_django']\nHOLDALL = {TABLE!r}\nUSE_TZ = True\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "django", "diffsettings", "--settings=shop_settings"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "HOLDALL = {'store': 'table'" in done.stdout, done.stderr
    assert shows_no_secret(done.stdout)
