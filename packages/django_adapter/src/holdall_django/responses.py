"""What a response says about its sessions: cookies, and what caches are told."""

import logging
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from http import HTTPStatus
from typing import TypeGuard, cast

from asgiref.sync import async_to_sync, sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import patch_vary_headers

from holdall import LostWriteError, ResponseHeaders, StoreError
from holdall.adapters import Exchange, cache_headers, warn_if_exposed, warn_of_public_cookie
from holdall_django.configuration import configuration
from holdall_django.cookies import add_cookies
from holdall_django.requests import Opened
from holdall_django.session import DjangoSession

__all__ = ["answer", "answer_instead", "finished_with_body", "streams", "with_headers"]

_logger = logging.getLogger("holdall")


def with_headers(
    request: HttpRequest, response: HttpResponseBase, opened: Opened, headers: ResponseHeaders
) -> HttpResponseBase:
    """Return *response* with what *headers* say, and with the cookies of what was saved before it."""
    if headers.vary:
        if response.has_header("Vary"):
            patch_vary_headers(response, ("Cookie",))
        else:
            response.headers["Vary"] = "Cookie"
    cookies = opened.session._unsent
    for other in opened.exchange.others:
        # Those of another framework's adapter are of its own type.
        cookies += other._unsent if isinstance(other, DjangoSession) else ()
    cookies += headers.cookies
    if cookies:
        add_cookies(response, cookies)
        warn_if_exposed(cookies, request.META.get("HTTP_HOST"))
        _keep_out_of_caches(request, response, allow_public=opened.exchange.group.allow_public)
    return response


def _keep_out_of_caches(request: HttpRequest, response: HttpResponseBase, *, allow_public: bool) -> None:
    caches = cache_headers(response.items(), sets_cookie=True, allow_public=allow_public)
    if caches.cache_control is not None:
        response.headers["Cache-Control"] = caches.cache_control
    for name in caches.removed:
        del response.headers[name]
    if caches.was_public:
        match = request.resolver_match
        warn_of_public_cookie(f"/{match.route}" if match else request.path)


def streams(response: HttpResponseBase) -> TypeGuard[StreamingHttpResponse]:
    """Return whether the application makes the body while it is sent, unlike that of a file."""
    return isinstance(response, StreamingHttpResponse) and getattr(response, "file_to_stream", None) is None


def finished_with_body(response: HttpResponseBase, exchange: Exchange) -> HttpResponseBase:
    """Return *response*, with whose body the *exchange* ends: no session can be changed afterwards."""
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
    """Send *body*, and save the changes made meanwhile before its end is announced."""
    try:
        yield from body
    finally:
        if configuration().awaited:
            async_to_sync(exchange.body_sent_async)(last=True)
        else:
            exchange.body_sent(last=True)


async def _finishing_async(body: AsyncIterable[bytes], exchange: Exchange) -> AsyncIterator[bytes]:
    """Do what ``_finishing`` does."""
    try:
        async for chunk in body:
            yield chunk
    finally:
        if exchange.group.form == "sync":
            # A server that cannot await the body reads it in an event loop, where Django's tables cannot be asked.
            await sync_to_async(exchange.body_sent)(last=True)
        else:
            await exchange.body_sent_async(last=True)


def answer_instead(request: HttpRequest, error: StoreError | LostWriteError, opened: Opened) -> HttpResponseBase:
    """Return the answer where a session could not be read or written, with the cookies of what was saved before."""
    if opened.is_shared:
        return with_headers(request, answer(error), opened, ResponseHeaders(vary=True))
    response = with_headers(request, answer(error), opened, opened.exchange.unsent())
    return finished_with_body(response, opened.exchange)


def answer(error: StoreError | LostWriteError) -> HttpResponse:
    """Return a response that says that the session could not be read or written."""
    status = HTTPStatus.CONFLICT
    if isinstance(error, StoreError):
        status = HTTPStatus.SERVICE_UNAVAILABLE
        _logger.error("a session's store failed, the answer is %s", status.value, exc_info=error)
    return HttpResponse(status.phrase, status=status.value, content_type="text/plain; charset=utf-8")
