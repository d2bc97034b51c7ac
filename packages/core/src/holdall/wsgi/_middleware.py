"""The middleware: a plain WSGI layer between a server and an application."""

import logging
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from functools import partial
from typing import Any

from holdall._errors import AnsweredError, ConfigurationError
from holdall._session import Session
from holdall._sessions import Sessions
from holdall.adapters import (
    Exchange,
    Failure,
    ResponseHeaders,
    SessionGroup,
    environ_header,
    with_session_headers,
)
from holdall.nested import KEY, exchange_of, in_environ, outer_session
from holdall.wsgi._devices import answer_devices

__all__ = ["SessionMiddleware", "fetch_session"]

_logger = logging.getLogger("holdall")

Environ = MutableMapping[str, Any]
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Callable[[bytes], object]]
WSGIApp = Callable[[Any, Any], Iterable[bytes]]

#: The key of the request's session in an environ.
SESSION = "holdall.session"


class SessionMiddleware:
    """
    Give each request of a WSGI application its session, as ``environ["holdall.session"]``.

    The session is read when it is first used, and stored when the application calls ``start_response``. If the body has
    no declared length, changes made while it is sent are saved at its end.

    If the application raises an exception, no cookie can be added to the response: sessions in a table that the handler
    ended are still ended, and all other changes are discarded. A ``StoreError`` becomes a 503 response.

    Args:
        sessions: The configuration of the main session.
        also: Additional sessions of the application, each with its own cookie and store;
            ``fetch_session(environ, cart)`` returns the session of *cart*.

    Raises:
        ConfigurationError: The sessions' store is async, or those in *also* are not independent of them.
    """

    def __init__(self, app: WSGIApp, sessions: Sessions, *, also: Iterable[Sessions] = ()) -> None:
        self.app = app
        self.sessions = sessions
        self._group = SessionGroup(sessions, also, form="sync")
        if self._group.devices is not None:
            answer_devices(self, self._group)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        outer = in_environ(environ)
        borrowed = outer_session(outer, self._group)
        if borrowed is not None:
            # The adapter that created the exchange also ends it.
            return self.app({**environ, SESSION: borrowed, KEY: outer}, start_response)
        # The session goes into a copy: in the environ that it refers to, it would leave a reference cycle for the
        # garbage collector with each request. An outer middleware of ours keeps its session in its own environ.
        given, environ = environ, dict(environ)
        exchange = Exchange(
            self._group,
            partial(environ_header, given),
            given.get("wsgi.url_scheme") == "https",
            partial(_client, given) if self._group.notes_clients else None,
            Session,
            True,
        )
        exchange.outer = outer
        environ[SESSION], environ[KEY] = exchange.session, exchange
        response = _Response(exchange, given, start_response)
        try:
            body = self.app(environ, response.start)
        except Exception as error:
            answer = response.failed(error)
            if answer is None:
                raise
            return answer
        except BaseException:
            # A server ends the request early because the client has disconnected.
            response.end()
            raise
        wrapper = given.get("wsgi.file_wrapper")
        is_made = isinstance(body, (list, tuple)) or (isinstance(wrapper, type) and isinstance(body, wrapper))
        if response.has_started and is_made:
            response.end()
            return body
        return _Body(body, response)


def fetch_session(environ: Environ, sessions: Sessions | None = None) -> Session:
    """
    Return the session of the request with this *environ*. It is read when it is first used.

    Args:
        sessions: One of those passed to ``SessionMiddleware`` in *also*, to get the session that it keeps.

    Raises:
        ConfigurationError: The request did not pass through ``SessionMiddleware``, or *sessions* was not given to it.
    """
    session = environ.get(SESSION)
    if not isinstance(session, Session):
        msg = "the request has no session: wrap the application in SessionMiddleware(app, sessions)."
        raise ConfigurationError(msg)
    return session if sessions is None else exchange_of(environ[KEY], session).session_of(sessions)


class _Response:
    """A response in progress, which stores the sessions and adds their headers."""

    has_started = False
    _is_over = False
    _failure: Failure | None = None
    _added: ResponseHeaders

    def __init__(self, exchange: Exchange, environ: Environ, start_response: StartResponse) -> None:
        self._exchange = exchange
        self._environ = environ
        self._start_response = start_response

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], object]:
        """Pass on the application's headers with those of the sessions added."""
        if self._failure is not None:
            # The client gets our error response, even if a framework caught our exception and starts its own.
            return _discard
        # An application that fails after this may replace the headers until they are sent (PEP 3333). The sessions
        # have been stored by then, and stay stored.
        if not self.has_started:
            try:
                code = int(status[:3])
                self._added = self._exchange.headers(code, streams=_streams(code, headers))
            except AnsweredError as error:
                self._refuse(error)
                raise
            self.has_started = True
        merged = self._with(self._added, headers)
        # Some servers' start_response does not take the third argument.
        return self._start_response(status, merged, exc_info) if exc_info else self._start_response(status, merged)

    def end(self) -> None:
        """Save the changes made since the headers were sent."""
        if self._is_over:
            return
        self._is_over = True
        try:
            if self.has_started:
                self._exchange.body_sent(last=True)
            else:
                self._exchange.failed()
        finally:
            self._exchange.close()

    def failed(self, error: Exception) -> list[bytes] | None:
        """Discard the changes after *error*; if it is an ``AnsweredError``, respond with it and return the body."""
        if not self.has_started and self._failure is None:
            self._refuse(error)
        if not self._is_over:
            self._is_over = True
            self._exchange.failed()
            self._exchange.close()
        return self.refusal()

    def refusal(self) -> list[bytes] | None:
        """Start the error response to a request whose session could not be read or written, and return its body."""
        failure = self._failure
        if failure is None or self.has_started:
            return None
        body = failure.status.phrase.encode()
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
        self.has_started = True
        self._start_response(f"{failure.status.value} {failure.status.phrase}", self._with(failure.headers, headers))
        return [body]

    def _refuse(self, error: Exception) -> None:
        self._failure = failure = self._exchange.failure(error)
        if failure is not None and failure.status.value == 503:
            _logger.error("a session's store failed, responding with 503", exc_info=error)

    def _with(self, added: ResponseHeaders, headers: Headers) -> Headers:
        environ = self._environ
        route = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        return with_session_headers(headers, added, self._exchange.group, host=environ.get("HTTP_HOST"), route=route)


class _Body:
    """A body that the application produces while it is sent, perhaps calling ``start_response`` only then."""

    def __init__(self, body: Iterable[bytes], response: _Response) -> None:
        self._body = body
        self._chunks = iter(body)
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        response = self._response
        try:
            chunk = next(self._chunks)
        except StopIteration:
            # Saved before the client sees the end, so that its next request finds the changes.
            response.end()
            answer = response.refusal()
            if answer is None:
                raise
        except Exception as error:
            answer = response.failed(error)
            if answer is None:
                raise
        else:
            answer = response.refusal()
            if answer is None:
                return chunk
        self._chunks = iter(())
        return answer[0]

    def close(self) -> None:
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._response.end()


def _discard(chunk: bytes) -> None:
    """Send nothing."""


def _streams(code: int, headers: Headers) -> bool:
    """Return whether the body is produced after its headers, because the application does not declare its length."""
    return code >= 200 and code not in (204, 304) and all(name.lower() != "content-length" for name, _ in headers)


def _client(environ: Environ) -> tuple[str | None, str | None]:
    """Return the user agent and the address of a request's client."""
    return environ.get("HTTP_USER_AGENT"), environ.get("REMOTE_ADDR")
