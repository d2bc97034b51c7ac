"""
Provide the session engine for ``SESSION_ENGINE``: sessions outside of requests.

Django's test client, management commands and code that accesses other users' sessions create a ``SessionStore``. No
response carries its cookie, so ending it or renewing its ID takes effect at once; ``save`` writes its data, as in
Django.
"""

from holdall.adapters import Intent
from holdall_django import _rollback as rollback
from holdall_django import _test_client as test_client
from holdall_django._configuration import configured_sessions
from holdall_django._loading import afind, is_in_event_loop
from holdall_django._names import cookies_of, stands_for
from holdall_django._session import DjangoSession

__all__ = ["SessionStore"]


class SessionStore(DjangoSession):
    """
    The session for a ``session_key`` or a cookie's value, read when it is first used.

    Its own ``session_key`` is the one that was passed in. For a new session it is the cookie's value, which the caller
    must send, because no response does.

    Raises:
        SessionEndedError: It is saved after it has ended elsewhere.
    """

    def __init__(self, cookie: str | None = None, /, *, session_key: str | None = None) -> None:
        self._given_key = cookie or session_key or None
        sessions = configured_sessions()
        if cookie and is_in_event_loop() and not rollback.are_noted():
            # In an event loop and outside of Django's requests, the caller may be an ASGI middleware that passes on a
            # cookie from a request, as Channels does. A ``session_key`` name must not open the session there, and a
            # device-bound session lacks its bound cookie.
            self._take_given(sessions, sessions.find_cookies(f"{sessions.key}={cookie}"))
        else:
            self._take_given(sessions, cookies_of(self._given_key, sessions.key))

    @property
    def session_key(self) -> str | None:
        """The key that was passed in, or a new session's cookie value; accessing it does not read the session."""
        if self._state.tracked is None:
            return self._given_key
        cookie, given = self._cookie, self._given_key
        if cookie is None or given is None or not stands_for(given, cookie, self._state.settings.key):
            return cookie
        return given

    async def _aget_session(self, no_load: bool = False) -> "SessionStore":
        if self._state.tracked is None:
            self._state.take(await afind(self._sessions, self._state.cookies))
        return self

    def delete(self, key: str | None = None, *, session_key: str | None = None) -> None:  # type: ignore[override]  # as above
        super().delete(key, session_key=session_key)
        if self._state.intent is Intent.DROP:
            self.save()

    async def adelete(self, key: str | None = None, *, session_key: str | None = None) -> None:  # type: ignore[override]  # as above
        await super().adelete(key, session_key=session_key)
        if self._state.intent is Intent.DROP:
            await self.asave()

    def cycle_key(self) -> None:
        # Not stored as a new session: one that has ended elsewhere, for example by a logout, must not come back.
        before = self._cookie_before
        super().cycle_key()
        self._state.must_create = True
        super().save()
        test_client.note(before, None)

    async def acycle_key(self) -> None:
        await self._aget_session()
        before = self._cookie_before
        super().cycle_key()
        self._state.must_create = True
        await super().asave()
        test_client.note(before, None)

    def flush(self) -> None:
        super().flush()
        self.save()

    async def aflush(self) -> None:
        await self._aget_session()
        super().flush()
        await self.asave()

    def save(self, must_create: bool = False) -> None:  # type: ignore[override]  # as above
        before = self._cookie_before
        super().save(must_create)
        test_client.note(before, None if must_create else self._cookie_before)

    async def asave(self, must_create: bool = False) -> None:
        await self._aget_session()
        before = self._cookie_before
        await super().asave(must_create)
        test_client.note(before, None if must_create else self._cookie_before)

    @property
    def _cookie_before(self) -> str | None:
        return None if self.is_new or self._state.stored is None else self._state.stored.cookie
