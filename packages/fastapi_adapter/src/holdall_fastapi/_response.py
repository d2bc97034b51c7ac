"""A response or a WebSocket on its way out, in ASGI: where the session is stored, and what its headers get."""

import logging
import re

from starlette.types import Message, Scope, Send
from starlette.websockets import WebSocketDisconnect

from holdall import LostWriteError, StoreError
from holdall.adapters import (
    CACHING_NAMES,
    Exchange,
    Failure,
    ResponseHeaders,
    cache_headers,
    merged_vary,
    warn_if_exposed,
    warn_of_public_cookie,
)
from holdall_fastapi.auto_close import ENDED, AutoClose, Watch

__all__ = ["Outgoing", "refuse"]

_logger = logging.getLogger("holdall")

_HEADERS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
_CACHING_NAMES = re.compile(CACHING_NAMES.pattern.encode(), re.IGNORECASE)
_VARY = (b"vary", b"Cookie")
# What the rules say of a response that sets a cookie and says nothing to caches itself.
_PLAIN = cache_headers((), sets_cookie=True, allow_public=False).cache_control or ""
_NO_STORE = (b"cache-control", _PLAIN.encode())

_BODY = frozenset({"http.response.body", "websocket.http.response.body"})


class Outgoing:
    """Passes the application's messages to the server, and drives the exchange as they go."""

    # Of the class until something happens, because most requests set none of them.
    _started = False
    _streamed = False
    _left = False
    _watch: Watch | None = None
    was_broken_off = False
    _commit_error: StoreError | LostWriteError | None = None

    def __init__(self, exchange: Exchange, scope: Scope, send: Send, auto_close: AutoClose | None) -> None:
        self._exchange = exchange
        self._scope = scope
        self._send = send
        self._auto_close = auto_close

    async def send(self, message: Message) -> None:
        """Pass *message* on, after doing what the session needs before."""
        kind = message["type"]
        if not self._started:
            if kind in _HEADERS:
                message = await self._with_session(message)
            elif kind == "websocket.close":
                # Refused before it was accepted: the server makes a 403 of it, with headers of its own.
                await self._exchange.failed_async(403)
                self._started = True
        elif kind in _BODY:
            # Saved before the client sees the end, so that its next request finds the changes.
            if message.get("more_body", False):
                self._streamed = True
                if self._auto_close is not None:
                    await self._look(self._auto_close)
            elif self._streamed:
                await self._exchange.body_sent_async()
        elif kind == "websocket.close":
            await self._exchange.body_sent_async()
        try:
            await self._send(message)
        except OSError:
            self._left = True
            raise

    async def _look(self, auto_close: AutoClose) -> None:
        if self._watch is None:
            self._watch = auto_close.watch(self._exchange.session)
            return
        await self._watch.look_if_due()
        if self._watch.is_over and auto_close.closes:
            self._left = self.was_broken_off = True
            raise OSError(ENDED)

    async def end(self) -> None:
        """Save what was changed since the headers, including by background tasks."""
        if self._started:
            await self._exchange.body_sent_async(last=True)
        else:
            await self._exchange.failed_async()

    async def fail(self, error: Exception) -> Failure | None:
        """Give up after *error*, and return what to answer instead, if it is one of ours and can be answered."""
        if self._left or isinstance(error, WebSocketDisconnect):
            # A visitor who leaves is no failure of the application.
            await self.end()
            return None
        try:
            await self._exchange.failed_async()
        except StoreError:
            # The failure that came first is the one to report.
            _logger.exception("a session could not be ended after its request had failed")
        # On its way here the error may have been wrapped in another: Starlette says "response already started".
        failure = None if self._started else self._exchange.failure(self._commit_error or error)
        if failure is not None and failure.status.value == 503:
            _logger.error("a session's store failed, the answer is 503", exc_info=self._commit_error or error)
        return failure

    async def break_off(self) -> None:
        """End a cancelled request as one whose visitor has left; otherwise a logout would be lost."""
        try:
            await self.end()
        except StoreError:
            _logger.exception("a session could not be ended after its request had been cancelled")

    async def _with_session(self, message: Message) -> Message:
        """Store the sessions, and return *message* with their headers."""
        status, streams = message.get("status", 200), _streams(message)
        try:
            told = self._exchange.headers_at_once(status, streams=streams)
            if told is None:
                told = await self._exchange.remaining_headers_async(status, streams=streams)
        except (StoreError, LostWriteError) as error:
            self._commit_error = error
            raise
        self._started = True
        return _with_headers(message, told, self._exchange, self._scope) if told.vary else message


async def refuse(failure: Failure, exchange: Exchange, scope: Scope, send: Send) -> None:
    """Answer that a session could not be read or written."""
    prefix = ""
    if scope["type"] == "websocket":
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1011, "reason": failure.status.phrase})
            return
        prefix = "websocket."
    body = failure.status.phrase.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    start = {"type": f"{prefix}http.response.start", "status": failure.status.value, "headers": headers}
    await send(_with_headers(start, failure.headers, exchange, scope))
    await send({"type": f"{prefix}http.response.body", "body": body})


def _streams(message: Message) -> bool:
    """Return whether the body is made after its headers: the application does not say how long it is."""
    status = message.get("status", 200)
    if message["type"] == "websocket.accept" or status < 200 or status in (204, 304):
        return False
    for name, _ in message.get("headers", ()):  # noqa: SIM110  # a generator costs every request more
        if name == b"content-length":
            return False
    return True


def _with_headers(message: Message, told: ResponseHeaders, exchange: Exchange, scope: Scope) -> Message:
    # A list of our own, because an application may send one response object to many visitors.
    headers = [*message.get("headers", ())]
    if message["type"] != "websocket.accept":
        # For caches, and none keeps a handshake.
        headers = _for_caches(headers, told, exchange, scope)
    for cookie in told.cookies:
        headers.append((b"set-cookie", cookie.line.encode("latin-1")))
        if cookie.is_exposed:
            host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), None)
            warn_if_exposed((cookie,), host)
    return {**message, "headers": headers}


def _for_caches(
    headers: list[tuple[bytes, bytes]], told: ResponseHeaders, exchange: Exchange, scope: Scope
) -> list[tuple[bytes, bytes]]:
    """Return *headers* with ``Vary: Cookie``, and if a cookie is set in a form that no shared cache stores."""
    if _CACHING_NAMES.search(b"\n".join([name for name, _ in headers])) is None:
        # The usual response says nothing to caches itself.
        return [*headers, _VARY, _NO_STORE] if told.cookies else [*headers, _VARY]
    present = [value.decode("latin-1") for name, value in headers if name == b"vary"]
    vary = merged_vary(present) if present else "Cookie"
    if vary is not None:
        if present:
            headers = [each for each in headers if each[0] != b"vary"]
        headers.append((b"vary", vary.encode("latin-1")))
    if not told.cookies:
        return headers
    given = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    caches = cache_headers(given, sets_cookie=True, allow_public=exchange.group.allow_public)
    if caches.was_public:
        warn_of_public_cookie(str(getattr(scope.get("route"), "path", scope["path"])))
    removed = {name.encode("latin-1") for name in caches.removed}
    if caches.cache_control is not None:
        removed.add(b"cache-control")
    left = [(name, value) for name, value in headers if name.lower() not in removed] if removed else headers
    if caches.cache_control is not None:
        left.append((b"cache-control", caches.cache_control.encode("latin-1")))
    return left
