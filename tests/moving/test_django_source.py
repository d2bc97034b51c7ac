"""The sessions in Django's own database, read without Django, and through Django's engine within a project."""

import asyncio
import pickle
import sqlite3
import traceback
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from servers.postgres import driver
from tables.django_databases import of_postgres, of_sqlite, unmigrated

# isort: split

from django.apps import apps
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.core import signing
from django.core.management import call_command
from django.test import override_settings

from holdall import ConfigurationError, Event, MemoryTable, Sessions, StoreError, TableStore, _async
from holdall.sources import Entry, Refused
from holdall.sources.django import DjangoSource
from holdall.stores._migration import MigratingStore
from holdall.testing import as_async
from holdall_django.sources import EngineSource

SECRET = settings.SECRET_KEY
_SALT = "django.contrib.sessions.SessionStore"
DATA = {"_auth_user_id": "7", "cart": ["apples", {"pears": 2}], "note": "é" * 500, "none": None}

Connect = Callable[[], AbstractContextManager[Any]]


_numbers = count()


class ToAlias:
    """A router that sends the sessions' rows to one database."""

    def __init__(self, alias: str) -> None:
        self.db_for_read = self.db_for_write = lambda model, **hints: alias


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Connect, str]]:
    """Return a database with Django's rows: a function that connects to it, and its driver's parameter marker."""
    installed = [*settings.INSTALLED_APPS, "django.contrib.sessions"]
    if request.param == "sqlite":
        path = tmp_path / "db.sqlite3"
        found, connect, placeholder = of_sqlite(path), lambda: closing(sqlite3.connect(path)), "?"
    else:
        url = request.getfixturevalue("postgres").new_url()
        found, connect, placeholder = of_postgres(url), partial(driver().connect, url), "%s"
    # Never the same name twice, because Django's threads and their connections outlive a test.
    alias = f"moving {next(_numbers)}"
    with (
        override_settings(INSTALLED_APPS=installed),
        unmigrated(alias, found),
        override_settings(DATABASE_ROUTERS=[ToAlias(alias)]),
    ):
        call_command("migrate", "sessions", database=alias, verbosity=0)
        yield connect, placeholder


@pytest.fixture
def source(database: tuple[Connect, str]) -> DjangoSource:
    connect, placeholder = database
    return DjangoSource(connect, SECRET, placeholder=placeholder)  # type: ignore[arg-type]  # either form


def kept(engine: str = "db", data: dict[str, Any] = DATA, *, lives: int | None = None) -> str:
    """Return the key of a session that Django keeps."""
    store = import_module(f"django.contrib.sessions.backends.{engine}").SessionStore()
    store.update(data)
    if lives is not None:
        store.set_expiry(lives)
    store.save()
    return store.session_key


def sessions_of(source: Any, **options: Any) -> Sessions:
    return Sessions(MigratingStore(TableStore(MemoryTable()), [source]), key="sessionid", **options)


@pytest.mark.parametrize("engine", ["db", "cached_db"])
def test_a_row_is_read_and_removed_without_django(source: DjangoSource, engine: str) -> None:
    key = kept(engine)
    sessions = sessions_of(source, principal_key="_auth_user_id")

    session = sessions.resume(key)

    assert session == DATA
    assert session.principal == "7"
    assert source.read(key) is None
    assert sessions.resume(key) == DATA


def test_a_moved_session_ends_when_it_would_have_ended(source: DjangoSource) -> None:
    found = source.read(kept(lives=3600))

    assert isinstance(found, Entry)
    assert found.created is None
    assert timedelta(minutes=59) < found.expires - datetime.now(UTC) <= timedelta(hours=1)
    assert found.expires.tzinfo is UTC


def test_local_times_are_interpreted_correctly(database: tuple[Connect, str]) -> None:
    connect, placeholder = database
    if placeholder != "?":
        pytest.skip("PostgreSQL stores times with their zone")
    zone = timezone(timedelta(hours=5, minutes=30))
    key = kept()
    in_utc, there = (DjangoSource(connect, SECRET, placeholder="?", time_zone=each).read(key) for each in (UTC, zone))

    assert isinstance(in_utc, Entry)
    assert isinstance(there, Entry)
    assert in_utc.expires - there.expires == timedelta(hours=5, minutes=30)


def test_an_old_secret_is_accepted_and_another_is_not(database: tuple[Connect, str]) -> None:
    connect, placeholder = database
    key, other = kept(), "7c1e94d02b8f5a63-another-f6a09d3c58e7b214"
    options: dict[str, Any] = {"placeholder": placeholder}

    assert DjangoSource(connect, other, **options).read(key) == Refused("unreadable")
    assert isinstance(DjangoSource(connect, other, [SECRET], **options).read(key), Entry)
    with pytest.raises(ConfigurationError, match="secret"):
        DjangoSource(connect, "short", **options)


def put_row(connect: Connect, placeholder: str, key: str, text: str) -> None:
    with connect() as connection:
        connection.cursor().execute(
            f"UPDATE django_session SET session_data = {placeholder} WHERE session_key = {placeholder}", (text, key)
        )
        connection.commit()


