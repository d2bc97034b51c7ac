"""Add session headers to a response, and create the response for a session error."""

import logging
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import TypeGuard, cast

from asgiref.sync import async_to_sync, sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import patch_vary_headers

from holdall import AnsweredError, ResponseHeaders, StoreError
from holdall.adapters import Exchange, cache_headers, state_of, warn_if_exposed, warn_of_public_cookie
from holdall_django._configuration import configuration
from holdall_django._cookies import add_cookies
from holdall_django._requests import Opened
from holdall_django._session import DjangoSession

__all__ = ["answer", "answer_instead", "answer_instead_async", "finished_with_body", "streams", "with_headers"]

_logger = logging.getLogger("holdall")


def with_headers(
    request: HttpRequest, response: HttpResponseBase, opened: Opened, headers: ResponseHeaders
) -> HttpResponseBase:
    """Return *response* with *headers*, and with the cookies of sessions that were saved before it."""
    if headers.vary:
        if response.has_header("Vary"):
            patch_vary_headers(response, headers.vary.split(", "))
        else:
            response.headers["Vary"] = headers.vary
    cookies = opened.session._unsent
    for other in opened.exchange.others:
        # A session of another framework's adapter has that adapter's own type.
        cookies += other._unsent if isinstance(other, DjangoSession) else ()
    cookies += headers.cookies
    if cookies:
        add_cookies(response, cookies)
        for name, value in headers.extra:
            response.headers[name] = value
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
    """Return whether the application produces the body while it is sent, which a file's body is not."""
    return isinstance(response, StreamingHttpResponse) and getattr(response, "file_to_stream", None) is None


def finished_with_body(response: HttpResponseBase, exchange: Exchange) -> HttpResponseBase:
    """Return *response*, changed so that the end of its body also ends the *exchange* and refuses later changes."""
    if not streams(response):
        # Later changes could not be saved.
        exchange.close()
    elif response.is_async:
        body = cast("AsyncIterable[bytes]", response.streaming_content)
        response.streaming_content = _finishing_async(body, exchange)
    else:
        response.streaming_content = _finishing(cast("Iterable[bytes]", response.streaming_content), exchange)
    return response


def _finishing(body: Iterable[bytes], exchange: Exchange) -> Iterator[bytes]:
    """Send *body*, and save the changes made during it before its end is announced."""
    breaks = False
    try:
        yield from body
    except Exception:
        breaks = True
        raise
    finally:
        if configuration().awaited:
            async_to_sync(_end_async)(exchange, breaks=breaks)
        else:
            _end(exchange, breaks=breaks)


async def _finishing_async(body: AsyncIterable[bytes], exchange: Exchange) -> AsyncIterator[bytes]:
    """Do the same as ``_finishing``."""
    breaks = False
    try:
        async for chunk in body:
            yield chunk
    except Exception:
        breaks = True
        raise
    finally:
        if exchange.group.form == "sync":
            # A server that cannot await the body reads it in an event loop, where Django's tables must not be used.
            await sync_to_async(_end)(exchange, breaks=breaks)
        else:
            await _end_async(exchange, breaks=breaks)


def _end(exchange: Exchange, *, breaks: bool) -> None:
    """End a request with its body, as a failed request if the body *breaks*."""
    if not breaks:
        exchange.body_sent(last=True)
        return
    exchange.failed()
    exchange.close()


async def _end_async(exchange: Exchange, *, breaks: bool) -> None:
    """Do the same as ``_end``."""
    if not breaks:
        await exchange.body_sent_async(last=True)
        return
    await exchange.failed_async()
    exchange.close()


def answer_instead(request: HttpRequest, error: AnsweredError, opened: Opened) -> HttpResponseBase:
    """End a request that failed with a session error, and return its response."""
    if not opened.is_shared:
        opened.exchange.failed()
    return _instead(request, error, opened)


async def answer_instead_async(request: HttpRequest, error: AnsweredError, opened: Opened) -> HttpResponseBase:
    """Do the same as ``answer_instead``."""
    if not opened.is_shared:
        await opened.exchange.failed_async()
    return _instead(request, error, opened)


def _instead(request: HttpRequest, error: AnsweredError, opened: Opened) -> HttpResponseBase:
    """Return the response to a session error, with the cookies of sessions that were saved before it."""
    if opened.is_shared:
        return with_headers(request, answer(error), opened, ResponseHeaders(vary=state_of(opened.session).vary))
    response = with_headers(request, answer(error), opened, opened.exchange.error_headers())
    return finished_with_body(response, opened.exchange)


def answer(error: AnsweredError) -> HttpResponse:
    """Return the response for *error*."""
    status = error.status
    if isinstance(error, StoreError):
        _logger.error("a session's store failed, responding with %s", status.value, exc_info=error)
    return HttpResponse(status.phrase, status=status.value, content_type="text/plain; charset=utf-8")
