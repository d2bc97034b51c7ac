"""
Rows in the project's own database, over the connections that Django has to it.

The verbs of a request are SQL that all of Django's databases know, for the ORM takes ten times as long to put the same
words together. Each is one guarded statement, or two of which the second is guarded by what the first one saw: none
needs a transaction, and any may stand in one.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import Any

import django
from asgiref.sync import sync_to_async
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, IntegrityError, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

from holdall import ConfigurationError, StoreError
from holdall.clock import Clock, utc_now
from holdall.tables import Form, Listed, Replacement, Row, Tombstone
from holdall_django import endings

__all__ = ["DjangoTable", "open_table"]

_APP = "holdall_django"

# Rows fall due for the sweep on a grid of an hour, so that moving an expiry seldom moves anything in the index.
_GRID_SECONDS = 3600
# Every so many writes of a process one of them sweeps so many rows: about four for each that it can add.
_WRITES_PER_SWEEP = 64
_SWEPT_AT_ONCE = 256
# No database minds so many values in one statement.
_MOST_DIGESTS = 500

_READ = """
SELECT data, version, expires, created, principal, device, seen FROM holdall_django_session
WHERE digest = %(digest)s AND expires > %(now)s
"""
_READ_LIVE = """
SELECT data, version, expires, created, principal, device, seen FROM holdall_django_session
WHERE digest = %(digest)s AND version > 0 AND expires > %(now)s
"""
# A transaction may go on seeing what it saw first. What it locks it sees as it is.
_LOCK_LIVE = _READ_LIVE + "FOR UPDATE"
_INSERT = """
INSERT INTO holdall_django_session
    (digest, data, version, expires, created, principal, principal_digest, device, seen, due)
VALUES (%(digest)s, %(data)s, %(version)s, %(expires)s, %(created)s, %(principal)s, %(principal_digest)s, %(device)s,
    %(seen)s, %(due)s)
"""
_MAKE_ROOM = "DELETE FROM holdall_django_session WHERE digest = %(digest)s AND expires <= %(now)s"
_REPLACE = """
UPDATE holdall_django_session
SET data = %(data)s, version = %(version)s, expires = %(expires)s, seen = %(seen)s, due = %(due)s
WHERE digest = %(digest)s AND version = %(old_version)s AND version > 0 AND expires > %(now)s
"""
_TOUCH = """
UPDATE holdall_django_session SET
    expires = CASE WHEN expires < %(expires)s THEN %(expires)s ELSE expires END,
    due = CASE WHEN due < %(due)s THEN %(due)s ELSE due END,
    seen = CASE WHEN seen > %(seen)s THEN seen ELSE %(seen)s END
