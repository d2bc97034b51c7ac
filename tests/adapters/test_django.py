"""Django: the adapter suite, and Django's own features."""

from tests.django_project.visits import Configure, configure, environment, key_of, requested  # isort: skip

import asyncio
import pickle
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from io import BytesIO
from typing import Any

import pytest
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.management.commands import clearsessions
from django.core.handlers.asgi import ASGIHandler
from django.core.management import call_command
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.test.utils import setup_test_environment, teardown_test_environment
from django.urls import path
from django.utils import timezone

import holdall_django
from holdall import (
    ConfigurationError,
    CookieStore,
    MemoryTable,
    ResponseStartedError,
    SessionNotFetchedError,
    Sessions,
    StoreError,
    TableStore,
)
from holdall._keys import WeakSecretWarning
from holdall.adapters import state_of
from holdall.formats import NativeFormat
from holdall.serializers import TaggedJSON
from holdall.stores._principals import owner
from holdall.testing import AdapterConformance, FakeClock, as_async, asgi_client, init_test_session
from holdall.testing import Request as ClientRequest
from holdall.testing._awaited import Awaited
from holdall_django import DjangoSession, SessionMiddleware, configured_sessions, flash, get_flashed_messages
from holdall_django.engine import SessionStore
from tests.adapters.mounts.django import mount as mount_wsgi
from tests.adapters.mounts.django import mount_asgi

__all__ = ["configure", "environment"]

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"
KEY = "sessionid"


class TestDjango(AdapterConformance):
    @pytest.fixture
    def mount(self):
        return mount_wsgi


class TestDjangoAsync(AdapterConformance):
    awaits_tables = True
    runs_in_trio = False

    @pytest.fixture
    def mount(self):
        return mount_asgi


class TestDjangoSyncViewsUnderASGI(AdapterConformance):
    streams = False  # Django warns about a sync body here

    @pytest.fixture
    def mount(self):
        return partial(mount_asgi, urls="tests.django_project.urls")


# A project with a view or a few, and settings for one test.


@pytest.fixture
def table() -> MemoryTable:
    return MemoryTable()


@pytest.fixture(params=["cookie", "table"])
def stored(request: pytest.FixtureRequest, configure: Configure, table: MemoryTable) -> str:
    """Keep the test's sessions in cookies, and in a table."""
    # Django's test client supports one name. In tests, a store that is named in the settings uses one automatically.
    store = CookieStore(NativeFormat(SECRET), generations=False) if request.param == "cookie" else TableStore(table)
    configure(HOLDALL={"store": store})
    return request.param


@pytest.fixture
def in_table(configure: Configure, table: MemoryTable) -> None:
    configure(HOLDALL={"store": TableStore(table)})


@pytest.fixture
def user() -> Iterator[User]:
    user = User.objects.create_superuser("ada", password="lovelace")
    yield user
    user.delete()


# django.contrib.auth


@pytest.mark.usefixtures("stored", "user")
def test_a_user_logs_in_and_out() -> None:
    client = Client()
    assert client.get("/who").json() == {"user": "", "messages": []}

    client.post("/login", {"username": "ada", "password": "lovelace"})
    assert client.get("/who").json() == {"user": "ada", "messages": ["Welcome"]}

    before = key_of(client)
    client.post("/logout")
    assert key_of(client) != before
    assert client.get("/who").json() == {"user": "", "messages": ["Goodbye"]}


@pytest.mark.usefixtures("in_table", "user")
def test_a_login_ends_the_previous_id() -> None:
    client = Client()
    requested(lambda request: request.session.put("cart", [7]), client)
    planted = key_of(client)

    client.post("/login", {"username": "ada", "password": "lovelace"})

    assert not SessionStore().exists(planted)
    assert SessionStore(key_of(client))["cart"] == [7]


@pytest.mark.usefixtures("stored", "user")
def test_a_user_logs_in_and_out_in_async(configure: Configure) -> None:
    configure(ROOT_URLCONF="tests.django_project.async_urls")

    async def visit() -> None:
        client = AsyncClient()
        await client.post("/login", {"username": "ada"})
        assert (await client.get("/who")).json() == {"user": "ada"}
        await client.post("/logout")
        assert (await client.get("/who")).json() == {"user": ""}

    asyncio.run(visit())


@pytest.mark.usefixtures("stored")
def test_the_test_client_logs_a_user_in(user: User) -> None:
    client = Client()

    client.force_login(user)
    assert client.get("/who").json()["user"] == "ada"

    client.logout()
    assert client.get("/who").json()["user"] == ""

    assert client.login(username="ada", password="lovelace")
    assert client.get("/who").json()["user"] == "ada"


@pytest.mark.usefixtures("stored")
def test_the_async_test_client_logs_a_user_in(user: User, configure: Configure) -> None:
    configure(ROOT_URLCONF="tests.django_project.async_urls")

    async def visit() -> None:
        client = AsyncClient()
        await client.aforce_login(user)
        assert (await client.get("/who")).json() == {"user": "ada"}
        await client.alogout()
        assert (await client.get("/who")).json() == {"user": ""}

    asyncio.run(visit())


@pytest.mark.usefixtures("in_table")
def test_the_test_client_writes_to_the_session() -> None:
    client = Client()
    session = client.session
    session["cart"] = [7]
    session.save()

    assert requested(lambda request: request.session["cart"], client).json() == {"is": [7]}
    assert client.session["cart"] == [7]


def test_with_sessions_in_cookies_the_test_client_receives_the_new_cookie(configure: Configure) -> None:
    configure(HOLDALL={"store": "cookie", "secret_key_base": SECRET})
    client = Client()
    session = client.session
    session["cart"] = [7]
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key

    assert requested(lambda request: request.session["cart"], client).json() == {"is": [7]}


# Django's other applications.


@pytest.mark.usefixtures("stored", "user")
def test_the_admin_site_logs_a_user_in() -> None:
    client = Client()
    assert client.get("/admin/login/").status_code == 200

    answer = client.post("/admin/login/", {"username": "ada", "password": "lovelace", "next": "/admin/"}, follow=True)

    assert answer.redirect_chain == [("/admin/", 302)]
    assert "Site administration" in answer.content.decode()


