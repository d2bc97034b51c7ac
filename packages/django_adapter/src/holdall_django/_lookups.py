"""Find or end a session by its ``session_key``, with Django's methods."""

from functools import cached_property
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.utils.module_loading import import_string

from holdall import Session
from holdall_django._configuration import configuration
from holdall_django._contract import DjangoNames
from holdall_django._loading import afind, aopened, find, opened
from holdall_django._names import LENGTH, cookies_of, name_of

__all__ = ["DjangoLookups"]


class DjangoLookups(DjangoNames):
    """A session that can find others by a ``session_key`` that other packages have stored."""

    @property
    def _name(self) -> str | None:
        stored = self._state.stored
        return None if stored is None or self._cookie is None else name_of(self, stored)

    def load(self) -> dict[str, Any]:
        """Return the stored data."""
        cookie = self._cookie
        stored = None if cookie is None else find(self._sessions, (cookie,)).stored
        return stored.data if stored else {}

    async def aload(self) -> dict[str, Any]:
        """Do the same as ``load``."""
        await self._aget_session()
        cookie = self._cookie
        stored = None if cookie is None else (await afind(self._sessions, (cookie,))).stored
        return stored.data if stored else {}

    def exists(self, session_key: str | None = None) -> bool:
        """Return whether a session with this ``session_key`` is stored."""
        sessions = self._sessions
        return find(sessions, cookies_of(session_key, sessions.key)).stored is not None

    async def aexists(self, session_key: str | None = None) -> bool:
        """Do the same as ``exists``."""
        sessions = self._sessions
        return (await afind(sessions, cookies_of(session_key, sessions.key))).stored is not None

    def delete(self, key: str | None = None, *, session_key: str | None = None) -> None:  # type: ignore[override]  # as Plug's and as Django's
        """
        Remove *key*, whether or not it exists; without one, end the session.

        As in Django, *key* may also be a ``session_key``, of 40 characters or more: then that session ends.
        """
        key = session_key if key is None else key
        if self._is_own(key):
            self.configure(drop=True)
        elif key is None or len(key) < LENGTH or key in self:
            Session.delete(self, key or "")
        else:
            other = opened(self._sessions, cookies_of(key, self._sessions.key))
            other.configure(drop=True)
            self._sessions.commit(other)

    async def adelete(self, key: str | None = None, *, session_key: str | None = None) -> None:  # type: ignore[override]  # as above
        """Do the same as ``delete``."""
        await self._aget_session()
        key = session_key if key is None else key
        if key is None or len(key) < LENGTH or key in self or self._is_own(key):
            # Not the engine's own method, which writes at once without awaiting.
            DjangoLookups.delete(self, key)
            return
        other = await aopened(self._sessions, cookies_of(key, self._sessions.key))
        other.configure(drop=True)
        await self._sessions.commit_async(other)

    def _is_own(self, key: str | None) -> bool:
        return key is None or (self._cookie is not None and key in (self._cookie, self._name))

    @classmethod
    def clear_expired(cls) -> None:
        """Remove expired sessions from tables, in batches. In async tables, later writes remove them."""
        for sessions in configuration().all:
            while sessions not in configuration().awaited and sessions.sweep():
                pass

    @classmethod
    async def aclear_expired(cls) -> None:
        """Do the same as ``clear_expired``."""
        await sync_to_async(cls.clear_expired)()

    @cached_property
    def serializer(self) -> Any:
        """The serializer of ``encode`` and ``decode``, which no store uses."""
        return import_string(settings.SESSION_SERIALIZER)
