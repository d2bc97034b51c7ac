"""The suite of adapters needs no framework: the thinnest adapters pass it."""

from collections.abc import Callable

import pytest

from conformance.bare import Adapter, mount_asgi, mount_wsgi
from holdall import Sessions
from holdall.testing import AdapterConformance, Client


class TestBareWSGI(AdapterConformance):
    @pytest.fixture
    def mount(self) -> Callable[[Sessions], Client]:
        return lambda sessions: mount_wsgi(Adapter(sessions))


class TestBareASGI(AdapterConformance):
    @pytest.fixture
    def mount(self) -> Callable[[Sessions], Client]:
        return lambda sessions: mount_asgi(Adapter(sessions))
