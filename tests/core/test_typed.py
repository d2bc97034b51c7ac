"""Values of a session as typed objects: created, mutated, saved, and absent if they do not fit."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, TypedDict

import pytest

from holdall import ConfigurationError, Event, MemoryTable, ResponseStartedError, Session, Sessions, TableStore
from holdall.testing import init_test_session
from holdall.typed import check_model, typed_session

msgspec = pytest.importorskip("msgspec", reason="typed sessions need msgspec or pydantic")
try:
    from pydantic import BaseModel, Field, TypeAdapter  # noqa: F401
except ImportError:
    pydantic_2 = False
    BaseModel, Field = object, lambda **_: None
else:
    pydantic_2 = True
needs_pydantic_2 = pytest.mark.skipif(not pydantic_2, reason="pydantic 2 is not installed")


@dataclass
class Cart:
    items: list[str] = field(default_factory=list)
    changed: datetime | None = None


class CartDict(TypedDict, total=False):
    items: list[str]


class CartStruct(msgspec.Struct):
    items: list[str] = msgspec.field(default_factory=list)
    changed: datetime | None = None


class CartModel(BaseModel):
    items: list[str] = Field(default_factory=list)
    changed: datetime | None = None


@dataclass
class Shop:
    user_id: int | None = None
    cart: Cart = field(default_factory=Cart)


MODELS = [Cart, CartStruct, pytest.param(CartModel, marks=needs_pydantic_2)]


class Visitor:
    """A visitor's requests, one after another."""

    def __init__(self, data: Mapping[str, Any], events: list[Event]) -> None:
        self.sessions = Sessions(TableStore(MemoryTable()), key="sid", principal_key="user_id", on_event=events.append)
        self._cookie = init_test_session(self.sessions, data)

    @contextmanager
    def request(self) -> Iterator[Session]:
        session = self.sessions.fetch(self._cookie)
        yield session
        cookie = self.sessions.commit(session).cookie
        self._cookie = "" if cookie is None else f"sid={cookie}"

    def data(self) -> dict[str, Any]:
        return dict(self.sessions.fetch(self._cookie))


@pytest.mark.parametrize("model", MODELS)
def test_a_mutated_typed_value_is_saved(model: Any) -> None:
    visitor = Visitor({"cart": {"items": ["hat"]}}, [])
    with visitor.request() as session:
        cart = typed_session(session, model, "cart")
        assert type(cart) is model
        cart.items.append("scarf")
        cart.changed = datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert visitor.data()["cart"]["items"] == ["hat", "scarf"]
    with visitor.request() as session:
        assert typed_session(session, model, "cart").changed == datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("model", MODELS)
def test_a_typed_value_that_is_only_read_writes_nothing(model: Any) -> None:
    visitor = Visitor({"cart": {"items": ["hat"], "changed": "2026-05-01T12:00:00+00:00"}}, [])
    with visitor.request() as session:
        assert typed_session(session, model, "cart").items == ["hat"]
        assert typed_session(session, model, "another").items == []
        assert not session.modified


@pytest.mark.parametrize("model", MODELS)
def test_an_absent_value_gets_its_types_defaults(model: Any) -> None:
    visitor = Visitor({}, [])
    with visitor.request() as session:
        typed_session(session, model, "cart").items.append("hat")
    assert visitor.data()["cart"]["items"] == ["hat"]


@pytest.mark.parametrize("model", MODELS)
def test_keys_unknown_to_the_type_are_kept(model: Any) -> None:
    visitor = Visitor({"cart": {"items": ["hat"], "coupon": "SPRING"}, "theme": "dark"}, [])
    with visitor.request() as session:
        typed_session(session, model, "cart").items.clear()
    data = visitor.data()
    assert (data["cart"]["items"], data["cart"]["coupon"], data["theme"]) == ([], "SPRING", "dark")


def test_keys_unknown_to_a_nested_type_are_kept() -> None:
    visitor = Visitor({"cart": {"items": ["hat"], "coupon": "SPRING"}, "theme": "dark"}, [])
    with visitor.request() as session:
        typed_session(session, Shop).cart.items.append("scarf")
    data = visitor.data()
    assert (data["cart"]["items"], data["cart"]["coupon"], data["theme"]) == (["hat", "scarf"], "SPRING", "dark")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("misfit", ["a text", 7, None, ["hat"], {"items": "hat"}, {"items": [7]}])
