"""Django's other names for what a session does, none of which needs to know how it is kept."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Self

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase

from holdall import Session, Sessions
from holdall.session import Intent
from holdall_django import expiry
from holdall_django.configuration import configuration
from holdall_django.loading import load

__all__ = ["DjangoNames"]

_REQUIRED = object()


class DjangoNames(Session, SessionBase):  # type: ignore[misc]  # both are mappings; ours comes first
    """A session of the core's under Django's names, but for those that say what it is called and when it is saved."""

    #: It was changed, be it that the change was saved since.
    _was_modified = False

    @property
    def key_salt(self) -> str:
        """Return the salt of ``encode``, which has the name of the class in it: in Django there is one alone."""
        return "django.contrib.sessions.SessionStore"

    def __bool__(self) -> bool:
        # Always true before Django 6.1, and from then on as Django says.
        return not (hasattr(SessionBase, "__bool__") and self.is_empty())

    @property
    def _sessions(self) -> Sessions:
        """Where it is kept."""
        return configuration().sessions_of(self)

    @property
    def _cookie(self) -> str | None:
        """The cookie's value that stands for it; ``None`` where it is not stored or is about to end."""
        if self.is_new or self.intent in (Intent.DROP, Intent.LOGOUT):
            return None
        stored = self.fetched.stored
        return stored and stored.cookie

    # Django reaches for the mapping through these.

    def _get_session(self, no_load: bool = False) -> Self:
        return self

    _session = property(_get_session)

    async def _aget_session(self, no_load: bool = False) -> Self:
        await load(self)
        if not self.is_loaded and self.cookies and self._sessions.waits_to_read:
            # Under WSGI it is read when it is first touched: not here, where nothing may wait.
            await sync_to_async(self.data)()
        return self

    # Under the names that Django has for the arguments.

    def setdefault(self, key: str, value: Any = None) -> Any:
        return super().setdefault(key, value)

    def update(self, dict_: Any = (), **values: Any) -> None:  # type: ignore[override]  # as above
        super().update(dict_, **values)

    # Django's own set ``modified`` besides, and so would write over what other requests did to the other keys.

    async def aset(self, key: str, value: Any) -> None:
        (await self._aget_session())[key] = value

    async def aupdate(self, dict_: Any) -> None:
        (await self._aget_session()).update(dict_)

    async def apop(self, key: str, default: Any = _REQUIRED) -> Any:
        session = await self._aget_session()
        return session.pop(key) if default is _REQUIRED else session.pop(key, default)

    def is_empty(self) -> bool:
        """Return whether there is nothing: no data, and no stored session."""
        return not self.data() and self._cookie is None

    # What becomes of it.

    def cycle_key(self) -> None:
        """Keep the data under a new ID."""
        self.configure(renew=True)
        self._was_modified = True

    async def acycle_key(self) -> None:
        """Do what ``cycle_key`` does."""
        await self._aget_session()
        self.cycle_key()

    def flush(self) -> None:
        """End this session, as ``logout`` does: what is put into it afterwards begins a new one."""
        self.logout()
        self._was_modified = True

    async def aflush(self) -> None:
        """Do what ``flush`` does."""
        await self._aget_session()
        self.flush()

    def create(self) -> None:
        """Store it under a new ID at once, even if it is empty. What was not read of it is not in the new one."""
        if not self.is_loaded:
            self.clear()
        self.save(must_create=True)  # type: ignore[call-arg]  # which is Django's, and comes with DjangoSession

    async def acreate(self) -> None:
        """Do what ``create`` does."""
        begins_empty = not self.is_loaded
        await self._aget_session()
        if begins_empty:
            self.clear()
        await self.asave(must_create=True)

    # Its lifetime.

    @staticmethod
    def lifetime(
        data: Mapping[str, Any], idle_timeout: timedelta | None, max_age: int | None
    ) -> tuple[timedelta | datetime | None, int | datetime | None]:
        return expiry.lifetime(data, idle_timeout, max_age)

    def set_expiry(self, value: Any) -> None:
        """
        Let this session live so long: seconds unused, or until a time, or until the browser closes (0).

        Raises:
            TypeError: *value* is none of these.
            ValueError: It is text that is no time, or not a number.
        """
        expiry.check_expiry(value)
        SessionBase.set_expiry(self, value)

    async def aset_expiry(self, value: Any) -> None:
        """Do what ``set_expiry`` does."""
        await self._aget_session()
        self.set_expiry(value)

    def get_session_cookie_age(self) -> int:
        """Return the seconds that a session lives unused."""
        idle_timeout = self._sessions.policy.idle_timeout
        return settings.SESSION_COOKIE_AGE if idle_timeout is None else int(idle_timeout.total_seconds())

    def get_expire_at_browser_close(self) -> bool:
        """Return whether the browser forgets it when it is closed."""
        return self._ends_with_browser(self.get(expiry.EXPIRY))

    async def aget_expire_at_browser_close(self) -> bool:
        """Do what ``get_expire_at_browser_close`` does."""
        return self._ends_with_browser(await self.aget(expiry.EXPIRY))

    def _ends_with_browser(self, given: object) -> bool:
        # Of the settings as they are now, as in Django.
        return self._sessions.policy.attributes.seconds is None if given is None else given == 0
