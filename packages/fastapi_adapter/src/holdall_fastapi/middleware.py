"""
The middleware: one layer of plain ASGI between a server and an application.

It makes the session of each request and WebSocket from the Cookie header, and adds what the session asks for to the
headers when they pass on their way out. What it asks for is decided in the core.
"""

import logging
from collections.abc import Coroutine, Iterable
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, Literal, TypeVar, Unpack

from anyio import CancelScope, from_thread, sleep, to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from holdall import ConfigurationError, LostWriteError, ResponseHeaders, Session, Sessions, StoreError
from holdall.cache_headers import cache_headers, warn_of_public_cookie
from holdall.cookies import warn_if_exposed
from holdall.nested import RequestSessions, enter, in_scope, outer_session
from holdall.several import Kept, side_by_side
from holdall.steps import unbroken
from holdall_fastapi.configuration import Arguments, sessions_by_arguments
from holdall_fastapi.watching import DISCONNECTS, ENDED, Watch, Watching

__all__ = ["SessionMiddleware", "load"]

R = TypeVar("R")

_logger = logging.getLogger("holdall")

_HEADERS_LEAVE = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
_BODY_LEAVES = frozenset({"http.response.body", "websocket.http.response.body"})

_VARY = (b"vary", b"Cookie")


class SessionMiddleware:
    """
    Give each request and each WebSocket of an ASGI application its session, as ``scope["session"]``.

    Where another middleware has put a session there already, ours stands in its place within *app* and nowhere else.

    A handler that fails with an exception of its own is answered outside of this layer, where no cookie can be added:
    a session that was to end has ended then, if it is kept in a table, and all other changes are forgotten. Around the
    whole application, ``SessionMiddleware(app, sessions)``, this layer sees that answer too and treats it like any 5xx;
    it is then the answer to a ``StoreError`` of the handler as well, in the place of our 503.

    Args:
        sessions: Where and how sessions are kept. Left out, they are encrypted cookies by the arguments of Starlette's
            own middleware, ``secret_key``, ``session_cookie``, ``max_age``, ``path``, ``same_site``, ``https_only``,
            ``domain`` and ``partitioned``, and by options of ``Sessions``, such as ``principal_key="user_id"``.
        fetch: ``"auto"`` reads a session before the handler runs, if its store has to be waited for and its cookie is
            there, and else when it is touched. ``"explicit"`` reads nothing before ``await fetch_session(request)``.
        take_over: Read the cookies of Starlette's own middleware too, so that whoever is logged in by one stays so.
        beside: Further sessions that the application keeps, each with a cookie and a store of its own;
            ``await fetch_session(request, cart)`` reads and returns that of *cart*.
        close_when_ended: Close a WebSocket, or break off a streamed body, so soon after its session has ended, by a
            logout, by ``revoke``, or by its time. At most 30 (seconds); it takes a table. Left out, such a session is
            merely empty from then on, which is seen within five seconds when something is said or sent. What is
            *beside* the session is not looked at.
        close_code: What such a WebSocket is closed with.

    Raises:
        ConfigurationError: An option can't be used, or the sessions *beside* are not independent.
    """

    def __init__(
        self,
        app: ASGIApp,
        sessions: Sessions | None = None,
        *,
        fetch: Literal["auto", "explicit"] = "auto",
        take_over: bool = False,
        beside: Iterable[Sessions] = (),
        close_when_ended: timedelta | int | None = None,
        close_code: int = 4401,
        **options: Unpack[Arguments],
    ) -> None:
        if fetch not in ("auto", "explicit"):
            msg = f"fetch={fetch!r} is neither 'auto' nor 'explicit'."
            raise ConfigurationError(msg)
        if sessions is None:
            sessions = sessions_by_arguments(take_over=take_over, **options)
        elif take_over or options:
            given = ", ".join(sorted({*options, *(["take_over"] if take_over else [])}))
            msg = f"SessionMiddleware(app, sessions=…) has its Sessions: give {given} to that, or leave it out."
            raise ConfigurationError(msg)
        self._kept = side_by_side(sessions, beside)
        self._kept.prepare("async")
        self._watching: Watching | None = None
        if close_when_ended is not None or sessions.is_followed("async"):
            self._watching = Watching(sessions, close_when_ended=close_when_ended, code=close_code)
        self.app = app
        self.sessions = sessions
        self._fetches = fetch == "auto"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        outer = in_scope(scope)
        borrowed = None if outer is None else outer_session(outer, self._kept)
        session = self._session(scope) if borrowed is None else borrowed
        if self._fetches and not _load_at_once(self.sessions, session):
            try:
                await load(self.sessions, session)
            except StoreError as exc:
                await _refuse(exc, self._kept, scope, send)
                return
        if "session" in scope:
            # Whoever put that one there will look for it when the response comes by.
            scope = dict(scope)
        scope["session"] = session
        enter(scope, RequestSessions(self._kept, session, outer))
        if borrowed is not None:
            # The adapter that has opened it ends it.
            await self.app(scope, receive, send)
            return
        watching = self._watching
        exchange = _Exchange(self._kept, session, scope, send, watching)
        try:
            if watching is None or scope["type"] == "http":
                await self.app(scope, receive, exchange.send)
            else:
                await watching.run(self.app, session, scope, receive, exchange.send)
        except Exception as exc:
            error = await exchange.fail(exc)
            if error is None:
                if exchange.was_broken_off and isinstance(exc, DISCONNECTS):
                    return
                raise
            await _refuse(error, self._kept, scope, send)
        except GeneratorExit:
            # The event loop has ended before us, so nothing can be waited for.
            raise
        except BaseException:
            await exchange.break_off()
            raise
        else:
            await exchange.end()
        finally:
            session.close()

    def _session(self, scope: Scope) -> Session:
        cookies = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
        # Not of the scope, which holds the session: each request would leave a knot for the garbage collector.
        facts = partial(_facts, scope["headers"], scope.get("client"))
        return self._kept.unfetched(cookies, https=scope.get("scheme") in ("https", "wss"), facts=facts)


