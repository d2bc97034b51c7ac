"""session_key: a name that other packages store, that finds its session, and that opens nothing if sent as a cookie."""

from tests.django_project.visits import Configure, configure, environment, key_of, requested  # isort: skip

import asyncio
import re
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from holdall import CookieStore, MemoryTable, Sessions, TableStore
from holdall.formats import NativeFormat
from holdall.stores import StoredSession
from holdall_django import DjangoSession
from holdall_django._names import LENGTH, cookies_of, name_of
from holdall_django.engine import SessionStore

__all__ = ["configure", "environment"]

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"


@pytest.fixture
def table(configure: Configure) -> MemoryTable:
    table = MemoryTable()
    configure(HOLDALL={"store": TableStore(table)})
    return table


@pytest.fixture
def in_cookies(configure: Configure) -> None:
    configure(HOLDALL={"store": CookieStore(NativeFormat(SECRET))})


def named(client: Client) -> str:
    """Return the name of the client's session, as a view sees it."""
    return str(requested(lambda request: request.session.session_key, client).json()["is"])


def begun(**data: Any) -> tuple[Client, str]:
    client = Client()
    requested(lambda request: request.session.update(data), client)
    return client, named(client)


@pytest.mark.usefixtures("table")
def test_a_name_has_40_characters_and_stays_the_same_until_a_renewal() -> None:
    client, name = begun(n=1)

    assert re.fullmatch(r"[\w-]{40}", name)
    requested(lambda request: request.session.update(n=2), client)
    assert named(client) == name
    requested(lambda request: request.session.cycle_key(), client)
    assert named(client) != name


@pytest.mark.usefixtures("table")
def test_a_name_sent_as_a_cookie_opens_nothing() -> None:
    client, name = begun(n=1)
    thief = Client(headers={"cookie": f"sessionid={name}"})

    assert name != key_of(client)
    assert requested(lambda request: dict(request.session), thief).json() == {"is": {}}
    assert requested(lambda request: request.session.flush(), thief).status_code == 200
    assert client.session["n"] == 1


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("by_name", [True, False])
def test_a_store_made_from_a_name_has_its_session(by_name: bool) -> None:
    client, name = begun(n=1)
    store = SessionStore(session_key=name) if by_name else SessionStore(name)

    assert store.session_key == name
    assert store["n"] == 1
    assert store.load() == {"n": 1}
    assert store.session_key == name
    assert SessionStore().exists(name)
    store["n"] = 2
    store.save()
    assert client.session["n"] == 2
    store.delete()
    assert not SessionStore().exists(name)
    assert dict(client.session) == {}


@pytest.mark.usefixtures("table")
def test_a_session_can_be_ended_by_its_name() -> None:
    for end in (
        lambda name: SessionStore(session_key=name).delete(),
        lambda name: SessionStore().delete(name),
        lambda name: SessionStore().delete(session_key=name),
        lambda name: SessionStore(name).flush(),
        lambda name: asyncio.run(SessionStore().adelete(name)),
        lambda name: asyncio.run(SessionStore(session_key=name).aflush()),
        lambda name: requested(lambda request: request.session.delete(name)),
    ):
        client, name = begun(n=1)
        end(name)
        assert dict(client.session) == {}


@pytest.mark.usefixtures("table")
def test_a_session_can_be_ended_by_its_own_name_in_its_own_request() -> None:
    client, _ = begun(n=1)

    answer = requested(lambda request: request.session.delete(request.session.session_key), client)

    assert answer.cookies["sessionid"].value == ""
    assert dict(Client(headers={"cookie": f"sessionid={key_of(client)}"}).session) == {}


@pytest.mark.usefixtures("table")
def test_a_store_made_from_a_cookie_has_the_cookie_as_its_key() -> None:
    client, _ = begun(n=1)
    cookie = key_of(client)

    assert SessionStore(cookie)["n"] == 1
    assert (SessionStore(cookie).session_key, client.session.session_key) == (cookie, cookie)
    store = SessionStore(cookie)
    store.cycle_key()
    assert store.session_key != cookie
    assert SessionStore(store.session_key)["n"] == 1