def test_system_checks_find_the_middleware() -> None:
    call_command("check", fail_level="WARNING")


@pytest.mark.usefixtures("stored")
def test_the_csrf_token_is_kept_in_the_session(configure: Configure) -> None:
    configure(CSRF_USE_SESSIONS=True, ROOT_URLCONF=(path("form", lambda request: HttpResponse(get_token(request))),))
    client = Client(enforce_csrf_checks=True)
    token = client.get("/form").content.decode()

    assert client.post("/form").status_code == 403
    assert client.post("/form", {"csrfmiddlewaretoken": token}).status_code == 200


@pytest.mark.usefixtures("stored")
def test_djangos_own_middleware_works_with_the_engine(configure: Configure) -> None:
    configure(MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"])
    client = Client()
    requested(lambda request: request.session.update(n=1), client)
    before = key_of(client)

    requested(lambda request: request.session.cycle_key(), client)
    assert key_of(client) != before
    assert requested(lambda request: request.session["n"], client).json() == {"is": 1}

    requested(lambda request: request.session.flush(), client)
    assert key_of(client) == ""


# Django's methods that change or end a session.


@pytest.mark.usefixtures("stored")
def test_cycle_key_keeps_the_data_under_a_new_id() -> None:
    client = Client()
    requested(lambda request: request.session.update(n=1), client)
    before = key_of(client)

    requested(lambda request: request.session.cycle_key(), client)

    assert key_of(client) != before
    assert client.session["n"] == 1


@pytest.mark.usefixtures("stored")
def test_flush_ends_the_session() -> None:
    client = Client()
    requested(lambda request: request.session.update(n=1), client)

    def flush(request: HttpRequest) -> list[object]:
        request.session.flush()
        return [request.session.session_key, request.session.is_empty(), bool(request.session)]

    assert requested(flush, client).json() == {"is": [None, True, not hasattr(SessionBase, "__bool__")]}
    assert key_of(client) == ""


@pytest.mark.usefixtures("in_table")
def test_a_write_after_a_flush_begins_another_session() -> None:
    client = Client()
    requested(lambda request: request.session.update(n=1), client)
    before = key_of(client)

    requested(lambda request: request.session.flush() or request.session.update(m=2), client)

    assert not SessionStore().exists(before)
    assert dict(client.session) == {"m": 2}


@pytest.mark.usefixtures("in_table")
def test_delete_accepts_a_data_key_or_a_session_key() -> None:
    mine, other = Client(), Client()
    for client in (mine, other):
        requested(lambda request: request.session.update(n=1, m=2), client)

    requested(lambda request: request.session.delete("n"), mine)
    requested(lambda request: request.session.delete(key_of(other)), mine)
    assert dict(mine.session) == {"m": 2}
    assert not SessionStore().exists(key_of(other))

    ended = key_of(mine)
    requested(lambda request: request.session.delete(request.session.session_key), mine)
    assert not SessionStore().exists(ended)


@pytest.mark.usefixtures("in_table")
def test_a_long_data_key_is_not_taken_for_a_session_key() -> None:
    client = Client()
    requested(lambda request: request.session.update({"k" * 50: 1, "n": 2}), client)

    requested(lambda request: request.session.delete("k" * 50), client)

    assert dict(client.session) == {"n": 2}


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("verb", ["save", "create"])
def test_a_session_stored_early_has_the_key_that_the_browser_gets(verb: str) -> None:
    client = Client()

    def view(request: HttpRequest) -> list[str | None]:
        before = request.session.session_key
        getattr(request.session, verb)()
        return [before, request.session.session_key]

    before, name = requested(view, client).json()["is"]

    assert before is None
    assert len(name) == 40
    assert requested(lambda request: request.session.session_key, client).json()["is"] == name
    assert client.session.session_key == key_of(client)


@pytest.mark.usefixtures("stored")
def test_a_write_after_an_early_save_is_saved_too() -> None:
    client = Client()

    def view(request: HttpRequest) -> None:
        request.session["n"] = 1
        request.session.save()
        request.session["m"] = 2

    requested(view, client)

    assert dict(client.session) == {"n": 1, "m": 2}


@pytest.mark.usefixtures("in_table", "user")
def test_the_key_during_a_login_is_the_final_one() -> None:
    keys: list[str] = []

    def remember(request: HttpRequest, **kwargs: Any) -> None:
        keys.append(request.session.session_key)

    client = Client()
    requested(lambda request: request.session.update(n=1), client)
    user_logged_in.connect(remember)
    try:
        client.post("/login", {"username": "ada", "password": "lovelace"})
    finally:
        user_logged_in.disconnect(remember)

    assert keys == [requested(lambda request: request.session.session_key, client).json()["is"]]


@pytest.mark.usefixtures("in_table")
def test_a_write_after_a_lost_early_save_sends_no_cookie() -> None:
    client = Client()
    requested(lambda request: request.session.update(n=1), client)

    def view(request: HttpRequest) -> None:
        request.session["n"] = 2
        SessionStore(request.session.session_key).flush()
        with pytest.raises(UpdateError):
            request.session.save()
        request.session["n"] = 3

    answer = requested(view, client)

    assert answer.status_code == 200
    assert not answer.cookies


# Lifetime.


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("expiry", "max_age"),
    [(None, 1209600), (0, ""), (300, 300), (timedelta(seconds=300), 300), ("in an hour", 3600)],
)
def test_set_expiry_sets_how_long_the_browser_keeps_the_cookie(expiry: Any, max_age: int | str) -> None:
    if expiry == "in an hour":
        expiry = timezone.now() + timedelta(hours=1)

    answer = requested(lambda request: request.session.set_expiry(expiry) or request.session.put("n", 1))

    found = answer.cookies[KEY]["max-age"]
    assert found == max_age or 0 < max_age - found <= 2


def test_a_time_without_a_zone_is_local(configure: Configure, table: MemoryTable) -> None:
    configure(USE_TZ=False, TIME_ZONE="Asia/Tokyo", HOLDALL={"store": TableStore(table)})

    answer = requested(lambda request: request.session.set_expiry(timedelta(hours=1)))

    assert 3598 <= answer.cookies[KEY]["max-age"] <= 3600


