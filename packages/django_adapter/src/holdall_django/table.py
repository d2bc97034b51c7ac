"""
Rows in the project's own database, over the connections that Django has to it.

A request's verbs are SQL that all of Django's databases understand, because the ORM takes ten times as long to build
the same statements. Each is one guarded statement, or two of which the second is guarded by what the first one saw.
None needs a transaction, and each may be part of one.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter, methodcaller
from typing import Any, TypeVar

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
from holdall.tables.columns import (
    SWEPT_AT_ONCE,
    SweepTurns,
    due_by,
    due_of,
    listed_of,
    row_of,
    seconds_of,
    seconds_or_none,
    utf8_or_none,
)
from holdall.tables.failures import CONFLICTS, ELSEWHERE, MOST_CONFLICTS, cause_of, conflict_pause, shown_address
from holdall.tables.urls import checked_timeout, split_options, timeout_of
from holdall_django import rollback
from holdall_django._connections import end, leave_to_parent, limit_of, most_refusals

__all__ = ["DjangoTable", "open_table"]

_APP = "holdall_django"

R = TypeVar("R")

# The same errors in other databases: MySQL and MariaDB, and Oracle.
_OTHER_CODES = {
    "mysql": {1213: "40P01", 1290: "25006", 1792: "25006", 1836: "25006", 1053: "57P01"},
    "oracle": {60: "40P01", 8177: "40001", 16000: "25006"},
}
# Every database accepts this many values in one statement.
_MOST_DIGESTS = 500

_READ = """
SELECT data, version, expires, created, principal, client, seen FROM holdall_django_session
WHERE digest = %(digest)s AND expires > %(now)s
"""
_READ_LIVE = """
SELECT data, version, expires, created, principal, client, seen FROM holdall_django_session
WHERE digest = %(digest)s AND version > 0 AND expires > %(now)s
"""
# A transaction may keep seeing old rows. A row that it locks it sees as it is now.
_LOCK_LIVE = _READ_LIVE + "FOR UPDATE"
_INSERT = """
INSERT INTO holdall_django_session
    (digest, data, version, expires, created, principal, principal_digest, client, seen, due)
