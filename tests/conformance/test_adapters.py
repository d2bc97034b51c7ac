"""The suite of adapters needs no framework: the thinnest adapters pass it."""

import pytest

from conformance.bare import Adapter, mount_asgi, mount_wsgi
from holdall.testing import AdapterConformance
from holdall.testing.adapters.suite import Mount


class TestBareWSGI(AdapterConformance):
    @pytest.fixture
    def mount(self) -> Mount:
        return lambda sessions, beside=(): mount_wsgi(Adapter(sessions, beside))


class TestBareASGI(AdapterConformance):
    @pytest.fixture
    def mount(self) -> Mount:
        return lambda sessions, beside=(): mount_asgi(Adapter(sessions, beside))