@pytest.mark.parametrize("expiry", [timedelta(hours=1), 3600])
def test_a_session_lives_no_longer_than_its_expiry(configure: Configure, expiry: Any) -> None:
    clock = FakeClock(timezone.now())
    configure(HOLDALL={"store": TableStore(MemoryTable(clock=clock)), "clock": clock})
    client = Client()
    requested(lambda request: request.session.set_expiry(expiry), client)

    clock.advance(timedelta(minutes=59))
    assert "_session_expiry" in client.session
    clock.advance(timedelta(minutes=2))
    assert "_session_expiry" not in client.session


@pytest.mark.usefixtures("stored")
def test_by_default_the_browser_forgets_the_cookie_when_it_closes(configure: Configure) -> None:
    configure(SESSION_EXPIRE_AT_BROWSER_CLOSE=True)

    answer = requested(lambda request: request.session.put("n", 1))

    assert answer.cookies[KEY]["max-age"] == ""
    assert SessionStore().get_expire_at_browser_close()
    assert asyncio.run(SessionStore().aget_expire_at_browser_close())


def test_an_existing_session_follows_overridden_settings(configure: Configure) -> None:
    session = SessionStore()

    configure(SESSION_EXPIRE_AT_BROWSER_CLOSE=True, SESSION_COOKIE_AGE=60)

    assert (session.get_expire_at_browser_close(), session.get_session_cookie_age()) == (True, 60)


def test_the_expiry_age_is_that_of_the_sessions(configure: Configure) -> None:
    configure(HOLDALL={"store": "table", "table": "a", "idle_timeout": 600})
    assert SessionStore().get_expiry_age() == 600

    configure(HOLDALL={"store": "table", "table": "a", "idle_timeout": None}, SESSION_COOKIE_AGE=700)
    assert SessionStore().get_expiry_age() == 700


YEAR = timedelta(days=365)


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("expiry", [YEAR, YEAR.total_seconds(), "a date"])
def test_no_expiry_is_later_than_the_absolute_timeout(expiry: Any) -> None:
    client = Client()
    month = timedelta(days=30).total_seconds()

    def begin(request: HttpRequest) -> list[float]:
        request.session.set_expiry(timezone.now() + YEAR if expiry == "a date" else expiry)
        return told(request)

    def told(request: HttpRequest) -> list[float]:
        now = timezone.now()
        date = request.session.get_expiry_date(modification=now)
        return [request.session.get_expiry_age(), (date - now).total_seconds()]

    async def told_async() -> list[float]:
        session, now = client.session, timezone.now()
        date = await session.aget_expiry_date(modification=now)
        return [await session.aget_expiry_age(), (date - now).total_seconds()]

    answers = [requested(view, client) for view in (begin, told)]

    assert month - answers[0].cookies[KEY]["max-age"] <= 1
    for ages in (*(answer.json()["is"] for answer in answers), asyncio.run(told_async())):
        assert all(0 <= month - age <= 2 for age in ages)


def test_an_expiry_of_a_year_needs_an_absolute_timeout_as_long(configure: Configure) -> None:
    year = int(YEAR.total_seconds())
    for timeout in (YEAR, None):
        configure(HOLDALL={"store": TableStore(MemoryTable()), "absolute_timeout": timeout})

        answer = requested(lambda request: request.session.set_expiry(year) or request.session.get_expiry_age())

        assert (answer.json()["is"], answer.cookies[KEY]["max-age"]) == (year, year)


def test_an_expiry_without_a_time_zone_is_local(configure: Configure) -> None:
    configure(USE_TZ=False, TIME_ZONE="Asia/Tokyo", HOLDALL={"store": TableStore(MemoryTable())})
    session = SessionStore()
    for expiry, days in ((timedelta(days=1), 1), (YEAR, 30)):
        session.set_expiry(expiry)
        session.save()

        left = session.get_expiry_date() - timezone.now()

        assert timedelta(days=days, seconds=-2) < left <= timedelta(days=days)


def test_every_request_can_count_as_a_use(configure: Configure) -> None:
    clock = FakeClock()
    given = {"store": TableStore(MemoryTable(clock=clock)), "clock": clock, "idle_timeout": 3600}
    configure(HOLDALL=given, SESSION_SAVE_EVERY_REQUEST=True)
    client = Client()
    requested(lambda request: request.session.put("n", 1), client)

    for _ in range(3):
        clock.advance(timedelta(minutes=50))
        assert requested(lambda request: None, client).cookies[KEY]["max-age"] == 3600

    configure(SESSION_SAVE_EVERY_REQUEST=False)
    assert not requested(lambda request: None, client).cookies
    assert not requested(lambda request: None).cookies


# Sessions of other requests.


@pytest.mark.usefixtures("in_table")
def test_a_session_is_looked_up_by_its_key() -> None:
    session = SessionStore()
    session["n"] = 1
    session.save()

    other = SessionStore(session.session_key)

    assert other.load() == {"n": 1}
    assert other.exists(session.session_key)
    assert not other.exists("k" * 40)
    assert not other.exists(None)
    other.delete()
    assert other.session_key is None
    assert session.load() == {}


@pytest.mark.usefixtures("in_table")
def test_an_ended_session_is_not_saved() -> None:
    session = SessionStore()
    session.save()
    SessionStore().delete(session.session_key)
    session["n"] = 1

    with pytest.raises(UpdateError, match="ended"):
        session.save()

    assert session.load() == {}


@pytest.mark.usefixtures("in_table")
@pytest.mark.parametrize("is_awaited", [False, True])
def test_an_ended_session_can_be_stored_as_a_new_one(is_awaited: bool) -> None:
    session = SessionStore()
    session["n"] = 1
    session.save()
    key = session.session_key
    SessionStore().delete(key)

    if is_awaited:
        asyncio.run(session.asave(must_create=True))
    else:
        session.save(must_create=True)

    assert session.session_key not in (None, key)
    assert SessionStore(session.session_key).load() == {"n": 1}
    assert SessionStore(key).load() == {}


