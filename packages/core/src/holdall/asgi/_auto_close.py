"""
Handle connections that outlive their session.

The session of a WebSocket or of a streamed body is checked when a message passes, but at most every few seconds. Once
it has ended, the handler sees it as empty. With ``check_ended_every`` the connection is also closed, and a WebSocket's
session is checked even while no message passes; the handler is told that the client has disconnected.
"""

import logging
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

from holdall._async_tasks import (
    Interruptible,
    current_time,
    new_event,
    new_lock,
    run_alongside,
    shielded,
    sleep,
    within,
)
from holdall._errors import ConfigurationError, StoreError
from holdall._session import Session
from holdall._sessions import Sessions
from holdall.adapters import state_of
from holdall.asgi._protocol import ASGIApp, Message, Receive, Scope, Send
from holdall.connections import CHECK_INTERVAL, Follower

__all__ = ["ENDED", "AutoClose", "Watch"]

_logger = logging.getLogger("holdall")

# A table remembers the old ID of a renewed session for a minute, so one check may fail without losing the session.
_LONGEST = timedelta(seconds=30)

# How long, in seconds, a client that no longer reads can delay the closing message.
_LONGEST_CLOSE = 5

#: The reason sent when a connection is closed.
ENDED = "the session has ended"


class AutoClose:
    """
    Check the sessions of long-lived connections, and optionally close the connections.

    Args:
        every: How long it may take to notice a session's end and close its connection, at most 30 seconds.
            ``None`` checks every few seconds and closes nothing.
        code: The status code for closing a WebSocket.

    Raises:
        ConfigurationError: Connections should be closed but the sessions are not in a table, or an argument is
            invalid.
    """

    def __init__(self, sessions: Sessions, *, every: timedelta | int | None, code: int) -> None:
        self.closes = every is not None
        given = timedelta(seconds=CHECK_INTERVAL) if every is None else every
        span = timedelta(seconds=given) if isinstance(given, int) else given
        if not timedelta() < span <= _LONGEST:
            msg = f"check_ended_every={every!r}: use more than 0 and at most 30 seconds, or a renewed session is lost."
            raise ConfigurationError(msg)
        if code != 1008 and not 3000 <= code <= 4999:
            msg = f"close_code={code!r}: an application closes a WebSocket with 1008, or with a code from 3000 to 4999."
            raise ConfigurationError(msg)
        if self.closes:
            sessions.check_followed()
        self._sessions = sessions
        self._every = span.total_seconds()
        self._code = code

    def watch(self, session: Session) -> "Watch":
        """Return an object that checks *session* from now on."""
        return Watch(self._sessions, session, self._every)

    async def run(
        self,
        app: ASGIApp,
        session: Session,
        scope: Scope,
        receive: Receive,
        send: Send,
        disconnects: tuple[type[Exception], ...],
    ) -> None:
        """Run *app* with a WebSocket whose *session* is checked; on a disconnect, *app* raises one of *disconnects*."""
        watch = self.watch(session)
        if not self.closes:
            socket = _Open(watch, receive, send)
            await app(scope, socket.receive, socket.send)
            return
        closing = _Closing(watch, receive, send, self._code)
        try:
            await run_alongside(partial(app, scope, closing.receive, closing.send), closing.close_when_ended)
        except (OSError, *disconnects):  # type: ignore[misc]  # mypy cannot tell what is unpacked
            if not watch.is_over:
                raise


class Watch:
    """A periodic check of a session."""

    def __init__(self, sessions: Sessions, session: Session, every: float) -> None:
        self._sessions = sessions
        self._state = state_of(session)
        self._follower = Follower(self._state)
        self._next = current_time() + every
        self.every = every

    @property
    def is_over(self) -> bool:
        """Whether the session has ended."""
        return self._follower.is_over

    def begin(self) -> None:
        """Find the session even if the handler has not used it yet."""
        if self._state.is_fetched:
            # The handler will get the error as well.
            with suppress(StoreError):
                self._state.loaded()
        self._follower.last_seen()

    async def look_if_due(self) -> None:
        """Check the session if its last check is long enough ago."""
        if not self.is_over and current_time() >= self._next:
            await self.look()
            self._next = current_time() + (0 if self._follower.is_in_doubt else self.every)

    async def look(self) -> bool:
        """Check the session, and return whether it has ended. One that was not read counts as not ended."""
        seen = self._follower.last_seen()
        if seen is not None:
            try:
                place = await self._sessions.follow_async(seen)
            except StoreError:
                # Visitors must not be disconnected because our backend is down.
                _logger.exception("the session of an open connection could not be checked")
            else:
                self._follower.update(place)
        return self.is_over


class _Open:
    """A WebSocket whose session is checked when a message passes."""

    def __init__(self, watch: Watch, receive: Receive, send: Send) -> None:
        self._watch = watch
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        message = await self._receive()
        # Checked before the handler acts on the message.
        await self._watch.look_if_due()
        return message

    async def send(self, message: Message) -> None:
        await self._send(message)
        await self._watch.look_if_due()


class _Closing:
    """A WebSocket that is closed when its session has ended."""

    def __init__(self, watch: Watch, receive: Receive, send: Send, code: int) -> None:
        self._watch = watch
        self._receive = receive
        self._send = send
        self._closing: dict[str, Any] = {"code": code, "reason": ENDED}
        self._accepted = new_event()
        self._receiving = Interruptible()
        self._sending = new_lock()
        self._is_closed = False

    async def receive(self) -> Message:
        if not self._watch.is_over:
            message = await self._receiving.run(self._received())
            if message is not None:
                return message
        return {"type": "websocket.disconnect", **self._closing}

    async def _received(self) -> Message:
        message = await self._receive()
        self._is_closed = message["type"] == "websocket.disconnect"
        return message

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
            # The handler may end before the client is told. A client that disconnects now need not be told.
            with suppress(OSError, RuntimeError, StoreError):
                await shielded(within(_LONGEST_CLOSE, self._close()))
        self._receiving.interrupt()

    async def _close(self) -> None:
        # Locked, so that no message from the handler follows it.
        async with self._sending:
            await self._send({"type": "websocket.close", **self._closing})
