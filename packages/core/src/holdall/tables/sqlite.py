"""
Rows in an SQLite file: the embedded table for several processes on one machine.

Write-ahead logging lets readers go on while one process writes. What a verb does is done by one guarded statement, or
by two in one transaction, so that processes need nothing but the file to agree.
"""

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from holdall.clock import Clock, utc_now
from holdall.errors import ConfigurationError, StoreError
from holdall.tables.columns import (
    SWEPT_AT_ONCE,
    SweepTurns,
    due_by,
    due_of,
    listed_of,
    row_of,
    seconds_of,
    seconds_or_none,
)
from holdall.tables.contract import Listed, Replacement, Row, Tombstone
from holdall.tables.urls import checked_name, checked_timeout

# Windows lacks it.
_fcntl: Any = import_module("fcntl") if find_spec("fcntl") else None

__all__ = ["SQLiteTable"]

# In the file's header: whose file it is ("hold" in ASCII), and of which layout.
_APPLICATION_ID = 0x686F6C64
_LAYOUT = 2

_SHORT_WAIT_SECONDS = 0.001

_SCHEMA = """
CREATE TABLE {table} (
    digest BLOB PRIMARY KEY,
    data BLOB NOT NULL,
    version INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    created INTEGER NOT NULL,
    principal TEXT,
    client TEXT,
    seen INTEGER,
    due INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX {table}_due ON {table} (due);
CREATE INDEX {table}_principal ON {table} (principal) WHERE principal IS NOT NULL
"""

_READ = "SELECT data, version, expires, created, principal, client, seen FROM {table} WHERE digest = ? AND expires > ?"
_INSERT = """
INSERT INTO {table} (digest, data, version, expires, created, principal, client, seen, due)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (digest) DO UPDATE
SET data = excluded.data, version = excluded.version, expires = excluded.expires, created = excluded.created,
    principal = excluded.principal, client = excluded.client, seen = excluded.seen, due = excluded.due
WHERE {table}.expires <= ?
"""
# Two statements of which the first nearly always does: SQLite writes a column's index anew if the column is set at all,
# be it to what it was, which costs as much again as the row.
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

    Threads and processes may share one; each thread gets a connection of its own, and a forked process opens its own.
    If the file is removed or replaced, the next call opens the one that stands there then, or makes a new one.

    Args:
        path: The file. It must lie on a local disk: write-ahead logging does not work over a network. A relative path
            starts from the folder that is current when the table is made.
        table: The table's name, so that several applications can share a file; ``?table=`` in the URL.
        create: Make the file on first use, where it is not there, for its owner's eyes alone.
        busy_timeout: How long a call waits for another process's write, before it is a ``StoreError``;
            ``?busy_timeout=`` in the URL, in seconds.
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
        table: str = "session",
        create: bool = True,
        busy_timeout: timedelta | int = timedelta(seconds=5),
        synchronous: str = "NORMAL",
        clock: Clock = utc_now,
    ) -> None:
        if synchronous not in ("NORMAL", "FULL"):
            msg = f"synchronous={synchronous!r} is neither 'NORMAL' nor 'FULL'."
            raise ConfigurationError(msg)
        self.path = _checked(path)
        self.clock = clock
        self._path = os.fspath(self.path)
        self._table = checked_name(table)
        self._create = create
        self._busy_timeout = checked_timeout("busy_timeout", busy_timeout)
        self._synchronous = synchronous
        self._local = threading.local()
        # Of all threads. A thread's end closes its own.
        self._opened: weakref.WeakSet[_Connection] = weakref.WeakSet()
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

    def find(self, principal: str) -> Sequence[Listed]:
        found = self._connection().execute(_FIND, (principal, self._now())).fetchall()
        return [listed_of(columns) for columns in found]

    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        return self._connection().execute(_CLEAR, (seconds_of(began_by), limit)).rowcount

    def sweep(self, limit: int = 1000) -> int:
        now = self._now()
        values = {"due": due_by(now), "now": now, "limit": limit}
        return self._connection().execute(_SWEEP_TO_THE_SECOND, values).rowcount

    def close(self) -> None:
        """Close the connections of all threads, none of which may be at work; the next call opens one again."""
        # Not left to the references: where Python runs without its global lock, other threads' outlast this.
        for connection in list(self._opened):
            connection.close()
        self._local = threading.local()

    def _now(self) -> int:
        return seconds_of(self.clock())

    def _sweep_now_and_then(self, connection: "_Connection", now: int) -> None:
        if self._turns.is_due():
            connection.execute(_SWEEP, {"now": now, "limit": SWEPT_AT_ONCE})

    def _connection(self) -> "_Connection":
        """Return this thread's connection, of this process, to the file that stands at the path."""
        held: _Connection | None = getattr(self._local, "held", None)
        # A look at the path for each verb, because nothing else tells that somebody has removed the file.
        if held is not None and held.pid == os.getpid() and held.file == _identity(self._path):
            return held
        if held is not None and held.pid == os.getpid():
            _remove_what_it_left(held, self._busy_timeout)
            held.close()
        elif held is not None:  # pragma: no cover  # runs in a forked process, where coverage is not measured
            # The parent's, copied by a fork: even to close it here could disturb the parent's locks.
            _left_to_the_parent.append(held)
        held = self._local.held = self._open()
        self._opened.add(held)
        return held

    def _open(self) -> "_Connection":
        # SQLite follows links too, and names the files beside it after the file that they lead to.
        path = os.path.realpath(self._path)
        try:
            if self._create:
                _make(path, self._busy_timeout)
            elif not self.path.exists():
                msg = f"there is no file {self.path}."
                raise ConfigurationError(msg)
            # Before it is opened: of a file that is replaced at this moment, the next call will know.
            file = _identity(path)
            connection = sqlite3.connect(
                path, timeout=self._busy_timeout.total_seconds(), isolation_level=None, check_same_thread=False
            )
            try:
                _lay_out(connection, self.path, self._table, create=self._create, patience=self._busy_timeout)
                connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as exc:
            raise _failure(self._path, exc) from exc
        return _Connection(connection, path, self._table, file)