@pytest.mark.usefixtures("in_table")
def test_a_request_can_store_its_ended_session_as_a_new_one() -> None:
    client = Client()
    requested(lambda request: request.session.update(n=1), client)
    old = client.cookies[settings.SESSION_COOKIE_NAME].value

    def view(request: HttpRequest) -> None:
        assert request.session["n"] == 1
        SessionStore(request.session.session_key).flush()
        request.session.save(must_create=True)
        request.session["n"] = 2

    requested(view, client)

    assert client.cookies[settings.SESSION_COOKIE_NAME].value != old
    assert requested(lambda request: request.session["n"], client).json()["is"] == 2


@pytest.mark.usefixtures("in_table")
@pytest.mark.parametrize("is_awaited", [False, True])
def test_a_new_key_does_not_bring_an_ended_session_back(is_awaited: bool) -> None:
    session = SessionStore()
    session["n"] = 1
    session.save()
    SessionStore().delete(session.session_key)

    with pytest.raises(UpdateError):
        asyncio.run(session.acycle_key()) if is_awaited else session.cycle_key()


@pytest.mark.usefixtures("in_table")
def test_a_write_keeps_what_another_request_put_under_other_keys() -> None:
    session = SessionStore()
    session.update(a=[1], b=1)
    session.save()
    other = SessionStore(session.session_key)
    assert session["a"] == [1]
    other["a"] = [2]
    other.save()

    asyncio.run(session.aset("b", 2))
    session.save()

    assert SessionStore(session.session_key).load() == {"a": [2], "b": 2}


def test_async_sessions_have_every_method_of_the_sync_ones(configure: Configure, table: MemoryTable) -> None:
    configure(HOLDALL={"store": TableStore(as_async(table)), "principal_key": "user"})

    async def use() -> None:
        session = SessionStore()
        await session.aupdate({"n": 1, "m": 2})
        await session.asave()
        key = session.session_key
        assert await session.aload() == {"n": 1, "m": 2}
        assert await session.apop("n") == 1
        assert await session.apop("n", None) is None
        await session.adelete("m")
        await session.aset("k" * 50, 1)
        await session.adelete("k" * 50)
        await session.acycle_key()
        assert not await session.aexists(key)
        assert session.session_key != key

        other = SessionStore()
        await other.acreate()
        await session.adelete(other.session_key)
        assert await other.aload() == {}
        await other.aset("n", 1)
        with pytest.raises(UpdateError):
            await other.asave()

        key = session.session_key
        await session.aflush()
        await session.adelete()
        await session.aclear_expired()
        assert not await session.aexists(key)

    asyncio.run(use())


@pytest.mark.usefixtures("in_table")
def test_expired_sessions_are_removed_automatically() -> None:
    call_command(clearsessions.Command())


@pytest.mark.usefixtures("in_table")
def test_a_session_called_modified_is_written() -> None:
    client = Client()
    requested(lambda request: request.session.put("n", [1]), client)
    session = SessionStore(key_of(client))
    session["n"] = [2]

    def view(request: HttpRequest) -> list[bool]:
        assert request.session["n"] == [1]
        session.save()
        before = request.session.modified
        request.session.modified = True
        return [before, request.session.modified]

    assert requested(view, client).json() == {"is": [False, True]}
    assert client.session["n"] == [1]


@pytest.mark.usefixtures("stored")
def test_modified_is_true_after_a_change_and_can_be_reset() -> None:
    session = SessionStore()
    assert not session.modified
    session["n"] = 1
    assert session.modified
    session.modified = False
    assert not session.modified
    session["m"] = 1
    assert session.modified
    session.save()
    assert session.modified
    session.modified = False
    session.modified = True
    assert session.modified


@pytest.mark.usefixtures("stored")
def test_djangos_other_methods_of_a_session() -> None:
    session = SessionStore()
    session.set_test_cookie()

    assert session.has_key(session.TEST_COOKIE_NAME)
    assert session.test_cookie_worked()
    assert asyncio.run(session.atest_cookie_worked())
    assert session.decode(session.encode({"n": 1})) == {"n": 1}


@pytest.mark.parametrize("is_async", [True, False])
def test_save_while_the_body_is_sent_writes_to_the_row(table: MemoryTable, is_async: bool) -> None:
    sessions = Sessions(TableStore(table), key="sid")
    cookie = init_test_session(sessions, {"n": 1})

    def view(request: HttpRequest) -> StreamingHttpResponse:
        def body() -> Iterator[bytes]:
            request.session["n"] = 2
            request.session.save()
            yield str(sessions.fetch(cookie)["n"]).encode()

        return StreamingHttpResponse(body())

    async def aview(request: HttpRequest) -> StreamingHttpResponse:
        async def body() -> AsyncIterator[bytes]:
            request.session["n"] = 2
            await request.session.asave()
            yield str(sessions.fetch(cookie)["n"]).encode()

        return StreamingHttpResponse(body())

    if is_async:
        assert visited(aview, sessions, cookie).body == b"2"
    else:
        with override_settings(HOLDALL={"sessions": sessions}):
            assert requested(view, headers={"cookie": cookie}).getvalue() == b"2"


# Under ASGI, with an async table.


