"""
Create an SQLite table's file, readable only by its owner, set up its layout, and notice when it is replaced.

Each thread of each process has its own ``Connection`` to it.
"""

import os
import sqlite3
import sys
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from holdall._errors import ConfigurationError, StoreError

__all__ = ["Connection", "checked_path", "identity", "open_file", "remove_what_it_left"]

# Windows has no fcntl.
_fcntl: Any = import_module("fcntl") if find_spec("fcntl") else None

# In the file's header: the application ID ("hold" in ASCII), and the layout's version.
_APPLICATION_ID = 0x686F6C64
_LAYOUT = 2

_SHORT_WAIT_SECONDS = 0.001

# In a free-threaded Python, a statement is freed only when the thread that made it runs again, and until then the files
# of a connection that another thread has closed stay open. So no statements are cached there.
_CACHED_STATEMENTS = 128 if getattr(sys, "_is_gil_enabled", lambda: True)() else 0

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

# The device and inode numbers of a file.
Identity = tuple[int, int] | None

# The suffixes of the files that SQLite keeps next to a database file.
_COMPANIONS = ("-wal", "-shm")


def identity(path: str) -> Identity:
    """Return the identity of the file at a path; ``None`` if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116  # every verb calls this, and Path is slower
    except OSError:
        return None
    return found.st_dev, found.st_ino


class Connection:
    """A connection that closes when its thread ends; a copy in a forked process is left to the parent instead."""

    def __init__(self, connection: sqlite3.Connection, path: str, table: str, file: Identity) -> None:
        self.connection = connection
        self.pid = os.getpid()
        self.file = file
        #: The identities of the companion files, which belong only to this file.
        self.companions = {each: identity(path + each) for each in _COMPANIONS}
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
        # IMMEDIATE, because a transaction that begins with a read may fail at its first write.
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
    if pid != os.getpid():  # pragma: no cover  # runs in a forked process, where coverage is not measured
        # A thread of the parent may have been using it, and closing it here could disturb the parent's locks.
        _left_to_the_parent.append(connection)
        return
    connection.close()


_left_to_the_parent: list[sqlite3.Connection] = []


def open_file(path: Path, table: str, *, create: bool, busy_timeout: timedelta, synchronous: str) -> Connection:
    """
    Return a connection to the *table* in a file, creating the file and its layout if necessary and *create* allows it.

    Raises:
        ConfigurationError: The file belongs to another program, has another layout, or does not exist.
        StoreError: SQLite cannot use it.
    """
    # SQLite follows links too, and names the companion files after the target.
    real = os.path.realpath(path)
    try:
        if create:
            _make(real, busy_timeout)
        elif not path.exists():
            msg = f"there is no file {path}."
            raise ConfigurationError(msg)
        # Read before the file is opened, so that the next call notices if it is replaced at this moment.
        file = identity(real)
        connection = sqlite3.connect(
            real,
            timeout=busy_timeout.total_seconds(),
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_CACHED_STATEMENTS,
        )
        try:
            _lay_out(connection, path, table, create=create, patience=busy_timeout)
            connection.execute(f"PRAGMA synchronous = {synchronous}")
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as exc:
        raise _failure(os.fspath(path), exc) from exc
    return Connection(connection, real, table, file)


@contextmanager
def _alone_in_folder(path: str, patience: timedelta) -> Iterator[None]:
    """Lock the folder against other threads and processes that create or remove this file."""
    folder = None
    # SQLite itself reports a bad folder. Windows cannot open folders and needs no lock: it does not remove open files.
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
    """Create the file if there is none, with a mode that SQLite also gives to the companion files."""
    # Closing any descriptor of a file drops all of this process's locks on it, so the file must be created and closed
    # before any connection is open.
    if Path(path).exists():
        return
    # SQLite itself reports other errors.
    with _alone_in_folder(path, patience), suppress(OSError):
        if not os.path.lexists(path):
            # Remove what a removed file left behind, because SQLite would use it for the new one.
            for each in _COMPANIONS:
                Path(path + each).unlink(missing_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def remove_what_it_left(old: Connection, patience: timedelta) -> None:
    """Remove the companion files of a removed or replaced file, because SQLite would use them for the new one."""
    with _alone_in_folder(old.path, patience), suppress(OSError):
        if identity(old.path) == old.file:
            # Only a link was changed, so other programs may have the file open.
            return
        for each, known in old.companions.items():
            if known is not None and identity(old.path + each) == known:
                Path(old.path + each).unlink()


def checked_path(path: str | os.PathLike[str]) -> Path:
    """Return *path* as an absolute path; raise ``ConfigurationError`` if it cannot be a table's file."""
    if not os.fspath(path) or os.fspath(path) == ":memory:":
        msg = (
            f"{os.fspath(path)!r} does not name a file, and SQLite would give each thread its own rows: "
            'use table="memory://session" to keep them in memory.'
        )
        raise ConfigurationError(msg)
    # Absolute, because a program that changes its current folder would otherwise create a second file.
    checked = Path(path).absolute()
    if not checked.parent.is_dir():
        msg = f"{checked} cannot be created: there is no folder {checked.parent}. Create it first."
        raise ConfigurationError(msg)
    return checked


def _lay_out(connection: sqlite3.Connection, path: Path, table: str, *, create: bool, patience: timedelta) -> None:
    """Make sure that the file has our *table* in the supported layout, or leave it unchanged."""
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
            # If two connections switch at once, each reads and wants to write, so SQLite refuses one without waiting.
            if time.monotonic() >= until:
                raise
            time.sleep(_SHORT_WAIT_SECONDS)
        else:
            return


# A single statement, because another connection could set up the file between two of them.
_LAID_OUT = """
SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema),
    (SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?)
FROM pragma_application_id, pragma_user_version
"""


def _is_laid_out(connection: sqlite3.Connection, path: Path, table: str) -> bool:
    """Return whether our *table* exists; if not, the file is empty or contains only other tables of ours."""
    application_id, layout, entries, found = connection.execute(_LAID_OUT, (table,)).fetchone()
    if (application_id, layout) == (_APPLICATION_ID, _LAYOUT):
        return bool(found)
    if application_id == _APPLICATION_ID:
        msg = f"{path} has layout {layout}, but this holdall supports {_LAYOUT}: update it, or use a new file."
        raise ConfigurationError(msg)
    if application_id or layout or entries:
        msg = f"{path} is an SQLite file of another program: use a separate file for the sessions."
        raise ConfigurationError(msg)
    return False
