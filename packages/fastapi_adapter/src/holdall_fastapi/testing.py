"""Access a visitor's session in tests, with FastAPI's ``TestClient`` and similar clients."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from holdall import Session, Sessions
from holdall.adapters import check_keys, state_of

__all__ = ["force_login", "session_transaction"]


@contextmanager
def session_transaction(client: Any, sessions: Sessions) -> Iterator[Session]:
    """
    Open the session of *client*'s visitor, and store the changes made in the block.

    ::

        with session_transaction(client, sessions) as session:
            session["cart"] = ["hat"]

    Args:
        client: A ``TestClient``, or an ``httpx.Client`` of either kind. It stores the cookie, or sends the header of
            ``transport=`` from then on.

    Raises:
        ConfigurationError: *sessions* is something else, such as the application. Or the sessions are in an async table
            that was passed as an object: in tests, open one by its URL, or use
            ``holdall.testing.init_test_session_async``.
    """
    check_keys((sessions,))
    request = client.build_request("GET", "/")
    name = "cookie" if sessions.transport is None else sessions.transport.name
    session = sessions.fetch(request.headers.get(name, ""), https=request.url.scheme == "https")
    yield session
    cookies = [(cookie.header.lower(), cookie.line) for cookie in sessions.commit(session).cookies]
    state_of(session).end()
    if sessions.transport is not None:
        client.headers.update(cookies)
        return
    # Extracted from a response, because cookie jars treat hosts without a dot specially.
    library = sys.modules[type(request).__module__.partition(".")[0]]
    client.cookies.extract_cookies(library.Response(200, headers=cookies, request=request))


def force_login(client: Any, sessions: Sessions, principal: Any) -> None:
    """Log *client*'s visitor in as *principal*, without a password."""
    with session_transaction(client, sessions) as session:
        session.login(principal)
