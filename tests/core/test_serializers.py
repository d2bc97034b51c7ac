"""Values converted to bytes and back."""

import json
import math
import sys
from collections import OrderedDict, UserDict
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import Markup

from holdall import serializers
from holdall.msgspec_json import FastTaggedJSON
from holdall.serializers import MAX_DEPTH, TaggedJSON
from holdall.testing._serializers import near_the_stacks_end
from holdall.testing._values import REFUSED, WRAPS, name, nested
from strategies import recursive

both = pytest.mark.parametrize("serializer", [TaggedJSON(), FastTaggedJSON()], ids=["default", "fast"])

TEXT = st.text(st.characters(codec=None, categories=None))  # including lone surrogates
# Whole seconds: Python 3.11 reads an offset of one microsecond as UTC.
ZONES = st.none() | st.integers(-86399, 86399).map(lambda seconds: timezone(timedelta(seconds=seconds)))
# Always with fold=0, because a time that its zone reads as an hour earlier or later is refused.
UNFOLDED = st.datetimes(timezones=ZONES).map(lambda value: value.replace(fold=0))
HASHABLE = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**400, max_value=10**400 + 9)
    | st.floats(allow_nan=False)
    | TEXT
    | UNFOLDED
    | st.dates()
    | st.times(timezones=ZONES).map(lambda value: value.replace(fold=0))
    | st.timedeltas()
    | st.uuids()
    | st.decimals(allow_nan=False)
    | st.binary()
)
KEYS = st.sampled_from(["$tuple", "$dict", "$", "$datetime", "a"]) | TEXT
MEMBERS = recursive(HASHABLE, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=2), max_leaves=3)
VALUES = recursive(
    HASHABLE | st.sets(MEMBERS, max_size=3) | st.frozensets(MEMBERS, max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.dictionaries(KEYS | MEMBERS, inner, max_size=3)
    ),
    max_leaves=12,
)


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
        "$float",
        "$frozenset",
        "$none",
    ]
)
JSON = recursive(
    st.sampled_from(['""', '"a"', "0", "-1e999", "5", "1.5", "null", "true", "NaN", '"2026"', '"AA="', "1" * 5000]),
    lambda inner: (
        st.lists(inner, max_size=9).map(lambda items: f"[{','.join(items)}]")
        | st.tuples(TAGS, inner).map(lambda pair: f'{{"{pair[0]}":{pair[1]}}}')
    ),
    max_leaves=10,
)