class Trap:
    """A class that detects being unpickled."""

    sprung = False

    def __reduce__(self) -> Any:
        return setattr, (Trap, "sprung", True)


class Pickles:
    """The serializer that Django once had, and that some projects still bring along."""

    dumps = staticmethod(pickle.dumps)
    loads = staticmethod(pickle.loads)


@pytest.mark.parametrize("compress", [False, True])
def test_a_pickled_session_is_refused_and_never_unpickled(source: DjangoSource, database: Any, compress: bool) -> None:
    key = kept()
    text = signing.dumps({"trap": Trap(), "text": "x" * 500}, salt=_SALT, serializer=Pickles, compress=compress)
    put_row(*database, key, text)
    events: list[Event] = []

    assert sessions_of(source, on_event=events.append).resume(key).is_new
    with override_settings(SESSION_SERIALIZER=f"{__name__}.Pickles"):
        found = EngineSource("db").read(key)

    assert events == [Event("rejected", "sessionid", "pickle")]
    assert found == Refused("pickle")
    assert not Trap.sprung


@pytest.mark.parametrize("text", ["", "rubbish", ":1:x", "[1]"])
def test_a_row_that_is_not_a_session_is_refused(source: DjangoSource, database: Any, text: str) -> None:
    key = kept()
    put_row(*database, key, signing.dumps([1], salt=_SALT) if text == "[1]" else text)

    assert source.read(key) == Refused("unreadable")


def test_a_signed_row_that_cannot_be_decompressed_is_refused(source: DjangoSource, database: Any) -> None:
    key = kept()
    signer = signing.TimestampSigner(salt=_SALT)
    put_row(*database, key, signer.sign("." + signing.b64_encode(zlib.compress(b"{}")[:-1]).decode()))

    assert source.read(key) == Refused("unreadable")


def test_a_failing_database_is_an_error_without_its_message() -> None:
    url = "postgresql://shop:hunter2@db.example/shop"

    def connect() -> Any:
        raise driver().OperationalError(url)

    with pytest.raises(StoreError, match=r"Django's database failed: OperationalError\.") as refused:
        DjangoSource(connect, SECRET).read("a" * 32)
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("is_async", [False, True])
def test_the_source_serves_async_adapters_in_threads(source: DjangoSource, is_async: bool) -> None:
    key = kept()
    table: Any = as_async(MemoryTable()) if is_async else MemoryTable()
    sessions = Sessions(MigratingStore(TableStore(table), [source]), key="sessionid")

    async def look() -> Any:
        return dict(await sessions.fetch_async(f"sessionid={key}"))

    assert asyncio.run(look()) == DATA


# Within the project.


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("engine", ["db", "cached_db", "cache"])
def test_an_engines_sessions_are_read_by_it_and_removed(engine: str) -> None:
    key = kept(engine, lives=3600)
    source = EngineSource(engine)

    found = source.read(key)
    assert isinstance(found, Entry)
    assert found.data == {**DATA, "_session_expiry": 3600}
    assert timedelta(minutes=59) < found.expires - datetime.now(UTC) <= timedelta(hours=1)

    assert sessions_of(source).resume(key)["_auth_user_id"] == "7"
    assert source.read(key) is None
    assert source.read("0" * 32) is None


@pytest.mark.usefixtures("database")
def test_an_engine_serves_sync_and_async_stores() -> None:
    key = kept("db")
    store = MigratingStore(TableStore(as_async(MemoryTable())), [EngineSource("db")])
    sessions = Sessions(store, key="sessionid")

    async def requests() -> Any:
        session = await sessions.fetch_async(f"sessionid={key}")
        return dict(session), (await sessions.commit_async(session)).cookie

    data, cookie = asyncio.run(requests())

    assert (data, cookie == key) == (DATA, False)
    assert EngineSource("db").read(key) is None


@pytest.mark.usefixtures("database")
def test_in_an_async_view_an_engine_is_called_in_djangos_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    key = kept("db")
    sessions = Sessions(MigratingStore(TableStore(MemoryTable()), [EngineSource("db")]), key="sessionid")

    def to_thread(call: Callable[[], Any]) -> Any:
        pytest.fail("other threads do not have Django's connections")

    monkeypatch.setattr(_async, "to_thread", to_thread)

    async def look() -> Any:
        return dict(await sessions.fetch_async(f"sessionid={key}"))

    assert asyncio.run(look()) == DATA


def test_a_missing_engine_is_named() -> None:
    for engine in ("dbm", "json.decoder"):
        with pytest.raises(ConfigurationError, match="does not name a Django session engine"):
            MigratingStore(TableStore(MemoryTable()), [EngineSource(engine)])
    with pytest.raises(ConfigurationError, match=r"leave that in INSTALLED_APPS"):
        MigratingStore(TableStore(MemoryTable()), [EngineSource("db")])


def test_settings_may_create_one_before_applications_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps, "ready", False)

    assert EngineSource("db").opened("sync") is not None


@pytest.mark.usefixtures("database")
def test_a_failing_engine_is_an_error_without_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SessionStore, "load", lambda self: {}["hunter2"])

    with pytest.raises(StoreError, match=r"django.contrib.sessions.backends.db failed: KeyError\.") as refused:
        EngineSource("db").read("a" * 32)
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))