def test_a_value_that_does_not_fit_counts_as_absent_with_an_event(model: Any, misfit: Any) -> None:
    events: list[Event] = []
    visitor = Visitor({"cart": misfit}, events)
    with visitor.request() as session:
        assert typed_session(session, model, "cart").items == []
        assert not session.modified
    assert [(event.name, event.reason) for event in events if event.name != "created"] == [("invalid_value", "cart")]
    assert visitor.data()["cart"] == misfit


def test_only_the_parts_of_a_session_that_do_not_fit_count_as_absent() -> None:
    events: list[Event] = []
    visitor = Visitor({"user_id": 7, "cart": "a text"}, events)
    with visitor.request() as session:
        shop = typed_session(session, Shop)
        assert (shop.user_id, shop.cart) == (7, Cart())
    assert [event.reason for event in events if event.name == "invalid_value"] == ["cart"]


def test_a_login_through_a_typed_session_gets_a_new_id() -> None:
    events: list[Event] = []
    visitor = Visitor({"cart": {"items": ["hat"]}}, events)
    with visitor.request() as session:
        typed_session(session, Shop).user_id = 7
    assert visitor.data() == {"cart": {"items": ["hat"]}, "user_id": 7}
    assert [event.name for event in events] == ["created", "renewed"]


def test_a_typed_value_requested_twice_is_one_object() -> None:
    visitor = Visitor({}, [])
    with visitor.request() as session:
        assert typed_session(session, Cart, "cart") is typed_session(session, Cart, "cart")
        assert typed_session(session, Cart, "cart") is not typed_session(session, Cart, "another")


def test_a_saved_value_is_written_again_only_if_it_is_mutated_later() -> None:
    visitor = Visitor({"cart": {"items": []}}, [])
    session = visitor.sessions.fetch(visitor._cookie)
    cart = typed_session(session, Cart, "cart")
    cart.items.append("hat")
    visitor.sessions.commit(session)
    assert not session.modified
    cart.items.append("scarf")
    visitor.sessions.finish(session)
    # Old versions of msgspec leave out fields that are None.
    assert visitor.data()["cart"]["items"] == ["hat", "scarf"]


def test_the_principal_does_not_change_during_the_body() -> None:
    events: list[Event] = []
    visitor = Visitor({"user_id": 1}, events)
    session = visitor.sessions.fetch(visitor._cookie)
    shop = typed_session(session, Shop)
    visitor.sessions.commit(session, streams=True)
    shop.user_id = 2
    with pytest.raises(ResponseStartedError):
        session.save()

    visitor.sessions.finish(session)

    assert visitor.data() == {"user_id": 1}
    assert (events[-1].name, events[-1].reason) == ("lost_write", "response started")


@pytest.mark.parametrize("status", [403, 500])
@pytest.mark.parametrize(("before", "after", "left"), [({"n": 1}, 2, {"n": 1}), ({"user_id": 1}, None, {})])
def test_if_no_cookie_can_be_sent_a_login_is_not_saved_and_a_logout_is(
    before: dict[str, int], after: int | None, left: dict[str, int], status: int
) -> None:
    visitor = Visitor(before, [])
    session = visitor.sessions.fetch(visitor._cookie)
    typed_session(session, Shop).user_id = after

    visitor.sessions.abandon(session, status=status)

    assert visitor.data() == left


def test_an_early_saved_login_waits_for_the_response() -> None:
    visitor = Visitor({"theme": "dark"}, [])
    session = visitor.sessions.fetch(visitor._cookie)
    typed_session(session, Shop).user_id = 1

    session.save()

    assert visitor.data() == {"theme": "dark"}


@dataclass
class Counts:
    hits: int = 0
    other: int = 0


def test_after_an_atomic_update_a_typed_value_shows_the_last_write() -> None:
    visitor = Visitor({"hits": 1}, [])
    session, another = (visitor.sessions.fetch(visitor._cookie) for _ in range(2))
    before = typed_session(session, Counts)
    another.atomic_update("hits", lambda hits: hits + 10)

    assert session.atomic_update("hits", lambda hits: hits + 1) == 12
    assert typed_session(session, Counts).hits == 12
    before.other = 5
    visitor.sessions.commit(session)

    assert visitor.data() == {"hits": 12, "other": 5}


