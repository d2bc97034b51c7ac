"""Values as bytes and back."""

import json
import sys
from collections import OrderedDict, UserDict
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import Markup

from holdall import serializers
from holdall.msgspec_json import FastTaggedJSON
from holdall.serializers import TaggedJSON

both = pytest.mark.parametrize("serializer", [TaggedJSON(), FastTaggedJSON()], ids=["default", "fast"])

TEXT = st.text(st.characters(codec=None, categories=None))  # lone surrogates among it
# Whole seconds: Python 3.11 reads an offset of one microsecond as UTC.
ZONES = st.none() | st.integers(-86399, 86399).map(lambda seconds: timezone(timedelta(seconds=seconds)))
HASHABLE = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**400, max_value=10**400 + 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.datetimes(timezones=ZONES)
    | st.dates()
    | st.times(timezones=ZONES)
    | st.timedeltas()
    | st.uuids()
    | st.decimals(allow_nan=False)
    | st.binary()
)
KEYS = st.sampled_from(["$tuple", "$dict", "$", "$datetime", "a"]) | TEXT
VALUES = st.recursive(
    HASHABLE | st.sets(st.recursive(HASHABLE, lambda inner: st.tuples(inner, inner), max_leaves=3), max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=12,
)


def kinds(value: Any) -> Any:
    """Return the types in *value*, which ``==`` does not tell apart: ``1 == True == 1.0``."""
    if isinstance(value, dict):
        return {key: kinds(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value), [kinds(item) for item in value]
    return type(value)


@both
@given(st.dictionaries(KEYS, VALUES, max_size=4))
@example({"$tuple": [1]})
@example({"$dict": [["$dict", 1]]})
@example({"a": {"$set": {"$uuid": "x"}}, "$b": '{"$tuple":[1]}'})
@example({"a": {"\ud800\udc00": "\ud800\udc00"}})
def test_what_is_dumped_is_loaded(serializer: TaggedJSON, data: dict[str, Any]) -> None:
    loaded = serializer.loads(serializer.dumps(data))

    assert loaded == data
    assert kinds(loaded) == kinds(data)
    assert list(loaded) == list(data)


@both
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_what_can_be_dumped_passes_the_check(serializer: TaggedJSON, data: dict[str, Any]) -> None:
    for key, value in data.items():
        serializer.check(key, value)


@both
def test_it_reads_as_documented(serializer: TaggedJSON) -> None:
    data = {"seen": datetime(2026, 1, 31, 12, tzinfo=UTC), "pair": (1, 2), "like a tag": {"$tuple": 1}}

    dumped = serializer.dumps(data)

    assert dumped == (
        b'{"seen":{"$datetime":"2026-01-31T12:00:00+00:00"},"pair":{"$tuple":[1,2]},'
        b'"like a tag":{"$dict":[["$tuple",1]]}}'
    )


class Colour(StrEnum):
    RED = "red"


class Shade(str, Enum):  # noqa: UP042  # which others have in their code
    DARK = "dark"


class Size(IntEnum):
    LARGE = 3


class Text(str):
    __slots__ = ()


class Whole(int):
    __slots__ = ()


class Real(float):
    __slots__ = ()


class Moment(datetime):
    pass


class Point(NamedTuple):
    x: int
    y: int


@both
@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Colour.RED, "red"),
        (Shade.DARK, "dark"),
        (Size.LARGE, 3),
        (Text("text"), "text"),
        (Whole(7), 7),
        (Real(0.5), 0.5),
        (Moment(2026, 1, 1), datetime(2026, 1, 1)),  # noqa: DTZ001
        (Point(1, 2), (1, 2)),
        (OrderedDict(a=1), {"a": 1}),
        ({Colour.RED: 1}, {"red": 1}),
        ({Shade.DARK: 1}, {"dark": 1}),
        ({Text("$tuple"): 1}, {"$tuple": 1}),
        ([Text("a"), Size.LARGE], ["a", 3]),
    ],
)
def test_a_subclass_comes_back_as_what_it_is_a_kind_of(serializer: TaggedJSON, value: Any, plain: Any) -> None:
    loaded = serializer.loads(serializer.dumps({"value": value}))["value"]

    assert loaded == plain
    assert kinds(loaded) == kinds(plain)


