"""Places in a process's memory where sessions can be kept: ours and others', with what each needs to be comparable."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

from cachelib import SimpleCache
from cachetools import TTLCache
from starsessions import InMemoryStore

from bench.samples import LIFETIME, digest
from holdall.tables import MemoryTable, Row

__all__ = ["BOUND", "OURS", "PLACES", "Place"]

#: The limit on the number of entries in each.
BOUND = "dict"
OURS = "holdall, MemoryTable"

_DATA = b"x" * 141


class Place(ABC):
    """A place that keeps 141 bytes for each session."""

    #: Whether writes remove expired sessions.
    sweeps = False

    def __init__(self) -> None:
        self.ahead = timedelta()

    def key(self, number: int) -> Any:
        """Return the key of session *number*."""
        return digest(number).hex()

    @abstractmethod
    def get(self, key: Any) -> object:
        """Read a session."""

    @abstractmethod
    def put(self, key: Any, data: bytes = _DATA) -> object:
        """Write a session."""

    def begin(self, key: Any) -> None:
        """Put a new session, in newly allocated memory."""
        self.put(key, bytes(bytearray(_DATA)))

    def expire(self) -> None:
        """Make all sessions expire."""
        self.ahead += 2 * LIFETIME


class _Dict(Place):
    def __init__(self) -> None:
        super().__init__()
        self._held: dict[bytes, bytes] = {}

    def key(self, number: int) -> bytes:
        return digest(number)

    def get(self, key: bytes) -> object:
        return self._held.get(key)

    def put(self, key: bytes, data: bytes = _DATA) -> object:
        self._held[key] = data
        return None


class _Memory(Place):
    sweeps = True

    def __init__(self) -> None:
        super().__init__()
        self._table = MemoryTable(max_rows=10**8, max_bytes=10**12)
        self._row = self._made(_DATA)

    def key(self, number: int) -> bytes:
        return digest(number)

    def get(self, key: bytes) -> object:
        return self._table.read(key)

    def put(self, key: bytes, data: bytes = _DATA) -> object:
        return self._table.replace(key, self._row, version=1)

    def begin(self, key: bytes) -> None:
        self._table.insert(key, self._made(bytes(bytearray(_DATA))))

    def expire(self) -> None:
        super().expire()
        # Set only now, so that everything else is measured with the usual clock.
        self._table.clock = lambda: datetime.now(UTC) + self.ahead

    def _made(self, data: bytes) -> Row:
        now = self._table.clock().replace(microsecond=0)
        return Row(data, 1, now + LIFETIME, now, seen=now)


class _Cachetools(Place):
    sweeps = True

    def __init__(self) -> None:
        super().__init__()
        timer = lambda: time.monotonic() + self.ahead.total_seconds()  # noqa: E731  # as short as the others'
        self._cache: Any = TTLCache(10**8, LIFETIME.total_seconds(), timer=timer)
        # It is not thread-safe without the lock.
        self._lock = Lock()

    def get(self, key: str) -> object:
        with self._lock:
            return self._cache.get(key)

    def put(self, key: str, data: bytes = _DATA) -> object:
        with self._lock:
            self._cache[key] = data
        return None


class _Cachelib(Place):
    def __init__(self) -> None:
        super().__init__()
        self._cache = SimpleCache(threshold=10**8, default_timeout=int(LIFETIME.total_seconds()))

    def get(self, key: str) -> object:
        return self._cache.get(key)

    def put(self, key: str, data: bytes = _DATA) -> object:
        return self._cache.set(key, data)


class _LocMem(Place):
    def __init__(self) -> None:
        super().__init__()
        from django.core.cache.backends.locmem import LocMemCache

        options = {"TIMEOUT": LIFETIME.total_seconds(), "OPTIONS": {"MAX_ENTRIES": 10**8}}
        # Caches with the same name share their entries.
        self._cache = LocMemCache(str(id(self)), options)

    def get(self, key: str) -> object:
        return self._cache.get(key)

    def put(self, key: str, data: bytes = _DATA) -> object:
        return self._cache.set(key, data)


class _Starsessions(Place):
    def __init__(self) -> None:
        super().__init__()
        self._store = InMemoryStore()

    def get(self, key: str) -> object:
        return _done(self._store.read(key, 3600))

    def put(self, key: str, data: bytes = _DATA) -> object:
        return _done(self._store.write(key, data, 3600, 3600))


def _done(coroutine: Any) -> object:
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    msg = "the store waited"
    raise RuntimeError(msg)


#: The places by name; LocMemCache needs Django to be set up.
PLACES: dict[str, Callable[[], Place]] = {
    BOUND: _Dict,
    OURS: _Memory,
    "starsessions, InMemoryStore": _Starsessions,
    "cachelib, SimpleCache": _Cachelib,
    "cachetools, TTLCache and a lock": _Cachetools,
    "Django, LocMemCache": _LocMem,
}
