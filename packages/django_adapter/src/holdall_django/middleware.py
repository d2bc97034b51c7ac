"""
The way in and out: a request's session from its Cookie header, and the response's headers from its session.

Under WSGI and ASGI alike, and without a thread where nothing has to be waited for.
"""

import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeGuard, cast

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.contrib.sessions import middleware
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import patch_vary_headers

from holdall import ConfigurationError, LostWriteError, ResponseHeaders, StoreError
from holdall.cache_headers import cache_headers, warn_of_public_cookie
from holdall.devices import Facts
from holdall.nested import KEY, RequestSessions, enter, in_environ, in_scope, step_back
from holdall.several import Kept
from holdall.steps import unbroken
from holdall_django import endings
from holdall_django.configuration import configuration
from holdall_django.cookies import add_cookies
from holdall_django.session import DjangoSession, load

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
        if settings.SESSION_ENGINE.startswith("django.contrib.sessions."):
            msg = (
                f"SESSION_ENGINE is {settings.SESSION_ENGINE!r}, where Django's test client would look for sessions: "
                "set it to 'holdall_django.engine'."
            )
            raise ConfigurationError(msg)
        super().__init__(get_response)
        configuration().kept.prepare("async" if self.async_mode else "sync")

    def __call__(self, request: HttpRequest) -> Any:
        if self.async_mode:
            return self.__acall__(request)
        endings.begin()
        self.process_request(request)
        try:
            response = cast("HttpResponseBase", self.get_response(request))
        except BaseException:
            # Django answers exceptions further in; this is one that it was told to let through.
            _abandon(cast("DjangoSession", request.session))
            raise
        return self.process_response(request, response)

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        sessions = configuration().kept
        outer = _outer(request, sessions)
        unfetched = sessions.unfetched(
            _cookies(request), https=request.is_secure(), session_type=DjangoSession, facts=_facts_of(request)
        )
        request.session = session = cast("DjangoSession", unfetched)
        _leave_word(request, RequestSessions(sessions, session, outer))
        if configuration().fetches:
            try:
                await load(session)
            except StoreError as exc:
                return _answer_instead(request, exc, session)
        endings.begin()
        try:
            response = await cast("Awaitable[HttpResponseBase]", self.get_response(request))
        except BaseException:
            # As above, or the visitor has gone.
            await _abandon_async(request.session)
            raise
        session, noted = request.session, endings.take()
        if not isinstance(session, DjangoSession):
            return response
        try:
            await _repeat_endings(noted)
            _count_use(session)
            commit = sessions.commit_async(session, status=response.status_code, streams=_streams(response))
            headers = await (unbroken(commit) if sessions.waits and (session.accessed or session.beside) else commit)
        except (StoreError, LostWriteError) as exc:
            return _answer_instead(request, exc, session)
        return _with_headers(request, response, session, headers)

    def process_request(self, request: HttpRequest) -> None:
        kept = configuration().kept
        outer = _outer(request, kept)
        opened = kept.fetch(
            _cookies(request), https=request.is_secure(), session_type=DjangoSession, facts=_facts_of(request)
        )
        request.session = cast("DjangoSession", opened)
        _leave_word(request, RequestSessions(kept, opened, outer))

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> Any:
        # The session refers to what the request came with: the garbage collector would have to part them.
        request.META.pop(KEY, None)
        session, noted = request.session, endings.take()
        if not isinstance(session, DjangoSession):
            # A test may have put something of its own there.
            return response
        try:
            endings.repeat(noted)
            _count_use(session)
            streams = _streams(response)
            headers = configuration().kept.commit(session, status=response.status_code, streams=streams)
        except (StoreError, LostWriteError) as exc:
            return _answer_instead(request, exc, session)
        return _with_headers(request, response, session, headers)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer for a view that failed for want of its session."""
        return _answer(exception) if isinstance(exception, StoreError | LostWriteError) else None


def _outer(request: HttpRequest, kept: Kept) -> RequestSessions | None:
    """Return what an adapter around this one has opened for the request, having had it leave our session to us."""
    outer = in_scope(request.scope) if isinstance(request, ASGIRequest) else in_environ(request.META)
    if outer is not None:
        step_back(outer, kept)
    return outer


def _leave_word(request: HttpRequest, opened: RequestSessions) -> None:
    """Let an adapter within this one find what was *opened*."""
    if isinstance(request, ASGIRequest):
        enter(cast("dict[str, Any]", request.scope), opened)
    else:
        request.META[KEY] = opened


def _cookies(request: HttpRequest) -> str | list[str]:
    """Return the request's Cookie headers, or what an application has put in the place of ours in them."""
    if isinstance(request, ASGIRequest):
        # HTTP/2 may split the cookies into several headers, which Django before 6.0 joins with commas.
        headers = [value.decode("latin-1") for name, value in request.scope["headers"] if name == b"cookie"]
    else:
        headers = [request.META.get("HTTP_COOKIE", "")]
    # They are parsed when somebody asks for them, and who has put one there did.
    parsed = vars(request).get("COOKIES")
    if parsed:
        given = {key: parsed[key] for key in configuration().keys if key in parsed}
        if any(not any(value in header for header in headers) for value in given.values()):
            return "; ".join(f"{key}={value}" for key, value in given.items())
    return headers


