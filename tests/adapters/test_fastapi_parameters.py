"""A handler's other parameters: typed values of the session, and messages for the next page."""

from dataclasses import dataclass, field
from typing import Annotated, Any

import flask
import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from holdall import ConfigurationError, MemoryTable, Session, Sessions, TableStore
from holdall.testing import Browser, asgi_client, wsgi_client
from holdall.testing import Request as Sent
from holdall_fastapi import FromSession, SessionDep, SessionMiddleware, TypedSession, flash, get_flashed_messages
from holdall_flask import Holdall

SECRET = "f2b1c07d83e94a65-90d4e7c1b2a63f58"


@dataclass
class Cart:
    items: list[str] = field(default_factory=list)


@dataclass
class Shop:
    visits: int = 0
    cart: Cart = field(default_factory=Cart)


CartDep = Annotated[Cart, FromSession("cart")]


@pytest.fixture
def sessions() -> Sessions:
    return Sessions(TableStore(MemoryTable()), key="sid")


@pytest.fixture
def app(sessions: Sessions) -> FastAPI:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions)

    @app.get("/data")
    async def data(session: SessionDep) -> JSONResponse:
        return JSONResponse(dict(session))

    return app


@pytest.fixture
def browser(app: FastAPI) -> Browser:
    return Browser(asgi_client(app))


def get(browser: Browser, path: str) -> Any:
    response = browser.send(Sent("GET", path))
    assert response.status == 200, response.error
    return flask.json.loads(response.body)


class TestTyped:
    pytest.importorskip("msgspec", reason="typed sessions need pydantic 2 or msgspec")

    def test_a_typed_parameters_changes_are_saved(self, app: FastAPI, browser: Browser) -> None:
        @app.get("/add")
        async def add(cart: CartDep) -> int:
            cart.items.append("hat")
            return len(cart.items)

        assert [get(browser, "/add") for _ in range(3)] == [1, 2, 3]
        assert get(browser, "/data") == {"cart": {"items": ["hat"] * 3}}

    def test_handler_and_dependencies_share_the_typed_value(self, app: FastAPI, browser: Browser) -> None:
        def with_gift(cart: CartDep) -> Cart:
            cart.items.append("gift")
            return cart

        @app.get("/add")
        def add(cart: CartDep, same: Annotated[Cart, Depends(with_gift)]) -> bool:
            cart.items.append("hat")
            return cart is same

        assert get(browser, "/add") is True
        assert get(browser, "/data") == {"cart": {"items": ["gift", "hat"]}}

    def test_one_handler_may_have_several_and_the_session_itself(self, app: FastAPI, browser: Browser) -> None:
        @app.get("/add")
        async def add(
            shop: TypedSession[Shop],
            tags: Annotated[list[str], FromSession("tags")],
            theme: Annotated[str, FromSession("theme", default="dark")],
            nobody: Annotated[Cart | None, FromSession("nobody")],
            session: SessionDep,
        ) -> str:
            shop.visits += 1
            shop.cart.items.append("hat")
            tags.append("new")
            assert isinstance(session, Session)
            assert nobody is None
            return theme

        assert get(browser, "/add") == "dark"
        assert get(browser, "/data") == {"visits": 1, "cart": {"items": ["hat"]}, "tags": ["new"]}

    def test_typed_sessions_of_several_types_are_independent(self, app: FastAPI, browser: Browser) -> None:
        @dataclass
        class Other:
            theme: str = "dark"

        @app.get("/shop")
        async def shop(shop: TypedSession[Shop]) -> str:
            return type(shop).__name__

        @app.get("/other")
        async def other(other: TypedSession[Other]) -> str:
            return type(other).__name__

        assert [get(browser, "/shop"), get(browser, "/other")] == ["Shop", "Other"]

    def test_a_value_that_does_not_fit_is_not_a_failure(
        self, app: FastAPI, browser: Browser, sessions: Sessions
    ) -> None:
        @app.get("/spoil")
        async def spoil(session: SessionDep) -> None:
            session["cart"] = "a text"

        @app.get("/count")
        async def count(cart: CartDep) -> int:
            return len(cart.items)

        get(browser, "/spoil")
        assert get(browser, "/count") == 0

    def test_a_typed_parameter_fetches_the_session_if_necessary(self, sessions: Sessions) -> None:
        app = FastAPI()
        app.add_middleware(SessionMiddleware, sessions=sessions, fetch="explicit")

        @app.get("/add")
        async def add(cart: CartDep) -> int:
            cart.items.append("hat")
            return len(cart.items)

        browser = Browser(asgi_client(app))
        assert [get(browser, "/add"), get(browser, "/add")] == [1, 2]

    def test_a_type_without_a_default_is_refused_when_the_handler_is_declared(self, app: FastAPI) -> None:
        with pytest.raises(ConfigurationError, match="pass a default"):

            @app.get("/n")
            async def count(n: Annotated[int, FromSession("n")]) -> None: ...


@pytest.fixture
def flashing(app: FastAPI) -> FastAPI:
    @app.get("/flash/{text}/{category}")
    async def add(request: Request, text: str, category: str) -> None:
        flash(request, text, category)

    @app.get("/flashes")
    async def show(request: Request) -> Any:
        return [
            get_flashed_messages(request),
            get_flashed_messages(request, with_categories=True),
            get_flashed_messages(request, category_filter=["error"]),
        ]

    return app


class TestFlash:
    @pytest.fixture(autouse=True)
    def _app(self, flashing: FastAPI) -> None: ...

    def test_messages_are_shown_once_in_order(self, browser: Browser) -> None:
        get(browser, "/flash/saved/message")
        get(browser, "/flash/refused/error")
        expected = [["saved", "refused"], [["message", "saved"], ["error", "refused"]], ["refused"]]
        assert get(browser, "/flashes") == expected
        assert get(browser, "/flashes") == [[], [], []]
        assert get(browser, "/data") == {}

    def test_reading_messages_when_there_are_none_begins_no_session(self, browser: Browser) -> None:
        assert get(browser, "/flashes") == [[], [], []]
        assert browser.jar == []

    def test_flask_and_fastapi_show_each_others_messages(self, browser: Browser, sessions: Sessions) -> None:
        app = flask.Flask(__name__)
        Holdall(app, sessions)

        @app.get("/flash/<text>")
        def add(text: str) -> str:
            flask.flash(text, "from flask")
            return "{}"

        @app.get("/flashes")
        def show() -> Any:
            return flask.jsonify(flask.get_flashed_messages(with_categories=True))

        in_flask = browser.at(wsgi_client(app))
        get(in_flask, "/flash/hello")
        assert get(browser, "/flashes")[1] == [["from flask", "hello"]]
        get(browser, "/flash/hello/message")
        assert get(in_flask, "/flashes") == [["message", "hello"]]
