"""
Implement Flask's session interface with ``Sessions``.

Flask opens a session when a request arrives and saves it when the response has passed all ``after_request`` functions.
Changes made while the body is sent are saved at its end.
"""

from collections.abc import Callable
from functools import partial
from typing import cast

from flask import Flask, Request, Response, current_app, has_request_context
from flask.sessions import SessionInterface, SessionMixin

from holdall import SessionError, StoreError
from holdall.adapters import Exchange, Phase, SessionGroup, environ_header, state_of
from holdall.nested import KEY, exchange_of, in_environ, outer_session
from holdall_flask._answers import add, answer_instead, tell
from holdall_flask._bodies import end_with, send_body
from holdall_flask._session import BorrowedSession, FlaskSession, current_context

__all__ = ["Interface"]

# The attribute of a request's context that holds its session until the request ends.
_OPENED = "_holdall_session"


class Interface(SessionInterface):
    """The interface through which Flask opens, saves and ends the session of each request."""

    def __init__(self, group_of: Callable[[Flask], SessionGroup | None]) -> None:
        self.group_of = group_of

    def open_session(self, app: Flask, request: Request) -> FlaskSession | BorrowedSession | None:
        group = self.group_of(app)
        if group is None:
            return None
        context = current_context() if has_request_context() else None
        # Flask's session_transaction opens another session in the context of a request that has its own.
        is_the_requests = context is not None and not hasattr(context, _OPENED)
        environ = request.environ
        outer = in_environ(environ) if is_the_requests else None
        if is_the_requests:
            setattr(context, _OPENED, None)
            borrowed = None if outer is None else outer_session(outer, group)
            if borrowed is not None:
                return BorrowedSession(borrowed, exchange_of(cast("Exchange", outer), borrowed))
        exchange = Exchange(
            group,
            partial(environ_header, environ),
            request.is_secure,
            partial(_client, request) if group.notes_clients else None,
            FlaskSession,
            True,
        )
        session = cast("FlaskSession", exchange.session)
        session.exchange = exchange
        if is_the_requests:
            # Set only on this context, because copies of it share the session and may end earlier or later.
            setattr(context, _OPENED, session)
            session.is_the_requests = True
            exchange.outer = outer
            environ[KEY] = exchange
            if "werkzeug.debug.preserve_context" in environ:
                session.keep_for_test(context)
        return session

    def is_null_session(self, obj: object) -> bool:
        # Flask saves a session even if none could be opened.
        return obj is None or isinstance(obj, self.null_session_class)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if isinstance(session, BorrowedSession):
            return
        opened = cast("FlaskSession", session)
        exchange = opened.exchange
        opened.was_modified = opened.modified
        try:
            opened.streams = response.is_streamed and not response.direct_passthrough
            headers = exchange.headers(response.status_code, streams=opened.streams)
        except (SessionError, TypeError) as exc:
            answer_instead(app, opened, response, exc)
            # The cookies of the error response come after those of sessions that were saved before it.
            unsent = exchange.error_headers()
            names = {cookie.header for cookie in unsent.cookies}
            latest = [(name, line) for name in names for line in response.headers.getlist(name)]
            for name in names:
                response.headers.remove(name)
            tell(unsent, response, exchange.group)
            for name, line in latest:
                add(response.headers, name, line)
            return
        if headers.vary:
            tell(headers, response, exchange.group)
        if opened.streams:
            send_body(response, opened)
        elif not opened.is_the_requests:
            # No teardown function will end it.
            end_with(opened)

    def end(self, error: BaseException | None) -> None:
        """End a request: its response was created, or its exception propagates to the server or to a test."""
        context = current_context()
        session: FlaskSession | None = getattr(context, _OPENED, None)
        if session is None:
            return
        setattr(context, _OPENED, None)
        # The session may refer to the request, and so to its environ, which would be a cycle for the garbage collector.
        opened = context.request.environ.pop(KEY, None)
        if opened is not None and opened.outer is not None:
            context.request.environ[KEY] = opened.outer
        phase = state_of(session).phase
        if session.streams and phase is not Phase.HEADERS_PENDING:
            session.is_at_work = False
            return
        try:
            if phase is Phase.HEADERS_PENDING:
                session.exchange.failed()
            else:
                session.exchange.body_sent()
        except StoreError:
            # The response already exists, so it is sent.
            current_app.logger.exception("A session's late changes could not be saved.")
        finally:
            session.close()
            session.is_at_work = False


def _client(request: Request) -> tuple[str | None, str | None]:
    """Return the user agent and the address of *request*'s client."""
    return request.user_agent.string, request.remote_addr
