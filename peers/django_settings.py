"""Settings for Django's own tests: with one of Django's engines, or with ours and one of our stores."""

import os
import sys

from peers.django import OPTIONS
from peers.runs import STORE

SECRET_KEY = "b7a1d0c4e9f25368-4f1c9a7be2d80356"  # noqa: S105  # good enough for both, and not a real secret
DATABASES = {name: {"ENGINE": "django.db.backends.sqlite3"} for name in ("default", "other")}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
USE_TZ = False
TEST_RUNNER = "peers.django_runner.Runner"

if STORE in os.environ:
    from django.contrib.sessions import middleware

    from holdall_django import SessionMiddleware

    SESSION_ENGINE = "holdall_django.engine"
    HOLDALL = OPTIONS[os.environ[STORE]]
    # Replaced in Django's module, because the tests and the program that runs them set MIDDLEWARE themselves.
    middleware.SessionMiddleware = SessionMiddleware  # type: ignore[misc]
    # That program also has its own applications.
    sys.modules["__main__"].ALWAYS_INSTALLED_APPS.append("holdall_django")
else:
    SESSION_ENGINE = f"django.contrib.sessions.backends.{os.environ['PEERS_ENGINE']}"
