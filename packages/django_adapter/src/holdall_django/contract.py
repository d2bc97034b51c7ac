"""Django's other names for what a session does, none of which needs to know how it is kept."""

from functools import cached_property
from typing import Any, Self

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.utils.module_loading import import_string

from holdall import Session, Sessions
from holdall.adapters import Intent
from holdall_django import expiry
from holdall_django.configuration import configuration
from holdall_django.loading import afind, find, load
from holdall_django.names import cookies_of

__all__ = ["DjangoNames"]

_REQUIRED = object()


class DjangoNames(Session, SessionBase):  # type: ignore[misc]  # both are mappings; ours comes first
    """A session of the core's under Django's names, but for those that say what it is called and when it is saved."""

    #: It was changed, be it that the change was saved since.
    _was_modified = False

    # Django's salt has the name of the class in it, and there that of a request's session is the engine's.
    key_salt = "django.contrib.sessions.SessionStore"

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
        if self.is_new or self._state.intent in (Intent.DROP, Intent.LOGOUT):
            return None
        stored = self._state.stored
        return stored and stored.cookie

    # Django reaches for the mapping through these.

    def _get_session(self, no_load: bool = False) -> Self:
        return self

    _session = property(_get_session)

    async def _aget_session(self, no_load: bool = False) -> Self:
        await load(self)
        if self._state.tracked is None and self._state.cookies and self._state.backend.waits_to_read:
            # Under WSGI it is read when it is first touched: not here, where nothing may wait.
            await sync_to_async(self._state.loaded)()
        return self

    # Under the names that Django has for the arguments.

    def setdefault(self, key: str, value: Any = None) -> Any:  # type: ignore[override]  # which are not the mapping's
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
        return not self._state.data and self._cookie is None

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
        if self._state.tracked is None:
            self.clear()
        self.save(must_create=True)  # type: ignore[call-arg]  # which is Django's, and comes with DjangoSession

    async def acreate(self) -> None:
        """Do what ``create`` does."""
        begins_empty = self._state.tracked is None
        await self._aget_session()
        if begins_empty:
            self.clear()
        await self.asave(must_create=True)

    # Its lifetime.

    _lifetime_of = staticmethod(expiry.lifetime)

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
        idle_timeout = self._state.settings.idle_timeout
        return settings.SESSION_COOKIE_AGE if idle_timeout is None else idle_timeout

    def get_expire_at_browser_close(self) -> bool:
        """Return whether the browser forgets it when it is closed."""
        return self._ends_with_browser(self.get(expiry.EXPIRY))

    async def aget_expire_at_browser_close(self) -> bool:
        """Do what ``get_expire_at_browser_close`` does."""
        return self._ends_with_browser(await self.aget(expiry.EXPIRY))

    def _ends_with_browser(self, given: object) -> bool:
        # Of the settings as they are now, as in Django.
        return self._state.settings.attributes.seconds is None if given is None else given == 0

    # Other sessions.

    def load(self) -> dict[str, Any]:
        """Return the data as it is stored."""
        cookie = self._cookie
        stored = None if cookie is None else find(self._sessions, (cookie,)).stored
        return stored.data if stored else {}

    async def aload(self) -> dict[str, Any]:
        """Do what ``load`` does."""
        await self._aget_session()
        cookie = self._cookie
        stored = None if cookie is None else (await afind(self._sessions, (cookie,))).stored
        return stored.data if stored else {}

    def exists(self, session_key: str | None = None) -> bool:
        """Return whether a session of this ``session_key`` is stored."""
        sessions = self._sessions
        return find(sessions, cookies_of(session_key, sessions.key)).stored is not None

    async def aexists(self, session_key: str | None = None) -> bool:
        """Do what ``exists`` does."""
        sessions = self._sessions
        return (await afind(sessions, cookies_of(session_key, sessions.key))).stored is not None

    @classmethod
    def clear_expired(cls) -> None:
        """Remove expired sessions from a table, in portions. Rows that are awaited go by themselves, with writes."""
        for sessions in configuration().all:
            while sessions not in configuration().awaited and sessions.sweep():
                pass

    @classmethod
    async def aclear_expired(cls) -> None:
        """Do what ``clear_expired`` does."""
        await sync_to_async(cls.clear_expired)()

    @cached_property
    def serializer(self) -> Any:
        """What ``encode`` and ``decode`` use, and no store."""
        return import_string(settings.SESSION_SERIALIZER)
