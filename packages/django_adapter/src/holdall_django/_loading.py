"""Read sessions from their store, in a request and outside of requests."""

import asyncio
from collections.abc import Sequence

from holdall import Session, Sessions
from holdall.adapters import FetchResult, SentCookie, state_of
from holdall_django import _test_client as test_client
from holdall_django._configuration import configuration

__all__ = ["afind", "aopened", "find", "is_in_event_loop", "load", "load_at_once", "opened"]


async def load(session: Session) -> None:
    """Load *session* so that it can be used."""
    await configuration().sessions_of(session).load_async(session)


def load_at_once(session: Session) -> bool:
    """Load *session* if that needs no waiting, and return whether it was loaded."""
    return configuration().sessions_of(session).load_at_once(session)


def is_in_event_loop() -> bool:
    """Return whether an event loop is running in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def opened(sessions: Sessions, cookies: Sequence[SentCookie]) -> Session:
    """Return the session for one of *cookies*, which is read when it is first used."""
    return _given(sessions.fetch(), cookies)


async def aopened(sessions: Sessions, cookies: Sequence[SentCookie]) -> Session:
    """Return the same as ``opened``, already read."""
    session = _given(sessions.unfetched(), cookies)
    await sessions.load_async(session)
    return session


def find(sessions: Sessions, cookies: Sequence[SentCookie]) -> FetchResult:
    """Return the result of fetching the session for one of *cookies*."""
    session = opened(sessions, cookies)
    state_of(session).loaded()
    return state_of(session).fetched


async def afind(sessions: Sessions, cookies: Sequence[SentCookie]) -> FetchResult:
    """Do the same as ``find``."""
    session = await aopened(sessions, cookies)
    state_of(session).loaded()
    return state_of(session).fetched


def _given(session: Session, cookies: Sequence[SentCookie]) -> Session:
    # Not passed as the headers of a request, which would lack the bound cookie of a device-bound session.
    state_of(session).cookies = test_client.latest_of(cookies)
    return session
