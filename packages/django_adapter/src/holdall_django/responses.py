"""What a response says about its sessions: cookies, and what caches are told."""

import logging
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from http import HTTPStatus
from typing import Any, TypeGuard, cast

from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import patch_vary_headers

from holdall import LostWriteError, ResponseHeaders, StoreError
from holdall.cache_headers import cache_headers, warn_of_public_cookie
from holdall.cookies import warn_if_exposed
from holdall_django.configuration import configuration
from holdall_django.cookies import add_cookies
from holdall_django.session import DjangoSession

__all__ = ["answer", "answer_instead", "finished_with_body", "streams", "with_headers"]

_logger = logging.getLogger("holdall")


def with_headers(
    request: HttpRequest, response: HttpResponseBase, session: DjangoSession, headers: ResponseHeaders
) -> HttpResponseBase:
    """Return *response* with what *headers* say, and with what was saved ahead of it."""
    if headers.vary:
        if response.has_header("Vary"):
            patch_vary_headers(response, ("Cookie",))
        else:
            response.headers["Vary"] = "Cookie"
    unsent = session._unsent
    if session.beside:
        unsent += tuple(cookie for each in session.beside.values() for cookie in cast("DjangoSession", each)._unsent)
    if headers.cookies or unsent:
        add_cookies(response, (*unsent, *headers.cookies))
        warn_if_exposed((*unsent, *headers.cookies), request.META.get("HTTP_HOST"))
        _keep_out_of_caches(request, response)
    return response


def _keep_out_of_caches(request: HttpRequest, response: HttpResponseBase) -> None:
    told = cache_headers(response.items(), sets_cookie=True, allow_public=configuration().kept.allow_public)
    if told.cache_control is not None:
        response.headers["Cache-Control"] = told.cache_control
    for name in told.removed:
        del response.headers[name]
    if told.was_public:
        match = request.resolver_match
        warn_of_public_cookie(f"/{match.route}" if match else request.path)


def streams(response: HttpResponseBase) -> TypeGuard[StreamingHttpResponse]:
    """Say whether the application makes the body while it is sent, which it does not of a file."""
    return isinstance(response, StreamingHttpResponse) and getattr(response, "file_to_stream", None) is None


def finished_with_body(response: HttpResponseBase, session: DjangoSession) -> HttpResponseBase:
    """Return *response*, after whose body nothing of *session* can be changed any more."""
    if not streams(response):
        # Nothing would save what came after this.
        session.close()
    elif response.is_async:
        response.streaming_content = _finishing_async(cast("AsyncIterable[bytes]", response.streaming_content), session)
    else:
        response.streaming_content = _finishing(cast("Iterable[bytes]", response.streaming_content), session)
    return response


def _finishing(body: Iterable[bytes], session: DjangoSession) -> Iterator[bytes]:
    """Send *body*, and save the changes made while it was sent before telling its end."""
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


def answer_instead(
    request: HttpRequest, error: StoreError | LostWriteError, session: DjangoSession
) -> HttpResponseBase:
    """Answer for a request whose session could not be read or written: with the cookies of what was saved before."""
    failed = with_headers(request, answer(error), session, ResponseHeaders(error.unsent, vary=True))
    return finished_with_body(failed, session)


def answer(error: Exception) -> HttpResponse:
    """Say that the session could not be read or written."""
    status: Any = HTTPStatus.CONFLICT
    if isinstance(error, StoreError):
        status = HTTPStatus.SERVICE_UNAVAILABLE
        _logger.error("a session's store failed, the answer is %s", status.value, exc_info=error)
    return HttpResponse(status.phrase, status=status.value, content_type="text/plain; charset=utf-8")
