"""Test that a preset of timeouts outranks a framework's defaults, but not the application's own settings."""

from tests.django_project.visits import Configure, configure, environment  # isort: skip

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from holdall import ConfigurationError, Sessions
from holdall_django import configured_sessions
from holdall_fastapi import SessionMiddleware
from holdall_flask import Holdall

__all__ = ["configure", "environment"]

SECRET = "9c1f7b3ae5d80246-8e2d5f0a7c94b163"
HOUR = 60 * 60


def of_flask(configure: Configure, **options: Any) -> Sessions:
    app = Flask("shop")
    app.secret_key = SECRET
    Holdall(app, **options)
    with app.test_request_context():
        return app.session_interface.group_of(app).main


def of_fastapi(configure: Configure, **options: Any) -> Sessions:
    return SessionMiddleware(Flask("no application"), secret_key=SECRET, **options).sessions


def of_django(configure: Configure, **options: Any) -> Sessions:
    configure(HOLDALL={"store": "cookie", "secret_key_base": SECRET, **options})
    return configured_sessions()


@pytest.mark.parametrize("sessions_of", [of_flask, of_fastapi, of_django])
def test_a_preset_outranks_the_frameworks_default(sessions_of: Any, configure: Configure) -> None:
    settings = sessions_of(configure, timeouts="aal2").settings
    shorter = sessions_of(configure, timeouts="aal2", idle_timeout=timedelta(minutes=1)).settings

    assert (settings.idle_timeout, settings.absolute_timeout) == (HOUR, 24 * HOUR)
    assert (shorter.idle_timeout, shorter.absolute_timeout) == (60, 24 * HOUR)
    with pytest.raises(ConfigurationError, match="longer than timeouts='aal2' allows"):
        sessions_of(configure, timeouts="aal2", idle_timeout=timedelta(days=1))
