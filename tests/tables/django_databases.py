"""Databases of a Django project that exist for one test, by alias."""

import tests.django_project  # noqa: F401  # sets Django up

# isort: split

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

from django.core.management import call_command
from django.db import connections
from django.db.backends.signals import connection_created

_numbers = count()


def new_alias(name: str) -> str:
    """Return a new alias, because a long-lived thread keeps its connection to the alias's earlier database."""
    return f"{name}{next(_numbers)}"


def of_postgres(url: str) -> dict[str, Any]:
    """Return the ``DATABASES`` entry for a *url*."""
    # Imported here, because some Pythons lack the driver, and most tests need no server.
    from psycopg.conninfo import conninfo_to_dict

    parts = conninfo_to_dict(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": parts["host"],
        "PORT": parts["port"],
        "USER": parts["user"],
        "NAME": parts["dbname"],
        "OPTIONS": {"options": parts["options"]},
    }


def of_sqlite(path: object) -> dict[str, Any]:
    """Return the ``DATABASES`` entry for a file, whose writes need not survive a power failure."""
    options = {"init_command": "PRAGMA journal_mode=wal; PRAGMA synchronous=off"}
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path), "OPTIONS": options}


@contextmanager
def unmigrated(alias: str, database: Mapping[str, Any]) -> Iterator[str]:
    """Make *alias* a database, and close all threads' connections to it afterwards."""
    opened: list[Any] = []

    def keep(connection: Any, **_: object) -> None:
        if connection.alias == alias:
            # Kept until the end, because one that disappears with its thread would warn that it was not closed.
            opened.append(connection.connection)

    connections.settings[alias] = {**connections.settings["default"], **database}
    connection_created.connect(keep)
    try:
        yield alias
    finally:
        connection_created.disconnect(keep)
        connections[alias].close()
        del connections[alias]
        del connections.settings[alias]
        for connection in opened:
            connection.close()


@contextmanager
def migrated(alias: str, database: Mapping[str, Any]) -> Iterator[str]:
    """Make *alias* a database with our table."""
    with unmigrated(alias, database):
        call_command("migrate", "holdall_django", database=alias, verbosity=0)
        yield alias