@pytest.mark.usefixtures("table")
def test_a_name_survives_a_rotation_of_the_secret(configure: Configure) -> None:
    client, name = begun(n=1)

    configure(SECRET_KEY=SECRET[::-1], SECRET_KEY_FALLBACKS=[settings.SECRET_KEY])
    assert SessionStore(session_key=name)["n"] == 1
    assert named(client) != name
    assert SessionStore(session_key=named(client))["n"] == 1

    configure(SECRET_KEY_FALLBACKS=[])
    assert not SessionStore().exists(name)


def test_a_name_belongs_to_one_cookie(configure: Configure) -> None:
    table = MemoryTable()
    configure(HOLDALL={"store": TableStore(table), "key": "shop"})
    _, name = begun(n=1)

    configure(HOLDALL={"store": TableStore(table), "key": "desk"})
    assert not SessionStore().exists(name)


@pytest.mark.usefixtures("table")
def test_in_an_event_loop_outside_requests_a_positional_value_is_a_cookie() -> None:
    client, name = begun(n=1)

    async def look(*given: str, **named: str) -> Any:
        return await SessionStore(*given, **named).aget("n")

    assert asyncio.run(look(name)) is None
    assert asyncio.run(look(key_of(client))) == 1
    assert asyncio.run(look(session_key=name)) == 1


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    "given", ["", None, "a", "é" * 40, "k" * 40, "k" * 41, "k" * 42, "k" * 43, "a;b" * 14, "=" * 40]
)
def test_an_unknown_name_is_an_empty_session(given: str | None) -> None:
    store = SessionStore(session_key=given)

    assert dict(store) == {}
    assert store.session_key is None
    assert not SessionStore().exists(given)
    SessionStore().delete(given or "k" * 40)


@given(st.binary(min_size=30, max_size=30))
def test_each_id_has_one_name_and_each_name_one_id(sid: bytes) -> None:
    from base64 import urlsafe_b64encode

    from holdall.stores import StoredSession

    cookie = urlsafe_b64encode(sid).decode()
    sessions = Sessions(TableStore(MemoryTable()), key="sid")
    stored: Any = StoredSession(cookie, {}, None, None, "", 1)  # type: ignore[arg-type]

    name = name_of(sessions.fetch(), stored)

    assert len(name) == LENGTH
    assert name != cookie
    assert cookie in cookies_of(name, "sid")


# With sessions in cookies there is no row to find.


@pytest.mark.usefixtures("in_cookies")
def test_the_name_of_a_session_in_a_cookie_is_short_and_finds_it_during_its_request() -> None:
    client, name = begun(n=1)

    def view(request: HttpRequest) -> Any:
        return [request.session.session_key, request.session.__class__(request.session.session_key)["n"]]

    assert requested(view, client).json() == {"is": [name, 1]}
    requested(lambda request: request.session.update(n=2), client)
    assert named(client) == name
    assert re.fullmatch(r"[\w-]{40}", name)
    assert dict(SessionStore(session_key=name)) == {}
    assert requested(lambda request: dict(request.session), headers={"cookie": f"sessionid={name}"}).json()["is"] == {}


def test_a_store_with_its_own_ids_uses_them_as_names(configure: Configure) -> None:
    class Elsewhere(TableStore):
        def put(self, stored: Any, write: Any, *, key: str) -> Any:
            written = yield from super().put(stored, write, key=key)
            return StoredSession("row-7", written.data, written.created, written.expires, written.log_id, 1)

    configure(HOLDALL={"store": Elsewhere(MemoryTable())})

    def view(request: HttpRequest) -> str | None:
        request.session.save()
        return request.session.session_key

    assert requested(view).json() == {"is": "row-7"}


# Replacements for parts of Django.


@pytest.mark.usefixtures("table")
def test_a_login_changes_the_name() -> None:
    user = User.objects.create_user("ada", password="lovelace")
    client, name = begun(n=1)
    client.force_login(user)
    try:
        assert named(client) != name
        assert isinstance(SessionStore(session_key=named(client)), DjangoSession)
        assert SessionStore(session_key=named(client))["_auth_user_id"] == str(user.pk)
    finally:
        user.delete()