@both
@pytest.mark.parametrize("kind", [OrderedDict, MappingProxyType, UserDict])
@pytest.mark.parametrize("data", [{}, {"a": 1, "b": [{}]}, {"a": (1, 2)}, {"$tuple": 1}])
def test_any_mapping_is_dumped_as_a_dict_would_be(
    serializer: TaggedJSON, kind: Callable[..., Mapping[str, Any]], data: dict[str, Any]
) -> None:
    assert serializer.dumps(kind(data)) == serializer.dumps(data)


@both
def test_text_marked_as_safe_html_stays_marked(serializer: TaggedJSON) -> None:
    loaded = serializer.loads(serializer.dumps({"note": [Markup("<b>bold</b>"), "<b>"]}))

    assert kinds(loaded) == {"note": (list, [Markup, str])}
    assert loaded == {"note": ["<b>bold</b>", "<b>"]}


def test_without_markupsafe_marked_text_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    serializer = TaggedJSON()
    dumped = serializer.dumps({"note": Markup("<b>bold</b>")})
    monkeypatch.setitem(sys.modules, "markupsafe", None)

    loaded = serializer.loads(dumped)

    assert kinds(loaded) == {"note": str}


@both
@pytest.mark.parametrize(
    "value",
    [
        [[[(1,)]]],
        [{"a": 1}, {"a": [(1, 2)]}],
        [{"a": "x"}, {"a": Markup("<b>")}],
        {"a": [Markup("<b>"), {"b": ()}]},
        [{"$a": 1}],
        {"a": [{"$tuple": [1]}]},
        [date(2026, 1, 1), {"$date": "2026-01-01"}],
        [{"a": UUID(int=1)}, [Decimal("1.10"), b"\0", timedelta(1)], (time(1),)],
    ],
)
def test_what_takes_a_tag_is_found_wherever_it_stands(serializer: TaggedJSON, value: Any) -> None:
    data = {"first": [1], "value": value, "last": {"$": None, "b": 1}}

    loaded = serializer.loads(serializer.dumps(data))

    assert loaded == data
    assert kinds(loaded) == kinds(data)


CIRCLE: list[Any] = [1]
CIRCLE.append({"again": CIRCLE})
DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


