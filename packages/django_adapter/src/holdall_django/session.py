"""
What ``request.session`` is: the core's session, which answers to Django's names as well.

Django's names are translated into the core's: ``cycle_key`` is ``configure(renew=True)``, ``flush`` is ``logout``,
``set_expiry`` is a lifetime that is kept with the data. They take effect with the response, as all changes do;
``save`` writes at once.
"""

from collections.abc import Sequence

from asgiref.sync import async_to_sync
from django.contrib.sessions.backends.base import UpdateError

from holdall import LostWriteError, ResponseHeaders, Session, Sessions, SetCookie
from holdall.adapters import SUPERSEDED, Exchange, Intent, Phase, SessionState, check_savable
from holdall.stores import Changes
from holdall_django import unanswered
from holdall_django.configuration import configuration, configured_sessions
from holdall_django.contract import DjangoNames
from holdall_django.loading import afind, aopened, find, opened
from holdall_django.names import LENGTH, cookies_of, name_of
from holdall_django.templates import guard

__all__ = ["DjangoSession", "SessionEndedError"]


class SessionEndedError(LostWriteError, UpdateError):
    """A session was saved that has ended elsewhere; Django's name for it is ``UpdateError``."""


class DjangoSession(DjangoNames):
    """
    A visitor's session, for one request to a Django application.

    ``session_key`` names it, for other packages to store: a ``SessionStore`` of that name finds the session, and a
    browser that sends it as a cookie opens nothing. A session that is about to get another ID is stored when its name
    is asked for.

    Raises:
        SessionEndedError: It is saved after it has ended elsewhere.
    """

    #: The request's exchange; ``None`` outside of requests.
    _exchange: Exchange | None = None
    #: The cookies of what was saved ahead of the response.
    _unsent: tuple[SetCookie, ...] = ()
    _unmodified: Changes | None = None
    _has_ended = False
    #: A middleware of ours is going to commit it.
    _is_driven = False

    def __init__(self, given: SessionState | str | None = None) -> None:
        if isinstance(given, SessionState):
            super().__init__(given)
            unanswered.follow(given)
            return
        # As packages look at a session anew: request.session.__class__(session_key).
        sessions = configured_sessions()
        self._take_given(sessions, cookies_of(str(given) if given else None, sessions.key))

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        guard(cls)

    def _take_given(self, sessions: Sessions, cookies: Sequence[str]) -> None:
        """Be the session outside of requests that one of *cookies* opens."""
        backend = sessions.prepare("async" if sessions in configuration().awaited else "sync")
        latest = (unanswered.latest(cookie) for cookie in cookies)
        state = SessionState(backend, [cookie for cookie in latest if cookie is not None], https=False)
        Session.__init__(self, state)

    # What was changed.

    @property
    def modified(self) -> bool:
        """Whether it was changed since this was last set to ``False``, even if it was saved since."""
        return self._was_modified or (self._state.modified and (self._state.marked or self._state.changes() != self._unmodified))

    @modified.setter
    def modified(self, value: bool) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]  # set as Django's is
        self._was_modified = False
        state = self._state
        state.marked = value
        self._unmodified = state.changes() if state.tracked is not None and not value else None

    def _forget_what_is_unmodified(self) -> None:
        """Forget, as Django does, what was changed before the application set ``modified`` to ``False``."""
        if self._unmodified and self._state.intent is Intent.KEEP and not self.modified:
            self.configure(ignore=True)

    def delete(self, key: str | None = None, *, session_key: str | None = None) -> None:  # type: ignore[override]  # as Plug's and as Django's
        """
        Remove *key*, whether or not it is there; without one, end the session.

        As in Django *key* may be a ``session_key`` too: then that session ends. None has fewer than 40 characters.
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
        """Do what ``delete`` does."""
        await self._aget_session()
        key = session_key if key is None else key
        if key is None or len(key) < LENGTH or key in self or self._is_own(key):
            # Not an engine's, which writes at once and does not wait.
            DjangoSession.delete(self, key)
            return
        other = await aopened(self._sessions, cookies_of(key, self._sessions.key))
        other.configure(drop=True)
        await self._sessions.commit_async(other)

    def _is_own(self, key: str | None) -> bool:
        return key is None or (self._cookie is not None and key in (self._cookie, self._name))

    # Its name.

    @property
    def session_key(self) -> str | None:
        """The session's name, of 40 characters; ``None`` where it is not stored or is about to end."""
        if self._is_to_be_renewed:
            self._save()
        return self._name

    @property
    def _is_to_be_renewed(self) -> bool:
        state = self._state
        if state.phase is not Phase.HEADERS_PENDING or state.intent not in (Intent.KEEP, Intent.RENEW):
            return False
        # A new session gets its key when it is saved, as in Django; a login asks for it ahead of that.
        return state.intent is Intent.RENEW or (not self.is_new and state.principal != state.principal_before)

    @property
    def _name(self) -> str | None:
        stored = self._state.stored
        return None if stored is None or self._cookie is None else name_of(self, stored)

    # What is saved at once.

    def save(self, must_create: bool = False) -> None:  # type: ignore[override]  # as Django's
        """Store it at once, ahead of the response, even if it is empty."""
        self._refuse_if_ended(self._save(must_create))

    async def asave(self, must_create: bool = False) -> None:
        """Do what ``save`` does."""
        self._refuse_if_ended(await self._asave(must_create))

    def _save(self, must_create: bool = False) -> str | None:
        """Do what ``save`` does, and return the cookie of what it was written over."""
        if self._sessions in configuration().awaited:
            return async_to_sync(self._asave)(must_create)
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
        before, unchecked = self._prepare_to_save(must_create)
        if self._state.phase is Phase.HEADERS_PENDING:
            self._go_on(await self._sessions.commit_async(self))
        else:
            await self._sessions.finish_async(self)
        if unchecked is not None and (await afind(self._sessions, (unchecked,))).stored is None:
            self._let_go()
        return before

    def _prepare_to_save(self, must_create: bool) -> tuple[str | None, str | None]:
        """Return the cookie of what is stored, and once more if nothing is to be written that would find it gone."""
        check_savable(self._state)
        before = None if self.is_new else self._cookie
        if must_create or (self.is_new and self._state.intent is Intent.KEEP):
            self.configure(renew=True)
            self._state.must_create = True
        # Packages and Django's own middleware send the cookie of a session that was modified and then saved.
        self._was_modified = self.modified or self._state.intent is Intent.RENEW
        return before, before if self._state.intent is Intent.KEEP and not self._state.modified else None

    def _go_on(self, headers: ResponseHeaders) -> None:
        """Keep the cookies for the response, and let the session be changed further."""
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


guard(DjangoSession)
