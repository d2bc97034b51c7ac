"""
The session engine for ``SESSION_ENGINE``: sessions outside of requests.

Django's test client, management commands and whoever looks at other people's sessions make a ``SessionStore``. No
response carries its cookie, so what becomes of the session does so at once; its data is written by ``save``, as in
Django.
"""

from django.contrib.sessions.backends.base import UpdateError

from holdall.session import Intent
from holdall_django import unanswered
from holdall_django.configuration import configured_sessions
from holdall_django.session import DjangoSession, afind, find, reach

__all__ = ["SessionStore"]


class SessionStore(DjangoSession):
    """
    The session of a ``session_key``, read when it is first touched.

    Raises:
        UpdateError: It is saved after it has ended elsewhere.
    """

    def __init__(self, session_key: str | None = None) -> None:
        self._given_key = session_key or None
        super().__init__((session_key,) if session_key else (), policy=configured_sessions().policy)
        self.use(lambda cookies: find(self.sessions, self._given_key), reach())

    @property
    def session_key(self) -> str | None:
        """As ``DjangoSession`` says; of a session that is not read yet it is the one given, and nothing is read."""
        return super().session_key if self.is_loaded else self._given_key

    # Django's own middleware, if that is in use, sends the cookie of a session that was modified and then saved.
    _was_modified = False

    @property
    def modified(self) -> bool:
        """Whether it was changed, since this was last set to ``False``, and be it that it was saved since."""
        return self._was_modified or self._is_modified()

    @modified.setter
    def modified(self, value: bool) -> None:
        self._was_modified = False
        self._mark(value)

    async def _aget_session(self, no_load: bool = False) -> "SessionStore":
        if not self.is_loaded:
            fetched = await afind(self.sessions, self._given_key)
            self.use(lambda cookies: fetched, reach())
        return self

    def delete(self, key: str | None = None) -> None:
        super().delete(key)
        if self.intent is Intent.DROP:
            self.save()

    async def adelete(self, key: str | None = None) -> None:
        await self._aget_session()
        await super().adelete(key)
        if self.intent is Intent.DROP:
            await self.asave()

    def cycle_key(self) -> None:
        self.create()

    async def acycle_key(self) -> None:
        await self.acreate()

    def flush(self) -> None:
        super().flush()
        self.save()

    async def aflush(self) -> None:
        await self._aget_session()
        super().flush()
        await self.asave()

    def save(self, must_create: bool = False) -> None:  # type: ignore[override]  # as above
        modified, before = self.modified or must_create, self._kept_under
        super().save(must_create)
        self._check_it_was_saved(modified)
        unanswered.note(before, None if must_create else self._kept_under)

    async def asave(self, must_create: bool = False) -> None:
        await self._aget_session()
        modified, before = self.modified or must_create, self._kept_under
        await super().asave(must_create)
        self._check_it_was_saved(modified)
        unanswered.note(before, None if must_create else self._kept_under)

    @property
    def _kept_under(self) -> str | None:
        return None if self.is_new or self.fetched.stored is None else self.fetched.stored.cookie

    def _check_it_was_saved(self, modified: bool) -> None:
        if self.fetched.late:
            msg = "the session was ended or renewed elsewhere: its changes are lost."
            raise UpdateError(msg)
        self._was_modified = modified
