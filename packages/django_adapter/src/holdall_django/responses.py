"""What a response says about its sessions: cookies, and what caches are told."""

import logging
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from http import HTTPStatus
from typing import TypeGuard, cast

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import patch_vary_headers

from holdall import LostWriteError, ResponseHeaders, StoreError
from holdall.adapters import Exchange, cache_headers, state_of, warn_if_exposed, warn_of_public_cookie
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
    if session._exchange is not None:
        for other in session._exchange.others:
            unsent += cast("DjangoSession", other)._unsent
    if headers.cookies or unsent:
        warn_if_exposed((*unsent, *headers.cookies), request.META.get("HTTP_HOST"))
        add_cookies(response, (*unsent, *headers.cookies))
        _keep_out_of_caches(request, response, allow_public=state_of(session).settings.allow_public)
    return response


def _keep_out_of_caches(request: HttpRequest, response: HttpResponseBase, *, allow_public: bool) -> None:
    caches = cache_headers(response.items(), sets_cookie=True, allow_public=allow_public)
    if caches.cache_control is not None:
        response.headers["Cache-Control"] = caches.cache_control
    for name in caches.removed:
        del response.headers[name]
    if caches.was_public:
        match = request.resolver_match
        warn_of_public_cookie(request.path if match is None else match.route)


def streams(response: HttpResponseBase) -> TypeGuard[StreamingHttpResponse]:
    """Say whether the application makes the body while it is sent, which it does not of a file."""
    return isinstance(response, StreamingHttpResponse) and getattr(response, "file_to_stream", None) is None


def finished_with_body(response: HttpResponseBase, session: DjangoSession) -> HttpResponseBase:
    """Return *response*, after whose body nothing of *session* can be changed any more."""
    exchange = session._exchange
    if exchange is None:
        return response
    if not streams(response):
        # Nothing would save what came after this.
        exchange.close()
    elif response.is_async:
        body = cast("AsyncIterable[bytes]", response.streaming_content)
        response.streaming_content = _finishing_async(body, exchange)
    else:
        response.streaming_content = _finishing(cast("Iterable[bytes]", response.streaming_content), exchange)
    return response


def _finishing(body: Iterable[bytes], exchange: Exchange) -> Iterator[bytes]:
    """Send *body*, and save what was changed in the meantime before its end is announced."""
    try:
        yield from body
    finally:
        exchange.body_sent(last=True)


async def _finishing_async(body: AsyncIterable[bytes], exchange: Exchange) -> AsyncIterator[bytes]:
    """Do what ``_finishing`` does."""
    try:
        async for chunk in body:
            yield chunk
    finally:
        await exchange.body_sent_async(last=True)


def answer_instead(
    request: HttpRequest, error: StoreError | LostWriteError, session: DjangoSession
) -> HttpResponseBase:
    """Answer for a request whose session could not be read or written: with the cookies of what was saved before."""
    headers = ResponseHeaders(vary=True) if session._exchange is None else session._exchange.unsent()
    return finished_with_body(with_headers(request, answer(error), session, headers), session)


def answer(error: StoreError | LostWriteError) -> HttpResponse:
    """Say that the session could not be read or written."""
    status = HTTPStatus.CONFLICT
    if isinstance(error, StoreError):
        status = HTTPStatus.SERVICE_UNAVAILABLE
        _logger.error("a session's store failed, the answer is %s", status.value, exc_info=error)
    return HttpResponse(status.phrase, status=status.value, content_type="text/plain; charset=utf-8")
