import pytest
from tests.adapters.mounts.django import mount as mount_wsgi
from tests.adapters.mounts.django import mount_asgi

from holdall.testing import AdapterConformance


class TestDjango(AdapterConformance):
    @pytest.fixture
    def mount(self):
        return mount_wsgi


class TestDjangoAsync(AdapterConformance):
    @pytest.fixture
    def mount(self):
        return mount_asgi


class TestDjangoSyncViewsUnderASGI(AdapterConformance):
    streams = False  # Django warns of a body that is not awaited there
    @pytest.fixture
    def mount(self):
        return lambda sessions: mount_asgi(sessions, urls="tests.django_project.urls")
