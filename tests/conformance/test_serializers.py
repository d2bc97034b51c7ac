"""Our serializers keep the contract of serializers."""

import pytest

from holdall.formats._json import PlainJSON
from holdall.msgspec_json import FastTaggedJSON
from holdall.serializers import Serializer, TaggedJSON
from holdall.testing import SerializerConformance


class TestTaggedJSON(SerializerConformance):
    @pytest.fixture
    def serializer(self) -> Serializer:
        return TaggedJSON()


class TestTaggedJSONByMsgspec(SerializerConformance):
    @pytest.fixture
    def serializer(self) -> Serializer:
        return FastTaggedJSON()


class TestPlainJSON(SerializerConformance):
    beyond_json = False

    @pytest.fixture
    def serializer(self) -> Serializer:
        return PlainJSON()


class TestStrictJSON(SerializerConformance):
    beyond_json = False

    @pytest.fixture
    def serializer(self) -> Serializer:
        return PlainJSON(strict=True)
