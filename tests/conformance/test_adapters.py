"""The suite of adapters needs no framework: the thinnest adapters pass it."""

from collections.abc import Callable

import pytest

from conformance.bare import Adapter, mount_asgi, mount_wsgi
from holdall import Sessions
from holdall.testing import AdapterConformance, Client
from holdall.testing.adapters.suite import Mount


class TestBareWSGI(AdapterConformance):
    @pytest.fixture
    def mount(self) -> Mount:
        return lambda sessions, beside=(): mount_wsgi(Adapter(sessions, beside))


class TestBareASGI(AdapterConformance):
    @pytest.fixture
    def mount(self) -> Mount:
        return lambda sessions, beside=(): mount_asgi(Adapter(sessions, beside))


class TestBareWithOneSession(AdapterConformance):
    keeps_several = False

    @pytest.fixture
    def mount(self) -> Callable[[Sessions], Client]:
        return lambda sessions: mount_wsgi(Adapter(sessions))
