"""Limit how long psycopg's connections wait for a response."""

import selectors
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import psycopg

from holdall.tables._steps import is_async

__all__ = ["AnswerTimeout", "Selector", "hang_up", "limit_waits", "limited"]

# How long a server may take to accept a cancellation.
_CANCEL_SECONDS = 1
# Older client libraries can only cancel without a timeout.
_can_cancel = psycopg.capabilities.has_cancel_safe()


#: Not the default selector, which on Linux creates a kernel object for each use.
Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)

_LATE = "the server did not answer in time"


class AnswerTimeout(psycopg.OperationalError):
    """The server did not answer in time."""


@contextmanager
def limited(connection: Any, limit: timedelta) -> Iterator[None]:
    """
    Limit each wait for a response on a psycopg *connection*, sync or async, while a statement is executed.

    Raises:
        AnswerTimeout: The limit has passed.
    """
    limit_waits(connection, limit)
    try:
        yield
    finally:
        del connection.wait, connection.cancel_safe


def limit_waits(connection: Any, limit: timedelta) -> None:
    """
    Limit each wait for a response on a *connection* from now on, raising ``AnswerTimeout``.

    The driver itself waits forever, and a frozen server does not enforce its own ``statement_timeout``. When the limit
    has passed, the statement is cancelled if the server responds, and the connection is closed.
    """
    wait, cancel = type(connection).wait, type(connection).cancel_safe

    def wait_less(generator: Any, *_: Any, **__: Any) -> Any:
        try:
            # The wait in older drivers cannot be interrupted before the response comes.
            return _waited(generator, connection.fileno(), time.monotonic() + limit.total_seconds())
        except AnswerTimeout:
            if _can_cancel:  # pragma: no branch  # depends on the installed library
                with suppress(psycopg.Error):
                    connection.cancel_safe()
            hang_up(connection)
            raise
        except KeyboardInterrupt:
            hang_up(connection)
            raise

    async def wait_less_async(generator: Any, *args: Any, **options: Any) -> Any:
        try:
            in_time = _until(generator, time.monotonic() + limit.total_seconds())
            return await wait(connection, in_time, *args, **options)
        except AnswerTimeout:
            if _can_cancel:  # pragma: no branch  # depends on the installed library
                with suppress(psycopg.Error):
                    await connection.cancel_safe()
            hang_up(connection)
            raise

    # The driver also cancels when a waiting task is cancelled, and would wait longer for that.
    connection.cancel_safe = lambda **_: cancel(connection, timeout=_CANCEL_SECONDS)
    # Each use of the connection waits through this method, and only this thread or task uses the connection now.
    connection.wait = wait_less_async if is_async(wait) else wait_less


def _waited(steps: Generator[Any, Any, Any], fileno: int, deadline: float) -> Any:
    """Run the *steps* of a wait, each of which says what it waits for, until the *deadline*; return their result."""
    try:
        wanted = next(steps)
        with Selector() as selector:
            selector.register(fileno, wanted)
            while True:
                ready = selector.select(deadline - time.monotonic())
                if not ready and time.monotonic() >= deadline:
                    raise AnswerTimeout(_LATE)
                wanted = steps.send(ready[0][1] if ready else 0)
                selector.modify(fileno, wanted)
    except StopIteration as done:
        return done.value


def _until(steps: Generator[Any, Any, Any], deadline: float) -> Generator[Any, Any, Any]:
    """Run the *steps* of an async wait until the *deadline*; the driver resumes them several times a second."""
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() >= deadline:
                raise AnswerTimeout(_LATE)
            wanted = steps.send(ready)
    except StopIteration as done:
        return done.value


def hang_up(connection: Any) -> None:
    """Close a connection, sync or async, without waiting."""
    connection.pgconn.finish()
