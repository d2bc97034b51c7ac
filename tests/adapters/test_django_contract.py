"""The behaviour of Django's own sessions that packages rely on, compared with Django's own sessions."""

from tests.django_project.visits import Configure, configure, environment, key_of, requested  # isort: skip

import asyncio
import inspect
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.backends.cache import SessionStore as DjangosStore
from django.http import HttpRequest, StreamingHttpResponse
from django.test import Client
from django.utils import timezone

from holdall import CookieStore, LostWriteError, MemoryTable, ResponseStartedError, TableStore
from holdall import _late_changes as late_changes
from holdall.formats import NativeFormat
from holdall_django import DjangoSession, SessionEndedError
from holdall_django.engine import SessionStore

__all__ = ["configure", "environment"]

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"


@pytest.fixture(params=["cookie", "table"])
def stored(request: pytest.FixtureRequest, configure: Configure) -> str:
    store = CookieStore(NativeFormat(SECRET)) if request.param == "cookie" else TableStore(MemoryTable())
    configure(HOLDALL={"store": store})
    return request.param


@pytest.fixture
def in_table(configure: Configure) -> MemoryTable:
    table = MemoryTable()
    configure(HOLDALL={"store": TableStore(table)})
    return table


# The results of each call, and of modified and bool() afterwards.

CALLS: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda session: None,
    "get": lambda session: session.get("n"),
    "get a missing key": lambda session: session.get("no", 7),
    "set": lambda session: session.__setitem__("n", 2),
    "del": lambda session: session.__delitem__("n"),
    "pop": lambda session: session.pop("n", None),
    "pop a missing key": lambda session: session.pop("no", 7),
    "setdefault": lambda session: session.setdefault("n", 7),
    "setdefault by name": lambda session: session.setdefault(key="new", value=7),
    "update": lambda session: session.update({"n": 2}),
    "update by name": lambda session: session.update(dict_={"n": 2}),
    "clear": lambda session: session.clear(),
    "keys": lambda session: sorted(session.keys()),
    "items": lambda session: sorted(session.items()),
    "has_key": lambda session: session.has_key("n"),
    "save": lambda session: session.save(),
    "create": lambda session: session.create(),
    "cycle_key": lambda session: session.cycle_key(),
    "flush": lambda session: session.flush(),
    "set and save": lambda session: session.__setitem__("n", 2) or session.save(),
    "set and take back": lambda session: session.__setitem__("n", 2) or setattr(session, "modified", False),
    "set_expiry": lambda session: session.set_expiry(300) or session.get_expiry_age(),
    "set_expiry, fraction": lambda session: session.set_expiry(86400.0) or session.get_expiry_age(),
    "set_expiry, True": lambda session: session.set_expiry(True) or session.get_expiry_age(),
    "set_expiry, 0": lambda session: session.set_expiry(0) or session.get_expire_at_browser_close(),
    "set_expiry, None": lambda session: session.set_expiry(None),
    "set_test_cookie": lambda session: session.set_test_cookie() or session.test_cookie_worked(),
}