WHERE digest = %(digest)s AND version > 0 AND expires > %(now)s
"""
# These take a row as it was read, so that what is given back is the row as it last was.
_DELETE = """
DELETE FROM holdall_django_session
WHERE digest = %(digest)s AND version = %(version)s AND expires = %(expires)s AND COALESCE(seen, -1) = %(seen)s
"""
_BURY = """
UPDATE holdall_django_session
SET data = %(successor)s, version = 0, expires = %(until)s, due = %(due)s, device = NULL, seen = NULL
WHERE digest = %(digest)s AND version = %(version)s AND expires = %(expires)s AND COALESCE(seen, -1) = %(seen)s
"""
_FIND = """
SELECT digest, created, expires, device, seen, version FROM holdall_django_session
WHERE principal_digest = %(principal_digest)s AND expires > %(now)s ORDER BY created, digest
"""


class DjangoTable:
    """
    A table in a database of ``settings.DATABASES``, which ``manage.py migrate`` makes.

    ``"holdall_django"`` has to be in ``INSTALLED_APPS``. Routers are not asked: *using* decides.

    A verb within a transaction of the project's is part of that. Where one ends a session in a request, the request's
    answer ends it again (``holdall_django.endings``), so that a transaction rolled back does not bring it back.

    Args:
        using: The database's alias.

    Raises:
        ConfigurationError: There is no such alias, or the application is not installed.
    """

    leaves_process = True
    blocking_reads = True
    blocking_writes = True

    def __init__(self, using: str = "default", *, clock: Clock = utc_now) -> None:
        # Settings may make one, before there are applications to ask.
        if apps.ready:
            _check(using)
        self.using = using
        self._clock = clock
        self._writes = itertools.count(1)

    async def in_thread(self, call: Callable[[], Any]) -> Any:
        """Make a *call* in the thread where Django keeps this request's connections, and await it."""
        return await sync_to_async(call, thread_sensitive=True)()

    def read(self, digest: bytes) -> Row | None:
        return self._row(_READ, digest, self._now())

    def insert(self, digest: bytes, row: Row) -> bool:
        now = self._now()
        self._sweep_now_and_then(now)
        values = {
            "digest": digest,
            "data": row.data,
            "version": row.version,
            "expires": _seconds(row.expires),
            "created": _seconds(row.created),
            "principal": None if row.principal is None else row.principal.encode(),
            "principal_digest": None if row.principal is None else _principal_digest(row.principal),
            "device": None if row.device is None else row.device.encode(),
            "seen": None if row.seen is None else _seconds(row.seen),
            "due": _due(row.expires),
        }
        if self._is_new(values):
            return True
        # What is there may have expired.
        self._count(_MAKE_ROOM, {"digest": digest, "now": now})
        return self._is_new(values)

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        now = self._now()
        self._sweep_now_and_then(now)
        values = {
            "digest": digest,
            "now": now,
            "data": row.data,
            "version": row.version,
            "old_version": version,
            "expires": _seconds(row.expires),
            "seen": None if row.seen is None else _seconds(row.seen),
            "due": _due(row.expires),
        }
        if self._count(_REPLACE, values) == 1:
            return Replacement.REPLACED
        return Replacement.GONE if self._live(digest, now) is None else Replacement.CONFLICT

    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        times = {"now": self._now(), "expires": _seconds(expires), "due": _due(expires), "seen": _seconds(seen)}
        return self._count(_TOUCH, {"digest": digest, **times}) == 1

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        # Whenever the row is not as it was read, another's write has gone through: nobody goes round for ever.
        while (row := self._live(digest, self._now())) is not None:
            as_read = {"digest": digest, "version": row.version, "expires": _seconds(row.expires)}
            as_read["seen"] = -1 if row.seen is None else _seconds(row.seen)
            if tombstone is None:
                ended = self._count(_DELETE, as_read)
            else:
                until = tombstone.until
                pointer = {"successor": tombstone.successor, "until": _seconds(until), "due": _due(until)}
                ended = self._count(_BURY, as_read | pointer)
            if ended:
                if self._is_in_transaction:
                    endings.note(partial(self.remove, digest, tombstone=tombstone))
                return row
        return None

    def find(self, principal: str) -> Sequence[Listed]:
        values = {"principal_digest": _principal_digest(principal), "now": self._now()}
        with self._executed(_FIND, values) as cursor:
            found = cursor.fetchall()
        return [
            Listed(_bytes(digest), _time(created), _time(expires), _text(device), _time_or_none(seen), version == 0)
            for digest, created, expires, device, seen, version in found
        ]

    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        cleared = self._remove({"created__lte": _seconds(began_by)}, limit)
        if cleared and self._is_in_transaction:
            endings.note(partial(self.clear, began_by, cleared))
        return cleared

    def sweep(self, limit: int = 1000) -> int:
        now = self._now()
        return self._remove({"due__lte": _ceiling(now), "expires__lte": now}, limit)

    def close(self) -> None:
        """Close this thread's connection, unless it is in a transaction; the next call opens it again."""
        if not self._is_in_transaction:
            connections[self.using].close()

    def _now(self) -> int:
        return _seconds(self._clock())

    @property
    def _is_in_transaction(self) -> bool:
        return connections[self.using].in_atomic_block

    def _sweep_now_and_then(self, now: int) -> None:
        # A transaction would keep what it has swept locked for as long as it goes on.
        if next(self._writes) % _WRITES_PER_SWEEP == 0 and not self._is_in_transaction:
            # Of the hours that are over, so that no row is looked at that has not expired.
            self._remove({"due__lte": now}, _SWEPT_AT_ONCE)

    def _remove(self, which: Mapping[str, int], limit: int) -> int:
        """Remove up to *limit* rows of those that *which* describes, and return how many."""
        removed = 0
        try:
            while removed < limit:
                portion = min(limit - removed, _MOST_DIGESTS)
                digests = list(self._rows.filter(**which).values_list("digest", flat=True)[:portion])
                removed += self._rows.filter(digest__in=digests, **which).delete()[0]
                if len(digests) < portion:
                    break
        except Error as exc:
            raise self._failure(exc) from exc
        return removed

    @property
    def _rows(self) -> QuerySet[Any, Any]:
        rows: QuerySet[Any, Any] = apps.get_model(_APP, "SessionRow")._default_manager.using(self.using)
        return rows

    def _is_new(self, values: Mapping[str, Any]) -> bool:
        """Insert a row, and return whether none was in its way."""
        try:
            # In PostgreSQL a statement that fails takes the transaction around it along, up to a savepoint.
            with (
                transaction.atomic(self.using) if self._is_in_transaction else nullcontext(),
                connections[self.using].cursor() as cursor,
            ):
                cursor.execute(_INSERT, values)
        except IntegrityError:
            return False
        except Error as exc:
            raise self._failure(exc) from exc
        return True

    def _live(self, digest: bytes, now: int) -> Row | None:
        locks = self._is_in_transaction and connections[self.using].features.has_select_for_update
        return self._row(_LOCK_LIVE if locks else _READ_LIVE, digest, now)

    def _row(self, statement: str, digest: bytes, now: int) -> Row | None:
        with self._executed(statement, {"digest": digest, "now": now}) as cursor:
            found = cursor.fetchone()
        if found is None:
            return None
        data, version, expires, created, principal, device, seen = found
        last = _time_or_none(seen)
        return Row(_bytes(data), version, _time(expires), _time(created), _text(principal), _text(device), last)

    def _count(self, statement: str, values: Mapping[str, Any]) -> int:
        with self._executed(statement, values) as cursor:
            count: int = cursor.rowcount
        return count

    @contextmanager
    def _executed(self, statement: str, values: Mapping[str, Any]) -> Iterator[CursorWrapper]:
        try:
            with connections[self.using].cursor() as cursor:
                cursor.execute(statement, values)
                yield cursor
        except Error as exc:
            raise self._failure(exc) from exc

    def _failure(self, exc: Error) -> StoreError:
        connection = connections[self.using]
        # The first line alone, for others may show values; and where there was no connection, words of the driver's
        # may show the address that was asked for.
        words = type(exc).__name__ if connection.connection is None else str(exc).partition("\n")[0]
        # One that broke is opened anew by whoever comes next.
        connection.close_if_unusable_or_obsolete()
        # Each database says in words of its own that it has no such table.
        hint = " Is that migrated? It is made by: manage.py migrate" if "holdall_django_session" in words else ""
        return StoreError(f"the database {self.using!r} failed: {words}.{hint}")


