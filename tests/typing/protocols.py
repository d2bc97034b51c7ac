"""
Code that a type checker must accept, and code that it must refuse: nothing here is run.

An unneeded ``type: ignore`` is an error, so each one here is a mistake that a checker finds.
"""

from holdall import (
    AsyncTable,
    CookieOptions,
    CookieStore,
    MemoryTable,
    Sessions,
    Store,
    Table,
    TableStore,
)
from holdall.formats import Format, NativeFormat
from holdall.serializers import Serializer, TaggedJSON
from holdall.sources import AnySource, Source
from holdall.sources.django import DjangoSource
from holdall.sources.flask_session import FlaskSessionSource
from holdall.sources.starsessions import StarsessionsSource
from holdall.stores import MigratingStore, Renewing, Revocable, Updating
from holdall.tables.postgres import AsyncPostgresTable, PostgresTable
from holdall.tables.redis import AsyncRedisTable, RedisTable
from holdall.tables.sqlalchemy import AsyncSQLAlchemyTable, SQLAlchemyTable
from holdall.testing import as_async
from holdall_django.sources import EngineSource
from holdall_django.table import DjangoTable


def what_is_accepted(secret: str, async_table: AsyncTable) -> None:
    cookie_format: Format = NativeFormat(secret)
    table: Table = MemoryTable()
    _django_table: Table = DjangoTable("sessions")
    _postgres_table: Table = PostgresTable("postgresql://localhost")
    _async_postgres_table: AsyncTable = AsyncPostgresTable("postgresql://localhost")
    _sqlalchemy_table: Table = SQLAlchemyTable("mysql+pymysql://localhost")
    _async_sqlalchemy_table: AsyncTable = AsyncSQLAlchemyTable("mysql+asyncmy://localhost")
    _redis_table: Table = RedisTable("redis://localhost")
    _async_redis_table: AsyncTable = AsyncRedisTable("redis://localhost")
    _serializer: Serializer = TaggedJSON()
    cookie_store: Store = CookieStore(cookie_format)
    _table_store: Store = TableStore(table)
    _revocable_store: Revocable = TableStore(table)
    _renewing: Renewing = TableStore(table)
    _updating: Updating = TableStore(async_table)
    flask_session = FlaskSessionSource("redis://localhost")
    sources: list[AnySource] = [flask_session, StarsessionsSource("redis://localhost"), EngineSource("db")]
    _rows: Source = DjangoSource(lambda: memoryview(b""), secret)
    _migrating: Store = MigratingStore(TableStore(async_table), sources)
    Sessions("table", key="sid", table="session", migrate_from=sources)
    _async_table: AsyncTable = as_async(table)
    options: CookieOptions = {"path": "/", "same_site": "Lax", "secure": True}
    Sessions(cookie_store, key="_shop", **options)
    Sessions("table", key="sid", table="session")
    Sessions("cookie", key="sid", secret_key_base=secret, revocable=table, when_unreachable="trust", compress=True)
    Sessions("cookie", key="sid", secret_key_base=secret, revocable="redis://localhost")
    Sessions("cookie", key="sid", secret_key_base=secret, overflow="redis://localhost")
    Sessions("cookie", key="sid", secret_key_base=secret, overflow=table)


def what_is_refused(secret: str) -> None:
    _not_a_store: Store = MemoryTable()  # type: ignore[assignment]
    _not_revocable: Revocable = CookieStore(NativeFormat(secret))  # type: ignore[assignment]
    _not_awaited: AsyncTable = MemoryTable()  # type: ignore[assignment]
    TableStore(NativeFormat(secret))  # type: ignore[arg-type]
    Sessions(CookieStore(NativeFormat(secret)))  # type: ignore[call-arg]
    Sessions("cookie", key="_shop", secret_key_base=secret, same_site="lax")  # type: ignore[arg-type]
    Sessions("cookie", key="_shop", secret_key_bass=secret)  # type: ignore[call-arg]
    Sessions("cookie", key="_shop", secret_key_base=secret, revocable=secret, when_unreachable="wait")  # type: ignore[arg-type]
