"""Read the sessions of one of Django's own engines through that engine."""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.apps import apps
from django.contrib.sessions.backends.base import VALID_KEY_CHARS

from holdall import ConfigurationError, StoreError
from holdall.sources import Entry, Refused
from holdall.tables import Kind
from holdall.tables.failures import cause_of

__all__ = ["EngineSource"]

R = TypeVar("R")

_KEY_LENGTH = 32


class EngineSource:
    """
    A source for ``migrate_from``: the sessions of the previous ``SESSION_ENGINE``.

    The engine reads them with the project's settings, so it finds the same sessions as before. Django's caches usually
    pickle their values, and unpickle sessions like everything else in the cache.

    Args:
        engine: ``"db"``, ``"cached_db"`` or ``"cache"``, or the dotted path of another engine's module.

    Raises:
        ConfigurationError: There is no such engine, or its application is not installed.
    """

    name = "django"
    blocking_reads = blocking_writes = True

    def __init__(self, engine: str = "db") -> None:
        self._engine = engine if "." in engine else f"django.contrib.sessions.backends.{engine}"

    def opened(self, form: Kind) -> "EngineSource":
        """Return the source itself, for stores of either *form*: async adapters call it in a thread."""
        if apps.ready:
            self._check()
        return self

    def matches(self, cookie: str) -> bool:
        return len(cookie) == _KEY_LENGTH and set(cookie) <= _CHARACTERS

    async def in_thread(self, call: Callable[[], Any]) -> Any:
        """Run *call* in the thread where Django keeps this request's connections, and await it."""
        return await sync_to_async(call)()

    def read(self, cookie: str) -> Entry | Refused | None:
        return self._by_engine(self._read, cookie)

    def delete(self, cookie: str) -> None:
        self._by_engine(lambda store: store.delete(cookie), cookie)

    def _by_engine(self, do: Callable[[Any], R], cookie: str) -> R:
        store = self._check()(cookie)
        try:
            return do(store)
        except Exception as exc:  # noqa: BLE001  # databases and caches have errors of their own
            # The message may contain an address, and so a password.
            failure = StoreError(f"the engine {self._engine} failed: {cause_of(exc)}.")
        # Outside the except block, because a traceback would show the message as well.
        raise failure

    @staticmethod
    def _read(store: Any) -> Entry | Refused | None:
        if "pickle" in store.serializer.__qualname__.lower():
            return Refused("pickle")
        data = dict(store.items())
        if not data:
            return None
        # A cache does not say how long it keeps a session, but no longer than one that is saved now.
        expires = store.get_expiry_date()
        if hasattr(store, "model"):
            rows = store.model.objects.filter(session_key=store.session_key)
            expires = rows.values_list("expire_date", flat=True).first() or expires
        return Entry(data, _in_utc(expires))

    def _check(self) -> Any:
        """Return the engine's class."""
        try:
            found = import_module(self._engine).SessionStore
        except (ImportError, AttributeError):
            msg = f"EngineSource({self._engine!r}) does not name a Django session engine: 'db', 'cached_db' or 'cache'."
            raise ConfigurationError(msg) from None
        if hasattr(found, "get_model_class") and not apps.is_installed("django.contrib.sessions"):
            msg = "EngineSource reads the rows of 'django.contrib.sessions': leave that in INSTALLED_APPS."
            raise ConfigurationError(msg)
        return found


_CHARACTERS = frozenset(VALID_KEY_CHARS)


def _in_utc(expires: datetime) -> datetime:
    # Naive, and in local time, if USE_TZ is off.
    return expires.astimezone(UTC)
