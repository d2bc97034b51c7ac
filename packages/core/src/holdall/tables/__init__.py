"""
Keep the rows of a table store in tables.

``MemoryTable`` is the embedded default. Tables that need a driver have their own modules. Another package can register
a table with an entry point in the group ``holdall.tables``: its name is the URL's scheme, and it is called with the
URL, the form (``"sync"`` or ``"async"``) and the clock.
"""

import difflib
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from holdall._clock import Clock
from holdall._errors import ConfigurationError
from holdall._lazy_import import lazy_import
from holdall.tables._contract import (
    MAX_CLIENT_BYTES,
    MAX_PRINCIPAL_BYTES,
    AsyncTable,
    Kind,
    Replacement,
    Row,
    RowInfo,
    Table,
    Tombstone,
)

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from holdall.tables._memory import MemoryTable
else:
    __getattr__, __dir__ = lazy_import(__name__, {"MemoryTable": "holdall.tables._memory"})

__all__ = [
    "MAX_CLIENT_BYTES",
    "MAX_PRINCIPAL_BYTES",
    "AsyncTable",
    "Kind",
    "MemoryTable",
    "Replacement",
    "Row",
    "RowInfo",
    "Table",
    "Tombstone",
    "table_opener",
]


_LIKE_A_PATH = frozenset("./\\:@")


def table_opener(url: str, *, clock: Clock, create: bool = True) -> Callable[[Kind], Table | AsyncTable]:
    """
    Return a function that opens the table at *url*, such as ``"memory://session"``, in a given form, sync or async.

    A name without a scheme is a table in memory, unless it is the scheme of another package's table or looks like a
    path. A table that has only one form is opened in that form.

    Args:
        create: Create a missing file or schema of ours on first use; otherwise a missing one is an error.

    Raises:
        ConfigurationError: The scheme is unknown or missing.
    """
    # Not urlsplit, because its error message may repeat the password.
    name, separator, _ = url.partition("://")
    scheme = name.lower() if separator or name in _others() else "memory"
    if not separator and scheme == "memory" and not _LIKE_A_PATH.isdisjoint(name):
        # Used as a name, it would give each process its own sessions, which end with the process.
        msg = (
            "a table without a scheme is in memory, but this name looks like a path or an address: "
            "write a path as sqlite:///path, and an address with its scheme and ://."
        )
        raise ConfigurationError(msg)
    if scheme == "memory" and not url.removeprefix("memory://"):
        msg = 'the table has no name: write table="session" for one in memory, or the URL of another.'
        raise ConfigurationError(msg)
    if scheme in _others():
        theirs = _others()[scheme].load()
        return lambda form: theirs(url, form, clock)
    # A scheme with a driver's name is SQLAlchemy's, whatever the database.
    ours = _open_sqlalchemy if "+" in scheme else _OPENERS.get(scheme)
    if ours is not None:
        return lambda form: ours(url, form, clock, create)
    known = ", ".join(f"{name}://" for name in (*_OPENERS, *_others()))
    meant = difflib.get_close_matches(scheme, (*_OPENERS, *_others()), n=1)
    hint = f": did you mean {meant[0]}://?" if meant else "."
    msg = f"no table is known for {scheme}://{hint} Choose one of: {known}."
    raise ConfigurationError(msg)


@cache
def _others() -> "Mapping[str, EntryPoint]":
    """Return other packages' tables by scheme. Cached, because the search and its imports take milliseconds."""
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group="holdall.tables")}


def _open_memory(url: str, form: Kind, clock: Clock, create: bool) -> Table:
    from holdall.tables._memory import MemoryTable

    return MemoryTable.named(url.removeprefix("memory://"), clock=clock)


def _open_sqlite(url: str, form: Kind, clock: Clock, create: bool) -> Table:
    from urllib.parse import unquote

    from holdall.tables.sqlite import SQLiteTable
    from holdall.tables.urls import refuse_unknown, split_options, timeout_of

    known: dict[str, Callable[[str], Any]] = {"table": str, "busy_timeout": timeout_of, "synchronous": str.upper}
    refuse_unknown(url, known)
    url, options = split_options(url, known)
    _, _, rest = url.partition("://")
    if not rest.startswith("/"):
        msg = f"{url!r} has two slashes and needs three before a path: sqlite:///{rest}, or four if it is absolute."
        raise ConfigurationError(msg)
    return SQLiteTable(unquote(rest.removeprefix("/")), create=create, clock=clock, **options)


def _open_redis(url: str, form: Kind, clock: Clock, create: bool) -> Table | AsyncTable:
    from holdall.tables.redis import AsyncRedisTable, RedisTable

    return RedisTable(url, clock=clock) if form == "sync" else AsyncRedisTable(url, clock=clock)


def _open_postgres(url: str, form: Kind, clock: Clock, create: bool) -> Table | AsyncTable:
    from holdall.tables.postgres import AsyncPostgresTable, PostgresTable

    return (PostgresTable if form == "sync" else AsyncPostgresTable)(url, create=create, clock=clock)


def _open_sqlalchemy(url: str, form: Kind, clock: Clock, create: bool) -> Table | AsyncTable:
    from holdall.tables.sqlalchemy import open_table

    return open_table(url, form, clock, create=create)


_OPENERS: dict[str, Callable[[str, Kind, Clock, bool], Table | AsyncTable]] = {
    "memory": _open_memory,
    "sqlite": _open_sqlite,
    **dict.fromkeys(("redis", "rediss", "unix", "valkey", "valkeys"), _open_redis),
    **dict.fromkeys(("postgresql", "postgres"), _open_postgres),
    **dict.fromkeys(("mysql", "mariadb", "mssql", "oracle"), _open_sqlalchemy),
}
