"""Save the changes made while a body is sent, before its last byte."""

import logging
from collections.abc import Iterable, Iterator
from functools import partial
from time import monotonic
from typing import cast

from flask import Response
from werkzeug.wsgi import ClosingIterator

from holdall import Sessions, StoreError, connections
from holdall.adapters import state_of
from holdall.connections import Follower
from holdall_flask._session import FlaskSession

__all__ = ["end_with", "send_body"]

_logger = logging.getLogger("holdall")


def send_body(response: Response, session: FlaskSession) -> None:
    """Make the end of *response*'s body end the request of *session*."""
    response.call_on_close(partial(end_with, session))
    body = cast("Iterable[bytes]", response.response)
    main = session.exchange.group.main
    chunks = _followed(body, session, main) if main.is_followed("sync") else body
    if state_of(session).takes_forgotten_changes is not None:
        chunks = _at_work(chunks, session)
    # Saved before the last byte is sent, so that the visitor's next request finds the changes.
    response.response = ClosingIterator(_sent(chunks, session), getattr(body, "close", None))


def end_with(session: FlaskSession) -> None:
    """Save the changes made since the headers were sent, and refuse later ones."""
    session.exchange.body_sent()
    session.close()


def _followed(body: Iterable[bytes], session: FlaskSession, sessions: Sessions) -> Iterator[bytes]:
    """Send *body*, and empty its *session* if that ends elsewhere."""
    follower = Follower(state_of(session))
    next_look = monotonic() + connections.CHECK_INTERVAL
    for chunk in body:
        yield chunk
        if monotonic() >= next_look and not follower.is_over:
            seen = follower.last_seen()
            try:
                if seen is not None:
                    follower.update(sessions.follow(seen))
            except StoreError:
                # A body must not be cut off because the store is down.
                _logger.exception("The session of a streamed body could not be checked.")
            next_look = monotonic() + (0 if follower.is_in_doubt else connections.CHECK_INTERVAL)


def _at_work(body: Iterable[bytes], session: FlaskSession) -> Iterator[bytes]:
    """Send *body*, and distinguish its changes to the *session* from those of the test that receives it."""
    session.is_at_work = True
    try:
        for chunk in body:
            session.is_at_work = False
            yield chunk
            session.is_at_work = True
    finally:
        session.is_at_work = False


def _sent(body: Iterable[bytes], session: FlaskSession) -> Iterator[bytes]:
    """Send *body*, and end the request with it, as a failed request if the body raises an exception."""
    try:
        yield from body
    except Exception:
        session.exchange.failed()
        session.close()
        raise
    end_with(session)