def _facts(
    headers: Iterable[tuple[bytes, bytes]], client: tuple[str, int | None] | None
) -> tuple[str | None, str | None]:
    """Return the user agent and the address that a request came with."""
    user_agent = next((value.decode("latin-1") for name, value in headers if name == b"user-agent"), None)
    return user_agent, client[0] if client else None


async def load(sessions: Sessions, session: Session) -> None:
    """Let *session* be touched from now on."""
    await sessions.load_async(session, in_thread=to_thread.run_sync, sleep=sleep, from_thread=from_thread.run)


def _load_at_once(sessions: Sessions, session: Session) -> bool:
    return sessions.load_at_once(session, in_thread=to_thread.run_sync, sleep=sleep, from_thread=from_thread.run)


class _Exchange:
    """A request and its response, or a WebSocket, as far as they concern the session."""

    # Of the class until something happens: most requests set none of them.
    _started = False
    _streamed = False
    _left = False
    _watch: Watch | None = None
    was_broken_off = False
    _commit_error: StoreError | LostWriteError | None = None

    def __init__(self, sessions: Kept, session: Session, scope: Scope, send: Send, watching: Watching | None) -> None:
        self._sessions = sessions
        self._session = session
        self._scope = scope
        self._send = send
        self._watching = watching

    async def send(self, message: Message) -> None:
        """Pass *message* on to the server, having done what the session needs before."""
        kind = message["type"]
        if not self._started:
            if kind in _HEADERS_LEAVE:
                streams = _streams(message)
                wanted = self._sessions.commit_at_once(self._session, streams=streams)
                if wanted is None:
                    wanted = await self._commit(message.get("status", 200), streams=streams)
                self._started = True
                if wanted.vary:
                    message = _with_headers(message, wanted, self._sessions, self._scope)
            elif kind == "websocket.close":
                # Refused before it was accepted: the server makes a 403 of it, with headers of its own.
                await self._sessions.abandon_async(self._session, status=403, in_thread=to_thread.run_sync)
                self._started = True
        elif kind in _BODY_LEAVES:
            # Saved before the end is told: who has seen it may ask for what was changed.
            if message.get("more_body", False):
                self._streamed = True
                if self._watching is not None:
                    await self._look(self._watching)
            elif self._streamed:
                await self.end()
        elif kind == "websocket.close":
            await self.end()
        try:
            await self._send(message)
        except OSError:
            self._left = True
            raise

    async def _look(self, watching: Watching) -> None:
        if self._watch is None:
            self._watch = watching.watch(self._session)
            return
        await self._watch.look_if_due()
        if self._watch.is_over and watching.closes:
            self._left = self.was_broken_off = True
            raise OSError(ENDED)

    async def end(self) -> None:
        """Save what was changed since the headers went, background tasks included."""
        if not self._is_used:
            return
        if self._started:
            await self._sessions.finish_async(self._session, in_thread=to_thread.run_sync)
        else:
            await self._sessions.abandon_async(self._session, in_thread=to_thread.run_sync)

    async def fail(self, exc: Exception) -> StoreError | LostWriteError | None:
        """Give up after *exc*, and return what is to be answered in its place: an error of ours, if it can be."""
        if self._left or isinstance(exc, WebSocketDisconnect):
            # A visitor who leaves is no failure of the application.
            await self.end()
            return None
        try:
            await self._sessions.abandon_async(self._session, in_thread=to_thread.run_sync)
        except StoreError:
            # The failure that came first is the one to tell of.
            _logger.exception("a session could not be ended after its request had failed")
        # On its way here the error may have been dressed in another: Starlette says "response already started".
        error = self._commit_error or exc
        return error if isinstance(error, StoreError | LostWriteError) and not self._started else None

    async def break_off(self) -> None:
        """Do when the request is cancelled what a visitor who leaves makes us do, or nobody would hear of a logout."""
        try:
            await (_unbroken(self.end()) if self._sessions.waits else self.end())
        except StoreError:
            _logger.exception("a session could not be ended after its request had been cancelled")

    @property
    def _is_used(self) -> bool:
        return self._session.accessed or bool(self._session.beside)

    async def _commit(self, status: int, *, streams: bool) -> ResponseHeaders:
        commit = self._sessions.commit_async(
            self._session, status=status, streams=streams, in_thread=to_thread.run_sync
        )
        try:
            return await (_unbroken(commit) if self._sessions.waits else commit)
        except (StoreError, LostWriteError) as exc:
            self._commit_error = exc
            raise


