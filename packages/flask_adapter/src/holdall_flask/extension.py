"""
Flask's way in and out: its session interface, in terms of ``Sessions``.

Flask opens a session when a request comes and saves it when the response has passed all ``after_request`` functions.
What the body still changes is saved at its end.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from time import monotonic
from typing import Any, cast

import flask
from flask import Flask, Request, Response, current_app, has_request_context, request
from flask.sessions import SessionInterface, SessionMixin
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Conflict, HTTPException, ServiceUnavailable
from werkzeug.wsgi import ClosingIterator

from holdall import (
    ConfigurationError,
    LostWriteError,
    ResponseHeaders,
    SessionError,
    Sessions,
    StoreError,
    connections,
)
from holdall.cache_headers import cache_headers, warn_of_public_cookie
from holdall.connections import Follower
from holdall.cookies import warn_if_exposed
from holdall.nested import KEY, RequestSessions, in_environ, main_sessions, outer_session
from holdall.session import Phase
from holdall.several import Kept, listed, side_by_side
from holdall_flask.configuration import Configuration
from holdall_flask.session import BorrowedSession, FlaskSession, TemplateSession, current_context

__all__ = ["Holdall"]

_logger = logging.getLogger("holdall")

# What is opened for the request that a context is of: its session, until that ends.
_OPENED = "_holdall_session"


class Holdall:
    """
    Keeps the sessions of Flask applications.

    Args:
        app: The application; or leave it out and call ``init_app`` once for each.
        sessions: Where and how sessions are kept. Left out, they are encrypted cookies by Flask's own settings:
            ``SECRET_KEY``, ``SECRET_KEY_FALLBACKS``, ``SESSION_COOKIE_*`` and ``PERMANENT_SESSION_LIFETIME``,
            as they stand at each request.
        take_over: Read the cookies of Flask's own sessions too, so that whoever is logged in by one stays so.
        beside: Further sessions that the application keeps, each with a cookie and a store of its own;
            ``fetch_session(cart)`` returns that of *cart*.
        options: Of ``Sessions``, in the place of Flask's settings: ``store="table"``, ``principal_key="user_id"``.

    Raises:
        ConfigurationError: There are both *sessions* and options, Flask can't wait for the sessions' store, or those
            *beside* are not independent of them.
    """

    def __init__(
        self,
        app: Flask | None = None,
        sessions: Sessions | None = None,
        *,
        take_over: bool = False,
        beside: Iterable[Sessions] = (),
        **options: Any,
    ) -> None:
        self._beside = listed(beside)
        kept: Kept | None = None
        if sessions is not None:
            if take_over or options:
                given = ", ".join(sorted({*options, *(["take_over"] if take_over else [])}))
                msg = f"Holdall(app, sessions) has its Sessions: give {given} to that, or leave it out."
                raise ConfigurationError(msg)
            kept = side_by_side(sessions, self._beside)
            kept.prepare("sync")
        self._kept = kept
        self._take_over = take_over
        self._options = options
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Let *app* keep its sessions here."""
        kept = self._kept
        taken_over = app.session_interface if self._take_over else None
        by_settings = Configuration(self._options, taken_over, self._beside)
        interface = _Interface(by_settings.sessions if kept is None else lambda app: kept)
        app.session_interface = interface
        # The last of all teardown functions, whenever they are registered: what they change is saved.
        app.teardown_request_funcs.setdefault(None, []).insert(0, interface.end)
        app.context_processor(_for_templates)
        # Registered for the common base, ours stands behind a handler of the application's own for either error.
        app.register_error_handler(SessionError, _answer)


class _Interface(SessionInterface):
    def __init__(self, sessions_of: Callable[[Flask], Kept | None]) -> None:
        self._sessions_of = sessions_of

    def open_session(self, app: Flask, request: Request) -> FlaskSession | BorrowedSession | None:
        kept = self._sessions_of(app)
        if kept is None:
            return None
        context = current_context() if has_request_context() else None
        # Flask's session_transaction opens another one in the context of a request that has its own.
        is_the_requests = context is not None and not hasattr(context, _OPENED)
        environ = request.environ
        outer = None
        if is_the_requests:
            outer = in_environ(environ)
            borrowed = outer_session(outer, kept)
            setattr(context, _OPENED, None)
            if borrowed is not None:
                if not borrowed.is_fetched:
                    # The outer adapter would await it, and nothing is awaited here.
                    main_sessions(kept).read_when_touched(borrowed)
                return BorrowedSession(borrowed)
        facts = partial(_facts, request)
        opened = kept.fetch(
            environ.get("HTTP_COOKIE", ""), https=request.is_secure, session_type=FlaskSession, facts=facts
        )
        session = cast("FlaskSession", opened)
        session.sessions = kept
        if is_the_requests:
            # Of this context alone: copies of it share the session, and end when they like.
            setattr(context, _OPENED, session)
            environ[KEY] = RequestSessions(kept, session, outer)
            if "werkzeug.debug.preserve_context" in environ:
                session.kept_context = context
        return session

    def is_null_session(self, obj: object) -> bool:
        # Flask saves what it has even if none could be opened.
        return obj is None or isinstance(obj, self.null_session_class)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if isinstance(session, BorrowedSession):
            return
        opened = cast("FlaskSession", session)
        sessions = opened.sessions
        opened.was_modified = opened.modified
        try:
            opened.streams = response.is_streamed and not response.direct_passthrough
            headers = sessions.commit(opened, status=response.status_code, streams=opened.streams)
        except (SessionError, TypeError) as exc:
            _answer_instead(app, opened, response, exc)
            # What the answer says of a session comes after what was saved before it.
            latest = response.headers.getlist("Set-Cookie")
            response.headers.remove("Set-Cookie")
            # TypeError is not ours.
            _add(ResponseHeaders(getattr(exc, "unsent", ()), vary=True), response, sessions)
            response.headers.extend(("Set-Cookie", line) for line in latest)
            return
        _add(headers, response, sessions)
        if opened.streams:
            end = partial(_end, opened)
            response.call_on_close(end)
            # Before the last byte goes, so that who has read the answer finds in the session what it said.
            body = cast("Iterable[bytes]", response.response)
            followed = main_sessions(sessions)
            seen = _followed(body, opened, followed) if followed.is_followed("sync") else body
            response.response = ClosingIterator(chain(seen, _then(end)), getattr(body, "close", None))
        elif not (has_request_context() and getattr(current_context(), _OPENED, None) is opened):
            # No request's end is to come.
            _end(opened)

    def end(self, error: BaseException | None) -> None:
        """End a request: its response is made, or its exception was let through to the server, or to a test."""
        context = current_context()
        session = getattr(context, _OPENED, None)
        if session is None:
            return
        setattr(context, _OPENED, None)
        # The session may refer to the request, and so to its environ: the garbage collector would have to part them.
        opened = context.request.environ.pop(KEY, None)
        if opened is not None and opened.outer is not None:
            context.request.environ[KEY] = opened.outer
        if session.streams and session.phase is not Phase.OPEN:
            return
        try:
            if session.phase is Phase.OPEN:
                session.sessions.abandon(session)
            else:
                session.sessions.finish(session)
        except StoreError:
            # The failure that came first is the one to tell of, and a response that is made is sent.
            current_app.logger.exception("A session could not be ended after its request had failed.")
        finally:
            session.close()


