"""
Rows in an SQLite file: the embedded table for several processes on one machine.

Write-ahead logging lets readers go on while one process writes. What a verb does is done by one guarded statement, or
by two in one transaction, so that processes need nothing but the file to agree.
"""

import itertools
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from holdall.clock import Clock, utc_now
from holdall.errors import ConfigurationError, StoreError
from holdall.tables.contract import Listed, Replacement, Row, Tombstone

__all__ = ["SQLiteTable"]

# In the file's header: whose file it is ("hold" in ASCII), and of which layout.
_APPLICATION_ID = 0x686F6C64
_LAYOUT = 2

# Rows fall due for the sweep on a grid of an hour, so that moving an expiry seldom moves anything in the index.
_GRID_SECONDS = 3600
# Every so many writes of a process one of them sweeps so many rows: about four for each that it can add.
_WRITES_PER_SWEEP = 64
_SWEPT_AT_ONCE = 256

_SHORT_WAIT_SECONDS = 0.001

_SCHEMA = """
CREATE TABLE session (
    digest BLOB PRIMARY KEY,
    data BLOB NOT NULL,
    version INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    created INTEGER NOT NULL,
    principal TEXT,
    device TEXT,
    seen INTEGER,
    due INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_due ON session (due);
CREATE INDEX session_principal ON session (principal) WHERE principal IS NOT NULL
"""

_READ = "SELECT data, version, expires, created, principal, device, seen FROM session WHERE digest = ? AND expires > ?"
_INSERT = """
INSERT INTO session (digest, data, version, expires, created, principal, device, seen, due)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (digest) DO UPDATE
SET data = excluded.data, version = excluded.version, expires = excluded.expires, created = excluded.created,
    principal = excluded.principal, device = excluded.device, seen = excluded.seen, due = excluded.due
WHERE session.expires <= ?
"""
# Two statements of which the first nearly always does: SQLite writes a column's index anew if the column is set at all,
# be it to what it was, which costs as much again as the row.
_REPLACE = """
UPDATE session SET data = ?, version = ?, expires = ?, seen = ?
WHERE digest = ? AND version = ? AND version > 0 AND expires > ? AND due = ?
"""
_REPLACE_AND_MOVE = """
UPDATE session SET data = ?, version = ?, expires = ?, seen = ?, due = ?
WHERE digest = ? AND version = ? AND version > 0 AND expires > ?
"""
_TOUCH = """
UPDATE session SET expires = max(expires, :expires), due = max(due, :due), seen = max(ifnull(seen, :seen), :seen)
WHERE digest = :digest AND version > 0 AND expires > :now
"""
_LIVE = """
SELECT data, version, expires, created, principal, device, seen FROM session
WHERE digest = :digest AND version > 0 AND expires > :now
"""
_DELETE = """
DELETE FROM session WHERE digest = :digest AND version > 0 AND expires > :now
RETURNING data, version, expires, created, principal, device, seen
"""
_BURY = "UPDATE session SET data = ?, version = 0, expires = ?, due = ?, device = NULL, seen = NULL WHERE digest = ?"
_FIND = """
SELECT digest, created, expires, device, seen, version FROM session
WHERE principal = ? AND expires > ? ORDER BY created, digest
"""
_CLEAR = "DELETE FROM session WHERE digest IN (SELECT digest FROM session WHERE created <= ? LIMIT ?)"
_SWEEP = "DELETE FROM session WHERE digest IN (SELECT digest FROM session WHERE due <= :now LIMIT :limit)"
_SWEEP_TO_THE_SECOND = """
DELETE FROM session WHERE digest IN (
    SELECT digest FROM session WHERE due <= :due AND expires <= :now LIMIT :limit
)
"""


