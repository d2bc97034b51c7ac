"""What connections of psycopg need: a limit for each wait."""

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import psycopg

from holdall.steps import is_awaited

__all__ = ["CONFLICTS", "AnswerTimeout", "hang_up", "limited"]

#: The server undid the statement because of a concurrent one (serialization failure, deadlock): send it again.
CONFLICTS = frozenset({"40001", "40P01"})

# How long a server may take to accept that a statement is cancelled.
_CANCEL_SECONDS = 1
# Older client libraries can only ask without a limit.
_can_cancel = psycopg.capabilities.has_cancel_safe()


class AnswerTimeout(psycopg.OperationalError):
    """The server did not answer in time."""


@contextmanager
def limited(connection: Any, limit: timedelta) -> Iterator[None]:
    """
    Limit each wait for an answer on a *connection* of psycopg, sync or async.

    The driver waits for an answer for ever, and a frozen server does not keep to its own ``statement_timeout``. When
    the limit has passed, the statement is cancelled as far as the server listens, and the connection is closed.

    Raises:
        AnswerTimeout: The limit has passed.
    """
    wait = type(connection).wait

    def in_time(generator: Any) -> Any:
        return _until(generator, time.monotonic() + limit.total_seconds())

    def wait_less(generator: Any, *args: Any, **options: Any) -> Any:
        try:
            return wait(connection, in_time(generator), *args, **options)
        except AnswerTimeout:
            if _can_cancel:  # pragma: no branch  # it is up to the library that is installed
                with suppress(psycopg.Error):
                    connection.cancel_safe(timeout=_CANCEL_SECONDS)
            hang_up(connection)
            raise

    async def wait_less_async(generator: Any, *args: Any, **options: Any) -> Any:
        try:
            return await wait(connection, in_time(generator), *args, **options)
        except AnswerTimeout:
            if _can_cancel:  # pragma: no branch  # it is up to the library that is installed
                with suppress(psycopg.Error):
                    await connection.cancel_safe(timeout=_CANCEL_SECONDS)
            hang_up(connection)
            raise

    # Whatever uses the connection waits by this method, and nobody else uses it meanwhile.
    connection.wait = wait_less_async if is_awaited(wait) else wait_less
    try:
        yield
    finally:
        del connection.wait


def _until(steps: Generator[Any, Any, Any], deadline: float) -> Generator[Any, Any, Any]:
    """Take the *steps* of a wait until the *deadline*; the driver resumes them several times a second."""
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() >= deadline:
                msg = "the server did not answer in time"
                raise AnswerTimeout(msg)
            wanted = steps.send(ready)
    except StopIteration as done:
        return done.value


def hang_up(connection: Any) -> None:
    """Close a connection, of either form, without waiting."""
    connection.pgconn.finish()
