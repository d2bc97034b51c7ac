"""The suite of adapters needs no framework: the thinnest adapters pass it."""

from collections.abc import Callable

import pytest

from conformance.bare import Adapter, mount_asgi, mount_wsgi
from holdall import Sessions
from holdall.testing import AdapterConformance, Client, CookieConformance
from holdall.testing.adapters.several import SeveralTests
from holdall.testing.adapters.suite import Mount
from holdall.testing.adapters.transports import HeaderTests


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
    """One that keeps a single session says so, and all of these are skipped: its ``mount`` takes no other."""

    keeps_several = False

    @pytest.fixture
    def mount(self) -> Callable[[Sessions], Client]:
        return lambda sessions: mount_wsgi(Adapter(sessions))


class TestBareWithCookiesOnly(HeaderTests):
    """One that knows cookies only says so, and all of these are skipped."""

    carries_headers = False

    @pytest.fixture
    def mount(self) -> Mount:
        return lambda sessions, also=(): mount_wsgi(Adapter(sessions, also))
