"""Django with sessions in its own database: the adapter suite, transactions, and ``clearsessions``."""

import asyncio
import threading
import unittest
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from tables.django_databases import migrated, new_alias, of_postgres, of_sqlite, unmigrated

# isort: split

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client, RequestFactory, TestCase, override_settings
from django.urls import path

from adapters.mounts.django import mount as mount_wsgi
from adapters.mounts.django import mount_asgi
from holdall import Sessions, StoreError, TableStore
from holdall.tables import Row
from holdall.testing import AdapterConformance, Browser, FakeClock, asgi_client, init_test_session, wsgi_client
from holdall.testing import Request as ClientRequest
from holdall_django import SessionMiddleware
from holdall_django.engine import SessionStore
from holdall_django.table import DjangoTable
from servers.postgres import PostgresServer


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with migrated(new_alias("sqlite"), of_sqlite(tmp_path_factory.mktemp("django") / "db.sqlite3")) as alias:
        yield alias


@pytest.fixture(scope="module")
def postgresql(postgres: PostgresServer) -> Iterator[str]:
    with migrated(new_alias("postgresql"), of_postgres(postgres.new_url())) as alias:
        yield alias


@pytest.fixture(params=["sqlite", "postgresql"])
def alias(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(request.param)
    return found


class CountedTable(DjangoTable):
    """A table that reports its number of rows, and the threads that called it."""

    def __init__(self, using: str, clock: FakeClock) -> None:
        super().__init__(using, clock=clock)
        self.threads: set[int] = set()
        self.transactions: set[bool] = set()

    def __len__(self) -> int:
        return int(self._within({}).count())

    def _note(self) -> None:
        self.threads.add(threading.get_ident())
        self.transactions.add(connections[self.using].in_atomic_block)

    def read(self, digest: bytes) -> Row | None:
        self._note()
        return super().read(digest)

    def insert(self, digest: bytes, row: Row) -> bool:
        self._note()
        return super().insert(digest, row)


def emptied(alias: str, clock: FakeClock) -> CountedTable:
    table = CountedTable(alias, clock)
    table._within({}).delete()
    return table


@pytest.fixture
def table(alias: str, clock: FakeClock) -> CountedTable:
    return emptied(alias, clock)


class TestDjango(AdapterConformance):
    @pytest.fixture
    def table(self, sqlite: str, clock: FakeClock) -> CountedTable:
        return emptied(sqlite, clock)

    @pytest.fixture
    def visit(self, visit_table: Any) -> Any:
        return visit_table

    @pytest.fixture
    def mount(self):
        return mount_wsgi


class TestDjangoAsync(AdapterConformance):
    in_process = False  # Django refuses queries in the event loop, where the suite would look at the end of a body

    @pytest.fixture
    def table(self, postgresql: str, clock: FakeClock) -> CountedTable:
        return emptied(postgresql, clock)

    @pytest.fixture
    def visit(self, visit_table: Any) -> Any:
        return visit_table

    @pytest.fixture
    def mount(self):
        return mount_asgi


class TestDjangoSyncViewsUnderASGI(AdapterConformance):
    streams = False  # Django warns about a sync body here

    @pytest.fixture
    def table(self, sqlite: str, clock: FakeClock) -> CountedTable:
        return emptied(sqlite, clock)

    @pytest.fixture
    def visit(self, visit_table: Any) -> Any:
        return visit_table

    @pytest.fixture
    def mount(self):
        return partial(mount_asgi, urls="tests.django_project.urls")


# A project with one view.

View = Callable[[HttpRequest], HttpResponse]


@pytest.fixture
def sessions(table: CountedTable, clock: FakeClock) -> Sessions:
    return Sessions(TableStore(table), key="sid", clock=clock, principal_key="user_id")


@pytest.fixture(params=["WSGI", "ASGI"])
def asked(request: pytest.FixtureRequest, sessions: Sessions) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Return a function that requests *view* with a *cookie*, and returns the status and the browser's new data."""

    def ask(view: View, cookie: str = "") -> tuple[int, dict[str, Any]]:
        with override_settings(HOLDALL={"sessions": sessions}, ROOT_URLCONF=(path("", view),)):
            client = wsgi_client(WSGIHandler()) if request.param == "WSGI" else asgi_client(ASGIHandler())
            browser = Browser(client)
            browser.keep([cookie] if cookie else [])
            return browser.send(ClientRequest("GET")).status, dict(sessions.resume(browser.get("sid")))

    return ask


@pytest.fixture
def in_transactions(alias: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each view in a transaction."""
    monkeypatch.setitem(connections.settings[alias], "ATOMIC_REQUESTS", True)


@pytest.mark.usefixtures("in_transactions")
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("end", ["flush", "cycle_key"])
def test_a_session_ended_before_the_response_stays_ended(
    asked: Any, sessions: Sessions, alias: str, end: str, fails: bool
) -> None:
    cookie = init_test_session(sessions, {"n": 1})

    def view(request: HttpRequest) -> HttpResponse:
        assert connections[alias].in_atomic_block
        getattr(request.session, end)()
        request.session.save()
        if fails:
            raise ZeroDivisionError
        return HttpResponse()

    status, data = asked(view, cookie)

    assert status == (500 if fails else 200)
    assert data == ({"n": 1} if end == "cycle_key" and not fails else {})
    assert dict(sessions.fetch(cookie)) == {}


@pytest.mark.usefixtures("in_transactions")
def test_a_session_revoked_by_a_view_stays_ended(asked: Any, sessions: Sessions) -> None:
    other = init_test_session(sessions, {"user_id": 7})

    def view(request: HttpRequest) -> HttpResponse:
        assert request.session.is_empty()
        assert sessions.revoke(7) == 1
        raise ZeroDivisionError

    assert asked(view)[0] == 500
    assert dict(sessions.fetch(other)) == {}


@pytest.mark.parametrize("is_async", [False, True])
def test_a_session_ended_by_a_view_that_fails_stays_ended(sessions: Sessions, alias: str, is_async: bool) -> None:
    cookie = init_test_session(sessions, {"n": 1})

    @transaction.atomic(using=alias)
    def view(request: HttpRequest) -> HttpResponse:
        request.session.flush()
        request.session.save()
        raise ZeroDivisionError

    async def visit(request: HttpRequest) -> HttpResponse:
        return await SessionMiddleware(sync_to_async(view))(request)

    request = RequestFactory().get("/", headers={"cookie": cookie})
    with override_settings(HOLDALL={"sessions": sessions}), pytest.raises(ZeroDivisionError):
        asyncio.run(visit(request)) if is_async else SessionMiddleware(view)(request)

    assert dict(sessions.fetch(cookie)) == {}


@pytest.mark.usefixtures("in_transactions")
def test_the_commit_is_written_outside_the_views_transaction(
    asked: Any, sessions: Sessions, table: CountedTable
) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        request.session["n"] = request.session.get("n", 0) + 1
        return HttpResponse()

    assert asked(view) == (200, {"n": 1})
    assert table.transactions == {False}


def test_an_async_view_reads_and_writes_outside_the_event_loop(asked: Any, sessions: Sessions) -> None:
    cookie = init_test_session(sessions, {"n": 1})

    async def view(request: HttpRequest) -> HttpResponse:
        session = request.session
        await session.aset("n", await session.aget("n") + 1)
        await session.acycle_key()
        await session.asave()
        assert await session.aexists(session.session_key)
        session["m"] = session["n"]
        return HttpResponse()

    assert asked(view, cookie) == (200, {"n": 2, "m": 2})


def test_in_an_event_loop_an_unread_session_has_the_key_that_it_was_given(sessions: Sessions) -> None:
    key = init_test_session(sessions, {"n": 1}).removeprefix("sid=")

    async def look() -> tuple[str | None, Any, str | None]:
        session = SessionStore(key)
        return session.session_key, await session.aget("n"), session.session_key

    with override_settings(HOLDALL={"sessions": sessions}):
        assert asyncio.run(look()) == (key, 1, key)


def test_under_asgi_every_call_is_in_the_views_thread_and_no_connection_stays_open(
    sessions: Sessions, table: CountedTable, alias: str
) -> None:
    cookie = init_test_session(sessions, {"n": 1})
    table.threads.clear()
    threads: set[int] = set()
    opened: list[Any] = []

    def view(request: HttpRequest) -> HttpResponse:
        threads.add(threading.get_ident())
        opened.append(connections[alias])
        request.session["n"] += 1
        request.session.save()
        request.session["n"] += 1
        return HttpResponse()

    with override_settings(HOLDALL={"sessions": sessions}, ROOT_URLCONF=(path("", view),)):
        answer = asgi_client(ASGIHandler())(ClientRequest("GET", headers=[("Cookie", cookie)]))

    assert answer.status == 200
    assert sessions.fetch(cookie)["n"] == 3
    assert table.threads - {threading.get_ident()} == threads
    assert [connection.connection for connection in opened] == [None]


def test_a_failing_database_is_503(asked: Any, table: CountedTable, sessions: Sessions) -> None:
    cookie = init_test_session(sessions, {"n": 1})

    def view(request: HttpRequest) -> HttpResponse:
        request.session["n"] = 2
        return HttpResponse()

    table.using = "other"
    with unmigrated("other", of_sqlite(":memory:")), pytest.raises(StoreError, match="no such table"):
        assert asked(view, cookie) == (503, {})


def test_clearsessions_clears_the_table(sessions: Sessions, table: CountedTable, clock: FakeClock) -> None:
    for _ in range(3):
        init_test_session(sessions, {"n": 1})
    clock.advance(timedelta(days=7))
    lasting = init_test_session(sessions, {"n": 1})

    with override_settings(HOLDALL={"sessions": sessions}):
        call_command("clearsessions")

    assert len(table) == 1
    assert sessions.fetch(lasting)["n"] == 1
    clock.advance(timedelta(days=7))
    with override_settings(HOLDALL={"sessions": sessions}):
        asyncio.run(SessionStore.aclear_expired())
    assert len(table) == 0


def test_a_test_case_rolls_back_what_its_visitors_did(sessions: Sessions, table: CountedTable, alias: str) -> None:
    class Visits(TestCase):
        databases = frozenset({alias})

        def test_a_visit(self) -> None:
            client = Client()
            for n in (1, 2):
                assert client.get("/").json() == {"n": n}
            session = client.session
            session["n"] = 7
            session.save()
            assert client.get("/").json() == {"n": 8}
            assert len(table) == 1

    def view(request: HttpRequest) -> HttpResponse:
        request.session["n"] = request.session.get("n", 0) + 1
        return JsonResponse(dict(request.session))

    result = unittest.TestResult()
    with override_settings(HOLDALL={"sessions": sessions}, ROOT_URLCONF=(path("", view),)):
        unittest.TestSuite([Visits("test_a_visit"), Visits("test_a_visit")]).run(result)

    assert (result.testsRun, result.errors, result.failures) == (2, [], [])
    assert len(table) == 0
