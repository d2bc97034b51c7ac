"""Create a session in a test, like Plug's ``init_test_session``."""

from collections.abc import Mapping
from typing import Any

from holdall import ResponseHeaders, Sessions

__all__ = ["init_test_session", "init_test_session_async"]


def init_test_session(sessions: Sessions, data: Mapping[str, Any], cookie_header: str = "") -> str:
    """
    Return the Cookie header of a visitor whose session holds *data*, for the requests of a test.

    The session is stored like any other. Without data there is no session, and the header is ``""``. If *cookie_header*
    already belongs to a session, that one is updated: its data is kept, and *data* takes precedence. For sessions with
    ``transport=``, both are the value of that header.
    """
    session = sessions.fetch(cookie_header)
    session.update(data)
    return _header(sessions, sessions.commit(session))


async def init_test_session_async(sessions: Sessions, data: Mapping[str, Any], cookie_header: str = "") -> str:
    """Do the same as ``init_test_session``, for sessions in an async table."""
    session = await sessions.fetch_async(cookie_header)
    session.update(data)
    return _header(sessions, await sessions.commit_async(session))


def _header(sessions: Sessions, said: ResponseHeaders) -> str:
    return "" if said.cookie is None else sessions.header_value(said.cookie)