def _end(session: FlaskSession) -> None:
    """Save the changes made since the headers were sent, and refuse later ones."""
    session.sessions.finish(session)
    session.close()


def _facts(request: Request) -> tuple[str | None, str | None]:
    """Return the user agent and the address that *request* came with."""
    return request.user_agent.string, request.remote_addr


# Of the proxy, so that a template that does not look at the session does not use it.
_template_session = TemplateSession(flask.session)


def _for_templates() -> dict[str, Any]:
    """Return what stands for ``session`` in a template."""
    names = current_app.jinja_env.globals
    if names.get("session") is flask.session:
        # For what is imported without the template's context.
        names["session"] = _template_session
    return {"session": _template_session} if has_request_context() else {}


def _add(said: ResponseHeaders, response: Response, kept: Kept) -> None:
    """Let *response* say what is to be *said* of the session."""
    headers = response.headers
    if said.vary:
        vary = headers.getlist("Vary")
        if not vary:
            headers.add("Vary", "Cookie")
        elif {"cookie", "*"}.isdisjoint(name.strip().lower() for name in ",".join(vary).split(",")):
            headers["Vary"] = ", ".join((*vary, "Cookie"))
    for cookie in said.cookies:
        headers.add("Set-Cookie", str(cookie))
    if said.cookies and has_request_context():
        warn_if_exposed(said.cookies, request.environ.get("HTTP_HOST"))
    told = cache_headers(headers.items(), sets_cookie=said.no_store, allow_public=kept.allow_public)
    if told.cache_control is not None:
        headers["Cache-Control"] = told.cache_control
    for name in told.removed:
        headers.remove(name)
    if told.was_public:
        warn_of_public_cookie(str(request.url_rule or request.path))


def _followed(body: Iterable[bytes], session: FlaskSession, sessions: Sessions) -> Iterator[bytes]:
    """Send *body*, and let it see no more of its *session* once that has ended elsewhere."""
    follower = Follower(session, sessions.policy)
    next_look = monotonic() + connections.SELDOM
    for chunk in body:
        yield chunk
        if monotonic() >= next_look and not follower.is_over:
            seen = follower.seen()
            try:
                if seen is not None:
                    follower.saw(sessions.follow(seen))
            except StoreError:
                # A body is not broken off because our backend is away.
                _logger.exception("the session of a streamed body could not be looked at")
            next_look = monotonic() + (0 if follower.is_in_doubt else connections.SELDOM)


def _then(act: Callable[[], None]) -> Iterator[bytes]:
    act()
    yield from ()


def _answer_instead(app: Flask, session: FlaskSession, response: Response, error: Exception) -> None:
    """Make *response* the answer that the application's handlers give to *error*, as if a view had raised it."""
    if response.status_code >= 500:
        app.logger.error("The session could not be saved, and this response says so already.", exc_info=error)
        return
    if session.failed:
        # A handler's answer to this very error meets it again: that is no answer.
        raise error
    session.failed = True
    # A handler may use them, all of them: they are committed once more, with its answer.
    session.reopen()
    answer = app.process_response(app.make_response(app.handle_user_exception(error)))
    close = getattr(response.response, "close", None)
    if close is not None:
        response.call_on_close(close)
    response.status, response.headers = answer.status, answer.headers
    response.direct_passthrough = answer.direct_passthrough
    response.response, answer.response = answer.response, ()
    response.call_on_close(answer.close)


def _answer(error: SessionError) -> ResponseReturnValue:
    """Answer 503 where the store failed and 409 where a write was lost; the rest are the application's own mistakes."""
    match error:
        case StoreError():
            current_app.logger.error("The store of the sessions failed.", exc_info=error)
            answer: HTTPException = ServiceUnavailable()
        case LostWriteError():
            answer = Conflict("Another request changed or ended the session while this one did. Please try again.")
        case _:
            raise error
    # The application may have a page of its own for either status.
    return current_app.handle_http_exception(answer)
