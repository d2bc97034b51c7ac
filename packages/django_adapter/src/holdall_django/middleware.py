"""
The way in and out: a request's session from its Cookie header, and the response's headers from its session.

Under WSGI and ASGI alike, and without a thread where nothing has to be waited for.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.contrib.sessions import middleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from holdall import LostWriteError, ResponseHeaders, Session, StoreError
from holdall.nested import RequestSessions, outer_session
from holdall.session import Phase
from holdall.steps import unbroken
from holdall_django import endings
from holdall_django.adopted import AdoptedSession
from holdall_django.checks import refuse_what_cannot_work
from holdall_django.configuration import configuration
from holdall_django.loading import load
from holdall_django.requests import cookie_headers, facts_of, leave_word, opened_around, take_word_back
from holdall_django.responses import answer, answer_instead, finished_with_body, streams, with_headers
from holdall_django.session import DjangoSession

__all__ = ["SessionMiddleware"]

_logger = logging.getLogger("holdall")


class SessionMiddleware(middleware.SessionMiddleware):
    """
    Give each request its session, as ``request.session``.

    It stands where Django's own does, which it is to Django's system checks.

    Raises:
        ConfigurationError: The settings can't be used; the message says what to do.
    """

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        refuse_what_cannot_work()
        super().__init__(get_response)
        configuration().kept.prepare("async" if self.async_mode else "sync")

    def __call__(self, request: HttpRequest) -> Any:
        if _is_driven(request):
            # By another of these, further out.
            return self.get_response(request)
        if self.async_mode:
            return self.__acall__(request)
        endings.begin()
        self.process_request(request)
        came = cast("DjangoSession", request.session)
        try:
            response = cast("HttpResponseBase", self.get_response(request))
        except BaseException:
            # Django answers exceptions further in; this is one that it was told to let through.
            _abandon(request.session)
            raise
        _put_in_place_of(came, request)
        return self.process_response(request, response)

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        sessions = configuration().kept
        came = _begun(request, sessions.unfetched)
        if configuration().fetches:
            try:
                await load(came)
            except StoreError as exc:
                return answer_instead(request, exc, came)
        came._is_driven = True
        endings.begin()
        try:
            response = await cast("Awaitable[HttpResponseBase]", self.get_response(request))
        except BaseException:
            # As above, or the visitor has gone.
            await _abandon_async(request.session)
            raise
        _put_in_place_of(came, request)
        session, noted = request.session, endings.take()
        if not isinstance(session, DjangoSession):
            return response
        try:
            await _repeat_endings(noted)
            if isinstance(session, AdoptedSession):
                return with_headers(request, response, session, ResponseHeaders())
            _prepare_to_commit(session)
            commit = sessions.commit_async(session, status=response.status_code, streams=streams(response))
            headers = await (unbroken(commit) if sessions.waits and (session.accessed or session.beside) else commit)
        except (StoreError, LostWriteError) as exc:
            return answer_instead(request, exc, session)
        return finished_with_body(with_headers(request, response, session, headers), session)

    def process_request(self, request: HttpRequest) -> None:
        _begun(request, configuration().kept.fetch)._is_driven = True

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> Any:
        take_word_back(request)
        session, noted = request.session, endings.take()
        if not isinstance(session, DjangoSession):
            # A test may have put something of its own there.
            return response
        try:
            endings.repeat(noted)
            if isinstance(session, AdoptedSession):
                return with_headers(request, response, session, ResponseHeaders())
            _prepare_to_commit(session)
            headers = configuration().kept.commit(session, status=response.status_code, streams=streams(response))
        except (StoreError, LostWriteError) as exc:
            return answer_instead(request, exc, session)
        return finished_with_body(with_headers(request, response, session, headers), session)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer for a view that failed for want of its session."""
        return answer(exception) if isinstance(exception, StoreError | LostWriteError) else None


def _begun(request: HttpRequest, fetch: Callable[..., Session]) -> DjangoSession:
    """Give *request* its session: that of an adapter around this one, or else what *fetch* makes."""
    kept, outer = configuration().kept, opened_around(request)
    theirs = None if outer is None else outer_session(outer, kept)
    # An empty session is false.
    if theirs is not None:
        session: DjangoSession = AdoptedSession(theirs)
    else:
        facts, https = facts_of(request), request.is_secure()
        made = fetch(cookie_headers(request), https=https, session_type=DjangoSession, facts=facts)
        session = cast("DjangoSession", made)
    request.session = session
    leave_word(request, RequestSessions(kept, session, outer))
    return session


def _is_driven(request: HttpRequest) -> bool:
    session: object = getattr(request, "session", None)
    return isinstance(session, DjangoSession) and session._is_driven


def _put_in_place_of(came: DjangoSession, request: HttpRequest) -> None:
    """Save the session that the application put in place of the one that *came*."""
    came._is_driven = False
    session: object = request.session
    if session is not came and isinstance(session, DjangoSession):
        session.https, session.facts, session.beside = came.https, came.facts, came.beside
        session._unsent = (*came._unsent, *session._unsent)
    if session is not came:
        came.phase = Phase.CLOSED


def _prepare_to_commit(session: DjangoSession) -> None:
    session._forget_what_is_unmodified()
    if configuration().uses_always and session.cookies and session.is_fetched:
        # Every request counts as a use, so a session that no code has read is read now.
        session.data()


def _abandon(session: object) -> None:
    noted = endings.take()
    if isinstance(session, DjangoSession):
        session._is_driven = False
        with _failure_logged():
            endings.repeat(noted)
            if not isinstance(session, AdoptedSession):
                configuration().kept.abandon(session)
                session.close()


async def _abandon_async(session: object) -> None:
    noted = endings.take()
    if isinstance(session, DjangoSession):
        session._is_driven = False
        with _failure_logged():
            await _repeat_endings(noted)
            if not isinstance(session, AdoptedSession):
                await unbroken(configuration().kept.abandon_async(session))
                session.close()


async def _repeat_endings(noted: list[Callable[[], object]]) -> None:
    """End again what a sync view has ended in a transaction."""
    if noted:
        await sync_to_async(endings.repeat)(noted)


@contextmanager
def _failure_logged() -> Iterator[None]:
    try:
        yield
    except StoreError:
        # The failure that came first is the one to tell of.
        _logger.exception("a session could not be ended after its request had failed")