def kinds(value: Any) -> Any:
    """Return the types in *value*, because ``==`` does not distinguish them: ``1 == True == 1.0``."""
    if isinstance(value, dict):
        return [(kinds(key), kinds(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [kinds(item) for item in value]
    return type(value)


@both
@given(st.dictionaries(KEYS, VALUES, max_size=4))
@example({"$tuple": [1]})
@example({"$dict": [["$dict", 1]]})
@example({"a": {"$set": {"$uuid": "x"}}, "$b": '{"$tuple":[1]}'})
@example({"a": {"\ud800\udc00": "\ud800\udc00"}})
def test_dumped_data_is_loaded_unchanged(serializer: TaggedJSON, data: dict[str, Any]) -> None:
    loaded = serializer.loads(serializer.dumps(data))

    assert loaded == data
    assert kinds(loaded) == kinds(data)
    assert list(loaded) == list(data)


@both
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_data_that_can_be_dumped_passes_the_check(serializer: TaggedJSON, data: dict[str, Any]) -> None:
    for key, value in data.items():
        serializer.check(key, value)


@both
def test_the_payload_is_as_documented(serializer: TaggedJSON) -> None:
    data = {"seen": datetime(2026, 1, 31, 12, tzinfo=UTC), "pair": (1, 2), "like a tag": {"$tuple": 1}}

    dumped = serializer.dumps(data)

    assert dumped == (
        b'{"seen":{"$datetime":"2026-01-31T12:00:00+00:00"},"pair":{"$tuple":[1,2]},'
        b'"like a tag":{"$dict":[["$tuple",1]]}}'
    )


@both
@pytest.mark.parametrize("kind", [OrderedDict, MappingProxyType, UserDict])
@pytest.mark.parametrize("data", [{}, {"a": 1, "b": [{}]}, {"a": (1, 2)}, {"$tuple": 1}])
def test_any_mapping_is_dumped_like_a_dict(
    serializer: TaggedJSON, kind: Callable[..., Mapping[str, Any]], data: dict[str, Any]
) -> None:
    assert serializer.dumps(kind(data)) == serializer.dumps(data)


@both
def test_text_marked_as_safe_html_stays_marked(serializer: TaggedJSON) -> None:
    loaded = serializer.loads(serializer.dumps({"note": [Markup("<b>bold</b>"), "<b>"]}))

    assert kinds(loaded) == [(str, (list, [Markup, str]))]
    assert loaded == {"note": ["<b>bold</b>", "<b>"]}


def test_without_markupsafe_marked_text_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    serializer = TaggedJSON()
    dumped = serializer.dumps({"note": Markup("<b>bold</b>")})
    monkeypatch.setitem(sys.modules, "markupsafe", None)

    loaded = serializer.loads(dumped)

    assert kinds(loaded) == [(str, str)]


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
def test_a_value_that_needs_a_tag_is_found_anywhere(serializer: TaggedJSON, value: Any) -> None:
    data = {"first": [1], "value": value, "last": {"$": None, "b": 1}}

    loaded = serializer.loads(serializer.dumps(data))

    assert loaded == data
    assert kinds(loaded) == kinds(data)


@both
@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
@pytest.mark.parametrize(("value", "message"), REFUSED, ids=name)
def test_a_value_that_cannot_be_stored_is_a_type_error_with_the_reason(
    serializer: TaggedJSON, value: Any, message: str, wrap: Callable[[Any], Any]
) -> None:
    try:
        wrapped = wrap(value)
    except TypeError:
        pytest.skip("it cannot be a member of a set")

    with pytest.raises(TypeError, match=rf"^session\['k'\].* cannot be stored: .*{message}.*\.$"):
        serializer.dumps({"first": [1], "k": wrapped, "last": None})


BERLIN = ZoneInfo("Europe/Berlin")


@both
@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN),
        datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
        datetime(2026, 3, 29, 2, 30, tzinfo=BERLIN),
    ],
    ids=str,
)
def test_the_hour_that_a_zone_repeats_or_skips_is_stored(serializer: TaggedJSON, value: datetime) -> None:
    # Otherwise an application that stores the time would fail for this one hour of the year.
    loaded = serializer.loads(serializer.dumps({"k": value}))["k"]

    assert loaded.astimezone(UTC) == value.astimezone(UTC)
    assert loaded.utcoffset() == value.utcoffset()


@both
def test_a_time_that_depends_on_its_zones_rules_is_refused(serializer: TaggedJSON) -> None:
    with pytest.raises(TypeError, match=r"session\['k'\] cannot be stored: it would come back as a different time"):
        serializer.check("k", time(12, tzinfo=BERLIN))


@both
@given(st.datetimes(timezones=st.timezones(), allow_imaginary=True) | st.times(timezones=st.timezones()))
def test_a_time_in_any_zone_comes_back_equal_or_is_refused(serializer: TaggedJSON, value: datetime | time) -> None:
    try:
        payload = serializer.dumps({"k": value})
    except TypeError:
        return
    loaded = serializer.loads(payload)["k"]

    assert isinstance(value, datetime) or loaded == value
    assert loaded.utcoffset() == value.utcoffset()
    assert loaded.replace(tzinfo=None) == value.replace(tzinfo=None)
    assert loaded.tzinfo is not None


@both
@pytest.mark.parametrize(
    ("payload", "data"),
    [
        (b'{"a": { "$tuple" : [1] } }', {"a": (1,)}),
        (b'{"a":{\n\t"$set"\r\n:[ ]}}', {"a": set()}),
        (b'{"a":{"\\u0024tuple":[1]}}', {"a": (1,)}),
        (b'{"a":{"\\u0024\\u0074uple":[1]}}', {"a": (1,)}),
        (b'{"a":{"\\u0024tuple":[1]},"b":"$"}', {"a": (1,)} | {"b": "$"}),
        (b'{ "$dict" : [ [ "$tuple" , 1 ] ] }', {"$tuple": 1}),
        (b' \n{"a": 1}\t ', {"a": 1}),
        (b'\r{"a": {"$float": "nan "}}', {"a": math.nan}),
        (b'{"a":{"$html":"x"},"b":{"$unknown":1}}', {"a": Markup("x"), "b": {"$unknown": 1}}),
        (b'{"a":"\\u0024tuple","b":{"c":"\\"$tuple"}}', {"a": "$tuple", "b": {"c": '"$tuple'}}),
    ],
    ids=ascii,
)
def test_a_tag_is_recognized_however_the_json_is_written(serializer: TaggedJSON, payload: bytes, data: Any) -> None:
    assert repr(serializer.loads(payload)) == repr(data)