class SQLiteTable:
    """
    A table in the SQLite file *path*.

    Threads and processes may share one; each thread gets a connection of its own, and a forked process opens its own.

    Args:
        path: The file. It must lie on a local disk: write-ahead logging does not work over a network.
        create: Make the file on first use, where it is not there, for its owner's eyes alone.
        busy_timeout: How long a write waits for another process's, before it is a ``StoreError``.
        synchronous: ``"NORMAL"`` may lose the last writes when the machine loses power, never when a process dies;
            ``"FULL"`` waits for the disk with each write. The file stays whole with both.

    Raises:
        ConfigurationError: There is no such folder, or the file is another program's, or of another layout, or is not
            there.
    """

    leaves_process = True
    blocking_reads = False
    blocking_writes = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        create: bool = True,
        busy_timeout: timedelta = timedelta(seconds=5),
        synchronous: str = "NORMAL",
        clock: Clock = utc_now,
    ) -> None:
        if synchronous not in ("NORMAL", "FULL"):
            msg = f"synchronous={synchronous!r} is neither 'NORMAL' nor 'FULL'."
            raise ConfigurationError(msg)
        self.path = _checked(path)
        self.clock = clock
        self._create = create
        self._busy_timeout = busy_timeout
        self._synchronous = synchronous
        self._local = threading.local()
        self._writes = itertools.count(1)

    def read(self, digest: bytes) -> Row | None:
        found = self._execute(_READ, (digest, self._now())).fetchone()
        return None if found is None else _row(*found)

    def insert(self, digest: bytes, row: Row) -> bool:
        now = self._now()
        self._sweep_now_and_then(now)
        values = (
            digest,
            row.data,
            row.version,
            _seconds(row.expires),
            _seconds(row.created),
            row.principal,
            row.device,
            _seconds_or_none(row.seen),
            _due(row.expires),
        )
        return self._execute(_INSERT, (*values, now)).rowcount == 1

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        now = self._now()
        self._sweep_now_and_then(now)
        values = (row.data, row.version, _seconds(row.expires), _seconds_or_none(row.seen))
        which, due = (digest, version, now), _due(row.expires)
        if self._execute(_REPLACE, (*values, *which, due)).rowcount == 1:
            return Replacement.REPLACED
        if self._execute(_REPLACE_AND_MOVE, (*values, due, *which)).rowcount == 1:
            return Replacement.REPLACED
        live = self._execute(_LIVE, {"digest": digest, "now": now}).fetchone()
        return Replacement.GONE if live is None else Replacement.CONFLICT

    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        times = {"now": self._now(), "expires": _seconds(expires), "due": _due(expires), "seen": _seconds(seen)}
        return self._execute(_TOUCH, {"digest": digest, **times}).rowcount == 1

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        which = {"digest": digest, "now": self._now()}
        if tombstone is None:
            found = self._execute(_DELETE, which).fetchone()
        else:
            with self._transaction():
                found = self._execute(_LIVE, which).fetchone()
                if found is not None:
                    until = tombstone.until
                    self._execute(_BURY, (tombstone.successor, _seconds(until), _due(until), digest))
        return None if found is None else _row(*found)

    def find(self, principal: str) -> Sequence[Listed]:
        found = self._execute(_FIND, (principal, self._now())).fetchall()
        return [
            Listed(digest, _time(created), _time(expires), device, None if seen is None else _time(seen), version == 0)
            for digest, created, expires, device, seen, version in found
        ]

    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        return self._execute(_CLEAR, (_seconds(began_by), limit)).rowcount

    def sweep(self, limit: int = 1000) -> int:
        now = self._now()
        return self._execute(_SWEEP_TO_THE_SECOND, {"due": _ceiling(now), "now": now, "limit": limit}).rowcount

    def close(self) -> None:
        """Close the connections of all threads, none of which may be at work; the next call opens one again."""
        # Each of them closes with what held on to it.
        self._local = threading.local()

    def _now(self) -> int:
        return _seconds(self.clock())

    def _sweep_now_and_then(self, now: int) -> None:
        if next(self._writes) % _WRITES_PER_SWEEP == 0:
            self._execute(_SWEEP, {"now": now, "limit": _SWEPT_AT_ONCE})

    def _execute(self, statement: str, values: Sequence[object] | Mapping[str, object] = ()) -> sqlite3.Cursor:
        try:
            return self._connection().execute(statement, values)
        except sqlite3.Error as exc:
            raise self._failure(exc) from exc

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        # Immediate: one that begins by reading could find at its first write that it came too late.
        self._execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._execute("ROLLBACK")
            raise
        self._execute("COMMIT")

    def _connection(self) -> sqlite3.Connection:
        """Return this thread's connection, of this process."""
        held: _Held | None = getattr(self._local, "held", None)
        if held is not None and held.pid == os.getpid():
            return held.connection
        if held is not None:  # pragma: no cover  # so it is in a forked process, where nobody counts
            # The parent's, copied by a fork: even to close it here could disturb the parent's locks.
            _left_to_the_parent.append(held)
        held = self._local.held = _Held(self._open())
        return held.connection

    def _open(self) -> sqlite3.Connection:
        if self._create:
            _make(self.path)
        elif not self.path.exists():
            msg = f"there is no file {self.path}."
            raise ConfigurationError(msg)
        connection = sqlite3.connect(
            self.path, timeout=self._busy_timeout.total_seconds(), isolation_level=None, check_same_thread=False
        )
        try:
            _lay_out(connection, self.path, create=self._create, patience=self._busy_timeout)
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _failure(self, exc: sqlite3.Error) -> StoreError:
        return StoreError(f"SQLite could not use {self.path}: {exc}.")