def test_after_an_atomic_update_of_its_key_a_typed_value_is_rebuilt() -> None:
    visitor = Visitor({"counts": {"hits": 1}}, [])
    session = visitor.sessions.fetch(visitor._cookie)
    before = typed_session(session, Counts, "counts")

    session.atomic_update("counts", lambda counts: {**counts, "hits": counts["hits"] + 1})
    before.hits = 100
    again = typed_session(session, Counts, "counts")
    assert again.hits == 2
    again.other = 5
    visitor.sessions.commit(session)

    assert visitor.data() == {"counts": {"hits": 2, "other": 5}}


def test_a_cleared_session_stays_cleared() -> None:
    visitor = Visitor({"cart": {"items": ["hat"]}, "theme": "dark"}, [])
    with visitor.request() as session:
        typed_session(session, Cart, "cart")
        session.clear()
    assert visitor.data() == {}


def test_a_default_is_copied_for_each_visitor() -> None:
    default = Cart(["hat"])
    visitor = Visitor({}, [])
    with visitor.request() as session:
        typed_session(session, Cart, "cart", default=default).items.append("scarf")
    assert default == Cart(["hat"])
    assert visitor.data()["cart"]["items"] == ["hat", "scarf"]


@pytest.mark.parametrize(("model", "nothing"), [(Cart | None, None), (list[int], []), (dict[str, int], {})])
def test_a_type_determines_its_empty_value(model: Any, nothing: Any) -> None:
    with Visitor({}, []).request() as session:
        assert typed_session(session, model, "value", default=nothing) == nothing
        assert typed_session(session, model, "another") == nothing


@dataclass
class Line:
    article: str


@pytest.mark.parametrize("model", [int, Line, tuple[int, int]])
def test_a_type_without_default_values_needs_a_default(model: Any) -> None:
    with pytest.raises(ConfigurationError, match="pass a default"):
        check_model(model)


def test_a_type_that_no_library_supports_is_a_configuration_error() -> None:
    class Strange:
        def __init__(self, value: object) -> None: ...

    with pytest.raises(ConfigurationError, match="Strange"):
        check_model(Strange)


@needs_pydantic_2
def test_a_value_that_cannot_be_stored_is_a_type_error_that_names_its_type() -> None:
    @dataclass
    class Anything:
        value: Any = None

    with Visitor({}, []).request() as session:
        typed_session(session, Anything, "anything").value = object()
        with pytest.raises(TypeError, match="Anything"):
            _ = session.modified
        typed_session(session, Anything, "anything").value = None


@needs_pydantic_2
@pytest.mark.skipif(sys.version_info < (3, 12), reason="there pydantic requires typing_extensions' TypedDict")
def test_a_typed_dict_is_a_model() -> None:
    visitor = Visitor({"cart": {"items": ["hat"]}}, [])
    with visitor.request() as session:
        typed_session(session, CartDict, "cart")["items"].append("scarf")
    assert visitor.data() == {"cart": {"items": ["hat", "scarf"]}}


@pytest.fixture
def without_pydantic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic", None)


@pytest.mark.usefixtures("without_pydantic")
def test_msgspec_alone_is_enough() -> None:
    @dataclass
    class Basket:
        items: list[str] = field(default_factory=list)

    visitor = Visitor({"basket": {"items": ["hat"]}}, [])
    with visitor.request() as session:
        typed_session(session, Basket, "basket").items.append("scarf")
    assert visitor.data() == {"basket": {"items": ["hat", "scarf"]}}


@pytest.mark.usefixtures("without_pydantic")
def test_a_type_that_msgspec_does_not_support_is_a_configuration_error() -> None:
    class Strange:
        def __init__(self, value: object) -> None: ...

    with pytest.raises(ConfigurationError, match="Strange"):
        check_model(Strange)


@pytest.mark.usefixtures("without_pydantic")
def test_without_either_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgspec", None)

    @dataclass
    class Basket:
        items: list[str] = field(default_factory=list)

    with pytest.raises(ConfigurationError, match="pip install pydantic"):
        check_model(Basket)


def test_an_unhashable_type_works() -> None:
    with Visitor({"n": 7}, []).request() as session:
        assert typed_session(session, Annotated[int, ["a note"]], "n", default=0) == 7


def test_values_that_fit_separately_but_not_together_count_as_absent() -> None:
    @dataclass
    class Either:
        one: int = 0
        other: int = 0

        def __post_init__(self) -> None:
            if self.one and self.other:
                msg = "one or the other"
                raise ValueError(msg)

    with Visitor({"one": 1, "other": 2}, []).request() as session:
        assert typed_session(session, Either) == Either()
