"""
What becomes of a connection that outlives its session.

The row of a WebSocket's session, or of a streamed body's, is looked at when a message passes, but not more often than
every few seconds. Once the session has ended, its data is gone for the handler too. With ``close_when_ended`` the
connection is closed as well, and a WebSocket's session is looked at though nothing is said: to the handler it is as if
the visitor had left.
"""

import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

from anyio import CancelScope, Event, Lock, create_task_group, current_time, move_on_after, sleep, to_thread
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from holdall import ConfigurationError, Session, Sessions, StoreError
from holdall.connections import SELDOM, Follower

__all__ = ["DISCONNECTS", "ENDED", "Watch", "Watching"]

_logger = logging.getLogger("holdall")

# A renewed id is remembered for a minute; so one look may fail, and a session is followed all the same.
_LONGEST = timedelta(seconds=30)

# Seconds that a visitor who reads nothing any more can hold up what is said last.
_LONGEST_CLOSE = 5

#: Why a connection is closed.
ENDED = "the session has ended"
#: What a handler ends with whose visitor has left.
DISCONNECTS = (OSError, ClientDisconnect, WebSocketDisconnect)


class Watching:
    """
    Look at the sessions of connections that last.

    Args:
        close_when_ended: How long it may take to notice, at most half a minute, and then to close the connection;
            ``None`` closes nothing.
        code: What a WebSocket is closed with.

    Raises:
        ConfigurationError: The sessions are in no table, or an argument can't be used.
    """

    def __init__(self, sessions: Sessions, *, close_when_ended: timedelta | int | None, code: int) -> None:
        self.closes = close_when_ended is not None
        every = timedelta(seconds=SELDOM) if close_when_ended is None else close_when_ended
        span = timedelta(seconds=every) if isinstance(every, int) else every
        if not timedelta() < span <= _LONGEST:
            msg = f"close_when_ended={every!r}: give a time of up to 30 seconds, or a session that is renewed is lost."
            raise ConfigurationError(msg)
        if code != 1008 and not 3000 <= code <= 4999:
            msg = f"close_code={code!r}: an application closes a WebSocket with 1008, or with a code of 3000 to 4999."
            raise ConfigurationError(msg)
        if self.closes:
            sessions.check_followed()
        self._sessions = sessions
        self._every = span.total_seconds()
        self._code = code

    def watch(self, session: Session) -> "Watch":
        """Return what looks at *session* from now on."""
        return Watch(self._sessions, session, self._every)

    async def run(self, app: ASGIApp, session: Session, scope: Scope, receive: Receive, send: Send) -> None:
        """Run *app* with a WebSocket, which is closed when its *session* has ended if that was asked for."""
        watch = self.watch(session)
        if not self.closes:
            socket = _Open(watch, receive, send)
            await app(scope, socket.receive, socket.send)
            return
        closing = _WebSocket(watch, receive, send, self._code)
        failure: Exception | None = None
        async with create_task_group() as group:
            group.start_soon(closing.close_when_ended)
            try:
                await app(scope, closing.receive, closing.send)
            except Exception as exc:  # noqa: BLE001  # it is raised further on
                # Not let through: a group dresses what is raised in it.
                failure = exc
            group.cancel_scope.cancel()
        if failure is not None and not (watch.is_over and isinstance(failure, DISCONNECTS)):
            raise failure


class Watch:
    """Looks at a session from time to time."""

    def __init__(self, sessions: Sessions, session: Session, every: float) -> None:
        self._sessions = sessions
        self._session = session
        self._follower = Follower(session, sessions.policy)
        self._next = current_time() + every
        self.every = every

    @property
    def is_over(self) -> bool:
        """Whether the session has ended."""
        return self._follower.is_over

    def begin(self) -> None:
        """Find the session, though the handler may not have looked at it yet."""
        if self._session.is_fetched:
            # The handler will meet it as well.
            with suppress(StoreError):
                self._session.data()
        self._follower.seen()

    async def look_if_due(self) -> None:
        """Look if the last look is long enough ago."""
        if not self.is_over and current_time() >= self._next:
            await self.look()
            self._next = current_time() + (0 if self._follower.is_in_doubt else self.every)

    async def look(self) -> bool:
        """Say whether the session has ended. An unread one has not."""
        seen = self._follower.seen()
        if seen is not None:
            try:
                trail = await self._sessions.follow_async(seen, in_thread=to_thread.run_sync)
            except StoreError:
                # Nobody is sent away because our backend is.
                _logger.exception("a session that lasts could not be looked at")
            else:
                self._follower.saw(trail)
        return self.is_over


class _Open:
    """A WebSocket whose session is looked at when something is said."""

    def __init__(self, watch: Watch, receive: Receive, send: Send) -> None:
        self._watch = watch
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        message = await self._receive()
        # Before the handler acts on it.
        await self._watch.look_if_due()
        return message

    async def send(self, message: Message) -> None:
        await self._send(message)
        await self._watch.look_if_due()


class _WebSocket:
    """A WebSocket, which is closed from here."""

    def __init__(self, watch: Watch, receive: Receive, send: Send, code: int) -> None:
        self._watch = watch
        self._receive = receive
        self._send = send
        self._closing: dict[str, Any] = {"code": code, "reason": ENDED}
        self._accepted = Event()
        self._receiving = CancelScope()
        self._sending = Lock()
        self._is_closed = False

    async def receive(self) -> Message:
        if not self._watch.is_over:
            with CancelScope() as self._receiving:
                message = await self._receive()
                self._is_closed = message["type"] == "websocket.disconnect"
                return message
        return {"type": "websocket.disconnect", **self._closing}

    async def send(self, message: Message) -> None:
        async with self._sending:
            if self._watch.is_over:
                raise OSError(ENDED)
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
                # Nothing that the handler says may overtake it.
                async with self._sending:
                    await self._send({"type": "websocket.close", **self._closing})
        self._receiving.cancel()
