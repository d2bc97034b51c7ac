"""
Define the class of ``request.session``: the core's session with Django's method names.

Django's methods call the core's: ``cycle_key`` is ``configure(renew=True)``, ``flush`` is ``logout``, and
``set_expiry`` stores a lifetime with the data. They take effect with the response, like all changes; ``save`` writes
at once.
"""

from collections.abc import Sequence
from functools import partial

from asgiref.sync import async_to_sync
from django.contrib.sessions.backends.base import UpdateError

from holdall import LostWriteError, ResponseHeaders, Session, Sessions, SetCookie
from holdall.adapters import NOT_STORED, SUPERSEDED, Intent, Phase, SessionState, check_savable
from holdall.stores import Changes
from holdall_django import _test_client as test_client
from holdall_django._awaited import report_unawaited
from holdall_django._configuration import configuration, configured_sessions
from holdall_django._loading import afind, find
from holdall_django._lookups import DjangoLookups
from holdall_django._names import cookies_of
from holdall_django._templates import guard

__all__ = ["DjangoSession", "SessionEndedError"]


class SessionEndedError(LostWriteError, UpdateError):
    """The session to be saved has ended elsewhere; Django calls this ``UpdateError``."""


class DjangoSession(DjangoLookups):
    """
    A visitor's session, for one request to a Django application.

    ``session_key`` is a name for it that other packages can store: ``SessionStore(name)`` finds the session, but a
    browser that sends the name as a cookie opens nothing. Reading the name of a session that is about to get another ID
    stores it.

    Raises:
        SessionEndedError: It is saved after it has ended elsewhere.
    """

    #: The cookies of sessions that were saved before the response.
    _unsent: tuple[SetCookie, ...] = ()
    _unmodified: Changes | None = None
    _has_ended = False

    def __init__(self, given: SessionState | str | None = None, *, session_key: str | None = None) -> None:
        if isinstance(given, SessionState):
            super().__init__(given)
            if test_client.latest_cookies:
                test_client.follow(given)
            return
        # Packages reopen a session with request.session.__class__(session_key).
        sessions = configured_sessions()
        given = given or session_key
        self._take_given(sessions, cookies_of(str(given) if given else None, sessions.key))

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        report_unawaited(cls)
        guard(cls)

    def _take_given(self, sessions: Sessions, cookies: Sequence[str]) -> None:
        """Become the session for one of *cookies*, outside of requests."""
        backend = sessions.prepare("async" if sessions in configuration().awaited else "sync")
        Session.__init__(self, sessions.state_type(backend, partial(test_client.latest_of, cookies), https=False))

    # Its changes.

    @property
    def modified(self) -> bool:
        """Whether it was changed since this was last set to ``False``, even if it was saved since."""
        return self._was_modified or (
            self._state.modified and (self._state.marked or self._state.loaded().changes() != self._unmodified)
        )

    @modified.setter
    def modified(self, value: bool) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]  # set as Django's is
        self._was_modified = False
        state = self._state
        state.marked = value
        self._unmodified = state.loaded().changes() if state.tracked is not None and not value else None

    def _forget_what_is_unmodified(self) -> None:
        """Discard, as Django does, the changes made before the application set ``modified`` to ``False``."""
        if self._state.intent is Intent.KEEP and not self.modified:
            self.configure(ignore=True)

    # Its name.

    @property
    def session_key(self) -> str | None:
        """The session's name, 40 characters long; ``None`` if it is not stored or is about to end."""
        if self._is_to_be_renewed:
            self._save()
        return self._name

    @property
    def _is_to_be_renewed(self) -> bool:
        state = self._state
        if state.phase is not Phase.HEADERS_PENDING or state.intent not in (Intent.KEEP, Intent.RENEW):
            return False
        # A new session gets its key when it is saved, as in Django; a login asks for it before that.
        return state.intent is Intent.RENEW or (not self.is_new and state.identity != state.identity_before)

    # Saving at once.

    def save(self, must_create: bool = False) -> None:  # type: ignore[override]  # as Django's
        """
        Store it now, before the response, even if it is empty.

        Args:
            must_create: Store it as a new session, even if the previous one has ended elsewhere.
        """
        self._refuse_if_ended(self._save(must_create))

    async def asave(self, must_create: bool = False) -> None:
        """Do the same as ``save``."""
        self._refuse_if_ended(await self._asave(must_create))

    def _save(self, must_create: bool = False) -> str | None:
        """Do the same as ``save``, and return the cookie that the session had before."""
        if self._sessions in configuration().awaited:
            return async_to_sync(self._asave)(must_create)
        came = self._came if must_create else None
        if came is not None and find(self._sessions, (came,)).stored is None:
            self._begin_anew()
        before, unchecked = self._prepare_to_save(must_create)
        if self._state.phase is Phase.HEADERS_PENDING:
            self._go_on(self._sessions.commit(self))
        else:
            self._sessions.finish(self)
        if unchecked is not None and find(self._sessions, (unchecked,)).stored is None:
            self._let_go()
        return before

    async def _asave(self, must_create: bool = False) -> str | None:
        await self._aget_session()
        came = self._came if must_create else None
        if came is not None and (await afind(self._sessions, (came,))).stored is None:
            self._begin_anew()
        before, unchecked = self._prepare_to_save(must_create)
        if self._state.phase is Phase.HEADERS_PENDING:
            self._go_on(await self._sessions.commit_async(self))
        else:
            await self._sessions.finish_async(self)
        if unchecked is not None and (await afind(self._sessions, (unchecked,))).stored is None:
            self._let_go()
        return before

    @property
    def _came(self) -> str | None:
        """The cookie of the stored session that this one continues; ``None`` if there is none or it is about to end."""
        goes_on = not self.is_new and self._state.intent in (Intent.KEEP, Intent.RENEW)
        return self._cookie if goes_on else None

    def _begin_anew(self) -> None:
        """Become a new session with this one's data, instead of one that has ended."""
        self._state.fetched = NOT_STORED

    def _prepare_to_save(self, must_create: bool) -> tuple[str | None, str | None]:
        """Return the stored session's cookie, and the same again if no write will check that it is still stored."""
        check_savable(self._state)
        before = None if self.is_new else self._cookie
        if must_create or (self.is_new and self._state.intent is Intent.KEEP):
            self.configure(renew=True)
            self._state.must_create = True
        # Packages and Django's own middleware send the cookie of a session that was modified and then saved.
        self._was_modified = self.modified or self._state.intent is Intent.RENEW
        return before, before if self._state.intent is Intent.KEEP and not self._state.modified else None

    def _go_on(self, headers: ResponseHeaders) -> None:
        """Keep the cookies for the response, and accept further changes."""
        self._unsent = (*self._unsent, *headers.cookies)
        self._state.phase = Phase.HEADERS_PENDING
        self._state.must_create = False

    def _let_go(self) -> None:
        self._state.mark_saved(None, self._state.phase)
        self._state.fetched = SUPERSEDED

    def _refuse_if_ended(self, before: str | None) -> None:
        self._has_ended = self._state.fetched.superseded and (before is not None or self._has_ended)
        if self._has_ended:
            msg = "the session was ended or renewed elsewhere: its changes are lost."
            raise SessionEndedError(msg)


report_unawaited(DjangoSession)
guard(DjangoSession)