# Which device a file is on, and which number it has there.
_Identity = tuple[int, int] | None

# What SQLite keeps beside a file.
_BESIDE = ("-wal", "-shm")


def _identity(path: str) -> _Identity:
    """Return which file stands at a path; ``None`` if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116  # with each verb, and a Path takes longer
    except OSError:
        return None
    return found.st_dev, found.st_ino


class _Connection:
    """A connection that closes with the thread that it belongs to."""

    def __init__(self, connection: sqlite3.Connection, path: str, table: str, file: _Identity) -> None:
        self.connection = connection
        self.pid = os.getpid()
        self.file = file
        #: Those beside the file, which belong to it and to no other.
        self.beside = {each: _identity(path + each) for each in _BESIDE}
        self.path = path
        self._table = table
        self.close = weakref.finalize(self, _close, connection, self.pid)

    def execute(self, statement: str, values: Sequence[object] | Mapping[str, object] = ()) -> sqlite3.Cursor:
        try:
            return self.connection.execute(_named(statement, self._table), values)
        except sqlite3.Error as exc:
            raise _failure(self.path, exc) from exc

    @contextmanager
    def transaction(self) -> Iterator[None]:
        # Immediate: one that begins by reading could find at its first write that it came too late.
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")


@cache
def _named(statement: str, table: str) -> str:
    return statement.replace("{table}", table)


def _failure(path: str, exc: sqlite3.Error) -> StoreError:
    return StoreError(f"SQLite could not use {path}: {exc}.")


def _close(connection: sqlite3.Connection, pid: int) -> None:
    if pid == os.getpid():  # pragma: no branch  # it is another in a forked process, where nobody counts
        connection.close()


_left_to_the_parent: list[_Connection] = []


@contextmanager
def _alone_in_folder(path: str, patience: timedelta) -> Iterator[None]:
    """Hold off other threads and processes that make or remove this file, by a lock on its folder."""
    folder = None
    # SQLite itself reports a bad folder. Windows opens no folder and needs no lock: it keeps a file that is in use.
    with suppress(OSError):
        folder = os.open(Path(path).parent, os.O_RDONLY)
    if _fcntl is None or folder is None:
        yield
        return
    until = time.monotonic() + patience.total_seconds()
    try:
        while True:
            try:
                _fcntl.flock(folder, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
            except OSError as exc:
                if time.monotonic() >= until:
                    msg = f"SQLite could not use {path}: another process has its folder locked."
                    raise StoreError(msg) from exc
                time.sleep(_SHORT_WAIT_SECONDS)
            else:
                break
        try:
            yield
        finally:
            # Unlock explicitly, because a process that was forked in between has the folder open too.
            _fcntl.flock(folder, _fcntl.LOCK_UN)
    finally:
        os.close(folder)


def _make(path: str, patience: timedelta) -> None:
    """Make the file, if there is none, with a mode that SQLite gives to the files beside it as well."""
    # Closing any descriptor of a file drops all of this process's locks on it, so no connection may be open before the
    # file is made and closed.
    if Path(path).exists():
        return
    # What is wrong otherwise SQLite says itself.
    with _alone_in_folder(path, patience), suppress(OSError):
        if not os.path.lexists(path):
            # Left by a file that was removed. SQLite would take them for the new one's.
            for each in _BESIDE:
                Path(path + each).unlink(missing_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _remove_what_it_left(old: _Connection, patience: timedelta) -> None:
    """Remove what lies beside a file that was removed or replaced, and that SQLite would take for the new one's."""
    with _alone_in_folder(old.path, patience), suppress(OSError):
        if _identity(old.path) == old.file:
            # Only a link was changed, so others may have the file open.
            return
        for each, known in old.beside.items():
            if known is not None and _identity(old.path + each) == known:
                Path(old.path + each).unlink()


