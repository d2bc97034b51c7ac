"""Settings for Django's own tests: with an engine of Django's, or with ours and a store of ours."""

import os
import sys

from peers.django import OPTIONS
from peers.runs import STORE

SECRET_KEY = "b7a1d0c4e9f25368-4f1c9a7be2d80356"  # noqa: S105  # good enough for both, and not a secret
DATABASES = {name: {"ENGINE": "django.db.backends.sqlite3"} for name in ("default", "other")}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
USE_TZ = False
TEST_RUNNER = "peers.django_runner.Runner"

if STORE in os.environ:
    from django.contrib.sessions import middleware

    from holdall_django import SessionMiddleware

    SESSION_ENGINE = "holdall_django.engine"
    HOLDALL = OPTIONS[os.environ[STORE]]
    # The tests have settings of their own for MIDDLEWARE, and the program that runs them has others.
    middleware.SessionMiddleware = SessionMiddleware  # type: ignore[misc]
    # That program has applications of its own too.
    sys.modules["__main__"].ALWAYS_INSTALLED_APPS.append("holdall_django")
else:
    SESSION_ENGINE = f"django.contrib.sessions.backends.{os.environ['PEERS_ENGINE']}"