VALUES (%(digest)s, %(data)s, %(version)s, %(expires)s, %(created)s, %(principal)s, %(principal_digest)s, %(client)s,
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
# These match a row as it was read, so that the row that is returned is the one that was removed.
_DELETE = """
DELETE FROM holdall_django_session
WHERE digest = %(digest)s AND version = %(version)s AND expires = %(expires)s AND COALESCE(seen, -1) = %(seen)s
"""
_BURY = """
UPDATE holdall_django_session
SET data = %(successor)s, version = 0, expires = %(until)s, due = %(due)s, client = NULL, seen = NULL
WHERE digest = %(digest)s AND version = %(version)s AND expires = %(expires)s AND COALESCE(seen, -1) = %(seen)s
"""
_FIND = """
SELECT digest, created, expires, client, seen, version FROM holdall_django_session
WHERE principal_digest = %(principal_digest)s AND expires > %(now)s ORDER BY created, digest
"""


class DjangoTable:
    """
    A table in a database of ``settings.DATABASES``, which ``manage.py migrate`` makes.

    ``"holdall_django"`` has to be in ``INSTALLED_APPS``. Routers are not asked: *using* decides.

    A verb within a transaction of the project's is part of that. Where one ends a session in a request, the request's
    answer ends it again (``holdall_django.rollback``), so that a transaction rolled back does not bring it back.

    Unless it is part of a transaction, a statement that meets a serialization failure or a deadlock is sent again, and
    one that the server refuses because it was demoted is sent once more on a new connection. A connection that was made
    before the process was forked is left to the parent.

    Args:
        using: The database's alias.
        timeout: How long a statement may take, before it is cancelled and a ``StoreError``. It needs PostgreSQL and
            psycopg 3; the settings of the database say it for other drivers, and how long it may take to connect.

    Raises:
        ConfigurationError: There is no such alias, or the application is not installed.
    """

    leaves_process = True
    blocking_reads = True
    blocking_writes = True

    def __init__(
        self, using: str = "default", *, timeout: timedelta | int = timedelta(seconds=5), clock: Clock = utc_now
    ) -> None:
        # The settings may make one before the applications are loaded.
        if apps.ready:
            _check(using)
        self.using = using
        self._clock = clock
        self._timeout = checked_timeout("timeout", timeout)
        self._turns = SweepTurns()

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
            "expires": seconds_of(row.expires),
            "created": seconds_of(row.created),
            "principal": utf8_or_none(row.principal),
            "principal_digest": None if row.principal is None else _principal_digest(row.principal),
            "client": utf8_or_none(row.client),
            "seen": seconds_or_none(row.seen),
            "due": due_of(row.expires),
        }
        if self._is_new(values):
            return True
        # The row that is in the way may have expired.
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
            "expires": seconds_of(row.expires),
            "seen": seconds_or_none(row.seen),
            "due": due_of(row.expires),
        }
        if self._count(_REPLACE, values) == 1:
            return Replacement.REPLACED
        return Replacement.GONE if self._live(digest, now) is None else Replacement.CONFLICT

    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        times = {"now": self._now(), "expires": seconds_of(expires), "due": due_of(expires), "seen": seconds_of(seen)}
        return self._count(_TOUCH, {"digest": digest, **times}) == 1

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        # Each further round means that another request's write succeeded, so this ends.
        while (row := self._live(digest, self._now())) is not None:
            as_read = {"digest": digest, "version": row.version, "expires": seconds_of(row.expires)}
            as_read["seen"] = -1 if row.seen is None else seconds_of(row.seen)
            if tombstone is None:
                ended = self._count(_DELETE, as_read)
            else:
                until = tombstone.until
                pointer = {"successor": tombstone.successor, "until": seconds_of(until), "due": due_of(until)}
                ended = self._count(_BURY, as_read | pointer)
            if ended:
                if self._is_in_transaction:
                    rollback.note(partial(self.remove, digest, tombstone=tombstone))
                return row
        return None

    def find(self, principal: str) -> Sequence[Listed]:
        values = {"principal_digest": _principal_digest(principal), "now": self._now()}
        found = self._execute(_FIND, values, methodcaller("fetchall"))
        return [listed_of((_bytes(digest), *columns), text=_text) for digest, *columns in found]

    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        cleared = self._remove({"created__lte": seconds_of(began_by)}, limit)
        if cleared and self._is_in_transaction:
            rollback.note(partial(self.clear, began_by, cleared))
        return cleared

    def sweep(self, limit: int = 1000) -> int:
        now = self._now()
        return self._remove({"due__lte": due_by(now), "expires__lte": now}, limit)

    def close(self) -> None:
        """Close this thread's connection, unless it is in a transaction; the next call opens it again."""
        if not self._is_in_transaction:
            connection = connections[self.using]
            leave_to_parent(connection)
            connection.close()

    def _now(self) -> int:
        return seconds_of(self._clock())

    @property
    def _is_in_transaction(self) -> bool:
        return connections[self.using].in_atomic_block

    def _sweep_now_and_then(self, now: int) -> None:
        # A transaction would keep the swept rows locked until its end.
        if self._turns.is_due() and not self._is_in_transaction:
            # Only rows of past hours, so that no live row is examined.
            self._remove({"due__lte": now}, SWEPT_AT_ONCE)

    def _remove(self, which: Mapping[str, int], limit: int) -> int:
        """Remove up to *limit* rows of those that *which* describes, and return how many."""
        removed = 0
        while removed < limit:
            portion = min(limit - removed, _MOST_DIGESTS)
            found, gone = self._carry_out(partial(self._remove_some, which, portion))
            removed += gone
            if found < portion:
                break
        return removed

    def _remove_some(self, which: Mapping[str, int], limit: int) -> tuple[int, int]:
        digests = list(self._rows.filter(**which).values_list("digest", flat=True)[:limit])
        return len(digests), self._rows.filter(digest__in=digests, **which).delete()[0]

    @property
    def _rows(self) -> QuerySet[Any, Any]:
        rows: QuerySet[Any, Any] = apps.get_model(_APP, "SessionRow")._default_manager.using(self.using)
        return rows

    def _is_new(self, values: Mapping[str, Any]) -> bool:
        """Insert a row, and return whether none was in its way."""

        def insert() -> bool:
            try:
                # In PostgreSQL a statement that fails takes the transaction around it along, up to a savepoint.
                with (
                    transaction.atomic(self.using) if self._is_in_transaction else nullcontext(),
                    connections[self.using].cursor() as cursor,
                ):
                    cursor.execute(_INSERT, values)
            except IntegrityError:
                return False
            return True

        return self._carry_out(insert)

    def _live(self, digest: bytes, now: int) -> Row | None:
        locks = self._is_in_transaction and connections[self.using].features.has_select_for_update
        return self._row(_LOCK_LIVE if locks else _READ_LIVE, digest, now)

    def _row(self, statement: str, digest: bytes, now: int) -> Row | None:
        found = self._execute(statement, {"digest": digest, "now": now}, methodcaller("fetchone"))
        if found is None:
            return None
        data, *columns = found
        return row_of((_bytes(data), *columns), text=_text)

    def _count(self, statement: str, values: Mapping[str, Any]) -> int:
        count: int = self._execute(statement, values, attrgetter("rowcount"))
        return count

    def _execute(self, statement: str, values: Mapping[str, Any], answer: Callable[[CursorWrapper], R]) -> R:
        """Execute a statement, and return what *answer* takes of it."""

        def execute() -> R:
            with connections[self.using].cursor() as cursor:
                cursor.execute(statement, values)
                return answer(cursor)

        return self._carry_out(execute)

    def _carry_out(self, work: Callable[[], R]) -> R:
        """Do *work* in the database, and do it again where that is safe and can help."""
        connection = connections[self.using]
        leave_to_parent(connection)
        conflicts = refusals = 0
        while True:
            try:
                connection.ensure_connection()
                with limit_of(connection.connection, self._timeout):
                    return work()
            except Error as exc:
                code = _code(connection.vendor, exc)
                # A failed transaction is over, and only the project can begin another.
                if code in CONFLICTS and conflicts < MOST_CONFLICTS and not self._is_in_transaction:
                    conflicts += 1
                    time.sleep(conflict_pause(conflicts))
                elif code in ELSEWHERE and refusals < most_refusals(connection) and not self._is_in_transaction:
                    refusals += 1
                    end(connection)
                else:
                    failure = self._failure(exc)
                    break
        # Outside of the except block: the driver's error has values in its words and frames.
        raise failure

    def _failure(self, exc: Error) -> StoreError:
        connection = connections[self.using]
        cause = exc.__cause__
        is_file = connection.vendor == "sqlite"
        # SQLite's messages show no values; those of others do, or show the address.
        words = str(exc) if is_file else cause_of(cause or exc)
        # Each database has its own message for a missing table.
        hint = " Is that migrated? It is made by: manage.py migrate" if "holdall_django_session" in str(exc) else ""
        # The next call opens a broken connection anew.
        connection.close_if_unusable_or_obsolete()
        settings = connection.settings_dict
        address = "" if is_file else shown_address(settings["HOST"], settings["PORT"], settings["NAME"])
        return StoreError(f"the database {self.using!r}{address} failed: {words}.{hint}")


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
    url, options = split_options(url, {"timeout": timeout_of})
    _, _, alias = url.partition("://")
    return DjangoTable(alias or "default", clock=clock, **options)


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
    # Drivers differ: Oracle's returns large values as files, and None for empty ones.
    return bytes(stored.read() if hasattr(stored, "read") else stored or b"")


def _text(stored: Any) -> str:
    return _bytes(stored).decode()


def _code(vendor: str, exc: Error) -> str | None:
    """Return the SQLSTATE of an error, or what stands for it in a database that has none."""
    cause = exc.__cause__
    code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if code or vendor not in _OTHER_CODES:
        return code
    number: Any = next(iter(getattr(cause, "args", ())), None)
    return _OTHER_CODES[vendor].get(getattr(number, "code", number))
