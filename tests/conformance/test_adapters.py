"""Test that the adapter suite needs no framework: the thinnest adapters pass it."""

from collections.abc import Callable

import pytest

from conformance.bare import Adapter, mount_asgi, mount_wsgi
from holdall import Sessions
from holdall.testing import AdapterConformance, Client, CookieConformance
from holdall.testing._adapters.several import SeveralTests
from holdall.testing._adapters.suite import Mount
from holdall.testing._adapters.transports import HeaderTests


class TestBareWSGI(AdapterConformance):
    binds_devices = False

    @pytest.fixture
    def mount(self) -> Mount:
        return lambda sessions, also=(): mount_wsgi(Adapter(sessions, also))


class TestBareASGI(AdapterConformance):
    binds_devices = False

    @pytest.fixture
    def mount(self) -> Mount:
        return lambda sessions, also=(): mount_asgi(Adapter(sessions, also))


class TestCookiesOverWSGI(CookieConformance):
    @pytest.fixture
    def mount(self) -> Mount:
        return lambda sessions, also=(): mount_wsgi(Adapter(sessions, also))


class TestCookiesOverASGI(CookieConformance):
    @pytest.fixture
    def mount(self) -> Mount:
        return lambda sessions, also=(): mount_asgi(Adapter(sessions, also))


class TestBareWithOneSession(SeveralTests):
    """An adapter that keeps one session says so, and all of these tests are skipped: its ``mount`` takes no *also*."""

    keeps_several = False

    @pytest.fixture
    def mount(self) -> Callable[[Sessions], Client]:
        return lambda sessions: mount_wsgi(Adapter(sessions))


class TestBareWithCookiesOnly(HeaderTests):
    """An adapter that supports only cookies says so, and all of these tests are skipped."""

    carries_headers = False

    @pytest.fixture
    def mount(self) -> Mount:
        return lambda sessions, also=(): mount_wsgi(Adapter(sessions, also))