@both
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), r"session\['k'\] cannot be stored: it is of type object\. Store plain data"),
        ({"a": [1, {2j}]}, r"session\['k'\]\['a'\]\[1\]\[0\] cannot be stored: it is of type complex"),
        ({"a": (1, {7: 1})}, r"session\['k'\]\['a'\]\[1\] cannot be stored: one of its keys is of type int"),
        ({None: 1}, r"session\['k'\] cannot be stored: one of its keys is of type NoneType"),
        ([{"a": 1}, {True: 1}], r"session\['k'\]\[1\] cannot be stored: one of its keys is of type bool"),
        ([{0.5: float("nan")}], r"session\['k'\]\[0\] cannot be stored: one of its keys is of type float"),
        (frozenset(), r"session\['k'\] cannot be stored: it is of type frozenset"),
        (float("nan"), r"session\['k'\] cannot be stored: Out of range"),
        ({"a": [0.5, float("inf")]}, r"session\['k'\]\['a'\]\[1\] cannot be stored: Out of range"),
        ((UUID(int=1), {"$x": Real("nan")}), r"session\['k'\]\[1\]\['\$x'\] cannot be stored: Out of range"),
        (10**5000, r"session\['k'\] cannot be stored: Exceeds the limit"),
        (CIRCLE, r"session\['k'\] cannot be stored: it holds itself, or is nested too deeply\.$"),
        (DEEP, r"session\['k'\] cannot be stored: it holds itself, or is nested too deeply\.$"),
    ],
    ids=[
        "object",
        "complex",
        "int key",
        "None key",
        "bool key",
        "float key",
        "frozenset",
        "nan",
        "inf",
        "tagged nan",
        "huge",
        "circle",
        "deep",
    ],
)
def test_what_cannot_be_stored_is_a_type_error_that_names_key_and_path(
    serializer: TaggedJSON, value: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        serializer.dumps({"first": [1], "k": value, "last": None})


@both
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), r"session\['k'\] cannot be stored: it is of type object"),
        ([{7: 1}], r"session\['k'\]\[0\] cannot be stored: one of its keys is of type int"),
        (CIRCLE, r"session\['k'\] cannot be stored: it holds itself"),
    ],
    ids=["object", "int key", "circle"],
)
def test_of_several_faults_path_and_reason_are_of_the_same(serializer: TaggedJSON, value: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        serializer.dumps({"first": float("nan"), "k": value, "last": float("inf")})


@both
@pytest.mark.parametrize("value", [object(), [frozenset()], {7: 1}, CIRCLE, DEEP], ids=["1", "2", "3", "4", "5"])
def test_the_check_says_the_same_at_the_line_that_puts_it(serializer: TaggedJSON, value: Any) -> None:
    with pytest.raises(TypeError) as at_put:
        serializer.check("k", value)
    with pytest.raises(TypeError) as at_dump:
        serializer.dumps({"k": value})

    assert str(at_put.value) == str(at_dump.value)


def test_cve_2013_7489_nothing_is_unpickled() -> None:
    assert b"pickle" not in TaggedJSON().dumps({"a": {1, 2}, "b": b"\x80\x04."})
    with pytest.raises(ValueError, match=r"."):
        TaggedJSON().loads(b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00}\x94.")


TAGS = st.sampled_from(
    [
        "$datetime",
        "$date",
        "$time",
        "$timedelta",
        "$uuid",
        "$decimal",
        "$bytes",
        "$tuple",
        "$set",
        "$html",
        "$dict",
        "$none",
    ]
)
JSON = st.recursive(
    st.sampled_from(['""', '"a"', "0", "-1e999", "5", "1.5", "null", "true", "NaN", '"2026"', '"AA="', "1" * 5000]),
    lambda inner: (
        st.lists(inner, max_size=9).map(lambda items: f"[{','.join(items)}]")
        | st.tuples(TAGS, inner).map(lambda pair: f'{{"{pair[0]}":{pair[1]}}}')
    ),
    max_leaves=10,
)


@both
@given(st.binary() | TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")) | JSON.map(str.encode))
@example(b'{"a":{"$uuid":5}}')
@example(b'{"a":{"$set":[[]]}}')
@example(b'{"a":{"$decimal":"x"}}')
@example(b'{"a":{"$timedelta":[1e308,1,1]}}')
@example(b"[" * 100_000)
@example(b'{"$":' * 100_000)
@example(b"7")
@example(b"")
def test_whatever_is_loaded_gives_a_dict_or_a_value_error(serializer: TaggedJSON, payload: bytes) -> None:
    try:
        loaded = serializer.loads(payload)
    except ValueError:
        return

    assert type(loaded) is dict


@both
@pytest.mark.parametrize("payload", [b"[]", b"7", b"null", b'{"$tuple":[1]}', b'{"$date":"2026-01-01"}'])
def test_what_is_not_an_object_is_refused(serializer: TaggedJSON, payload: bytes) -> None:
    with pytest.raises(ValueError, match="not an object"):
        serializer.loads(payload)


@both
@pytest.mark.parametrize("payload", [b'{"a":1}x', b'{"a":1}{"a":2}'])
def test_what_follows_the_object_is_refused(serializer: TaggedJSON, payload: bytes) -> None:
    with pytest.raises(ValueError, match="something follows"):
        serializer.loads(payload)


@both
def test_times_keep_their_offset_and_naive_ones_stay_naive(serializer: TaggedJSON) -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    data = {"aware": datetime(2026, 1, 1, tzinfo=east), "naive": time(1, 2, 3, 4), "day": date(2026, 1, 1)}
    data |= {"price": Decimal("1.10")}

    loaded = serializer.loads(serializer.dumps(data))

    assert loaded["aware"].utcoffset() == timedelta(hours=5, minutes=30)
    assert loaded["naive"].tzinfo is None
    assert str(loaded["price"]) == "1.10"


def test_where_json_has_no_encoder_in_c_the_bytes_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"user": 7, "name": "Zoë", "cart": [1, 2.5, None, True, {"a": "b"}], "when": date(2026, 1, 31)}
    in_c = TaggedJSON().dumps(data)

    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    monkeypatch.setattr(serializers, "_encode", serializers._encoder())

    assert TaggedJSON().dumps(data) == in_c
    with pytest.raises(TypeError, match="ratio"):
        TaggedJSON().dumps({"ratio": float("nan")})


def test_cpython_still_has_the_encoder_in_c_that_is_made_once() -> None:
    assert sys.implementation.name != "cpython" or json.encoder.c_make_encoder is not None
