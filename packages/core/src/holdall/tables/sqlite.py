"""
Keep rows in an SQLite file: the embedded table for several processes on one machine.

Write-ahead logging lets readers continue while one process writes. A verb is one guarded statement, or two in one
transaction, so processes coordinate only through the file.
"""

import os
import threading
import weakref
from collections.abc import Sequence
from datetime import datetime, timedelta

from holdall._clock import Clock, utc_now
from holdall._errors import ConfigurationError
from holdall.tables._contract import Replacement, Row, RowInfo, Tombstone
from holdall.tables._sqlite_files import Connection, checked_path, identity, open_file, remove_what_it_left
from holdall.tables.columns import (
    SWEPT_AT_ONCE,
    SweepTurns,
    due_by,
    due_of,
    row_info_of,
    row_of,
    seconds_of,
    seconds_or_none,
)
from holdall.tables.urls import checked_name, checked_timeout

__all__ = ["SQLiteTable"]

_READ = "SELECT data, version, expires, created, principal, client, seen FROM {table} WHERE digest = ? AND expires > ?"
_INSERT = """
INSERT INTO {table} (digest, data, version, expires, created, principal, client, seen, due)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (digest) DO UPDATE
SET data = excluded.data, version = excluded.version, expires = excluded.expires, created = excluded.created,
    principal = excluded.principal, client = excluded.client, seen = excluded.seen, due = excluded.due
WHERE {table}.expires <= ?
"""
# Two statements, because the first nearly always suffices: SQLite rewrites a column's index whenever the column is set,
# even to the same value, which costs as much again as the row.
_REPLACE = """
UPDATE {table} SET data = ?, version = ?, expires = ?, seen = ?
WHERE digest = ? AND version = ? AND version > 0 AND expires > ? AND due = ?
"""
_REPLACE_AND_MOVE = """
UPDATE {table} SET data = ?, version = ?, expires = ?, seen = ?, due = ?
WHERE digest = ? AND version = ? AND version > 0 AND expires > ?
"""
_TOUCH = """
UPDATE {table} SET expires = max(expires, :expires), due = max(due, :due), seen = max(ifnull(seen, :seen), :seen)
WHERE digest = :digest AND version > 0 AND expires > :now
"""
_LIVE = """
SELECT data, version, expires, created, principal, client, seen FROM {table}
WHERE digest = :digest AND version > 0 AND expires > :now
"""
_DELETE = """
DELETE FROM {table} WHERE digest = :digest AND version > 0 AND expires > :now
RETURNING data, version, expires, created, principal, client, seen
"""
_BURY = "UPDATE {table} SET data = ?, version = 0, expires = ?, due = ?, client = NULL, seen = NULL WHERE digest = ?"
_FIND = """
SELECT digest, created, expires, client, seen, version FROM {table}
WHERE principal = ? AND expires > ? ORDER BY created, digest
"""
_CLEAR = "DELETE FROM {table} WHERE digest IN (SELECT digest FROM {table} WHERE created <= ? LIMIT ?)"
_SWEEP = "DELETE FROM {table} WHERE digest IN (SELECT digest FROM {table} WHERE due <= :now LIMIT :limit)"
_SWEEP_TO_THE_SECOND = """
DELETE FROM {table} WHERE digest IN (
    SELECT digest FROM {table} WHERE due <= :due AND expires <= :now LIMIT :limit
)
"""


