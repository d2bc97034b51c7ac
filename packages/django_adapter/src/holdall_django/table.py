"""
Keep rows in the project's own database, over Django's connections.

Requests use the SQL of ``holdall.tables.sql``, because the ORM takes ten times as long to build the same
statements.
"""

import re
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
from django.db import IntegrityError, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

from holdall import ConfigurationError
from holdall.adapters import Clock, utc_now
from holdall.tables import Kind, Row, Tombstone
from holdall.tables.sql import STATEMENTS, SQLTable
from holdall.tables.urls import checked_timeout, split_options, timeout_of
from holdall_django import _rollback as rollback
from holdall_django._attempts import carry_out
from holdall_django._connections import leave_to_parent

__all__ = ["DjangoTable", "open_table"]

_APP = "holdall_django"

R = TypeVar("R")


def _in_django(statement: str) -> str:
    return re.sub(r":(\w+)", r"%(\1)s", statement.format(table="holdall_django_session"))


_STATEMENTS = {name: _in_django(statement) for name, statement in STATEMENTS.items()}
# A transaction may keep seeing old rows, but it sees the current version of a row that it locks.
_LOCKED = {"read_live": _STATEMENTS["read_live"] + " FOR UPDATE"}


class DjangoTable(SQLTable):
    """
    A table in a database of ``settings.DATABASES``, which ``manage.py migrate`` creates.

    ``"holdall_django"`` must be in ``INSTALLED_APPS``. Routers are ignored: *using* decides.

    A verb within one of the project's transactions is part of it. If it ends a session in a request, the session is
    ended again with the response (``holdall_django._rollback``), so that a rollback does not bring it back.

    Unless it is part of a transaction, a statement that meets a serialization failure or a deadlock is sent again, and
    one that the server refuses because it was demoted is sent once more on a new connection. A connection that was
    opened before a fork is left to the parent.

    Args:
        using: The database's alias.
        timeout: How long a statement may take before it is cancelled and raises ``StoreError``. It needs PostgreSQL and
            psycopg 3; for other drivers, and for connecting, the database's settings apply.

    Raises:
        ConfigurationError: The alias does not exist, or the application is not installed.
    """

    def __init__(
        self, using: str = "default", *, timeout: timedelta | int = timedelta(seconds=5), clock: Clock = utc_now
    ) -> None:
        # The settings may create a table before the applications are loaded.
        if apps.ready:
            _check(using)
        # In a transaction, the swept rows would stay locked until its end.
        super().__init__(clock, may_sweep=lambda: not self._is_in_transaction)
        self.using = using
        self._timeout = checked_timeout("timeout", timeout)

    async def in_thread(self, call: Callable[[], Any]) -> Any:
        """Run *call* in the thread where Django keeps this request's connections, and await it."""
        return await sync_to_async(call, thread_sensitive=True)()

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        row = super().remove(digest, tombstone=tombstone)
        if row is not None and self._is_in_transaction:
            rollback.note(partial(self.remove, digest, tombstone=tombstone))
        return row

    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        cleared = super().clear(began_by, limit)
        if cleared and self._is_in_transaction:
            rollback.note(partial(self.clear, began_by, cleared))
        return cleared

    def close(self) -> None:
        """Close this thread's connection, unless it is in a transaction; the next call opens it again."""
        if not self._is_in_transaction:
            connection = connections[self.using]
            leave_to_parent(connection)
            connection.close()

    @property
    def _is_in_transaction(self) -> bool:
        return connections[self.using].in_atomic_block

    def _fetch(self, statement: str, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        locks = self._is_in_transaction and connections[self.using].features.has_select_for_update
        sql = (locks and _LOCKED.get(statement)) or _STATEMENTS[statement]
        found: Sequence[Sequence[Any]] = self._execute(sql, values, methodcaller("fetchall"))
        return found

    def _count(self, statement: str, values: Mapping[str, Any]) -> int:
        count: int = self._execute(_STATEMENTS[statement], values, attrgetter("rowcount"))
        return count

    def _insert(self, values: Mapping[str, Any]) -> bool:
        def insert() -> bool:
            try:
                # A savepoint, because in PostgreSQL a failed statement aborts the transaction around it.
                with (
                    transaction.atomic(self.using) if self._is_in_transaction else nullcontext(),
                    connections[self.using].cursor() as cursor,
                ):
                    cursor.execute(_STATEMENTS["insert"], values)
            except IntegrityError:
                return False
            return True

        return carry_out(insert, self.using, self._timeout)

    def _pick(self, bounds: Mapping[str, int], limit: int) -> Sequence[bytes]:
        picked = self._within(bounds).values_list("digest", flat=True)[:limit]
        return carry_out(lambda: list(picked), self.using, self._timeout)

    def _drop(self, bounds: Mapping[str, int], digests: Sequence[bytes]) -> int:
        rows = self._within(bounds).filter(digest__in=digests)
        return carry_out(lambda: rows.delete()[0], self.using, self._timeout)

    def _within(self, bounds: Mapping[str, int]) -> QuerySet[Any, Any]:
        rows: QuerySet[Any, Any] = apps.get_model(_APP, "SessionRow")._default_manager.using(self.using)
        return rows.filter(**{f"{column}__lte": bound for column, bound in bounds.items()})

    def _execute(self, statement: str, values: Mapping[str, Any], answer: Callable[[CursorWrapper], R]) -> R:
        """Execute a statement, and return what *answer* extracts from its result."""

        def execute() -> R:
            with connections[self.using].cursor() as cursor:
                cursor.execute(statement, values)
                return answer(cursor)

        return carry_out(execute, self.using, self._timeout)


def open_table(url: str, form: Kind, clock: Clock) -> DjangoTable:
    """
    Return the table for ``"django"``, ``"django://"`` or ``"django://alias"``, which has only one form.

    In a program outside of Django, such as the command ``holdall``, Django is set up with ``DJANGO_SETTINGS_MODULE``.
    """
    if not apps.ready:
        try:
            django.setup()
        except (ImproperlyConfigured, ImportError) as exc:
            msg = (
                f"Django could not be set up for {url}: {str(exc).rstrip('.')}. "
                "The command holdall finds a project through DJANGO_SETTINGS_MODULE and the folders of PYTHONPATH."
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
        msg = f"there is no database {using!r}: settings.DATABASES has {', '.join(connections)}."
        raise ConfigurationError(msg)
