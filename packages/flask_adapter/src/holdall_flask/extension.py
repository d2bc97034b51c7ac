"""
Flask's session interface, in terms of ``Sessions``.

Flask opens a session when a request arrives and saves it when the response has passed all ``after_request`` functions.
Changes made while the body is sent are saved at its end.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from time import monotonic
from typing import Any, cast

import flask
from flask import Flask, Request, Response, current_app, has_request_context, request
from flask.sessions import SessionInterface, SessionMixin
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import Headers
from werkzeug.exceptions import Conflict, HTTPException, default_exceptions
from werkzeug.wsgi import ClosingIterator

from holdall import (
    AnsweredError,
    ConfigurationError,
    LostWriteError,
    ResponseHeaders,
    SessionError,
    Sessions,
    StoreError,
    connections,
)
from holdall.adapters import (
    Exchange,
    Phase,
    SessionGroup,
    cache_headers,
    checked_list,
    environ_header,
    merged_vary,
    state_of,
    warn_if_exposed,
    warn_of_public_cookie,
)
from holdall.connections import Follower
from holdall.nested import KEY, exchange_of, in_environ, outer_session
from holdall_flask.configuration import Configuration
from holdall_flask.devices import device_answerer
from holdall_flask.reports import hide_session
from holdall_flask.session import BorrowedSession, FlaskSession, TemplateSession, current_context

__all__ = ["Holdall"]

_logger = logging.getLogger("holdall")

# The attribute of a request's context that holds the session opened for it, until the request ends.
_OPENED = "_holdall_session"


class Holdall:
    """
    Keeps the sessions of Flask applications.

    Args:
        app: The application; or leave it out and call ``init_app`` once for each.
        sessions: Where and how sessions are kept. Left out, they are encrypted cookies by Flask's own settings:
            ``SECRET_KEY``, ``SECRET_KEY_FALLBACKS``, ``SESSION_COOKIE_*`` and ``PERMANENT_SESSION_LIFETIME``,
            as they stand at each request.
        read_framework_cookies: Read the cookies of Flask's own sessions too, so that logged-in visitors stay so.
        also: Further sessions that the application keeps, each with a cookie and a store of its own;
            ``fetch_session(cart)`` returns that of *cart*.
        options: Of ``Sessions``, instead of Flask's settings: ``store="table"``, ``principal_key="user_id"``.

    Raises:
        ConfigurationError: There are both *sessions* and options, the sessions' store is async, or those in *also*
            are not independent of them.
    """

    def __init__(
        self,
        app: Flask | None = None,
        sessions: Sessions | None = None,
        *,
        read_framework_cookies: bool = False,
        also: Iterable[Sessions] = (),
        **options: Any,
    ) -> None:
        self._also = checked_list(also)
        self._group: SessionGroup | None = None
        if sessions is not None:
            if read_framework_cookies or options:
                given = ", ".join(sorted({*options, *(["read_framework_cookies"] if read_framework_cookies else [])}))
                msg = f"Holdall(app, sessions) has its Sessions: give {given} to that, or leave it out."
                raise ConfigurationError(msg)
            self._group = SessionGroup(sessions, self._also, form="sync")
        self._reads_flasks = read_framework_cookies
        self._options = options
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """
        Let *app* keep its sessions here.

        Raises:
            ConfigurationError: The settings that *app* has by now, or the options, cannot be used.
            ModuleNotFoundError: The table needs a driver that is not installed.
        """
        group = self._group
        flasks = app.session_interface if self._reads_flasks else None
        by_settings = Configuration(self._options, flasks, self._also)
        if group is None:
            by_settings.check(app)
        interface = _Interface(by_settings.group if group is None else lambda app: group)
        app.session_interface = interface
        # It runs after all other teardown functions, so that their changes are saved.
        app.teardown_request_funcs.setdefault(None, []).insert(0, interface.end)
        app.context_processor(_for_templates)
        if self._options.get("device_bound") or (group is not None and group.devices is not None):
            app.before_request_funcs.setdefault(None, []).insert(0, device_answerer(interface.group_of))
        hide_session()
        # Registered for the common base, so that the application's own handler for either error comes first.
        app.register_error_handler(SessionError, _answer)


class _Interface(SessionInterface):
    def __init__(self, group_of: Callable[[Flask], SessionGroup | None]) -> None:
        self.group_of = group_of

    def open_session(self, app: Flask, request: Request) -> FlaskSession | BorrowedSession | None:
        group = self.group_of(app)
        if group is None:
            return None
        context = current_context() if has_request_context() else None
        # Flask's session_transaction opens another one in the context of a request that has its own.
        is_the_requests = context is not None and not hasattr(context, _OPENED)
        environ = request.environ
        outer = in_environ(environ) if is_the_requests else None
        if is_the_requests:
            setattr(context, _OPENED, None)
            borrowed = outer_session(outer, group)
            if borrowed is not None:
                # The outer adapter may be async; this thread reads the session when it is touched.
                state_of(borrowed).is_fetched = True
                return BorrowedSession(borrowed, exchange_of(cast("Exchange", outer), borrowed))
        exchange = Exchange(
            group,
            partial(environ_header, environ),
            https=request.is_secure,
            client=partial(_client, request),
            session_type=FlaskSession,
        )
        session = cast("FlaskSession", exchange.session)
        session.exchange = exchange
        if is_the_requests:
            # Only for this context: copies of it share the session, and may end earlier or later.
            setattr(context, _OPENED, session)
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
            _answer_instead(app, opened, response, exc)
            # The cookies of the error response come after those of what was saved before it.
            unsent = exchange.unsent()
            names = {cookie.header for cookie in unsent.cookies}
            latest = [(name, line) for name in names for line in response.headers.getlist(name)]
            for name in names:
                response.headers.remove(name)
            _add(unsent, response, exchange.group)
            for name, line in latest:
                _set(response.headers, name, line)
            return
        if headers.vary:
            _add(headers, response, exchange.group)
        if opened.streams:
            end = partial(_end, opened)
            response.call_on_close(end)
            # Saved before the last byte is sent, so that the visitor's next request finds the changes.
            body = cast("Iterable[bytes]", response.response)
            main = exchange.group.main
            chunks = _followed(body, opened, main) if main.is_followed("sync") else body
            if state_of(opened).takes_forgotten_changes is not None:
                chunks = _at_work(chunks, opened)
            response.response = ClosingIterator(_sent(chunks, opened), getattr(body, "close", None))
        elif not (has_request_context() and getattr(current_context(), _OPENED, None) is opened):
            # No teardown will end it.
            _end(opened)

    def end(self, error: BaseException | None) -> None:
        """End a request: its response is made, or its exception propagates to the server or to a test."""
        context = current_context()
        session: FlaskSession | None = getattr(context, _OPENED, None)
        if session is None:
            return
        setattr(context, _OPENED, None)
        # The session may refer to the request, and so to its environ, which only the garbage collector could free.
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
            # The failure that came first is the one to report, and a response that is made is sent.
            current_app.logger.exception("A session could not be ended after its request had failed.")
        finally:
            session.close()
            session.is_at_work = False


def _end(session: FlaskSession) -> None:
    """Save the changes made since the headers were sent, and refuse later ones."""
    session.exchange.body_sent()
    session.close()


def _client(request: Request) -> tuple[str | None, str | None]:
    """Return the user agent and the address that *request* came with."""
    return request.user_agent.string, request.remote_addr


# A view of the proxy, so that a template that does not look at the session does not use it.
_template_session = TemplateSession(flask.session)


def _for_templates() -> dict[str, Any]:
    """Return ``session`` as templates see it."""
    names = current_app.jinja_env.globals
    if names.get("session") is flask.session:
        # For templates that are imported without context.
        names["session"] = _template_session
    return {"session": _template_session} if has_request_context() else {}


def _add(told: ResponseHeaders, response: Response, group: SessionGroup) -> None:
    """Add what is *told* of the session to *response*."""
    headers = response.headers
    vary = merged_vary(headers.getlist("Vary"), told.vary)
    if vary is not None:
        headers["Vary"] = vary
    for cookie in told.cookies:
        _set(headers, cookie.header, cookie.line)
        for name, value in cookie.extra:
            headers.add(name, value)
    for name, value in told.extra:
        headers.add(name, value)
    if told.cookies and has_request_context():
        warn_if_exposed(told.cookies, request.environ.get("HTTP_HOST"))
    caches = cache_headers(headers.items(), sets_cookie=bool(told.cookies), allow_public=group.allow_public)
    if caches.cache_control is not None:
        headers["Cache-Control"] = caches.cache_control
    for name in caches.removed:
        headers.remove(name)
    if caches.was_public:
        warn_of_public_cookie(str(request.url_rule or request.path))


def _set(headers: Headers, name: str, line: str) -> None:
    """Set a cookie, or what carries a session instead: of that a client keeps one value."""
    (headers.add if name == "Set-Cookie" else headers.set)(name, line)


def _followed(body: Iterable[bytes], session: FlaskSession, sessions: Sessions) -> Iterator[bytes]:
    """Send *body*, and empty its *session* for it once that has ended elsewhere."""
    follower = Follower(state_of(session))
    next_look = monotonic() + connections.SELDOM
    for chunk in body:
        yield chunk
        if monotonic() >= next_look and not follower.is_over:
            seen = follower.seen()
            try:
                if seen is not None:
                    follower.saw(sessions.follow(seen))
            except StoreError:
                # A body is not cut off because the store is away.
                _logger.exception("The session of a streamed body could not be looked at.")
            next_look = monotonic() + (0 if follower.is_in_doubt else connections.SELDOM)


def _at_work(body: Iterable[bytes], session: FlaskSession) -> Iterator[bytes]:
    """Send *body*, and tell its own changes of the *session* from those of the test that receives it."""
    session.is_at_work = True
    try:
        for chunk in body:
            session.is_at_work = False
            yield chunk
            session.is_at_work = True
    finally:
        session.is_at_work = False


def _sent(body: Iterable[bytes], session: FlaskSession) -> Iterator[bytes]:
    """Send *body*, and end the request with it: as a failed one if the body breaks."""
    try:
        yield from body
    except Exception:
        try:
            session.exchange.failed()
        except StoreError:
            # The failure that came first is the one to report.
            _logger.exception("A session could not be ended after its request had failed.")
        session.close()
        raise
    _end(session)


def _answer_instead(app: Flask, session: FlaskSession, response: Response, error: Exception) -> None:
    """Make *response* the answer that the application's handlers give to *error*, as if a view had raised it."""
    if response.status_code >= 500:
        app.logger.error("The session could not be saved, and this response says so already.", exc_info=error)
        return
    if session.failed:
        # A handler's answer to this very error meets it again: that is no answer.
        raise error
    session.failed = True
    # A handler may use all of the request's sessions: they are committed once more, with its answer.
    session.exchange.reopen()
    answer = app.process_response(app.make_response(app.handle_user_exception(error)))
    close = getattr(response.response, "close", None)
    if close is not None:
        response.call_on_close(close)
    response.status, response.headers = answer.status, answer.headers
    response.direct_passthrough = answer.direct_passthrough
    response.response, answer.response = answer.response, ()
    response.call_on_close(answer.close)


def _answer(error: SessionError) -> ResponseReturnValue:
    """Answer an error that has an answer; the rest are the application's own mistakes."""
    if not isinstance(error, AnsweredError):
        raise error
    answer: HTTPException = default_exceptions[error.status]()
    match error:
        case StoreError():
            current_app.logger.error("The store of the sessions failed.", exc_info=error)
        case LostWriteError():
            answer = Conflict("Another request changed or ended the session while this one did. Please try again.")
    # The application may have a page of its own for either status.
    return current_app.handle_http_exception(answer)
