"""Process a response or a WebSocket as it is sent: store its sessions and add their headers."""

# Otherwise the annotations of nested functions would be evaluated in each request.
from __future__ import annotations

import logging
from functools import cache, lru_cache
from operator import itemgetter

from holdall._errors import AnsweredError
from holdall.adapters import (
    CACHING_NAMES,
    Exchange,
    Failure,
    ResponseHeaders,
    cache_headers,
    for_caches,
    warn_if_exposed,
)
from holdall.asgi._auto_close import ENDED, AutoClose, Watch
from holdall.asgi._protocol import ASGIApp, Message, Receive, Scope, Send

__all__ = ["refuse", "respond"]

_logger = logging.getLogger("holdall")

_HEADERS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
_name = itemgetter(0)
# An application has only one for each combination of its sessions.
_vary = cache(lambda vary: (b"vary", vary.encode()))
_lowered = cache(lambda name: name.lower().encode())
# The headers for a response that sets a cookie and has no cache headers of its own.
_PLAIN = cache_headers((), sets_cookie=True, allow_public=False).cache_control or ""
_NO_STORE = (b"cache-control", _PLAIN.encode())


# Cached, because an application sends the same few names over and over.
@lru_cache(maxsize=256)
def _is_for_caches(name: bytes) -> bool:
    return CACHING_NAMES.search(name.decode("latin-1")) is not None


_BODY = frozenset({"http.response.body", "websocket.http.response.body"})


async def respond(
    app: ASGIApp,
    exchange: Exchange,
    scope: Scope,
    receive: Receive,
    send: Send,
    auto_close: AutoClose | None,
    disconnects: tuple[type[Exception], ...],
) -> None:
    """
    Run *app*, and drive *exchange* as its messages pass on their way to the server.

    Args:
        auto_close: Checks the sessions of long-lived connections; ``None`` for sessions that are not in a table.
        disconnects: The exception that the framework raises in a handler whose client has disconnected.
    """
    # One function instead of an object with methods, because calls dominate the cost of a request here.
    started = streamed = has_left = was_broken_off = was_refused = is_over = False
    watch: Watch | None = None

    async def send_on(message: Message) -> None:
        nonlocal started, streamed, has_left, was_refused
        kind = message["type"]
        if not started:
            if was_refused:
                # The client has our error response. A framework that caught our exception is now sending its own.
                return
            if kind in _HEADERS:
                status, streams = message.get("status", 200), kind != "websocket.accept"
                if status < 200 or status in (204, 304):
                    streams = False
                if streams:
                    # The body is produced after its headers, unless the application declares its length.
                    for name, _ in message.get("headers", ()):
                        if name == b"content-length":
                            streams = False
                            break
                try:
                    told = exchange.headers_at_once(status, streams=streams)
                    if told is None:
                        told = await exchange.remaining_headers_async(status, streams=streams)
                except AnsweredError as error:
                    # Handled here: further out, the framework might wrap it in another exception, or respond with 500.
                    was_refused = True
                    await exchange.failed_async()
                    await refuse(error, exchange, scope, send)
                    raise
                started = True
                if told.vary:
                    message = _with_headers(message, told, exchange, scope)
            elif kind == "websocket.close":
                # Refused before it was accepted: the server turns this into a 403 with headers of its own.
                await exchange.failed_async(403)
                started = True
        elif kind in _BODY:
            # Saved before the client sees the end, so that its next request finds the changes.
            if message.get("more_body", False):
                streamed = True
                if auto_close is not None:
                    await look(auto_close)
            elif streamed:
                await exchange.body_sent_async()
        elif kind == "websocket.close":
            await exchange.body_sent_async()
        try:
            await send(message)
        except OSError:
            has_left = True
            raise

    async def look(auto_close: AutoClose) -> None:
        nonlocal watch, has_left, was_broken_off
        if watch is None:
            watch = auto_close.watch(exchange.session)
            return
        await watch.look_if_due()
        if watch.is_over and auto_close.closes:
            has_left = was_broken_off = True
            raise OSError(ENDED)

    async def receive_from_socket() -> Message:
        nonlocal has_left
        message = await receive()
        if message["type"] == "websocket.disconnect":
            has_left = True
        return message

    try:
        if scope["type"] == "http":
            await app(scope, receive, send_on)
        elif auto_close is None:
            await app(scope, receive_from_socket, send_on)
        else:
            await auto_close.run(app, exchange.session, scope, receive_from_socket, send_on, disconnects)
    except Exception as error:
        if was_refused:
            return
        is_disconnect = isinstance(error, disconnects)
        if has_left or (is_disconnect and scope["type"] == "websocket"):
            # A client that disconnects is not a failure of the application.
            await _end(exchange, started, was_refused)
            if was_broken_off and (is_disconnect or isinstance(error, OSError)):
                return
            raise
        await exchange.failed_async()
        if started or not await refuse(error, exchange, scope, send):
            raise
    except GeneratorExit:
        # The event loop has already ended, so nothing can be awaited.
        raise
    except BaseException:
        # A cancelled request ends like one whose client has disconnected; otherwise a logout would be lost.
        try:
            await _end(exchange, started, was_refused)
        except Exception:
            # Any error, such as a lost write or a value that cannot be stored, must not hide the cancellation.
            _logger.exception("a session could not be ended after its request had been cancelled")
        raise
    else:
        if started:
            # The same as end(), but in most requests there is nothing to await.
            if not exchange.body_sent_at_once(last=True):
                await exchange.body_sent_async(last=True)
            is_over = True
        else:
            await _end(exchange, started, was_refused)
    finally:
        if not is_over:
            exchange.close()