class SQLiteTable:
    """
    A table in the SQLite file *path*.

    Threads and processes may share a table; each thread gets its own connection, and a forked process opens its own.
    If the file is removed or replaced, the next call opens the file at that path, or creates a new one.

    Args:
        path: The file. It must be on a local disk, because write-ahead logging does not work over a network. A relative
            path starts from the current folder at the time the table is created.
        table: The table's name, so that several applications can share a file; ``?table=`` in the URL.
        create: Create a missing file on first use, readable only by its owner.
        busy_timeout: How long a call waits for another process's write before it raises ``StoreError``;
            ``?busy_timeout=`` in the URL, in seconds.
        synchronous: ``"NORMAL"`` may lose the last writes if the machine loses power, but never if a process dies;
            ``"FULL"`` waits for the disk with each write. Neither can corrupt the file.

    Raises:
        ConfigurationError: The folder does not exist, or the file belongs to another program, has another layout, or
            does not exist.
    """

    leaves_process = True
    blocking_reads = False
    blocking_writes = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        table: str = "session",
        create: bool = True,
        busy_timeout: timedelta | int = timedelta(seconds=5),
        synchronous: str = "NORMAL",
        clock: Clock = utc_now,
    ) -> None:
        if synchronous not in ("NORMAL", "FULL"):
            msg = f"synchronous={synchronous!r} is neither 'NORMAL' nor 'FULL'."
            raise ConfigurationError(msg)
        self.path = checked_path(path)
        self.clock = clock
        self._path = os.fspath(self.path)
        self._table = checked_name(table)
        self._create = create
        self._busy_timeout = checked_timeout("busy_timeout", busy_timeout)
        self._synchronous = synchronous
        self._local = threading.local()
        # The connections of all threads. Each is also closed when its thread ends.
        self._opened: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._turns = SweepTurns()

    def read(self, digest: bytes) -> Row | None:
        found = self._connection().execute(_READ, (digest, self._now())).fetchone()
        return None if found is None else row_of(found)

    def insert(self, digest: bytes, row: Row) -> bool:
        connection, now = self._connection(), self._now()
        self._sweep_now_and_then(connection, now)
        values = (
            digest,
            row.data,
            row.version,
            seconds_of(row.expires),
            seconds_of(row.created),
            row.principal,
            row.client,
            seconds_or_none(row.seen),
            due_of(row.expires),
        )
        return connection.execute(_INSERT, (*values, now)).rowcount == 1

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        connection, now = self._connection(), self._now()
        self._sweep_now_and_then(connection, now)
        values = (row.data, row.version, seconds_of(row.expires), seconds_or_none(row.seen))
        which, due = (digest, version, now), due_of(row.expires)
        if connection.execute(_REPLACE, (*values, *which, due)).rowcount == 1:
            return Replacement.REPLACED
        if connection.execute(_REPLACE_AND_MOVE, (*values, due, *which)).rowcount == 1:
            return Replacement.REPLACED
        live = connection.execute(_LIVE, {"digest": digest, "now": now}).fetchone()
        return Replacement.GONE if live is None else Replacement.CONFLICT

    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        times = {"now": self._now(), "expires": seconds_of(expires), "due": due_of(expires), "seen": seconds_of(seen)}
        return self._connection().execute(_TOUCH, {"digest": digest, **times}).rowcount == 1

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        connection, which = self._connection(), {"digest": digest, "now": self._now()}
        if tombstone is None:
            found = connection.execute(_DELETE, which).fetchone()
        else:
            with connection.transaction():
                found = connection.execute(_LIVE, which).fetchone()
                if found is not None:
                    until = tombstone.until
                    connection.execute(_BURY, (tombstone.successor, seconds_of(until), due_of(until), digest))
        return None if found is None else row_of(found)

    def find(self, principal: str) -> Sequence[RowInfo]:
        found = self._connection().execute(_FIND, (principal, self._now())).fetchall()
        return [row_info_of(columns) for columns in found]

    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        return self._connection().execute(_CLEAR, (seconds_of(began_by), limit)).rowcount

    def sweep(self, limit: int = 1000) -> int:
        now = self._now()
        values = {"due": due_by(now), "now": now, "limit": limit}
        return self._connection().execute(_SWEEP_TO_THE_SECOND, values).rowcount

    def close(self) -> None:
        """Close the connections of all threads, none of which may be in use; the next call opens a new one."""
        # Closed explicitly, because in a free-threaded Python other threads' references may outlast this call.
        for connection in list(self._opened):
            connection.close()
        self._local = threading.local()

    def _now(self) -> int:
        return seconds_of(self.clock())

    def _sweep_now_and_then(self, connection: Connection, now: int) -> None:
        if self._turns.is_due():
            connection.execute(_SWEEP, {"now": now, "limit": SWEPT_AT_ONCE})

    def _connection(self) -> Connection:
        """Return the connection of this thread and process to the file at the path."""
        held: Connection | None = getattr(self._local, "held", None)
        # The path is checked for each verb, because nothing else shows that the file was removed.
        if held is not None and held.pid == os.getpid() and held.file == identity(self._path):
            return held
        if held is not None:
            remove_what_it_left(held, self._busy_timeout)
            held.close()
        held = self._local.held = open_file(
            self.path,
            self._table,
            create=self._create,
            busy_timeout=self._busy_timeout,
            synchronous=self._synchronous,
        )
        self._opened.add(held)
        return held
