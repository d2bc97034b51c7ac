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
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from holdall import LostWriteError, ResponseHeaders, StoreError
from holdall.adapters import Exchange, state_of
from holdall.nested import KEY, enter, outer_session
from holdall_django import endings
from holdall_django.adopted import AdoptedSession
from holdall_django.checks import refuse_what_cannot_work
from holdall_django.configuration import configuration
from holdall_django.loading import load
from holdall_django.requests import client_of, cookie_headers, outer_exchange
from holdall_django.responses import answer, answer_instead, finished_with_body, streams, with_headers
from holdall_django.session import DjangoSession

__all__ = ["SessionMiddleware"]

_logger = logging.getLogger("holdall")


class SessionMiddleware(middleware.SessionMiddleware):
    """
    Give each request its session, as ``request.session``.

    It stands where Django's own does, which it is to Django's system checks.

    Raises:
        ConfigurationError: The settings cannot be used; the message says what to do.
    """

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        refuse_what_cannot_work()
        super().__init__(get_response)
        # What cannot be used is refused here.
        _ = configuration().async_group if self.async_mode else configuration().sync_group

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
        came = _begin(request, is_async=True)
        if configuration().fetches:
            try:
                await load(came)
            except StoreError as exc:
                return answer_instead(request, exc, came)
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
            exchange = _prepare_to_commit(session)
            headers = await exchange.headers_async(response.status_code, streams=streams(response))
        except (StoreError, LostWriteError) as exc:
            return answer_instead(request, exc, session)
        return finished_with_body(with_headers(request, response, session, headers), session)

    def process_request(self, request: HttpRequest) -> None:
        _begin(request, is_async=False)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> Any:
        session, noted = request.session, endings.take()
        if not isinstance(session, DjangoSession):
            # A test may have put something of its own there.
            return response
        try:
            endings.repeat(noted)
            if isinstance(session, AdoptedSession):
                return with_headers(request, response, session, ResponseHeaders())
            headers = _prepare_to_commit(session).headers(response.status_code, streams=streams(response))
        except (StoreError, LostWriteError) as exc:
            return answer_instead(request, exc, session)
        return finished_with_body(with_headers(request, response, session, headers), session)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer for a view that failed for want of its session."""
        return answer(exception) if isinstance(exception, StoreError | LostWriteError) else None


def _begin(request: HttpRequest, *, is_async: bool) -> DjangoSession:
    """Give *request* its session, or that of an adapter around this one."""
    group = configuration().async_group if is_async else configuration().sync_group
    outer = outer_exchange(request)
    borrowed = None if outer is None else outer_session(outer, group)
    if borrowed is not None and outer is not None:
        session: DjangoSession = AdoptedSession(borrowed, outer)
        if not is_async:
            # Nothing is awaited here: this thread reads the session when it is touched.
            state_of(borrowed).is_fetched = True
    else:
        exchange = group.begin(
            cookie_headers(request),
            https=request.is_secure(),
            client=client_of(request),
            session_type=DjangoSession,
            fetched=not is_async,
        )
        exchange.outer = outer
        session = cast("DjangoSession", exchange.session)
        session._exchange = exchange
        if isinstance(request, ASGIRequest):
            enter(request.scope, exchange)
        else:
            request.META[KEY] = exchange
    request.session = session
    session._is_driven = True
    return session


def _is_driven(request: HttpRequest) -> bool:
    session: object = getattr(request, "session", None)
    return isinstance(session, DjangoSession) and session._is_driven


def _put_in_place_of(came: DjangoSession, request: HttpRequest) -> None:
    """Let a session that the application has put in the place of the one that *came* stand for it in the response."""
    came._is_driven = False
    session: object = request.session
    if session is came:
        return
    if isinstance(session, DjangoSession) and came._exchange is not None:
        session._exchange = came._exchange
        came._exchange.replace(session)
        session._unsent = (*came._unsent, *session._unsent)


def _prepare_to_commit(session: DjangoSession) -> Exchange:
    """Return the exchange that stores *session*."""
    session._forget_what_is_unmodified()
    state = state_of(session)
    if configuration().uses_always and state.cookies and state.is_fetched:
        # Every request counts as a use, so a session that was not looked at is read.
        state.loaded()
    exchange = session._exchange
    assert exchange is not None  # noqa: S101  # a middleware of ours has begun it
    return exchange


def _abandon(session: object) -> None:
    noted = endings.take()
    if isinstance(session, DjangoSession):
        session._is_driven = False
        with _failure_logged():
            endings.repeat(noted)
            if not isinstance(session, AdoptedSession) and session._exchange is not None:
                session._exchange.failed()
                session._exchange.close()


async def _abandon_async(session: object) -> None:
    noted = endings.take()
    if isinstance(session, DjangoSession):
        session._is_driven = False
        with _failure_logged():
            await _repeat_endings(noted)
            if not isinstance(session, AdoptedSession) and session._exchange is not None:
                await session._exchange.failed_async()
                session._exchange.close()


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
