"""Run a statement over one of Django's connections, repeat it if that can help, and report failures without values."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from django.core.exceptions import SynchronousOnlyOperation
from django.db import Error, connections

from holdall import StoreError
from holdall.tables.failures import (
    CONFLICTS,
    ELSEWHERE,
    MOST_CONFLICTS,
    cause_of,
    conflict_pause,
    shown_address,
    sqlstate_of,
)
from holdall_django._connections import end, leave_to_parent, limit_of, most_refusals

__all__ = ["carry_out"]

R = TypeVar("R")

_IN_ASYNC_CODE = (
    "The session is in Django's database, which async code must not wait for: await the session's methods that begin "
    "with 'a', such as `await request.session.aget(…)` and `await request.session.aset(…)`, or "
    "`await afetch_session(request)` before the first use of request.session."
)


def carry_out(work: Callable[[], R], using: str, timeout: timedelta) -> R:
    """
    Run *work* on the database *using*, and repeat it if that is safe and can help.

    Raises:
        StoreError: The database failed.
        SynchronousOnlyOperation: It is called in an event loop; a note says what to call instead.
    """
    connection = connections[using]
    leave_to_parent(connection)
    conflicts = refusals = 0
    while True:
        try:
            connection.ensure_connection()
            with limit_of(connection.connection, timeout):
                return work()
        except Error as exc:
            code = sqlstate_of(exc.__cause__, connection.vendor)
            # A failed transaction is over, and only the project can start another.
            if code in CONFLICTS and conflicts < MOST_CONFLICTS and not connection.in_atomic_block:
                conflicts += 1
                time.sleep(conflict_pause(conflicts))
            elif code in ELSEWHERE and refusals < most_refusals(connection) and not connection.in_atomic_block:
                refusals += 1
                end(connection)
            else:
                failure = _failure(exc, connection)
                break
        except SynchronousOnlyOperation as exc:
            exc.add_note(_IN_ASYNC_CODE)
            raise
    # Outside the except block, because the driver's error has values in its message and frames.
    raise failure


def _failure(exc: Error, connection: Any) -> StoreError:
    cause = exc.__cause__
    is_file = connection.vendor == "sqlite"
    # SQLite's messages show no values; those of other databases do, or show the address.
    words = str(exc) if is_file else cause_of(cause or exc)
    # Each database has its own message for a missing table.
    hint = " Has it been migrated? Create it with: manage.py migrate" if "holdall_django_session" in str(exc) else ""
    # The next call reopens a broken connection.
    connection.close_if_unusable_or_obsolete()
    settings = connection.settings_dict
    address = "" if is_file else shown_address(settings["HOST"], settings["PORT"], settings["NAME"])
    return StoreError(f"the database {connection.alias!r}{address} failed: {words}.{hint}")
