"""Our sessions accept every value that a framework's own accept, and return it unchanged or as the framework does."""

import tests.django_project  # noqa: F401  # sets Django up

# isort: split

import math
from collections import Counter, OrderedDict, UserString, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntFlag
from typing import Any, NamedTuple
from uuid import UUID

import flask
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, QueryDict
from django.test import override_settings
from django.urls import path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware as StarlettesOwn
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from werkzeug.datastructures import ImmutableMultiDict, MultiDict

from holdall import MemoryTable, Sessions, TableStore
from holdall.formats._exact import EXACT_KEY
from holdall.msgspec_json import FastTaggedJSON
from holdall.testing import Browser, Request, asgi_client, wsgi_client
from holdall.testing._values import Colour, Shade, Size, alike, name, nested
from holdall_fastapi import SessionMiddleware
from holdall_flask import Holdall

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"

#: An application's use of its session in a request.
Act = Callable[[Any], None]
#: Makes two requests of one visitor.
Site = Callable[[Act, Act], None]


class Rights(IntFlag):
    READ = 4


class Ratio(float, Enum):
    HALF = 0.5


class Point(NamedTuple):
    x: int
    y: int


class LazyString(UserString):
    """A lazy string like flask-babel's: created on access, and not a ``str``."""

    def __html__(self) -> str:
        return str(self)


class Unsure:
    def __html__(self) -> Markup:
        return Markup("<i>x</i>")


@dataclass
class Item:
    sku: str
    price: Decimal
    sizes: tuple[int, ...] = ()
    more: Any = None


@dataclass(frozen=True, slots=True)
class Frozen:
    at: date


EAST = timezone(timedelta(hours=5, minutes=30))
SAME: Any = object()

#: A value, and what our sessions return for it.
VALUES: list[tuple[Any, Any]] = [
    (None, SAME), (True, SAME), (0, SAME), (-1, SAME), (2**70, SAME), (1.5, SAME), (-0.0, SAME), (1e16, SAME),
    (math.nan, SAME), (math.inf, SAME), (-math.inf, SAME), ([math.nan, {"a": -math.inf}], SAME),
    ("", SAME), ("Zoë 🧳 \0\u2028", SAME), ("\ud800", SAME), ("\ud800\udc00", SAME), ("$5", SAME), (" t", SAME),
    ([], SAME), ({}, SAME), ({"b": 1, "a": 2}, SAME), ((), SAME), ((1, ("a", [2])), SAME),
    ([("message", "Hello")], SAME),
    ({" t": [1]}, SAME), ({" di": {" t": 1}}, SAME), ({"$tuple": [1]}, SAME), ({"$dict": 1}, SAME),
    ({"_holdall": [1]}, SAME),
    ({1: 2}, SAME), ({7: {8: {9: 10}}}, SAME), ({1: "a", "1": "b"}, SAME), ({"a": 1, 2: "b"}, SAME),
    ([{1: (2,)}], SAME),
    ({True: "yes", False: "no"}, SAME), ({None: 1}, SAME), ({0.5: 1, 1e16: 2}, SAME), ({math.inf: 1}, SAME),
    ({-1: 1}, SAME), ({2**70: 1}, SAME), ({1: {"a": math.nan}}, SAME),
    (Colour.RED, "red"), (Shade.DARK, "dark"), (Size.LARGE, 3), (Rights.READ, 4), (Ratio.HALF, 0.5),
    ({Colour.RED: Colour.RED}, {"red": "red"}), ({Size.LARGE: Size.LARGE}, {3: 3}), ({Shade.DARK: 1}, {"dark": 1}),
    (Point(1, 2), (1, 2)), ([Point(1, 2)], [(1, 2)]),
    (OrderedDict(b=1, a=2), {"b": 1, "a": 2}), (defaultdict(list, a=[1]), {"a": [1]}),
    (Counter("abba"), {"a": 2, "b": 2}),
    (defaultdict(int, {7: 1}), {7: 1}), (type("Rows", (list,), {})([1]), [1]), (type("Name", (str,), {})("a"), "a"),
    (datetime(2026, 1, 1, 12, 30, tzinfo=UTC), SAME), (datetime(2026, 1, 1, 12, 30, 1, 5, tzinfo=UTC), SAME),
    (datetime(2026, 1, 1, 12, tzinfo=EAST), SAME), (datetime(2026, 1, 1, 12), SAME),  # noqa: DTZ001
    (datetime(50, 1, 1, tzinfo=UTC), SAME), (date(2026, 1, 1), SAME), (time(12), SAME), (timedelta(1), SAME),
    (UUID(int=7), SAME), (Decimal("1.10"), SAME), (Decimal("NaN"), SAME), (b"\xff", SAME), (b"", SAME),
    ([b"a", {"a": b"b"}], SAME),
    ({1, 2}, SAME), (frozenset({1, 2}), SAME), ({UUID(int=7): 1}, SAME), ({(1, 2): 3}, SAME),
    (Markup("<b>"), SAME), (SafeString("<b>"), Markup("<b>")), (LazyString("Log in"), Markup("Log in")),
    (Unsure(), Markup("<i>x</i>")),
    ({"_flashes": [("message", LazyString("Log in"))]}, {"_flashes": [("message", Markup("Log in"))]}),
    (Item("a", Decimal("1.10")), {"sku": "a", "price": Decimal("1.10"), "sizes": (), "more": None}),
    ([Item("a", Decimal(1), (1,), Frozen(date(2026, 1, 1)))],
     [{"sku": "a", "price": Decimal(1), "sizes": (1,), "more": {"at": date(2026, 1, 1)}}]),
    (QueryDict("a=1&a=2&b=3"), {"a": "2", "b": "3"}), (MultiDict([("a", "1"), ("a", "2")]), {"a": "1"}),
    (ImmutableMultiDict([("a", "1"), ("a", "2")]), {"a": "1"}), ({"form": MultiDict({"a": "1"})}, {"form": {"a": "1"}}),
    (nested(100, lambda value: [value]), SAME), (nested(100, lambda value: {"a": value}), SAME),
]  # fmt: skip