def outcome(session: Any, call: Callable[[Any], Any]) -> tuple[Any, ...]:
    try:
        answer = call(session)
    except KeyError as exc:
        answer = type(exc)
    return answer, bool(session.modified), bool(session), session.is_empty(), sorted(session.keys())


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("exists", [True, False], ids=["stored", "new"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_session_behaves_as_djangos_own(call: Callable[[Any], Any], exists: bool) -> None:
    outcomes = []
    for kind in (DjangosStore, SessionStore):
        session: Any = kind()
        if exists:
            session["n"] = 1
            session.save()
            session = kind(session.session_key)
        outcomes.append(outcome(session, call))

    assert outcomes[1] == outcomes[0]


@pytest.mark.parametrize("name", [name for name in vars(SessionBase) if not name.startswith("_")])
def test_each_method_accepts_djangos_arguments_by_name(name: str) -> None:
    theirs = vars(SessionBase)[name]
    if not callable(getattr(theirs, "__func__", theirs)):
        return
    for kind in (DjangoSession, SessionStore):
        ours = inspect.signature(getattr(kind, name)).parameters
        takes_all = any(each.kind is each.VAR_KEYWORD for each in ours.values())
        assert takes_all or set(inspect.signature(getattr(SessionBase, name)).parameters) <= set(ours)


def test_a_requests_session_and_one_outside_it_are_interchangeable(in_table: MemoryTable) -> None:
    text = requested(lambda request: request.session.encode({"n": 1})).json()["is"]

    assert SessionStore().decode(text) == {"n": 1}


# modified, which packages read after a save, and set to False to prevent a write.


@pytest.mark.usefixtures("stored")
def test_modified_is_true_after_a_new_session_was_saved() -> None:
    def view(request: HttpRequest) -> list[bool]:
        before = request.session.modified
        request.session.save()
        return [before, request.session.modified]

    assert requested(view).json() == {"is": [False, True]}


@pytest.mark.usefixtures("stored")
def test_changes_made_before_modified_was_set_to_false_are_not_saved() -> None:
    client = Client()
    requested(lambda request: request.session.update(n=1), client)

    def view(request: HttpRequest) -> None:
        request.session["n"] = 2
        request.session.modified = False

    assert not requested(view, client).cookies
    assert client.session["n"] == 1
    requested(lambda request: view(request) or request.session.put("m", 1), client)
    assert dict(client.session) == {"n": 2, "m": 1}


# Sessions that have ended elsewhere.


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("setting", ["report", "raise"])
def test_a_request_that_saves_an_ended_session_gets_an_error(
    configure: Configure, setting: str, is_async: bool
) -> None:
    configure(HOLDALL={"store": TableStore(MemoryTable()), "on_lost_write": setting})
    client = Client()
    requested(lambda request: request.session.update(n=1), client)

    def view(request: HttpRequest) -> None:
        request.session["n"] = 2
        SessionStore().delete(request.session.session_key)
        with pytest.raises(UpdateError) as raised:
            asyncio.run(request.session.asave()) if is_async else request.session.save()
        assert isinstance(raised.value, LostWriteError)

    assert requested(view, client).status_code in (200, 409)
    assert client.session.load() == {}


@pytest.mark.parametrize("is_async", [True, False])
def test_an_unchanged_ended_session_is_not_saved(in_table: MemoryTable, is_async: bool) -> None:
    client = Client()
    requested(lambda request: request.session.update(n=1), client)

    def view(request: HttpRequest) -> None:
        SessionStore().delete(request.session.session_key)
        asyncio.run(request.session.asave()) if is_async else request.session.save()

    assert requested(view, client).status_code == 409


def test_a_late_request_also_gets_a_key_for_a_package(in_table: MemoryTable) -> None:
    client = Client()
    requested(lambda request: request.session.update(n=1), client)
    late = key_of(client)
    requested(lambda request: request.session.cycle_key(), client)

    def view(request: HttpRequest) -> None:
        if not request.session.session_key:
            request.session.save()

    assert requested(view, headers={"cookie": f"sessionid={late}"}).status_code == 200


def test_each_save_of_an_ended_session_is_refused(in_table: MemoryTable) -> None:
    session = SessionStore()
    session.save()
    SessionStore().delete(session.session_key)

    for number in range(2):
        session["n"] = number
        with pytest.raises(SessionEndedError):
            session.save()


# set_expiry


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("expiry", "max_age"),
    [
        (2592000.0, 2592000),
        (True, 1),
        (0.0, ""),
        (False, ""),
        (0.5, 0),
        (-1, -1),
        (10**30, 2592000),
        (-(10**30), -31536000),
        (datetime.max.replace(tzinfo=UTC), 2592000),
        (datetime(2, 1, 1, tzinfo=UTC), -31536000),
    ],
)
def test_each_expiry_that_django_accepts_can_be_sent(expiry: Any, max_age: int | str) -> None:
    answer = requested(lambda request: request.session.set_expiry(expiry) or request.session.put("n", 1))

    assert answer.status_code == 200
    found = answer.cookies["sessionid"]["max-age"]
    assert found == max_age or abs(max_age - found) <= 2


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    "expiry",
    [date(2030, 1, 1), b"1", "soon", float("nan"), float("inf"), [1], object()],
    ids=lambda each: repr(each)[:9],
)
def test_an_invalid_expiry_is_refused_where_it_is_set(expiry: Any) -> None:
    session = SessionStore()

    with pytest.raises((TypeError, ValueError)):
        session.set_expiry(expiry)
    with pytest.raises((TypeError, ValueError)):
        asyncio.run(session.aset_expiry(expiry))

    assert not session.keys()


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("expiry", ["soon", [1], timedelta(days=1)])
def test_an_invalid_expiry_from_elsewhere_breaks_no_page(expiry: Any) -> None:
    answer = requested(lambda request: request.session.put("_session_expiry", expiry))

    assert answer.status_code == 200
    assert answer.cookies["sessionid"]["max-age"] == 1209600


