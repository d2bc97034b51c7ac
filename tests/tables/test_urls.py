"""Invalid URLs and options of tables."""

import importlib
from datetime import timedelta
from typing import Any

import pytest

import tests.django_project  # noqa: F401  # sets Django up
from holdall import ConfigurationError, MemoryTable, Sessions
from holdall._clock import utc_now
from holdall.tables import table_opener
from holdall.tables.urls import checked_timeout


@pytest.mark.parametrize(
    "url", ["gopher://shop:hunter2@db.example/0", "postgresq://shop:hunter2@[db.example/0", "x://shop:hunter2@d℀b/0"]
)
def test_an_invalid_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no table is known for") as refusal:
        Sessions("table", key="sid", table=url)

    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__context__ is None


@pytest.mark.parametrize("url", ["django", "django://", "Django://default"])
def test_another_package_can_provide_a_table(url: str) -> None:
    found = table_opener(url, clock=utc_now)("sync")

    assert (type(found).__module__, type(found).__name__) == ("holdall_django.table", "DjangoTable")


def test_a_plain_name_is_a_table_in_memory() -> None:
    assert isinstance(table_opener("jango", clock=utc_now)("sync"), MemoryTable)


# Time limits.

LIMITS = [
    ("sqlite", "SQLiteTable", "sessions.db", "busy_timeout"),
    ("redis", "RedisTable", "redis://localhost/0", "timeout"),
    ("redis", "AsyncRedisTable", "redis://localhost/0", "timeout"),
    ("postgres", "PostgresTable", "postgresql://localhost/shop", "timeout"),
    ("postgres", "PostgresTable", "postgresql://localhost/shop", "statement_timeout"),
    ("postgres", "AsyncPostgresTable", "postgresql://localhost/shop", "statement_timeout"),
    ("sqlalchemy", "SQLAlchemyTable", "sqlite+pysqlite:///sessions.db", "timeout"),
    ("sqlalchemy", "AsyncSQLAlchemyTable", "sqlite+aiosqlite:///sessions.db", "statement_timeout"),
    ("holdall_django.table", "DjangoTable", "default", "timeout"),
]


@pytest.mark.parametrize(("module", "name", "place", "option"), LIMITS)
def test_each_table_accepts_whole_seconds_as_a_limit(module: str, name: str, place: str, option: str) -> None:
    if module in ("postgres", "sqlalchemy"):
        pytest.importorskip("psycopg" if module == "postgres" else module)
    table: Any = getattr(importlib.import_module(module if "." in module else f"holdall.tables.{module}"), name)

    table(place, **{option: 1})
    table(place, **{option: timedelta(seconds=1)})
    with pytest.raises(ConfigurationError, match=rf"^{option}='1' is neither a timedelta nor a whole number"):
        table(place, **{option: "1"})


def test_whole_seconds_are_a_limit() -> None:
    assert checked_timeout("timeout", 2) == timedelta(seconds=2)
    assert checked_timeout("timeout", timedelta(milliseconds=50)) == timedelta(milliseconds=50)


@pytest.mark.parametrize("value", [0, -1, 0.5, True, None, "5", 10**20])
def test_a_limit_that_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="is neither a timedelta nor a whole number"):
        checked_timeout("timeout", value)
