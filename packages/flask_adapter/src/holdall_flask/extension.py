"""
Flask's way in and out: its session interface, in terms of ``Sessions``.

Flask opens a session when a request comes and saves it when the response has passed all ``after_request`` functions.
What the body still changes is saved at its end.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any, cast

from flask import Flask, Request, Response, current_app, g
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
)
from holdall.lifetimes import absolute_timeout
from holdall.session import Phase
from holdall_flask.session import FlaskSession

__all__ = ["Holdall"]

# The session of the request, among what Flask keeps for it.
_OPENED = "_holdall_session"


class Holdall:
    """
    Keeps the sessions of Flask applications.

    Args:
        app: The application; or leave it out and call ``init_app`` once for each.
        sessions: Where and how sessions are kept. Left out, they are encrypted cookies by Flask's own settings:
            ``SECRET_KEY``, ``SECRET_KEY_FALLBACKS``, ``SESSION_COOKIE_*`` and ``PERMANENT_SESSION_LIFETIME``,
            as they stand at the first request.
    """

    def __init__(self, app: Flask | None = None, sessions: Sessions | None = None) -> None:
        self._sessions = sessions
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """
        Let *app* keep its sessions here.

        Raises:
            ConfigurationError: The sessions' store is awaited, which Flask can't.
        """
        if self._sessions is not None:
            self._sessions.prepare("sync")
        interface = _Interface(self._sessions)
        app.session_interface = interface
        app.teardown_request(interface.end)
        # Registered for the common base, ours stands behind a handler of the application's own for either error.
        app.register_error_handler(SessionError, _answer)


class _Interface(SessionInterface):
    def __init__(self, sessions: Sessions | None) -> None:
        self._sessions = sessions

    def open_session(self, app: Flask, request: Request) -> FlaskSession | None:
        sessions = self._sessions
        if sessions is None:
            if not app.secret_key:
                return None
            sessions = self._configured(app)
            sessions.prepare("sync")
            self._sessions = sessions
        cookies = request.environ.get("HTTP_COOKIE", "")
        session = cast("FlaskSession", sessions.fetch(cookies, https=request.is_secure, session_type=FlaskSession))
        # Not found through flask.session at the end: copies of the request's context share that, and end before it.
        setattr(g, _OPENED, session)
        return session

    def is_null_session(self, obj: object) -> bool:
        # Flask saves what it has even if none could be opened.
        return obj is None or isinstance(obj, self.null_session_class)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        sessions, opened = cast("Sessions", self._sessions), cast("FlaskSession", session)
        try:
            streams = response.is_streamed and not response.direct_passthrough
            headers = sessions.commit(opened, status=response.status_code, streams=streams)
        except (SessionError, TypeError) as exc:
            _answer_instead(app, opened, response, exc)
            _add(ResponseHeaders(vary=True), response)
            return
        _add(headers, response)
        finish = partial(sessions.finish, opened)
        # What a teardown function changes is saved too.
        response.call_on_close(finish)
        if response.direct_passthrough:
            # The server takes such a body, a file, as it is, and nobody hears of its end.
            opened.phase = Phase.CLOSED
        elif streams:
            # Before the last byte goes, so that who has read the answer finds in the session what it said.
            body = cast("Iterable[bytes]", response.response)
            response.response = ClosingIterator(chain(body, _then(finish)), getattr(body, "close", None))

    def end(self, error: BaseException | None) -> None:
        """End a request that got no response: its exception was let through to the server, or to a test."""
        session = g.pop(_OPENED, None)
        if session is None or session.phase is not Phase.OPEN:
            return
        try:
            cast("Sessions", self._sessions).abandon(session)
        except StoreError:
            # The failure that came first is the one to tell of.
            current_app.logger.exception("A session could not be ended after its request had failed.")

    def _configured(self, app: Flask) -> Sessions:
        """Return sessions by Flask's own settings."""
        lifetime, refresh = app.permanent_session_lifetime, app.config["SESSION_REFRESH_EACH_REQUEST"]
        try:
            return Sessions(
                "cookie",
                key=self.get_cookie_name(app),
                secret_key_base=app.secret_key or "",
                fallbacks=app.config.get("SECRET_KEY_FALLBACKS") or (),
                weak_secrets=app.debug or app.testing,
                idle_timeout=lifetime,
                absolute_timeout=absolute_timeout(lifetime) if refresh else lifetime,
                domain=self.get_cookie_domain(app),
                path=self.get_cookie_path(app),
                http_only=self.get_cookie_httponly(app),
                # Flask's False is what nobody chose: then Secure follows the request.
                secure=self.get_cookie_secure(app) or "auto",
                same_site=cast("Any", self.get_cookie_samesite(app) or "Lax"),
                partitioned=app.config.get("SESSION_COOKIE_PARTITIONED", False),
            )
        except ConfigurationError as exc:
            exc.add_note("Set in Flask's config: SECRET_KEY, SECRET_KEY_FALLBACKS, SESSION_COOKIE_…")
            raise


def _add(said: ResponseHeaders, response: Response) -> None:
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
    if said.no_store and not headers.getlist("Cache-Control"):
        headers.add("Cache-Control", "no-store")


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
            answer = Conflict("The session was ended while this request changed it. Please try again.")
        case _:
            raise error
    # The application may have a page of its own for either status.
    return current_app.handle_http_exception(answer)
