"""Test that our stores fulfil the contract of stores."""

import secrets
from typing import Any

import pytest

from holdall import CookieStore, MemoryTable, Sessions, TableStore
from holdall.formats import NativeFormat
from holdall.formats._json import PlainJSON
from holdall.testing import FakeClock, StoreConformance, as_async

SECRET = secrets.token_hex(32)


class TestEncryptedCookies(StoreConformance):
    keeps_rows = revocable = False

    @pytest.fixture
    def store(self) -> Any:
        return as_async(CookieStore(NativeFormat(SECRET)))


class TestCookiesOfOneName(StoreConformance):
    keeps_rows = revocable = False

    @pytest.fixture
    def store(self) -> Any:
        return as_async(CookieStore(NativeFormat(SECRET), generations=False))


class TestSignedCookies(StoreConformance):
    keeps_rows = revocable = False

    @pytest.fixture
    def store(self) -> Any:
        return as_async(CookieStore(NativeFormat(SECRET, encrypt=False)))


class TestCookiesThatWereRotated(StoreConformance):
    keeps_rows = revocable = False

    @pytest.fixture
    def store(self) -> Any:
        old = NativeFormat(secrets.token_hex(32))
        return as_async(CookieStore(NativeFormat(SECRET), also_read=[old]))


class TestRowsInMemory(StoreConformance):
    @pytest.fixture
    def store(self, clock: FakeClock) -> Any:
        return as_async(TableStore(MemoryTable(clock=clock)))


class TestRowsOfPlainJSON(StoreConformance):
    beyond_json = False

    @pytest.fixture
    def store(self, clock: FakeClock) -> Any:
        return as_async(TableStore(MemoryTable(clock=clock), serializer=PlainJSON()))


class TestSealedRows(StoreConformance):
    @pytest.fixture
    def store(self, clock: FakeClock) -> Any:
        return as_async(TableStore(MemoryTable(clock=clock), encrypt=True))


class TestRowsOfATableThatIsAwaited(StoreConformance):
    @pytest.fixture
    def store(self, clock: FakeClock) -> Any:
        return as_async(TableStore(as_async(MemoryTable(clock=clock)), encrypt=True))


class TestCookiesThatCanBeRevoked(StoreConformance):
    keeps_rows = revokes_anonymous = asks_at_writes = False

    @pytest.fixture(params=[True, False], ids=["several names", "one name"])
    def store(self, request: pytest.FixtureRequest, clock: FakeClock) -> Any:
        options: Any = {"generations": request.param, "revocable": MemoryTable(clock=clock), "clock": clock}
        return as_async(Sessions("cookie", key="_shop", secret_key_base=SECRET, **options).prepare("sync").store)


class TestCookiesThatMayOverflow(StoreConformance):
    keeps_rows = revocable = False

    @pytest.fixture
    def store(self, clock: FakeClock) -> Any:
        return as_async(overflowing(clock))


class TestCookiesThatOverflow(StoreConformance):
    """A store whose sessions are all in the table."""

    @pytest.fixture
    def store(self, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Any:
        store = overflowing(clock)
        monkeypatch.setattr(store, "_room", 0)
        return as_async(store)


class TestRevocableCookiesThatMayOverflow(StoreConformance):
    keeps_rows = revokes_anonymous = asks_at_writes = False

    @pytest.fixture
    def store(self, clock: FakeClock) -> Any:
        return as_async(overflowing(clock, revocable=True))


class TestRevocableCookiesThatOverflow(StoreConformance):
    keeps_rows = revokes_anonymous = asks_at_writes = False

    @pytest.fixture
    def store(self, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Any:
        store = overflowing(clock, revocable=True)
        monkeypatch.setattr(store, "_room", 0)
        return as_async(store)


def overflowing(clock: FakeClock, *, revocable: bool = False) -> Any:
    table = MemoryTable(clock=clock)
    options: Any = {"overflow": table, "revocable": table if revocable else None, "clock": clock}
    return Sessions("cookie", key="_shop", secret_key_base=SECRET, **options).prepare("sync").store