#: Values that no sessions accept.
REFUSED = [object(), 2j, bytearray(b"a"), memoryview(b"a"), Item, gettext_lazy("Log in"), range(2), UserString("a")]


def flask_site(prepare: Callable[[flask.Flask], object]) -> Site:
    def visit(first: Act, second: Act) -> None:
        app = flask.Flask("shop")
        app.testing = True
        app.secret_key = SECRET
        prepare(app)
        acts = iter([first, second])

        @app.get("/")
        def page() -> str:
            next(acts)(flask.session)
            return ""

        _visit(wsgi_client(app))

    return visit


def starlette_site(layer: Any, **arguments: Any) -> Site:
    def visit(first: Act, second: Act) -> None:
        acts = iter([first, second])

        async def page(request: StarletteRequest) -> PlainTextResponse:
            next(acts)(request.session)
            return PlainTextResponse("")

        _visit(asgi_client(Starlette(routes=[Route("/", page)], middleware=[Middleware(layer, **arguments)])))

    return visit


def django_site(**options: Any) -> Site:
    def visit(first: Act, second: Act) -> None:
        acts = iter([first, second])

        def page(request: HttpRequest) -> HttpResponse:
            next(acts)(request.session)
            return HttpResponse("")

        with override_settings(ROOT_URLCONF=(path("", page),), DEBUG_PROPAGATE_EXCEPTIONS=True, **options):
            _visit(wsgi_client(WSGIHandler()))

    return visit


def _visit(client: Callable[[Request], Any]) -> None:
    browser = Browser()
    for _ in range(2):
        cookies = browser.header("/", https=False)
        answer = client(Request("GET", headers=[("Cookie", cookies)] if cookies else []))
        if answer.error is not None:
            raise answer.error
        assert answer.status == 200
        browser.keep(answer.all("Set-Cookie"), "/", https=False)


def ours(kind: str, framework: Any) -> Sessions:
    match kind:
        case "cookie":
            return Sessions("cookie", key="_shop", secret_key_base=SECRET)
        case "msgspec":
            return Sessions("cookie", key="_shop", secret_key_base=SECRET, serializer=FastTaggedJSON())
        case "rows":
            return Sessions(TableStore(MemoryTable(), encrypt=True), key="sid")
    return Sessions("cookie", key="_shop", secret_key_base=SECRET, format=framework)


OWN: dict[str, Site] = {
    "flask": flask_site(lambda app: None),
    "starlette": starlette_site(StarlettesOwn, secret_key=SECRET),
    "django": django_site(
        MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    ),
}
OURS: dict[str, Callable[[Sessions], Site]] = {
    "flask": lambda sessions: flask_site(lambda app: Holdall(app, sessions)),
    "starlette": lambda sessions: starlette_site(SessionMiddleware, sessions=sessions),
    "django": lambda sessions: django_site(HOLDALL={"sessions": sessions}),
}