async def _end(exchange: Exchange, started: bool, was_refused: bool) -> None:
    # Save the changes made since the headers were sent, including those made by background tasks.
    if started:
        await exchange.body_sent_async(last=True)
    elif not was_refused:
        await exchange.failed_async()


async def refuse(error: Exception, exchange: Exchange, scope: Scope, send: Send) -> bool:
    """Send the error response for *error* if it is an ``AnsweredError``, and return whether it is."""
    failure = exchange.failure(error)
    if failure is None:
        return False
    if failure.status.value == 503:
        _logger.error("a session's store failed, responding with 503", exc_info=error)
    prefix = ""
    if scope["type"] == "websocket":
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1011, "reason": failure.status.phrase})
            return True
        prefix = "websocket."
    await _answer(failure, prefix, exchange, scope, send)
    return True


async def _answer(failure: Failure, prefix: str, exchange: Exchange, scope: Scope, send: Send) -> None:
    body = failure.status.phrase.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    start = {"type": f"{prefix}http.response.start", "status": failure.status.value, "headers": headers}
    await send(_with_headers(start, failure.headers, exchange, scope))
    await send({"type": f"{prefix}http.response.body", "body": body})


def _with_headers(message: Message, told: ResponseHeaders, exchange: Exchange, scope: Scope) -> Message:
    # A list of our own, because an application may send one response object to many clients.
    headers = [*message.get("headers", ())]
    if message["type"] != "websocket.accept":
        # These headers are for caches, and no cache stores a handshake.
        if any(map(_is_for_caches, map(_name, headers))):
            route = str(getattr(scope.get("route"), "path", scope["path"]))
            given = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
            merged = for_caches(given, told, exchange.group, route=route)
            headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in merged]
        else:
            # The usual case: the response has no cache headers of its own.
            headers.append(_vary(told.vary))
            if told.cookies:
                headers.append(_NO_STORE)
    for cookie in told.cookies:
        headers.append((_lowered(cookie.header), cookie.line.encode("latin-1")))
        for name, value in cookie.extra:
            headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))
        if cookie.is_exposed:
            for name, value in scope["headers"]:
                if name == b"host":
                    warn_if_exposed((cookie,), value.decode("latin-1"))
                    break
    for header, value in told.extra:
        headers.append((_lowered(header), value.encode()))
    return {**message, "headers": headers}
