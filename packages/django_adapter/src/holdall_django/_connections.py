"""Handle Django's connections: leave those of a parent process alone, and limit waits if the driver allows it."""

import os
import weakref
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

from django.db.backends.signals import connection_created

__all__ = ["end", "leave_to_parent", "limit_of", "most_refusals"]

# The process in which a Django connection, or a pool of them, was last opened.
_opened_in: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
_left_to_the_parent: list[Any] = []


def _note(connection: Any, **_: object) -> None:
    pid = os.getpid()
    _opened_in[connection] = pid
    pool = _pools(connection).get(connection.alias)
    if pool is not None:
        _opened_in.setdefault(pool, pid)


connection_created.connect(_note, dispatch_uid="holdall_django")


def leave_to_parent(connection: Any) -> None:
    """
    Forget a connection that this process has inherited, without closing it.

    A forked process shares its parent's sockets, so it could read the answers to its parent's queries. Closing a
    connection would close the parent's as well.
    """
    if connection.connection is not None and _is_parents(connection):
        _left_to_the_parent.append(connection.connection)  # pragma: no cover  # in a fork, unmeasured
        connection.connection = None  # pragma: no cover  # in a fork, unmeasured
    pools = _pools(connection)
    pool = pools.get(connection.alias)
    if pool is not None and _is_parents(pool):
        _left_to_the_parent.append(pools.pop(connection.alias))  # pragma: no cover  # in a fork, unmeasured


def _is_parents(opened: Any) -> bool:
    pid = os.getpid()
    return _opened_in.get(opened, pid) != pid


def end(connection: Any) -> None:
    """Close a connection for good, because Django's pool would reuse one that was only returned to it."""
    if hasattr(connection.connection, "pgconn"):
        connection.connection.pgconn.finish()
    connection.close()


def most_refusals(connection: Any) -> int:
    """Return how many connections in a row may lead to the wrong server: as many as a pool can hold."""
    pool = _pools(connection).get(connection.alias)
    return 1 if pool is None else int(pool.max_size)


def limit_of(connection: Any, limit: timedelta) -> AbstractContextManager[None]:
    """Limit each wait for a response on a driver's *connection*, if the driver is psycopg 3."""
    if hasattr(connection, "pgconn") and hasattr(type(connection), "wait"):
        from holdall.tables.psycopg import limited

        return limited(connection, limit)
    return nullcontext()


def _pools(connection: Any) -> dict[str, Any]:
    # Django shares PostgreSQL's pools among threads here. Without pools there is nothing to forget.
    pools: dict[str, Any] = getattr(connection, "_connection_pools", {})
    return pools
