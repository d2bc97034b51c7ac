"""What connections of psycopg need: a limit for each wait, and names for what goes wrong."""

import re
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import psycopg

__all__ = ["CONFLICTS", "AnswerTimeout", "cancel", "cancel_async", "cause_of", "hang_up", "limited"]

#: The server undid the statement because of a concurrent one (serialization failure, deadlock): send it again.
CONFLICTS = frozenset({"40001", "40P01"})

# How long a server may take to accept that a statement is cancelled.
_CANCEL_SECONDS = 1

# Words that say what went wrong where there is no SQLSTATE, and that are no server's or user's own.
_KNOWN_CAUSES = re.compile(
    r"connection refused|timeout expired|authentication failed|no password supplied|does not exist|no such file"
    r"|too many clients|starting up|shutting down|in recovery|no route to host|network is unreachable"
    r"|could not translate host name|name or service not known|failed to resolve host|certificate verify failed"
    r"|SSL|closed the connection unexpectedly|connection reset|closed",
    re.IGNORECASE,
)


class AnswerTimeout(psycopg.OperationalError):
    """The server did not answer in time."""


@contextmanager
def limited(connection: Any, limit: timedelta) -> Iterator[None]:
    """
    Limit each wait for the server on a *connection* of psycopg, sync or async.

    The driver waits for an answer for ever, and a frozen server does not keep to its own ``statement_timeout``.

    Raises:
        AnswerTimeout: The limit has passed.
    """
    wait = type(connection).wait

    def wait_less(generator: Any, *args: Any, **options: Any) -> Any:
        return wait(connection, _until(generator, time.monotonic() + limit.total_seconds()), *args, **options)

    connection.wait = wait_less
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


def cancel(connection: Any) -> None:
    """Ask the server to give up on the statement under way, if it still listens."""
    # Older client libraries can only ask without a limit.
    if psycopg.capabilities.has_cancel_safe():  # pragma: no branch  # it is up to the library that is installed
        with suppress(psycopg.Error):
            connection.cancel_safe(timeout=_CANCEL_SECONDS)


async def cancel_async(connection: Any) -> None:
    """Ask the same on an async connection."""
    if psycopg.capabilities.has_cancel_safe():  # pragma: no branch  # it is up to the library that is installed
        with suppress(psycopg.Error):
            await connection.cancel_safe(timeout=_CANCEL_SECONDS)


def cause_of(exc: BaseException) -> str:
    """Return a name of what went wrong, without the words of the driver or the server: they may show values."""
    name = type(exc).__name__
    code = getattr(exc, "sqlstate", None)
    if code:
        return f"{name}, SQLSTATE {code}"
    known = _KNOWN_CAUSES.search(str(exc))
    return f"{name}, {known[0].lower() if known[0] != 'SSL' else 'SSL'}" if known else name
