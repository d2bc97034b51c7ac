"""Give a session Django's method names, except those of methods that read or write the store."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.utils import timezone

from holdall import Sessions
from holdall.adapters import Intent, Lifetime
from holdall_django import _expiry as expiry
from holdall_django._async_views import AsyncViewSession
from holdall_django._configuration import configuration
from holdall_django._loading import load

__all__ = ["DjangoNames"]

_REQUIRED = object()


class DjangoNames(AsyncViewSession, SessionBase):  # type: ignore[misc]  # both are mappings; ours comes first
    """The core's session with Django's method names, except for its key, its lookups and ``save``."""

    #: Whether it was changed, even if the change has been saved since.
    _was_modified = False

    @property
    def key_salt(self) -> str:
        """Return the salt of ``encode``. It contains the class name, and Django's class has this one."""
        return "django.contrib.sessions.SessionStore"

    def __bool__(self) -> bool:
        # Always true before Django 6.1, like Django's own session; since then, the value that Django computes.
        return not (hasattr(SessionBase, "__bool__") and self.is_empty())

    @property
    def _sessions(self) -> Sessions:
        """The ``Sessions`` that it belongs to."""
        return configuration().sessions_of(self)

    @property
    def _cookie(self) -> str | None:
        """The value of its cookie; ``None`` if it is not stored or is about to end."""
        state = self._state
        state.loaded()
        if state.stored is None or state.intent in (Intent.DROP, Intent.LOGOUT):
            return None
        return state.stored.cookie

    # Django reads and writes the mapping through these.

    def _get_session(self, no_load: bool = False) -> Self:
        return self

    _session = property(_get_session)

    async def _aget_session(self, no_load: bool = False) -> Self:
        await load(self)
        return self

    # With Django's names for the arguments.

    def setdefault(self, key: str, value: Any = None) -> Any:
        return super().setdefault(key, value)

    def update(self, dict_: Any = (), **values: Any) -> None:  # type: ignore[override]  # as above
        super().update(dict_, **values)

    # Django's own methods also set ``modified``, which would overwrite other requests' changes to other keys.

    async def aset(self, key: str, value: Any) -> None:
        (await self._aget_session())[key] = value

    async def aupdate(self, dict_: Any) -> None:
        (await self._aget_session()).update(dict_)

    async def apop(self, key: str, default: Any = _REQUIRED) -> Any:
        session = await self._aget_session()
        return session.pop(key) if default is _REQUIRED else session.pop(key, default)

    def is_empty(self) -> bool:
        """Return whether there is no data and no stored session."""
        return not self._state.data and self._cookie is None

    # Renewing, ending and creating it.

    def cycle_key(self) -> None:
        """Keep the data under a new ID."""
        self.configure(renew=True)
        self._was_modified = True

    async def acycle_key(self) -> None:
        """Do the same as ``cycle_key``."""
        await self._aget_session()
        self.cycle_key()

    def flush(self) -> None:
        """End this session, like ``logout``. Values set afterwards start a new one."""
        self.logout()
        self._was_modified = True

    async def aflush(self) -> None:
        """Do the same as ``flush``."""
        await self._aget_session()
        self.flush()

    def create(self) -> None:
        """Store it under a new ID at once, even if it is empty. If it was not read before, the new one starts empty."""
        if self._state.tracked is None:
            self.clear()
        self.save(must_create=True)  # type: ignore[call-arg]  # DjangoSession overrides it with Django's arguments

    async def acreate(self) -> None:
        """Do the same as ``create``."""
        begins_empty = self._state.tracked is None
        await self._aget_session()
        if begins_empty:
            self.clear()
        await self.asave(must_create=True)

    # Its lifetime.

    _lifetime_of: Callable[[Mapping[str, Any], Lifetime], Lifetime] | None = staticmethod(expiry.lifetime)

    def set_expiry(self, value: Any) -> None:
        """
        Set this session's lifetime: seconds without use, a time, or 0 to keep it until the browser closes.

        Raises:
            TypeError: *value* has an unsupported type.
            ValueError: *value* is text that is not a time, or is not a finite number.
        """
        expiry.check_expiry(value)
        SessionBase.set_expiry(self, value)

    async def aset_expiry(self, value: Any) -> None:
        """Do the same as ``set_expiry``."""
        await self._aget_session()
        self.set_expiry(value)

    def get_session_cookie_age(self) -> int:
        """Return the number of seconds after which an unused session ends."""
        idle_timeout = self._sessions.settings.idle_timeout
        return settings.SESSION_COOKIE_AGE if idle_timeout is None else idle_timeout

    def get_expiry_age(self, **kwargs: Any) -> int:
        """Return the seconds until the session ends unless it is used again; at most until its absolute timeout."""
        now = kwargs.setdefault("modification", timezone.now())
        return min(super().get_expiry_age(**kwargs), self._seconds_left(now))

    async def aget_expiry_age(self, **kwargs: Any) -> int:
        """Do the same as ``get_expiry_age``."""
        return (await self._aget_session()).get_expiry_age(**kwargs)

    def get_expiry_date(self, **kwargs: Any) -> datetime:
        """Return when the session ends unless it is used again; no later than its absolute timeout."""
        now = kwargs.setdefault("modification", timezone.now())
        return expiry.earlier(super().get_expiry_date(**kwargs), now + timedelta(seconds=self._seconds_left(now)))

    async def aget_expiry_date(self, **kwargs: Any) -> datetime:
        """Do the same as ``get_expiry_date``."""
        return (await self._aget_session()).get_expiry_date(**kwargs)

    def _seconds_left(self, now: datetime) -> int:
        return expiry.seconds_left(self._sessions.settings.ends, self.created, now)

    def get_expire_at_browser_close(self) -> bool:
        """Return whether the browser forgets the cookie when it is closed."""
        return self._ends_with_browser(self.get(expiry.EXPIRY))

    async def aget_expire_at_browser_close(self) -> bool:
        """Do the same as ``get_expire_at_browser_close``."""
        return self._ends_with_browser(await self.aget(expiry.EXPIRY))

    def _ends_with_browser(self, given: object) -> bool:
        # Uses the current settings, as Django does.
        return self._sessions.settings.attributes.seconds is None if given is None else given == 0