def open_table(url: str, form: Form, clock: Clock) -> DjangoTable:
    """
    Return the table that ``"django"``, ``"django://"`` or ``"django://alias"`` names, which has one form.

    A program that is no Django project's, such as the command ``holdall``, is made one by ``DJANGO_SETTINGS_MODULE``.
    """
    if not apps.ready:
        try:
            django.setup()
        except (ImproperlyConfigured, ImportError) as exc:
            msg = (
                f"Django could not be set up for {url}: {str(exc).rstrip('.')}. "
                "The command holdall finds a project by DJANGO_SETTINGS_MODULE, and in the folders of PYTHONPATH."
            )
            raise ConfigurationError(msg) from exc
    _, _, alias = url.partition("://")
    return DjangoTable(alias or "default", clock=clock)


def _check(using: str) -> None:
    if not apps.is_installed(_APP):
        msg = f"DjangoTable needs {_APP!r} in INSTALLED_APPS, and then: manage.py migrate."
        raise ConfigurationError(msg)
    if using not in connections:
        msg = f"no database is called {using!r}: settings.DATABASES has {', '.join(connections)}."
        raise ConfigurationError(msg)


def _principal_digest(principal: str) -> bytes:
    return hashlib.sha256(principal.encode()).digest()


def _bytes(stored: Any) -> bytes:
    # Drivers differ: Oracle's gives large ones to be read, and nothing for empty ones.
    return bytes(stored.read() if hasattr(stored, "read") else stored or b"")


def _text(stored: Any) -> str | None:
    return None if stored is None else _bytes(stored).decode()


def _seconds(time: datetime) -> int:
    return int(time.timestamp())


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _time_or_none(seconds: int | None) -> datetime | None:
    return None if seconds is None else _time(seconds)


def _due(expires: datetime) -> int:
    return _ceiling(_seconds(expires))


def _ceiling(seconds: int) -> int:
    return -(-seconds // _GRID_SECONDS) * _GRID_SECONDS