class CountedTable(MemoryTable):
    """A table that notes which verbs were called, and in which threads."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.threads: set[int] = set()

    def _note(self, verb: str) -> None:
        self.calls.append(verb)
        self.threads.add(threading.get_ident())

    def read(self, digest: bytes) -> Any:
        self._note("read")
        return super().read(digest)

    def insert(self, digest: bytes, row: Any) -> bool:
        self._note("insert")
        return super().insert(digest, row)


class BlockingTable(CountedTable):
    blocking_reads = blocking_writes = True


def visited(view: Callable[..., Any], sessions: Sessions, cookie: str = "", **given: Any) -> Any:
    """Return the response of an ASGI application with one view."""
    with override_settings(HOLDALL={"sessions": sessions, **given}, ROOT_URLCONF=(path("", view),)):
        headers = [("Cookie", cookie)] if cookie else []
        return asgi_client(ASGIHandler())(ClientRequest("GET", headers=headers))


def test_a_session_in_a_slow_table_is_read_before_the_view() -> None:
    table = CountedTable()
    sessions = Sessions(TableStore(as_async(table)), key="sid")

    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(str(request.session.get("n")))

    cookie = init_test_session(Sessions(TableStore(table), key="sid"), {"n": 1})
    table.calls.clear()

    assert visited(view, sessions).body == b"None"
    assert table.calls == []
    assert visited(view, sessions, cookie).body == b"1"
    assert table.calls == ["read"]


def test_only_blocking_calls_run_in_a_thread() -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        request.session["n"] = request.session.get("n", 0) + 1
        return HttpResponse()

    for table, hops in ((BlockingTable(), True), (CountedTable(), False)):
        sessions = Sessions(TableStore(table), key="sid")
        cookie = init_test_session(sessions, {"n": 1})
        table.threads.clear()
        visited(view, sessions)
        visited(view, sessions, cookie)

        assert (threading.get_ident() not in table.threads) is hops


@pytest.mark.parametrize("is_async", [True, False])
def test_a_sync_view_can_save_to_an_async_table(table: MemoryTable, is_async: bool) -> None:
    sessions = Sessions(TableStore(as_async(table)), key="sid")

    def save(request: HttpRequest) -> HttpResponse:
        request.session["n"] = 1
        request.session.save()
        return HttpResponse(request.session.session_key)

    async def asave(request: HttpRequest) -> HttpResponse:
        request.session["n"] = 1
        await request.session.asave()
        return HttpResponse(request.session.session_key)

    def named(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.session.session_key)

    answer = visited(asave if is_async else save, sessions)

    (line,) = answer.all("Set-Cookie")
    cookie = line.partition(";")[0]
    assert visited(named, sessions, cookie).body == answer.body
    assert len(table) == 1


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("is_awaited", [True, False])
def test_a_view_under_asgi_can_update_a_key_atomically(table: MemoryTable, is_async: bool, is_awaited: bool) -> None:
    sessions = Sessions(TableStore(as_async(table)) if is_awaited else TableStore(table), key="sid")

    def count(request: HttpRequest) -> HttpResponse:
        return HttpResponse(str(request.session.atomic_update("n", lambda n: n + 1)))

    async def acount(request: HttpRequest) -> HttpResponse:
        return HttpResponse(str(await request.session.atomic_update("n", lambda n: n + 1)))

    cookie = init_test_session(Sessions(TableStore(table), key="sid"), {"n": 1})

    answers = [visited(acount if is_async else count, sessions, cookie) for _ in range(2)]

    assert [answer.body for answer in answers] == [b"2", b"3"]


@pytest.mark.parametrize("is_awaited", [True, False])
def test_a_session_outside_of_requests_can_update_a_key_atomically(
    configure: Configure, table: MemoryTable, is_awaited: bool
) -> None:
    configure(HOLDALL={"store": TableStore(as_async(table)) if is_awaited else TableStore(table)})
    cookie = init_test_session(Sessions(TableStore(table), key=KEY), {"n": 1})
    key = cookie.partition("=")[2]

    async def count() -> None:
        session = SessionStore(key)
        await session.aget("n")
        await session.atomic_update("n", lambda n: n + 1)

    if is_awaited:
        asyncio.run(count())
    assert SessionStore(key).atomic_update("n", lambda n: n + 1) == 2 + is_awaited
    assert Sessions(TableStore(table), key=KEY).resume(key)["n"] == 2 + is_awaited


def test_a_session_can_be_fetched_by_hand(table: MemoryTable) -> None:
    sessions = Sessions(TableStore(as_async(table)), key="sid")
    cookie = init_test_session(Sessions(TableStore(table), key="sid"), {"n": 1})

    async def fetched(request: HttpRequest) -> HttpResponse:
        session = await holdall_django.afetch_session(request)
        return HttpResponse(str(session["n"]))

    async def awaited(request: HttpRequest) -> HttpResponse:
        return HttpResponse(str(await request.session.aget("n")))

    async def untouched(request: HttpRequest) -> HttpResponse:
        return HttpResponse("")

    async def forgotten(request: HttpRequest) -> HttpResponse:
        with pytest.raises(SessionNotFetchedError):
            return HttpResponse(str(request.session["n"]))
        return HttpResponse("not fetched")

    for view, body in ((fetched, b"1"), (awaited, b"1"), (untouched, b""), (forgotten, b"not fetched")):
        assert visited(view, sessions, cookie, fetch="explicit").body == body


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_a_sync_body_may_change_a_row_under_asgi(table: MemoryTable) -> None:
    sessions = Sessions(TableStore(as_async(table)), key="sid")
    outside = Sessions(TableStore(table), key="sid")
    cookie = init_test_session(outside, {"n": 1})

    def view(request: HttpRequest) -> StreamingHttpResponse:
        def body() -> Iterator[bytes]:
            yield b"a"
            request.session["n"] = 2

        return StreamingHttpResponse(body())

    assert visited(view, sessions, cookie).body == b"a"
    assert outside.fetch(cookie)["n"] == 2


@pytest.mark.parametrize("is_awaited", [True, False])
def test_a_body_under_asgi_sees_what_other_requests_saved(table: MemoryTable, is_awaited: bool) -> None:
    outside = Sessions(TableStore(table), key="sid")
    cookie = init_test_session(outside, {"n": 1})

    async def view(request: HttpRequest) -> StreamingHttpResponse:
        async def body() -> AsyncIterator[bytes]:
            request.session["m"] = 1
            elsewhere = outside.fetch(cookie)
            elsewhere["n"] = 2
            outside.commit(elsewhere)
            await request.session.reload()
            yield str(dict(request.session)).encode()

        return StreamingHttpResponse(body())

    store = TableStore(as_async(table)) if is_awaited else TableStore(table)
    answer = visited(view, Sessions(store, key="sid"), cookie)

    assert answer.body == b"{'n': 2, 'm': 1}"
    assert dict(outside.fetch(cookie)) == {"n": 2, "m": 1}


@pytest.mark.parametrize("end", ["cycle_key", "flush", "nothing"])
def test_a_request_cancelled_anywhere_leaves_the_old_session_or_the_new_one(end: str) -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        request.session["n"] = 2
        getattr(request.session, end, bool)()
        return HttpResponse()

    class Cancelling(Awaited):
        """A table whose visitor disconnects before a certain step."""

        def __getattr__(self, name: str) -> Any:
            found = super().__getattr__(name)
            if name not in ("read", "insert", "replace", "remove"):
                return found

            async def call(*args: Any, **options: Any) -> Any:
                nonlocal left
                if not left:
                    answer.cancel()
                left -= 1
                await asyncio.sleep(0)
                return await found(*args, **options)

            return call

    async def visit() -> None:
        nonlocal answer
        answer = asyncio.ensure_future(SessionMiddleware(view)(RequestFactory().get("/", headers={"cookie": cookie})))
        with suppress(asyncio.CancelledError):
            await answer

    answer: Any = None
    outcomes: list[list[dict[str, Any]]] = []
    for n in range(100):
        table, left = MemoryTable(), n
        outside = Sessions(TableStore(table), key="sid", principal_key="user_id")
        cookie = init_test_session(outside, {"user_id": 7, "n": 1})
        store = TableStore(Cancelling(table))
        with override_settings(HOLDALL={"sessions": Sessions(store, key="sid", principal_key="user_id")}):
            asyncio.run(visit())
        rows = (table.read(each.digest) for each in table.find(owner("7", "", "sid")) if not each.is_tombstone)
        outcomes.append([TaggedJSON().loads(row.data.removeprefix(b"sid\0\0")) for row in rows if row])
        if left >= 0:
            break

    old, new = [{"user_id": 7, "n": 1}], [] if end == "flush" else [{"user_id": 7, "n": 2}]
    assert n > 1
    assert (outcomes[0], outcomes[-1]) == (old, new)
    assert all(outcome in (old, new) for outcome in outcomes)


class SlowTable(Awaited):
    """A table whose deletions wait until they may continue."""

    def __init__(self, table: MemoryTable) -> None:
        super().__init__(table)
        self.deleting, self.go_on = asyncio.Event(), asyncio.Event()

    async def remove(self, digest: bytes, *, tombstone: Any = None) -> Any:
        self.deleting.set()
        await self.go_on.wait()
        return self.sync.remove(digest, tombstone=tombstone)


def test_a_renewal_is_finished_even_if_the_visitor_disconnects(table: MemoryTable) -> None:
    slow = SlowTable(table)
    sessions = Sessions(TableStore(slow), key=KEY, principal_key="user_id")
    cookie = init_test_session(Sessions(TableStore(table), key=KEY, principal_key="user_id"), {"user_id": 7})

    async def view(request: HttpRequest) -> HttpResponse:
        request.session.cycle_key()
        return HttpResponse()

    async def visit() -> None:
        request = RequestFactory().get("/", headers={"cookie": cookie})
        answer = asyncio.create_task(SessionMiddleware(view)(request))
        await slow.deleting.wait()
        answer.cancel()
        await asyncio.sleep(0)
        slow.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await answer

    with override_settings(HOLDALL={"sessions": sessions}):
        asyncio.run(visit())
    assert sorted(each.is_tombstone for each in table.find(owner("7", "", KEY))) == [False, True]


def test_a_logout_is_finished_however_often_the_request_is_cancelled(table: MemoryTable) -> None:
    slow, flushed = SlowTable(table), asyncio.Event()
    cookie = init_test_session(Sessions(TableStore(table), key="sid"), {"n": 1})

    async def view(request: HttpRequest) -> HttpResponse:
        request.session.flush()
        flushed.set()
        await asyncio.Event().wait()

    async def visit() -> None:
        request = RequestFactory().get("/", headers={"cookie": cookie})
        answer = asyncio.create_task(SessionMiddleware(view)(request))
        await flushed.wait()
        answer.cancel()
        await slow.deleting.wait()
        answer.cancel()
        await asyncio.sleep(0)
        slow.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await answer

    with override_settings(HOLDALL={"sessions": Sessions(TableStore(slow), key="sid")}):
        asyncio.run(visit())
    assert len(table) == 0


# Failures.


class GoneTable(MemoryTable):
    """A table whose backend is down."""

    def read(self, digest: bytes) -> Any:
        msg = "gone"
        raise StoreError(msg)

    def remove(self, digest: bytes, *, tombstone: Any = None) -> Any:
        msg = "gone"
        raise StoreError(msg)


def test_a_session_that_cannot_be_read_is_503(caplog: pytest.LogCaptureFixture) -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    answer = visited(view, Sessions(TableStore(as_async(GoneTable())), key="sid"), "sid=" + "k" * 40)

    assert (answer.status, answer.body) == (503, b"Service Unavailable")
    assert "store failed" in caplog.text


@pytest.mark.parametrize("is_async", [True, False])
def test_a_lost_write_can_be_409(table: MemoryTable, is_async: bool) -> None:
    sessions = Sessions(TableStore(table), key="sid", on_lost_write="raise")

    def view(request: HttpRequest) -> HttpResponse:
        request.session["n"] = 2
        SessionStore(request.COOKIES["sid"]).flush()
        return HttpResponse()

    async def aview(request: HttpRequest) -> HttpResponse:
        return view(request)

    cookie = init_test_session(sessions, {"n": 1})
    if is_async:
        answer = visited(aview, sessions, cookie)
        assert (answer.status, answer.all("Vary")) == (409, ["Cookie"])
    else:
        with override_settings(HOLDALL={"sessions": sessions}):
            answer = requested(view, headers={"cookie": cookie})
        assert (answer.status_code, answer.headers["Vary"]) == (409, "Cookie")


def test_a_failed_save_still_sends_the_cookie_of_an_earlier_save(table: MemoryTable) -> None:
    class Leaving(MemoryTable):
        def replace(self, *args: Any, **options: Any) -> Any:
            raise StoreError

    def view(request: HttpRequest) -> None:
        request.session["n"] = 1
        request.session.save()
        request.session["m"] = 2

    client = Client()
    with override_settings(HOLDALL={"store": TableStore(Leaving())}):
        answer = requested(view, client)

        assert (answer.status_code, answer.headers["Cache-Control"]) == (503, "no-store")
        assert dict(client.session) == {"n": 1}


def test_an_unhandled_exception_still_ends_a_dropped_session(table: MemoryTable) -> None:
    sessions = Sessions(TableStore(table), key="sid")

    def view(request: HttpRequest) -> HttpResponse:
        request.session.flush()
        raise ZeroDivisionError

    async def aview(request: HttpRequest) -> HttpResponse:
        view(request)

    with override_settings(DEBUG_PROPAGATE_EXCEPTIONS=True, HOLDALL={"sessions": sessions}):
        cookie = init_test_session(sessions, {"n": 1})
        with pytest.raises(ZeroDivisionError):
            requested(view, headers={"cookie": cookie})
        cookie = init_test_session(sessions, {"n": 1})
        with pytest.raises(ZeroDivisionError):
            asyncio.run(SessionMiddleware(aview)(RequestFactory().get("/", headers={"cookie": cookie})))

    assert len(table) == 0


def test_a_second_failure_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    table = GoneTable()
    sessions = Sessions(TableStore(table), key="sid")

    def view(request: HttpRequest) -> HttpResponse:
        session = SessionStore()
        session.save()
        state_of(request.session).take(state_of(session).fetched)
        request.session.flush()
        raise ZeroDivisionError

    with (
        override_settings(DEBUG_PROPAGATE_EXCEPTIONS=True, HOLDALL={"sessions": sessions}),
        pytest.raises(ZeroDivisionError),
    ):
        requested(view)

    assert "could not be ended" in caplog.text


@pytest.mark.usefixtures("stored")
def test_changes_outside_the_middleware_are_refused(configure: Configure) -> None:
    def middleware(get_response: Callable[..., Any]) -> Callable[..., Any]:
        def call(request: HttpRequest) -> HttpResponse:
            response = get_response(request)
            with pytest.raises(ResponseStartedError):
                request.session["n"] = 2
            return response

        return call

    globals()["late"] = middleware
    configure(MIDDLEWARE=[f"{__name__}.late", "holdall_django.SessionMiddleware"])
    client = Client()

    requested(lambda request: None, client)
    requested(lambda request: request.session.put("n", 1), client)
    requested(lambda request: None, client)

    assert client.session["n"] == 1


@pytest.mark.usefixtures("in_table")
def test_a_file_response_is_sent_unchanged() -> None:
    def view(request: HttpRequest) -> FileResponse:
        request.session["n"] = 1
        return FileResponse(BytesIO(b"file"))

    answer = SessionMiddleware(view)(RequestFactory().get("/"))

    assert answer.file_to_stream is not None
    assert answer.cookies
    answer.close()


@pytest.mark.parametrize("is_async", [True, False])
def test_another_engines_session_is_left_alone(is_async: bool) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        request.session = {}
        return HttpResponse()

    async def aview(request: HttpRequest) -> HttpResponse:
        return view(request)

    if is_async:
        assert visited(aview, Sessions(TableStore(MemoryTable()), key="sid")).status == 200
    else:
        assert requested(view).status_code == 200


@pytest.mark.parametrize("is_async", [True, False])
def test_a_failed_request_leaves_another_engines_session_alone(is_async: bool) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        request.session = {}
        raise ZeroDivisionError

    async def aview(request: HttpRequest) -> HttpResponse:
        return view(request)

    request = RequestFactory().get("/")
    with pytest.raises(ZeroDivisionError):
        asyncio.run(SessionMiddleware(aview)(request)) if is_async else SessionMiddleware(view)(request)


# Cookies as Django represents them.


def test_a_cookie_is_sent_as_the_core_wrote_it_and_can_be_inspected_as_a_morsel(configure: Configure) -> None:
    options = {"extra": "Priority=High", "partitioned": True, "secure": True, "domain": "shop.example"}
    configure(HOLDALL={"store": TableStore(MemoryTable()), **options})

    morsel = requested(lambda request: request.session.put("n", 1)).cookies[KEY]

    line = morsel.OutputString()
    assert line.startswith(f"{KEY}={morsel.value}; path=/; domain=shop.example; expires=")
    assert line.endswith("; Max-Age=1209600; secure; HttpOnly; SameSite=Lax; partitioned; Priority=High")
    assert (morsel["path"], morsel["domain"], morsel["samesite"]) == ("/", "shop.example", "Lax")
    assert (morsel["secure"], morsel["httponly"], morsel["max-age"]) == (True, True, 1209600)
    assert morsel["expires"] in line
    copied = pickle.loads(pickle.dumps(morsel))
    assert copied == morsel
    assert copied.OutputString() == line


@pytest.mark.usefixtures("in_table")
def test_a_cookie_altered_by_a_middleware_is_sent_altered() -> None:
    response = requested(lambda request: request.session.put("n", 1))

    response.cookies[KEY]["samesite"] = "Strict"
    assert "SameSite=Strict" in response.cookies[KEY].OutputString()
    response.cookies[KEY] = "other"
    assert response.cookies[KEY].OutputString().startswith(f"{KEY}=other; ")


@pytest.mark.usefixtures("in_table")
def test_a_session_that_moves_to_another_path_leaves_no_second_cookie() -> None:
    client = Client()
    requested(lambda request: request.session.put("n", 1), client)

    response = requested(lambda request: request.session.configure(path="/shop") or request.session.put("n", 2), client)

    lines = [morsel.OutputString() for morsel in response.cookies.values()]
    assert len(lines) == 2
    assert lines[0].startswith(f"{KEY}=; path=/; expires=Thu, 01 Jan 1970")
    assert response.cookies[KEY]["path"] == "/shop"
    assert client.session["n"] == 2


# Settings.


def test_without_our_settings_djangos_are_used(configure: Configure) -> None:
    client = Client()
    answer = requested(lambda request: request.session.put("n", 1), client, secure=True)
    assert answer.cookies[KEY].OutputString().endswith("; Max-Age=1209600; secure; HttpOnly; SameSite=Lax")

    configure(SECRET_KEY=SECRET[::-1], SECRET_KEY_FALLBACKS=[settings.SECRET_KEY])
    assert requested(lambda request: request.session["n"], client).json() == {"is": 1}
    configure(SECRET_KEY_FALLBACKS=[])
    assert requested(lambda request: request.session.get("n"), client).json() == {"is": None}


def test_djangos_cookie_settings_are_used(configure: Configure) -> None:
    configure(
        SESSION_COOKIE_NAME="s",
        SESSION_COOKIE_AGE=60 * 60 * 24 * 500,
        SESSION_COOKIE_DOMAIN="shop.example",
        SESSION_COOKIE_PATH="/a",
        SESSION_COOKIE_SECURE=False,
        SESSION_COOKIE_HTTPONLY=False,
        SESSION_COOKIE_SAMESITE=False,
    )

    line = requested(lambda request: request.session.put("n", 1), secure=True).cookies["s"].OutputString()

    assert line.partition("; ")[2].startswith("path=/a; domain=shop.example; expires=")
    assert line.endswith("; Max-Age=34560000")
    assert configured_sessions().settings.absolute_timeout == 500 * 24 * 60 * 60


@pytest.mark.parametrize("given", ["object", "dict", "path"])
def test_a_sessions_object_can_be_configured(configure: Configure, given: str) -> None:
    ours = globals()["ours"] = Sessions(TableStore(MemoryTable()), key="sid")
    configure(HOLDALL={"object": ours, "dict": {"sessions": ours}, "path": {"sessions": f"{__name__}.ours"}}[given])

    assert configured_sessions() is ours


def test_djangos_cookie_name_setting_follows_ours(configure: Configure) -> None:
    configure(HOLDALL={"store": "table", "table": "named", "key": "_shop"})
    client = Client()
    session = client.session
    session["n"] = 1
    session.save()

    assert settings.SESSION_COOKIE_NAME == "_shop"
    assert requested(lambda request: request.session["n"], client).json() == {"is": 1}
    configure(SESSION_COOKIE_AGE=60)
    assert configured_sessions().key == "_shop"
    configure(HOLDALL={"store": "table", "table": "named"})
    assert configured_sessions().key == KEY


def test_two_cookie_names_are_refused(configure: Configure) -> None:
    configure(HOLDALL={"store": "table", "table": "named", "key": "_shop"}, SESSION_COOKIE_NAME="other")

    with pytest.raises(ConfigurationError, match="set only one of the two"):
        configured_sessions()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (7, "HOLDALL is of type int"),
        ({"fetch": "never"}, "neither 'auto' nor 'explicit'"),
        ({"sessions": 7}, "neither a Sessions nor the dotted path"),
        ({"sessions": Sessions(TableStore(MemoryTable()), key="sid"), "key": "a"}, "pass key to that Sessions"),
        ({"store": "tabel"}, "neither"),
    ],
)
def test_unusable_settings_are_refused(configure: Configure, given: Any, message: str) -> None:
    configure(HOLDALL=given)

    with pytest.raises(ConfigurationError, match=message):
        configured_sessions()


def test_all_middleware_with_devices_is_of_one_class(configure: Configure, table: MemoryTable) -> None:
    configure(HOLDALL={"store": TableStore(table), "device_bound": True})

    made = [SessionMiddleware(lambda request: HttpResponse()) for _ in range(2)]

    assert type(made[0]) is type(made[1]) is not SessionMiddleware


def test_an_engine_of_djangos_is_refused(configure: Configure) -> None:
    configure(SESSION_ENGINE="django.contrib.sessions.backends.cache")

    with pytest.raises(ConfigurationError, match="SESSION_ENGINE"):
        SessionMiddleware(lambda request: HttpResponse())


def test_an_async_store_is_refused_under_wsgi(configure: Configure) -> None:
    configure(HOLDALL={"store": TableStore(as_async(MemoryTable()))})

    with pytest.raises(ConfigurationError, match="is async, which this adapter cannot use"):
        SessionMiddleware(lambda request: HttpResponse())


def test_a_weak_secret_is_accepted_in_tests_with_a_warning(configure: Configure) -> None:
    configure(SECRET_KEY="django-insecure-" + SECRET)
    with pytest.warns(WeakSecretWarning):
        configured_sessions()

    teardown_test_environment()
    configure(SECRET_KEY="django-insecure-" + SECRET)
    try:
        with pytest.raises(ConfigurationError, match="well-known") as raised:
            configured_sessions()
    finally:
        setup_test_environment()
    assert "SECRET_KEY" in raised.value.__notes__[0]


# Plug's verbs.


@pytest.mark.usefixtures("stored")
def test_plugs_verbs_take_the_request_first() -> None:
    client = Client()

    def begin(request: HttpRequest) -> object:
        holdall_django.put_session(request, "n", 1)
        holdall_django.put_session(request, "m", 2)
        holdall_django.delete_session(request, "m")
        return [holdall_django.get_session(request), holdall_django.get_session(request, "m", "no")]

    assert requested(begin, client).json() == {"is": [{"n": 1}, "no"]}
    requested(lambda request: holdall_django.configure_session(request, ignore=True) or begin(request), Client())
    requested(holdall_django.clear_session, client)
    assert dict(client.session) == {}
    assert requested(lambda request: isinstance(holdall_django.fetch_session(request), DjangoSession)).json()["is"]


def test_plugs_verbs_report_what_is_missing() -> None:
    with pytest.raises(ConfigurationError, match="MIDDLEWARE"):
        holdall_django.fetch_session(HttpRequest())


@pytest.mark.usefixtures("stored")
def test_flashed_messages_are_shown_once_alongside_djangos_own() -> None:
    client = Client()

    def add(request: HttpRequest) -> HttpResponse:
        messages.info(request, "Django's own")
        flash(request, "saved", "success")
        return HttpResponse()

    def show(request: HttpRequest) -> HttpResponse:
        flashed = [*get_flashed_messages(request), *get_flashed_messages(request, with_categories=True)]
        return JsonResponse([flashed, [str(each) for each in messages.get_messages(request)]], safe=False)

    requested(add, client)
    assert requested(show, client).json() == [["saved", ["success", "saved"]], ["Django's own"]]
    assert requested(show, client).json() == [[], []]