@pytest.mark.usefixtures("stored")
def test_an_expiry_can_be_set_in_async_and_as_text() -> None:
    session = SessionStore()
    ends = (timezone.now() + timedelta(hours=1)).isoformat()

    asyncio.run(session.aset_expiry(ends))

    assert 3590 < session.get_expiry_age() <= 3600


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("is_loaded", [True, False])
def test_create_keeps_what_was_only_read(is_loaded: bool) -> None:
    keys = []
    for create in (lambda session: session.create(), lambda session: asyncio.run(session.acreate())):
        session = SessionStore()
        session["n"] = 1
        session.save()
        session = SessionStore(session.session_key)
        if is_loaded:
            assert session["n"] == 1
        create(session)
        keys.append((sorted(session.keys()), sorted(SessionStore(session.session_key).keys())))

    assert keys == [(["n"], ["n"]) if is_loaded else ([], [])] * 2


# Packages that construct a session themselves.


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("secure", [True, False])
def test_a_session_constructed_anew_replaces_the_requests_own(secure: bool) -> None:
    def view(request: HttpRequest) -> Any:
        came = request.session
        came["n"] = 1
        came.save()
        request.session = came.__class__(came.session_key)
        request.session["m"] = 2
        request.session.modified = True
        return dict(request.session)

    client = Client()
    answer = requested(view, client, secure=secure)

    assert answer.json() == {"is": {"n": 1, "m": 2}}
    assert ("secure" in answer.cookies["sessionid"].OutputString()) is secure
    assert dict(client.session) == {"n": 1, "m": 2}


@pytest.mark.usefixtures("stored")
def test_a_session_constructed_without_a_key_begins_a_new_one() -> None:
    def view(request: HttpRequest) -> None:
        request.session = request.session.__class__()
        request.session["n"] = 1

    client = Client()
    requested(view, client)

    assert dict(client.session) == {"n": 1}


# After the request.


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("streams", [True, False])
def test_a_change_after_the_request_is_refused(streams: bool) -> None:
    kept: list[Any] = []

    def view(request: HttpRequest) -> Any:
        kept.append(request.session)
        return StreamingHttpResponse(["body"]) if streams else None

    client = Client()
    requested(lambda request: request.session.put("n", 1), client)
    answer = requested(lambda request: request.session.get("n") and view(request), client)
    b"".join(answer)
    (session,) = kept
    refused: list[type] = []

    def change() -> None:
        for act in (lambda: session.put("n", 2), lambda: session.update(m=1), session.flush, session.cycle_key):
            with pytest.raises(ResponseStartedError) as raised:
                act()
            refused.append(raised.type)

    thread = threading.Thread(target=change)
    thread.start()
    thread.join()

    assert len(refused) == 4
    assert client.session["n"] == 1


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("kind", ["cookie", "table"])
def test_a_mutation_in_place_after_the_request_is_reported(configure: Configure, kind: str, streams: bool) -> None:
    # A few sessions are compared each time, so those left by other tests would come first.
    late_changes.watched.clear()
    store = CookieStore(NativeFormat(SECRET)) if kind == "cookie" else TableStore(MemoryTable())
    told: list[Any] = []
    configure(HOLDALL={"store": store, "on_event": told.append})
    client = Client()
    requested(lambda request: request.session.update(cart=["hat"]), client)
    kept: list[list[str]] = []

    def view(request: HttpRequest) -> Any:
        kept.append(request.session["cart"])
        return StreamingHttpResponse(["body"]) if streams else None

    b"".join(requested(view, client))
    kept[0].append("scarf")
    requested(lambda request: request.session["cart"], client)

    assert [(event.name, event.reason) for event in told if event.name == "lost_write"] == [
        ("lost_write", "request ended")
    ]
    assert client.session["cart"] == ["hat"]


@pytest.mark.usefixtures("stored")
def test_a_session_that_was_replaced_takes_no_more_changes() -> None:
    kept: list[Any] = []

    def view(request: HttpRequest) -> None:
        kept.append(request.session)
        request.session = SessionStore()

    requested(view)

    with pytest.raises(ResponseStartedError):
        kept[0]["n"] = 1