@both
@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
def test_data_that_another_serializer_nested_too_deeply_is_refused(
    serializer: TaggedJSON, wrap: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {"k": nested(MAX_DEPTH, wrap)}
    monkeypatch.setattr("holdall._iterative_json.MAX_DEPTH", MAX_DEPTH + 1)
    payload = TaggedJSON().dumps(data)
    monkeypatch.undo()

    for loads in (serializer.loads, lambda given: near_the_stacks_end(lambda: serializer.loads(given))):
        with pytest.raises(ValueError, match="nested over 512 deep"):
            loads(payload)


@both
def test_many_adjacent_containers_are_not_deep(serializer: TaggedJSON) -> None:
    data = {"cart": [{"sku": number, "sizes": [number]} for number in range(2 * MAX_DEPTH)], "pair": [(1,)] * MAX_DEPTH}

    assert serializer.loads(serializer.dumps(data)) == data
    del data["pair"]
    assert serializer.loads(serializer.dumps(data)) == data


@both
@given(JSON.map(str.encode))
@example(b'{"a":[]}')
@example(b'{"a":{}, "b" : [1 , 2]}')
@example(b'{"a":[1,]}')
@example(b'{"a":1,}')
@example(b'{"a"}')
@example(b'{"a":1 "b":2}')
@example(b"{a:1}")
@example(b"[1")
@example(b"[1}")
@example(b"[1 2]")
@example(b"nul")
@example(b'{"a":{"$tuple":5}}')
@example(b'{"a":{"$decimal":"x"}}')
@example(b'{"a":{"$dict":[[[],1]]}}')
def test_the_iterative_reader_gives_the_same_as_the_one_in_c(serializer: TaggedJSON, payload: bytes) -> None:
    text = payload.decode()

    def outcome(read: Callable[[], Any]) -> str:
        try:
            return repr(read())
        except ValueError:
            return "ValueError"

    in_c = outcome(lambda: _or_value_error(lambda: serializers._decode_tagged(text)))

    assert outcome(lambda: serializers._decode_in_loops(text, tagged=True)) == in_c
    assert outcome(lambda: serializers._decode_in_loops(text, tagged=False)) == outcome(
        lambda: serializers._decode(text)
    )


def _or_value_error(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (TypeError, AttributeError, ArithmeticError) as exc:
        raise ValueError from exc


def test_cve_2013_7489_nothing_is_unpickled() -> None:
    assert b"pickle" not in TaggedJSON().dumps({"a": {1, 2}, "b": b"\x80\x04."})
    with pytest.raises(ValueError, match=r"."):
        TaggedJSON().loads(b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00}\x94.")


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
def test_any_payload_is_a_dict_or_a_value_error(serializer: TaggedJSON, payload: bytes) -> None:
    try:
        loaded = serializer.loads(payload)
    except ValueError:
        return

    assert type(loaded) is dict


@both
@pytest.mark.parametrize("payload", [b"[]", b"7", b"null", b'{"$tuple":[1]}', b'{"$date":"2026-01-01"}'])
def test_a_payload_that_is_not_an_object_is_refused(serializer: TaggedJSON, payload: bytes) -> None:
    with pytest.raises(ValueError, match="not an object"):
        serializer.loads(payload)


@both
@pytest.mark.parametrize("payload", [b'{"a":1}x', b'{"a":1}{"a":2}'])
def test_text_after_the_object_is_refused(serializer: TaggedJSON, payload: bytes) -> None:
    with pytest.raises(ValueError, match="followed by other data"):
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


def test_without_the_json_encoder_in_c_the_bytes_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"user": 7, "name": "Zoë", "cart": [1, 2.5, None, True, {"a": "b"}], "when": date(2026, 1, 31)}
    in_c = TaggedJSON().dumps(data)

    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    monkeypatch.setattr(serializers, "_encode", serializers._encoder())

    assert TaggedJSON().dumps(data) == in_c
    assert TaggedJSON().dumps({"ratio": math.nan}) == b'{"ratio":{"$float":"nan"}}'


def test_cpython_still_has_the_encoder_in_c_that_is_made_once() -> None:
    assert sys.implementation.name != "cpython" or json.encoder.c_make_encoder is not None