def _checked(path: str | os.PathLike[str]) -> Path:
    if not os.fspath(path) or os.fspath(path) == ":memory:":
        msg = (
            f"{os.fspath(path)!r} names no file, and SQLite would give each thread rows of its own: "
            'table="memory://session" keeps them in memory for all.'
        )
        raise ConfigurationError(msg)
    # Absolute, or a program that changes its folder would begin a second file.
    checked = Path(path).absolute()
    if not checked.parent.is_dir():
        msg = f"{checked} cannot be made: there is no folder {checked.parent}. Make it first."
        raise ConfigurationError(msg)
    return checked


def _lay_out(connection: sqlite3.Connection, path: Path, table: str, *, create: bool, patience: timedelta) -> None:
    """Make sure that the file has our *table*, in the layout that we know, or leave it as it is."""
    is_laid_out = _is_laid_out(connection, path, table)
    if not is_laid_out and not create:
        msg = f"{path} is an empty file, or has no table {table}: no session was ever kept there."
        raise ConfigurationError(msg)
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        _write_ahead(connection, until=time.monotonic() + patience.total_seconds())
    if is_laid_out:
        return
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have been first.
    if not _is_laid_out(connection, path, table):
        for statement in _named(_SCHEMA, table).split(";"):
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
SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema),
    (SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?)
FROM pragma_application_id, pragma_user_version
"""


def _is_laid_out(connection: sqlite3.Connection, path: Path, table: str) -> bool:
    """Return whether our *table* is there; where it is not, the file is empty, or has others of ours."""
    application_id, layout, entries, found = connection.execute(_LAID_OUT, (table,)).fetchone()
    if (application_id, layout) == (_APPLICATION_ID, _LAYOUT):
        return bool(found)
    if application_id == _APPLICATION_ID:
        msg = f"{path} has layout {layout}, and this holdall knows {_LAYOUT}: update holdall, or use a new file."
        raise ConfigurationError(msg)
    if application_id or layout or entries:
        msg = f"{path} is an SQLite file of another program: give the sessions a file of their own."
        raise ConfigurationError(msg)
    return False
