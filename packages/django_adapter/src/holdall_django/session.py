"""
What ``request.session`` is: the core's session, which answers to Django's names as well.

Django's names are translated into the core's: ``cycle_key`` is ``configure(renew=True)``, ``flush`` is ``logout``,
``set_expiry`` is a lifetime that is kept with the data. They take effect with the response, as all changes do;
``save`` writes at once.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.utils import timezone
from django.utils.module_loading import import_string

from holdall import ResponseHeaders, Session, Sessions, SetCookie
from holdall.cookies import SentCookie
from holdall.session import Fetched, Intent, Phase, Reach
from holdall.stores import Changes
from holdall_django import unanswered
from holdall_django.configuration import configuration, configured_sessions

__all__ = ["DjangoSession"]

_EXPIRY = "_session_expiry"

# No store's cookie is shorter than a table's, of 256 bits in base64.
_SHORTEST_SESSION_KEY = 43

_REQUIRED = object()


class DjangoSession(Session, SessionBase):  # type: ignore[misc]  # both are mappings; ours comes first
    """
    A visitor's session, for one request to a Django application.

    ``session_key`` is what the cookie holds. It is known of a session that is stored, and a session that is about
    to get another one is stored when it is asked for.
    """

    #: The cookies of what was saved ahead of the response.
    unsent: tuple[SetCookie, ...] = ()
    _unmodified: Changes | None = None

    @property
    def sessions(self) -> Sessions:
        """Where it is kept."""
        return configuration().sessions_of(self)

    @property
    def cookies(self) -> Sequence[SentCookie]:
        """The values that came under the session's key, and then those under old ones."""
        return unanswered.latest_of(super().cookies)

    # The mapping. Django reaches for it through these two.

    def _get_session(self, no_load: bool = False) -> "DjangoSession":
        return self

    _session = property(_get_session)

    async def _aget_session(self, no_load: bool = False) -> "DjangoSession":
        await load(self)
        if not self.is_loaded and self.cookies and self.sessions.waits_to_read:
            # Under WSGI it is read when it is first touched: not here, where nothing may wait.
            await sync_to_async(self.data)()
        return self

    # Django's own set ``modified`` besides, and so would write over what other requests did to the other keys.

    async def aset(self, key: str, value: Any) -> None:
        (await self._aget_session())[key] = value

    async def aupdate(self, dict_: Any) -> None:
        (await self._aget_session()).update(dict_)

    async def apop(self, key: str, default: Any = _REQUIRED) -> Any:
        session = await self._aget_session()
        return session.pop(key) if default is _REQUIRED else session.pop(key, default)

    @property
    def modified(self) -> bool:
        """Whether it was changed, since this was last set to ``False``."""
        return self._is_modified()

    @modified.setter
    def modified(self, value: bool) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]  # set as Django's is
        self._mark(value)

    def _is_modified(self) -> bool:
        return self.changed and (self.marked or self.changes() != self._unmodified)

    def _mark(self, value: bool) -> None:
        self.marked = value
        self._unmodified = self.changes() if self.is_loaded and not value else None

    def delete(self, key: str | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # as Plug's
        """
        Remove *key*, whether or not it is there; without one, end the session.

        As in Django *key* may be a ``session_key`` too: then that session ends. None has fewer than 43 characters.
        """
        if key is None or key == self._stored_key:
            self.configure(drop=True)
        elif len(key) < _SHORTEST_SESSION_KEY or key in self:
            super().delete(key)
        else:
            sessions = self.sessions
            other = sessions.resume(key)
            other.configure(drop=True)
            sessions.commit(other)

    async def adelete(self, key: str | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Do what ``delete`` does."""
        await self._aget_session()
        if key is None or len(key) < _SHORTEST_SESSION_KEY or key in self or key == self._stored_key:
            # Not an engine's, which writes at once and does not wait.
            DjangoSession.delete(self, key)
            return
        sessions = self.sessions
        other = Session((key,), policy=sessions.policy)
        await sessions.load_async(other)
        other.configure(drop=True)
        await sessions.commit_async(other)

    # Its name.

    @property
    def session_key(self) -> str | None:
        """The cookie's value that stands for it; ``None`` where it is not stored or is about to end."""
        if self._is_to_be_renewed:
            self.save()
        return self._stored_key

    @property
    def _is_to_be_renewed(self) -> bool:
        if self.phase is not Phase.OPEN or self.intent not in (Intent.KEEP, Intent.RENEW):
            return False
        # A new session gets its key when it is saved, as in Django; a login asks for it ahead of that.
        return self.intent is Intent.RENEW or (not self.is_new and self.principal != self.principal_before)

    @property
    def _stored_key(self) -> str | None:
        if self.is_new or self.intent in (Intent.DROP, Intent.LOGOUT):
            return None
        stored = self.fetched.stored
        return stored and stored.cookie

    def is_empty(self) -> bool:
        """Return whether there is nothing: no data, and no stored session."""
        return not self.data() and self._stored_key is None

    # What becomes of it.

    def cycle_key(self) -> None:
        """Keep the data under a new id."""
        self.configure(renew=True)

    async def acycle_key(self) -> None:
        """Do what ``cycle_key`` does."""
        await self._aget_session()
        self.cycle_key()

    def flush(self) -> None:
        """End this session, as ``logout`` does: what is put into it afterwards begins a new one."""
        self.logout()

    async def aflush(self) -> None:
        """Do what ``flush`` does."""
        await self._aget_session()
        self.flush()

    def create(self) -> None:
        """Store it under a new id at once, even if it is empty."""
        self.save(must_create=True)

    async def acreate(self) -> None:
        """Do what ``create`` does."""
        await self.asave(must_create=True)

    def save(self, must_create: bool = False) -> None:  # type: ignore[override]  # as Django's
        """Store it at once, ahead of the response, even if it is empty."""
        if self.sessions in configuration().awaited:
            async_to_sync(self.asave)(must_create)
            return
        self._prepare_to_save(must_create)
        if self.phase is Phase.OPEN:
            self._go_on(self.sessions.commit(self))
        else:
            self.sessions.finish(self)

    async def asave(self, must_create: bool = False) -> None:
        """Do what ``save`` does."""
        await self._aget_session()
        self._prepare_to_save(must_create)
        if self.phase is Phase.OPEN:
            self._go_on(await self.sessions.commit_async(self))
        else:
            await self.sessions.finish_async(self)

    def _prepare_to_save(self, must_create: bool) -> None:
        self.check_savable()
        if must_create or (self.is_new and self.intent is Intent.KEEP):
            self.configure(renew=True)

    def _go_on(self, headers: ResponseHeaders) -> None:
        """Keep the cookies for the response, and let the session be changed further."""
        self.unsent = (*self.unsent, *headers.cookies)
        self.phase = Phase.OPEN

    # Its lifetime.

    @staticmethod
    def lifetime(
        data: Mapping[str, Any], idle_timeout: timedelta | None, max_age: int | None
    ) -> tuple[timedelta | datetime | None, int | datetime | None]:
        expiry = data.get(_EXPIRY)
        if expiry is None:
            return idle_timeout, max_age
        if expiry == 0:
            return idle_timeout, None
        if isinstance(expiry, int):
            return timedelta(seconds=expiry), expiry
        ends = datetime.fromisoformat(expiry) if isinstance(expiry, str) else expiry
        # Django's times are naive where USE_TZ is off.
        ends = timezone.make_aware(ends) if timezone.is_naive(ends) else ends
        return ends, ends

    def get_session_cookie_age(self) -> int:
        """Return the seconds that a session lives unused."""
        idle_timeout = self.sessions.policy.idle_timeout
        return settings.SESSION_COOKIE_AGE if idle_timeout is None else int(idle_timeout.total_seconds())

    def get_expire_at_browser_close(self) -> bool:
        """Return whether the browser forgets it when it is closed."""
        return self._ends_with_browser(self.get(_EXPIRY))

    async def aget_expire_at_browser_close(self) -> bool:
        """Do what ``get_expire_at_browser_close`` does."""
        return self._ends_with_browser(await self.aget(_EXPIRY))

    def _ends_with_browser(self, expiry: object) -> bool:
        # Of the settings as they are now, as in Django.
        return self.sessions.policy.attributes.seconds is None if expiry is None else expiry == 0

    # Other sessions.

    def load(self) -> dict[str, Any]:
        """Return the data as it is stored."""
        stored = find(self.sessions, self._stored_key).stored
        return stored.data if stored else {}

    async def aload(self) -> dict[str, Any]:
        """Do what ``load`` does."""
        await self._aget_session()
        stored = (await afind(self.sessions, self._stored_key)).stored
        return stored.data if stored else {}

    def exists(self, session_key: str | None = None) -> bool:
        """Return whether a session of this ``session_key`` is stored."""
        return find(self.sessions, session_key).stored is not None

    async def aexists(self, session_key: str | None = None) -> bool:
        """Do what ``exists`` does."""
        return (await afind(self.sessions, session_key)).stored is not None

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


async def load(session: DjangoSession) -> None:
    """Let *session* be touched from now on."""
    await session.sessions.load_async(session, from_thread=_in_event_loop)


def load_at_once(session: DjangoSession) -> bool:
    """Do what ``load`` does if nothing has to be waited for, and say whether that is so."""
    return session.sessions.load_at_once(
        session, in_thread=asyncio.to_thread, sleep=asyncio.sleep, from_thread=_in_event_loop
    )


def reach() -> Reach:
    """Return what lets a session outside of requests reach its store."""
    sessions = configured_sessions()
    if sessions in configuration().awaited:
        return sessions.reach_async(asyncio.to_thread, asyncio.sleep, _in_event_loop)
    return sessions.reach()


def _in_event_loop(call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    # From the thread of a view that is not async.
    return async_to_sync(call)()


def find(sessions: Sessions, session_key: str | None) -> Fetched:
    """Return what is stored under a *session_key*."""
    session = sessions.resume(unanswered.latest(session_key))
    session.data()
    return session.fetched


async def afind(sessions: Sessions, session_key: str | None) -> Fetched:
    """Do what ``find`` does."""
    cookie = unanswered.latest(session_key)
    session = Session(() if cookie is None else (cookie,), policy=sessions.policy)
    await sessions.load_async(session)
    session.data()
    return session.fetched
