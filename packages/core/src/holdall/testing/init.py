"""A session made by a test, as Plug's ``init_test_session``."""

from collections.abc import Mapping
from typing import Any

from holdall.sessions import Sessions

__all__ = ["init_test_session"]


def init_test_session(sessions: Sessions, data: Mapping[str, Any], cookie_header: str = "") -> str:
    """
    Return the Cookie header of a visitor whose session holds *data*, for the requests of a test.

    It is stored as any other; without data there is none, and the header is ``""``. A session that *cookie_header*
    already stands for is written to: what it holds stays, and *data* wins over it.
    """
    session = sessions.fetch(cookie_header)
    session.update(data)
    cookie = sessions.commit(session).cookie
    return "" if cookie is None else f"{sessions.key}={cookie}"
