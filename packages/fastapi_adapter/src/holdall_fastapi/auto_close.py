"""
A layer within the middleware that closes a connection when its session has ended.

It looks at the row of a WebSocket's session from time to time, and at that of a streamed body's when something is sent.
To the handler it is as if the visitor had left.
"""

import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

from anyio import CancelScope, Event, create_task_group, current_time, move_on_after, sleep
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from holdall import ConfigurationError, Session, Sessions, StoreError
from holdall.adapters import state_of
from holdall.stores import RowRef, StoredSession

__all__ = ["AutoClose"]

_logger = logging.getLogger("holdall")

# A renewed id is remembered for a minute; so one look may fail, and a session is followed all the same.
_LONGEST = timedelta(seconds=30)

# Seconds that a visitor who reads nothing any more can hold up what is said last.
_LONGEST_CLOSE = 5

_REASON = "the session has ended"
# What a handler ends with whose visitor has left.
_DISCONNECTS = (OSError, ClientDisconnect, WebSocketDisconnect)


class AutoClose:
    """
    Close the connections of *app* when their session has ended.

    Args:
        every: How long it may take to notice; at most half a minute.
        code: What a WebSocket is closed with.

    Raises:
        ConfigurationError: The sessions are in no table, or an argument can't be used.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions, *, every: timedelta | int, code: int) -> None:
        span = timedelta(seconds=every) if isinstance(every, int) else every
        if not timedelta() < span <= _LONGEST:
            msg = f"check_ended_every={every!r}: give a time of up to 30 seconds, or a session that is renewed is lost."
            raise ConfigurationError(msg)
        if code != 1008 and not 3000 <= code <= 4999:
            msg = f"close_code={code!r}: an application closes a WebSocket with 1008, or with a code of 3000 to 4999."
            raise ConfigurationError(msg)
        sessions.check_followed()
        self.app = app
        self._sessions = sessions
        self._every = span.total_seconds()
        self._code = code

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        watch = _Watch(self._sessions, scope["session"], self._every)
        failure: Exception | None = None
        if scope["type"] == "http":
            failure = await self._run(scope, receive, _Stream(watch, send).send)
        else:
            socket = _WebSocket(watch, receive, send, self._code)
            async with create_task_group() as group:
                group.start_soon(socket.close_when_ended)
                # Not let through: a group dresses what is raised in it.
                failure = await self._run(scope, socket.receive, socket.send)
                group.cancel_scope.cancel()
        if failure is not None and not (watch.is_over and isinstance(failure, _DISCONNECTS)):
            raise failure

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> Exception | None:
        try:
            await self.app(scope, receive, send)
        except Exception as exc:  # noqa: BLE001  # it is raised further on
            return exc
        return None


class _Watch:
    """Looks at a session from time to time."""

    def __init__(self, sessions: Sessions, session: Session, every: float) -> None:
        self._sessions = sessions
        self._session = session
        self._seen: StoredSession | RowRef | None = None
        self.every = every
        self.is_over = False

    def begin(self) -> None:
        """Find the session, though the handler may not have looked at it yet."""
        if state_of(self._session).is_fetched:
            # The handler will meet it as well.
            with suppress(StoreError):
                state_of(self._session).loaded()
        self._find()

    async def look(self) -> bool:
        """Say whether it has ended; one that nobody has looked at has not."""
        self._find()
        if self._seen is not None:
            try:
                self._seen = await self._sessions.follow_async(self._seen)
            except StoreError:
                # Nobody is sent away because our backend is.
                _logger.exception("a session that lasts could not be looked at")
            else:
                self.is_over = self._seen is None
        return self.is_over

    def _find(self) -> None:
        if self._seen is None and state_of(self._session).tracked is not None:
            self._seen = state_of(self._session).stored


class _Stream:
    """A response, whose body is broken off."""

    def __init__(self, watch: _Watch, send: Send) -> None:
        self._watch = watch
        self._send = send
        self._next = current_time() + watch.every

    async def send(self, message: Message) -> None:
        if message.get("more_body", False) and current_time() >= self._next:
            self._next = current_time() + self._watch.every
            if await self._watch.look():
                raise OSError(_REASON)
        await self._send(message)


class _WebSocket:
    """A WebSocket, which is closed from here."""

    def __init__(self, watch: _Watch, receive: Receive, send: Send, code: int) -> None:
        self._watch = watch
        self._receive = receive
        self._send = send
        self._closing: dict[str, Any] = {"code": code, "reason": _REASON}
        self._accepted = Event()
        self._receiving = CancelScope()
        self._is_closed = False

    async def receive(self) -> Message:
        if not self._watch.is_over:
            with CancelScope() as self._receiving:
                message = await self._receive()
                self._is_closed = message["type"] == "websocket.disconnect"
                return message
        return {"type": "websocket.disconnect", **self._closing}

    async def send(self, message: Message) -> None:
        if self._watch.is_over:
            raise OSError(_REASON)
        await self._send(message)
        if message["type"] == "websocket.accept":
            self._watch.begin()
            self._accepted.set()
        elif message["type"] == "websocket.close":
            self._is_closed = True

    async def close_when_ended(self) -> None:
        await self._accepted.wait()
        await sleep(self._watch.every)
        while not await self._watch.look():
            await sleep(self._watch.every)
        if not self._is_closed:
            # The handler may end before the visitor is told; whoever has gone at this very moment need not be.
            with move_on_after(_LONGEST_CLOSE, shield=True), suppress(OSError, RuntimeError, StoreError):
                await self._send({"type": "websocket.close", **self._closing})
        self._receiving.cancel()
