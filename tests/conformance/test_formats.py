"""Test that our formats fulfil the contract of formats."""

import pytest

from holdall.formats import DjangoFormat, DynamoFormat, FlaskFormat, Format, NativeFormat, PlugFormat, StarletteFormat
from holdall.testing import FormatConformance

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356b7a1d0c4e9f25368-4f1c9a7be2d80356"
OTHER = "e05c1f7a92b84d63-7d1be04938fa26c5e05c1f7a92b84d63-7d1be04938fa26c5"


class TestNative(FormatConformance):
    @pytest.fixture
    def format(self) -> Format:
        return NativeFormat(SECRET)

    @pytest.fixture
    def other_format(self) -> Format:
        return NativeFormat(OTHER)


class TestNativeSigned(FormatConformance):
    encrypts = False

    @pytest.fixture
    def format(self) -> Format:
        return NativeFormat(SECRET, encrypt=False)

    @pytest.fixture
    def other_format(self) -> Format:
        return NativeFormat(OTHER, encrypt=False)


class TestPlug(FormatConformance):
    keeps_order = False

    @pytest.fixture
    def format(self) -> Format:
        return PlugFormat(SECRET, signing_salt="salt", encryption_salt="vault")

    @pytest.fixture
    def other_format(self) -> Format:
        return PlugFormat(OTHER, signing_salt="salt", encryption_salt="vault")


class TestPlugSigned(FormatConformance):
    encrypts = False

    @pytest.fixture
    def format(self) -> Format:
        return PlugFormat(SECRET, signing_salt="salt", serializer="json")

    @pytest.fixture
    def other_format(self) -> Format:
        return PlugFormat(OTHER, signing_salt="salt", serializer="json")


class TestDynamo(FormatConformance):
    encrypts = False
    keeps_order = False

    @pytest.fixture
    def format(self) -> Format:
        return DynamoFormat(SECRET)

    @pytest.fixture
    def other_format(self) -> Format:
        return DynamoFormat(OTHER)


class TestFlask(FormatConformance):
    encrypts = False

    @pytest.fixture
    def format(self) -> Format:
        return FlaskFormat(SECRET)

    @pytest.fixture
    def other_format(self) -> Format:
        return FlaskFormat(OTHER)


class TestStarlette(FormatConformance):
    encrypts = False

    @pytest.fixture
    def format(self) -> Format:
        return StarletteFormat(SECRET)

    @pytest.fixture
    def other_format(self) -> Format:
        return StarletteFormat(OTHER)


class TestDjango(FormatConformance):
    encrypts = False

    @pytest.fixture
    def format(self) -> Format:
        return DjangoFormat(SECRET)

    @pytest.fixture
    def other_format(self) -> Format:
        return DjangoFormat(OTHER)
