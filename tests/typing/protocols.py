"""
What a type checker must accept, and what it must refuse: nothing here is run.

A ``type: ignore`` that is not needed is an error, so each one here is a mistake that a checker does find.
"""

from holdall import (
    AsyncStore,
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
from holdall.stores import Leasing, Moving, Revocable
from holdall.tables.postgres import AsyncPostgresTable, PostgresTable
from holdall.tables.redis import AsyncRedisTable, RedisTable
from holdall.testing import as_async
from holdall_django.sources import EngineSource
from holdall_django.table import DjangoTable


def what_is_accepted(secret: str, async_table: AsyncTable, sync_store: Store) -> None:
    cookie_format: Format = NativeFormat(secret)
    table: Table = MemoryTable()
    _django_table: Table = DjangoTable("sessions")
    _postgres_table: Table = PostgresTable("postgresql://localhost")
    _async_postgres_table: AsyncTable = AsyncPostgresTable("postgresql://localhost")
    _redis_table: Table = RedisTable("redis://localhost")
    _async_redis_table: AsyncTable = AsyncRedisTable("redis://localhost")
    _serializer: Serializer = TaggedJSON()
    cookie_store: Store = CookieStore(cookie_format)
    _table_store: Store = TableStore(table)
    _revocable_store: Revocable = TableStore(table)
    _leasing: Leasing = TableStore(table)
    _moving: Moving = TableStore(table)
    flask_session = FlaskSessionSource("redis://localhost")
    sources: list[AnySource] = [flask_session, StarsessionsSource("redis://localhost"), EngineSource("db")]
    _rows: Source = DjangoSource(lambda: memoryview(b""), secret)
    TableStore(table, migrate_from=sources)
    TableStore(async_table, migrate_from=sources)
    Sessions("table", key="sid", table="session", migrate_from=sources)
    _async_table_store: AsyncStore = TableStore(async_table)
    _faces: tuple[AsyncTable, AsyncStore] = as_async(table), as_async(sync_store)
    options: CookieOptions = {"path": "/", "same_site": "Lax", "secure": True}
    Sessions(cookie_store, key="_shop", **options)
    Sessions("table", key="sid", table="session")


def what_is_refused(secret: str, async_table: AsyncTable) -> None:
    _not_a_store: Store = MemoryTable()  # type: ignore[assignment]
    _not_revocable: Revocable = CookieStore(NativeFormat(secret))  # type: ignore[assignment]
    _not_awaited: AsyncTable = MemoryTable()  # type: ignore[assignment]
    TableStore(async_table)  # type: ignore[arg-type]
    TableStore(MemoryTable())  # type: ignore[arg-type]
    Sessions(CookieStore(NativeFormat(secret)))  # type: ignore[call-arg]
    Sessions("cookie", key="_shop", secret_key_base=secret, same_site="lax")  # type: ignore[arg-type]
    Sessions("cookie", key="_shop", secret_key_bass=secret)  # type: ignore[call-arg]