class _Held:
    """A connection that closes with the thread that it belongs to."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.pid = os.getpid()
        weakref.finalize(self, _close, connection, self.pid)


def _close(connection: sqlite3.Connection, pid: int) -> None:
    if pid == os.getpid():  # pragma: no branch  # it is another in a forked process, where nobody counts
        connection.close()


_left_to_the_parent: list[_Held] = []


# To close a file gives up all locks that this process has on it: nobody is to open it before it is made and closed.
_making = threading.Lock()


def _make(path: Path) -> None:
    """Make the file, if there is none, with a mode that SQLite gives to the files beside it as well."""
    # What is wrong with it otherwise SQLite says itself.
    with _making, suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _checked(path: str | os.PathLike[str]) -> Path:
    if not os.fspath(path) or os.fspath(path) == ":memory:":
        msg = (
            f"{os.fspath(path)!r} names no file, and SQLite would give each thread rows of its own: "
            'table="memory://session" keeps them in memory for all.'
        )
        raise ConfigurationError(msg)
    checked = Path(path)
    if not checked.parent.is_dir():
        msg = f"{checked} cannot be made: there is no folder {checked.parent}. Make it first."
        raise ConfigurationError(msg)
    return checked


def _lay_out(connection: sqlite3.Connection, path: Path, *, create: bool, patience: timedelta) -> None:
    """Make sure that the file has our tables, in the layout that we know, or leave it as it is."""
    is_laid_out = _is_laid_out(connection, path)
    if not is_laid_out and not create:
        msg = f"{path} is an empty file: no session was ever kept there."
        raise ConfigurationError(msg)
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        _write_ahead(connection, until=time.monotonic() + patience.total_seconds())
    if is_laid_out:
        return
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have been first.
    if not _is_laid_out(connection, path):
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {_LAYOUT}")
    connection.execute("COMMIT")


def _write_ahead(connection: sqlite3.Connection, *, until: float) -> None:
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            # Of two that switch at once SQLite refuses one without waiting: each reads and wants to write.
            if time.monotonic() >= until:
                raise
            time.sleep(_SHORT_WAIT_SECONDS)
        else:
            return


# In one statement, for another connection may lay the file out between two.
_LAID_OUT = """
SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
FROM pragma_application_id, pragma_user_version
"""


def _is_laid_out(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether our tables are there; where they are not, the file is empty."""
    application_id, layout, tables = connection.execute(_LAID_OUT).fetchone()
    if (application_id, layout) == (_APPLICATION_ID, _LAYOUT):
        return True
    if application_id == _APPLICATION_ID:
        msg = f"{path} has layout {layout}, and this holdall knows {_LAYOUT}: update holdall, or use a new file."
        raise ConfigurationError(msg)
    if application_id or layout or tables:
        msg = f"{path} is an SQLite file of another program: give the sessions a file of their own."
        raise ConfigurationError(msg)
    return False


def _row(
    data: bytes, version: int, expires: int, created: int, principal: str | None, device: str | None, seen: int | None
) -> Row:
    last = None if seen is None else _time(seen)
    return Row(data, version, _time(expires), _time(created), principal, device, last)


def _seconds(time: datetime) -> int:
    return int(time.timestamp())


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _seconds_or_none(time: datetime | None) -> int | None:
    return None if time is None else _seconds(time)


def _due(expires: datetime) -> int:
    return _ceiling(_seconds(expires))


def _ceiling(seconds: int) -> int:
    return -(-seconds // _GRID_SECONDS) * _GRID_SECONDS