frameworks = pytest.mark.parametrize("framework", OWN)
kinds = pytest.mark.parametrize("kind", ["cookie", "msgspec", "rows", "the framework's format"])


def again(site: Site, data: dict[Any, Any]) -> dict[Any, Any]:
    """Return *data* as the next request finds it."""
    found: dict[Any, Any] = {}
    site(lambda session: session.update(data), lambda session: found.update(session.items()))
    return found


def accepts(framework: str, data: dict[Any, Any]) -> bool:
    try:
        again(OWN[framework], data)
    except (TypeError, ValueError):
        return False
    return True


@frameworks
@kinds
@pytest.mark.parametrize(("value", "expected"), VALUES, ids=name)
def test_values_that_the_framework_accepts_come_back(framework: str, kind: str, value: Any, expected: Any) -> None:
    expected = value if expected is SAME else expected
    site = OURS[framework](ours(kind, framework))
    data = {"value": value, "within": [value, {"a": value}], "plain": "text"}
    expected_data = {"value": expected, "within": [expected, {"a": expected}], "plain": "text"}

    try:
        found = again(site, data)
    except TypeError:
        # Values that the framework cannot write must not be in its cookie.
        assert kind == "the framework's format"
        assert not accepts(framework, data)
        return

    assert alike(found, expected_data)


@frameworks
@kinds
@pytest.mark.parametrize("value", REFUSED, ids=name)
def test_values_that_it_refuses_are_refused_when_they_are_put(framework: str, kind: str, value: Any) -> None:
    assert not accepts(framework, {"value": [value]})

    def put(session: Any) -> None:
        with pytest.raises(TypeError, match=r"^session\['value'\]\[0\] cannot be stored: "):
            session["value"] = [value]

    OURS[framework](ours(kind, framework))(put, lambda session: None)


@frameworks
@pytest.mark.parametrize(("value", "expected"), VALUES, ids=name)
def test_in_its_own_format_the_framework_finds_what_it_would_have_written(
    framework: str, value: Any, expected: Any
) -> None:
    data = {"value": value if expected is SAME else expected}
    if not accepts(framework, data):
        return
    sessions = Sessions("cookie", key=_COOKIE[framework], secret_key_base=SECRET, format=framework)  # type: ignore[arg-type]
    session = sessions.fetch()
    session.update(data)
    cookie = f"{sessions.key}={sessions.commit(session).cookie}"
    found: dict[str, Any] = {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Browser, "header", lambda self, path, https: cookie)
        OWN[framework](lambda own: found.update(own.items()), lambda own: None)

    theirs = again(OWN[framework], data)
    assert found.keys() - {"_holdall", EXACT_KEY} == {"value"}
    assert alike(in_order(found["value"]), in_order(theirs["value"]))


def in_order(value: Any) -> Any:
    """Return *value* with its keys in order, because Flask sorts them."""
    if isinstance(value, (list, tuple)):
        return type(value)(in_order(item) for item in value)
    return {key: in_order(value[key]) for key in sorted(value)} if isinstance(value, dict) else value


_COOKIE = {"flask": "session", "starlette": "session", "django": "sessionid"}


@frameworks
@kinds
@pytest.mark.parametrize("key", [7, -1, 2**70, True, False, None, 0.5, 1e16, Colour.RED, Size.LARGE], ids=repr)
def test_a_session_key_is_converted_as_in_the_framework(framework: str, kind: str, key: Any) -> None:
    theirs = again(OWN[framework], {key: 1})
    site = OURS[framework](ours(kind, framework))

    found = again(site, {key: 1})

    assert alike(found, theirs)

    def by_key(session: Any) -> None:
        assert session[key] == session.get(key) == session[next(iter(theirs))] == 1
        assert key in session
        assert session.pop(key) == 1
        assert key not in session

    site(lambda session: session.update({key: 1}), by_key)


@frameworks
@kinds
def test_a_value_mutated_in_place_is_accepted_like_one_that_is_put(framework: str, kind: str) -> None:
    site = OURS[framework](ours(kind, framework))
    found: list[Any] = []

    def put(session: Any) -> None:
        session["cart"] = {}
        session["cart"][7] = session["cart"].get(7, 0) + 1
        session["cart"][8] = math.inf

    site(put, lambda session: found.append(session["cart"]))

    assert found == [{7: 1, 8: math.inf}]
