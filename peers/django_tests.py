"""
Django's tests of sessions that do not depend on one of its engines, run with the engine of the settings.

Django runs them for each of its engines; the tests that it skips for ``signed_cookies`` run here.
"""

from importlib import import_module

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.test import TestCase, override_settings
from sessions_tests import tests  # type: ignore[import-not-found]  # Django's, found at run time


class EngineTests(tests.SessionTestsMixin, TestCase):  # type: ignore[misc]
    @property
    def backend(self) -> type[SessionBase]:
        engine: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
        return engine


@override_settings(USE_TZ=True)
class EngineWithTimeZoneTests(EngineTests):
    pass


class MiddlewareTests(tests.SessionMiddlewareTests):  # type: ignore[misc]
    pass


@override_settings(USE_TZ=True)
class MiddlewareWithTimeZoneTests(tests.SessionMiddlewareTests):  # type: ignore[misc]
    pass
