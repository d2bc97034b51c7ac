"""Add session headers to a response, and respond to errors of the session."""

from flask import Flask, Response, current_app, has_request_context, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import Headers
from werkzeug.exceptions import Conflict, HTTPException, default_exceptions

from holdall import AnsweredError, LostWriteError, ResponseHeaders, SessionError, StoreError
from holdall.adapters import SessionGroup, cache_headers, merged_vary, warn_if_exposed, warn_of_public_cookie
from holdall_flask._session import FlaskSession

__all__ = ["add", "answer", "answer_instead", "tell"]


def tell(told: ResponseHeaders, response: Response, group: SessionGroup) -> None:
    """Add the headers in *told* to *response*."""
    headers = response.headers
    present = headers.getlist("Vary")
    if not present:
        headers.add("Vary", told.vary)
    else:
        vary = merged_vary(present, told.vary)
        if vary is not None:
            headers["Vary"] = vary
    for cookie in told.cookies:
        add(headers, cookie.header, cookie.line)
        for name, value in cookie.extra:
            headers.add(name, value)
    for name, value in told.extra:
        headers.add(name, value)
    if not told.cookies:
        return
    if has_request_context():
        warn_if_exposed(told.cookies, request.environ.get("HTTP_HOST"))
    caches = cache_headers(headers.items(), sets_cookie=True, allow_public=group.allow_public)
    if caches.cache_control is not None:
        headers["Cache-Control"] = caches.cache_control
    for name in caches.removed:
        headers.remove(name)
    if caches.was_public:
        warn_of_public_cookie(str(request.url_rule or request.path))


def add(headers: Headers, name: str, line: str) -> None:
    """Add a cookie's header, or set the header that replaces it, because a client keeps only one value of that."""
    (headers.add if name == "Set-Cookie" else headers.set)(name, line)


def answer_instead(app: Flask, session: FlaskSession, response: Response, error: Exception) -> None:
    """Replace *response* with that of the application's handlers for *error*, as if a view had raised the error."""
    if response.status_code >= 500:
        app.logger.error("The session could not be saved, and the response already reports this error.", exc_info=error)
        return
    if session.failed:
        # The handler's own response fails with the same error, so there is no response.
        raise error
    session.failed = True
    # A handler may use all of the request's sessions: they are committed again, with its response.
    session.exchange.reopen()
    made = app.process_response(app.make_response(app.handle_user_exception(error)))
    close = getattr(response.response, "close", None)
    if close is not None:
        response.call_on_close(close)
    response.status, response.headers = made.status, made.headers
    response.direct_passthrough = made.direct_passthrough
    response.response, made.response = made.response, ()
    response.call_on_close(made.close)


def answer(error: SessionError) -> ResponseReturnValue:
    """Respond to an error that has a response; the rest are bugs in the application."""
    if not isinstance(error, AnsweredError):
        raise error
    page: HTTPException = default_exceptions[error.status]()
    match error:
        case StoreError():
            current_app.logger.error("The session store failed.", exc_info=error)
        case LostWriteError():
            page = Conflict("Another request changed or ended the session at the same time. Please try again.")
    # The application may have its own page for this status.
    return current_app.handle_http_exception(page)
