import pytest
from tests.adapters.mounts.flask import mount as mount_flask

from holdall.testing import AdapterConformance


class TestFlask(AdapterConformance):
    @pytest.fixture
    def mount(self):
        return mount_flask
