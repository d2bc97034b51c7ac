"""Test that our serializers fulfil the contract of serializers."""

from collections.abc import Mapping
from typing import Any

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


def test_a_serializer_need_not_check_values_one_by_one() -> None:
    class Unchecked:
        def dumps(self, data: Mapping[str, Any], /) -> bytes:
            return TaggedJSON().dumps(data)

        def loads(self, payload: bytes, /) -> dict[str, Any]:
            return TaggedJSON().loads(payload)

    with pytest.raises(pytest.skip.Exception, match=r"has no check\(key, value\)"):
        TestTaggedJSON().needs_check(Unchecked())