def _facts_of(request: HttpRequest) -> Facts:
    # Not of the request, which holds the session: each would leave a knot for the garbage collector.
    meta = request.META
    return lambda: (meta.get("HTTP_USER_AGENT"), meta.get("REMOTE_ADDR"))


def _count_use(session: DjangoSession) -> None:
    """Read a session that nobody has looked at, if every request counts as its use."""
    if configuration().uses_always and session.cookies and session.is_fetched:
        session.data()


def _with_headers(
    request: HttpRequest, response: HttpResponseBase, session: DjangoSession, headers: ResponseHeaders
) -> HttpResponseBase:
    if headers.vary:
        if response.has_header("Vary"):
            patch_vary_headers(response, ("Cookie",))
        else:
            response.headers["Vary"] = "Cookie"
    unsent = session.unsent
    if session.beside:
        unsent += tuple(cookie for each in session.beside.values() for cookie in cast("DjangoSession", each).unsent)
    if headers.cookies or unsent:
        add_cookies(response, (*unsent, *headers.cookies))
        told = cache_headers(response.items(), sets_cookie=True, allow_public=configuration().kept.allow_public)
        if told.cache_control is not None:
            response.headers["Cache-Control"] = told.cache_control
        for name in told.removed:
            del response.headers[name]
        if told.was_public:
            warn_of_public_cookie(_route_of(request))
    if not _streams(response):
        # Nothing would save what came after this.
        session.close()
    elif response.is_async:
        response.streaming_content = _finishing_async(cast("AsyncIterable[bytes]", response.streaming_content), session)
    else:
        response.streaming_content = _finishing(cast("Iterable[bytes]", response.streaming_content), session)
    return response


def _route_of(request: HttpRequest) -> str:
    match = request.resolver_match
    return f"/{match.route}" if match else request.path


def _streams(response: HttpResponseBase) -> TypeGuard[StreamingHttpResponse]:
    """Say whether the application makes the body while it is sent, which it does not of a file."""
    return isinstance(response, StreamingHttpResponse) and getattr(response, "file_to_stream", None) is None


def _finishing(body: Iterable[bytes], session: DjangoSession) -> Iterator[bytes]:
    """Send *body*, and save what was changed meanwhile before its end is told."""
    try:
        yield from body
    finally:
        if configuration().awaited:
            async_to_sync(configuration().kept.finish_async)(session)
        else:
            configuration().kept.finish(session)
        session.close()


async def _finishing_async(body: AsyncIterable[bytes], session: DjangoSession) -> AsyncIterator[bytes]:
    """Do what ``_finishing`` does."""
    try:
        async for chunk in body:
            yield chunk
    finally:
        await configuration().kept.finish_async(session)
        session.close()


def _abandon(session: object) -> None:
    noted = endings.take()
    if isinstance(session, DjangoSession):
        with _failure_logged():
            endings.repeat(noted)
            configuration().kept.abandon(session)
        session.close()


async def _abandon_async(session: object) -> None:
    noted = endings.take()
    if isinstance(session, DjangoSession):
        with _failure_logged():
            await _repeat_endings(noted)
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


def _answer_instead(
    request: HttpRequest, error: StoreError | LostWriteError, session: DjangoSession
) -> HttpResponseBase:
    """Answer for a request whose session could not be read or written: with the cookies of what was saved before."""
    return _with_headers(request, _answer(error), session, ResponseHeaders(error.unsent, vary=True))


def _answer(error: Exception) -> HttpResponse:
    """Say that the session could not be read or written."""
    status = HTTPStatus.CONFLICT
    if isinstance(error, StoreError):
        status = HTTPStatus.SERVICE_UNAVAILABLE
        _logger.error("a session's store failed, the answer is %s", status.value, exc_info=error)
    return HttpResponse(status.phrase, status=status.value, content_type="text/plain; charset=utf-8")
