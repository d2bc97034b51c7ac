"""
What ``request.session`` is: the core's session, which answers to Django's names as well.

Django's names are translated into the core's: ``cycle_key`` is ``configure(renew=True)``, ``flush`` is ``logout``,
``set_expiry`` is a lifetime that is kept with the data. They take effect with the response, as all changes do;
``save`` writes at once.
"""

from collections.abc import Callable, Sequence
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib.sessions.backends.base import UpdateError

from holdall import LostWriteError, ResponseHeaders, Session, Sessions, SetCookie
from holdall.cookies import SentCookie
from holdall.session import Fetched, Intent, Phase
from holdall.stores import Changes
from holdall_django import unanswered
from holdall_django.configuration import configuration, configured_sessions
from holdall_django.loading import afind, find, reach
from holdall_django.lookups import DjangoLookups
from holdall_django.names import cookies_of
from holdall_django.templates import guard

__all__ = ["DjangoSession", "SessionEndedError"]


class SessionEndedError(LostWriteError, UpdateError):
    """The session to be saved has ended elsewhere; Django calls this ``UpdateError``."""


class DjangoSession(DjangoLookups):
    """
    A visitor's session, for one request to a Django application.

    ``session_key`` names it, for other packages to store: a ``SessionStore`` of that name finds the session, and a
    browser that sends it as a cookie opens nothing. A session that is about to get another ID is stored when its name
    is asked for.

    Raises:
        SessionEndedError: It is saved after it has ended elsewhere.
    """

    #: The cookies of what was saved ahead of the response.
    _unsent: tuple[SetCookie, ...] = ()
    _unmodified: Changes | None = None
    _has_ended = False
    #: A middleware of ours is going to commit it.
    _is_driven = False
    #: A middleware of ours is going to commit it.

    def __init__(
        self,
        cookies: Sequence[SentCookie] | Callable[[], Sequence[SentCookie]] | str | None = (),
        *,
        policy: Any = None,
        **given: Any,
    ) -> None:
        if policy is not None and cookies is not None and not isinstance(cookies, str):
            super().__init__(cookies, policy=policy, **given)
            return
        # As packages look at a session anew: request.session.__class__(session_key).
        sessions = configured_sessions()
        self._take_given(sessions, cookies_of(str(cookies) if cookies else None, sessions.key))

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        guard(cls)

    def _take_given(self, sessions: Sessions, cookies: Sequence[str]) -> None:
        """Be the session outside of requests that one of *cookies* opens."""
        Session.__init__(self, cookies, policy=sessions.policy)
        self.use(lambda cookies: find(sessions, [str(cookie) for cookie in cookies]), reach())

    @property
    def cookies(self) -> Sequence[SentCookie]:
        """The values that came under the session's key, and then those under old ones."""
        return unanswered.latest_of(super().cookies)

    # What was changed.

    @property
    def modified(self) -> bool:
        """Whether it was changed since this was last set to ``False``, even if it was saved since."""
        return self._was_modified or (self.changed and (self.marked or self.changes() != self._unmodified))

    @modified.setter
    def modified(self, value: bool) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]  # set as Django's is
        self._was_modified = False
        self.marked = value
        self._unmodified = self.changes() if self.is_loaded and not value else None

    def _forget_what_is_unmodified(self) -> None:
        """Forget, as Django does, what was changed before the application set ``modified`` to ``False``."""
        if self._unmodified and self.intent is Intent.KEEP and not self.modified:
            self.configure(ignore=True)

    # Its name.

    @property
    def session_key(self) -> str | None:
        """The session's name, of 40 characters; ``None`` where it is not stored or is about to end."""
        if self._is_to_be_renewed:
            self._save()
        return self._name

    @property
    def _is_to_be_renewed(self) -> bool:
        if self.phase is not Phase.OPEN or self.intent not in (Intent.KEEP, Intent.RENEW):
            return False
        # A new session gets its key when it is saved, as in Django; a login asks for it ahead of that.
        return self.intent is Intent.RENEW or (not self.is_new and self.principal != self.principal_before)

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
        if self.phase is Phase.OPEN:
            self._go_on(self._sessions.commit(self))
        else:
            self._sessions.finish(self)
        if unchecked is not None and find(self._sessions, (unchecked,)).stored is None:
            self._let_go()
        return before

    async def _asave(self, must_create: bool = False) -> str | None:
        await self._aget_session()
        before, unchecked = self._prepare_to_save(must_create)
        if self.phase is Phase.OPEN:
            self._go_on(await self._sessions.commit_async(self))
        else:
            await self._sessions.finish_async(self)
        if unchecked is not None and (await afind(self._sessions, (unchecked,))).stored is None:
            self._let_go()
        return before

    def _prepare_to_save(self, must_create: bool) -> tuple[str | None, str | None]:
        """Return the stored session's cookie, and again if no write will check that it is still stored."""
        self.check_savable()
        before = None if self.is_new else self._cookie
        if must_create or (self.is_new and self.intent is Intent.KEEP):
            self.configure(renew=True)
        # Packages and Django's own middleware send the cookie of a session that was modified and then saved.
        self._was_modified = self.modified or self.intent is Intent.RENEW
        return before, before if self.intent is Intent.KEEP and not self.changed else None

    def _go_on(self, headers: ResponseHeaders) -> None:
        """Keep the cookies for the response, and let the session be changed further."""
        self._unsent = (*self._unsent, *headers.cookies)
        self.phase = Phase.OPEN

    def _let_go(self) -> None:
        self.settle(None, self.phase)
        self.fetched = Fetched(late=True)

    def _refuse_if_ended(self, before: str | None) -> None:
        self._has_ended = self.fetched.late and (before is not None or self._has_ended)
        if self._has_ended:
            msg = "the session was ended or renewed elsewhere: its changes are lost."
            raise SessionEndedError(msg)


guard(DjangoSession)