async def _unbroken(work: Coroutine[Any, Any, R]) -> R:
    """Take *work* to its end even if the request is cancelled meanwhile, by asyncio or by anyio."""
    with CancelScope(shield=True):
        answer = await unbroken(work)
    # Not in the block: by its type a scope may swallow what is raised in it. This one does not.
    return answer  # noqa: RET504  # pyright: ignore[reportReturnType, reportPossiblyUnboundVariable]


def _streams(message: Message) -> bool:
    """Say whether the application makes the body when its headers have gone: it does not say how long that is."""
    status = message.get("status", 200)
    if message["type"] == "websocket.accept" or status < 200 or status in (204, 304):
        return False
    return b"content-length" not in [name for name, _ in message.get("headers", ())]


def _with_headers(message: Message, wanted: ResponseHeaders, kept: Kept, scope: Scope) -> Message:
    # A list of our own: an application may send one response object to many visitors.
    headers = [*message.get("headers", ())]
    if message["type"] != "websocket.accept":
        # For caches, and none keeps a handshake.
        _vary(headers)
        if wanted.cookies:
            headers = _kept_from_caches(headers, kept, scope)
    if wanted.cookies:
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), None)
        warn_if_exposed(wanted.cookies, host)
    headers += [(b"set-cookie", str(cookie).encode("latin-1")) for cookie in wanted.cookies]
    return {**message, "headers": headers}


def _vary(headers: list[tuple[bytes, bytes]]) -> None:
    """Add ``Vary: Cookie`` to what the application says itself."""
    names = [name for name, _ in headers]
    if b"vary" not in names:
        headers.append(_VARY)
    elif not any(_varies_by_cookie(value) for name, value in headers if name == b"vary"):
        at = names.index(b"vary")
        headers[at] = (b"vary", headers[at][1] + b", Cookie")


def _kept_from_caches(headers: list[tuple[bytes, bytes]], kept: Kept, scope: Scope) -> list[tuple[bytes, bytes]]:
    """Return the *headers* of a response that sets a cookie, in a form that no shared cache stores."""
    given = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
    told = cache_headers(given, sets_cookie=True, allow_public=kept.allow_public)
    if told.was_public:
        warn_of_public_cookie(str(getattr(scope.get("route"), "path", scope["path"])))
    if told.cache_control is None and not told.removed:
        return headers
    removed = {b"cache-control"} if told.cache_control is not None else set()
    removed.update(name.encode("latin-1") for name in told.removed)
    left = [(name, value) for name, value in headers if name.lower() not in removed]
    if told.cache_control is not None:
        left.append((b"cache-control", told.cache_control.encode("latin-1")))
    return left


def _varies_by_cookie(vary: bytes) -> bool:
    return any(each.strip().lower() in (b"cookie", b"*") for each in vary.split(b","))


async def _refuse(error: StoreError | LostWriteError, kept: Kept, scope: Scope, send: Send) -> None:
    """Answer that the session could not be read or written."""
    status = HTTPStatus.CONFLICT
    if isinstance(error, StoreError):
        status = HTTPStatus.SERVICE_UNAVAILABLE
        _logger.error("a session's store failed, the answer is %s", status.value, exc_info=error)
    prefix = ""
    if scope["type"] == "websocket":
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1011, "reason": status.phrase})
            return
        prefix = "websocket."
    body = status.phrase.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    start = {"type": f"{prefix}http.response.start", "status": status.value, "headers": headers}
    await send(_with_headers(start, ResponseHeaders(error.unsent, vary=True), kept, scope))
    await send({"type": f"{prefix}http.response.body", "body": body})
