"""The conformance suite for serializers (``holdall.serializers.Serializer``)."""

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import pytest

from holdall.serializers import MAX_DEPTH, Serializer
from holdall.testing._suite import Suite
from holdall.testing._values import BEYOND_JSON, CONVERTED, HTML, JSON, REFUSED, WRAPS, alike, name, nested

__all__ = ["SerializerConformance", "near_the_stacks_end"]

R = TypeVar("R")

_IN_JSON = ("list", "dict")


class SerializerConformance(Suite, sealed=True):
    """
    The suite for serializers.

    Subclass it and provide the fixture ``serializer``::

        class TestMySerializer(SerializerConformance):
            @pytest.fixture
            def serializer(self):
                return MySerializer()

    Attributes:
        beyond_json: Dates, decimals, bytes, tuples, numeric keys and similar values come back unchanged.
    """

    beyond_json = True

    @pytest.mark.parametrize("value", JSON, ids=ascii)
    def test_plain_values_come_back_as_they_were(self, serializer: Serializer, value: Any) -> None:
        assert alike(_again(serializer, value), value)

    @pytest.mark.parametrize("value", BEYOND_JSON, ids=name)
    def test_values_beyond_json_come_back_as_they_were_or_are_refused(self, serializer: Serializer, value: Any) -> None:
        if self.beyond_json:
            assert alike(_again(serializer, value), value)
            return
        try:
            found = _again(serializer, value)
        except TypeError:
            return
        assert alike(found, value)

    @pytest.mark.parametrize(("value", "plain"), CONVERTED, ids=name)
    def test_values_of_other_types_come_back_as_plain_ones(
        self, serializer: Serializer, value: Any, plain: Any
    ) -> None:
        self.needs_types()
        assert alike(_again(serializer, value), plain)

    @pytest.mark.parametrize(("value", "text"), HTML, ids=name)
    def test_html_comes_back_marked_as_html(self, serializer: Serializer, value: Any, text: str) -> None:
        self.needs_types()
        markupsafe = pytest.importorskip("markupsafe")

        assert alike(_again(serializer, [value, text]), [markupsafe.Markup(text), text])

    @pytest.mark.parametrize("wrap", WRAPS)
    @pytest.mark.parametrize("value", [value for value, _ in REFUSED], ids=name)
    def test_a_value_that_would_come_back_different_is_a_type_error(
        self, serializer: Serializer, value: Any, wrap: str
    ) -> None:
        try:
            wrapped = WRAPS[wrap](value)
        except TypeError:
            pytest.skip("it cannot be a member of a set")

        with pytest.raises(TypeError, match=r"session\['k'\].* cannot be stored: ") as caught:
            serializer.dumps({"secret": "Rosebud", "k": wrapped, "last": ["Rosebud"]})

        assert "Rosebud" not in str(caught.value)

    @pytest.mark.parametrize("wrap", WRAPS)
    def test_a_number_with_too_many_digits_for_python_is_kept_or_a_type_error(
        self, serializer: Serializer, wrap: str
    ) -> None:
        data = {"k": WRAPS[wrap](10**5000)}

        with suppress(TypeError):
            assert serializer.loads(serializer.dumps(data)) == data

    @pytest.mark.parametrize(
        ("value", "path"),
        [
            (object(), ""),
            ([1, object()], "[1]"),
            ({"a": [1, {"b": object()}]}, "['a'][1]['b']"),
            ({"a": {"b": 1}, "c": [[[object()]]]}, "['c'][0][0][0]"),
        ],
        ids=["1", "2", "3", "4"],
    )
    def test_the_error_names_key_and_path(self, serializer: Serializer, value: Any, path: str) -> None:
        with pytest.raises(TypeError) as caught:
            serializer.dumps({"first": [1], "k": value, "last": None})

        assert f"session['k']{path} cannot be stored: " in str(caught.value)

    @pytest.mark.parametrize("value", [value for value, _ in REFUSED], ids=name)
    def test_the_check_gives_the_same_error_when_the_value_is_put(self, serializer: Serializer, value: Any) -> None:
        check = self.needs_check(serializer)
        with pytest.raises(TypeError) as at_dump:
            serializer.dumps({"k": value})
        with pytest.raises(TypeError) as at_put:
            check("k", value)

        assert str(at_put.value) == str(at_dump.value)

    @pytest.mark.parametrize("value", [*JSON, *BEYOND_JSON], ids=name)
    def test_the_check_accepts_values_that_can_be_written(self, serializer: Serializer, value: Any) -> None:
        check = self.needs_check(serializer)
        try:
            serializer.dumps({"k": value})
        except TypeError:
            with pytest.raises(TypeError):
                check("k", value)
        else:
            check("k", value)

    @pytest.mark.parametrize("wrap", WRAPS)
    def test_values_may_be_nested_up_to_the_limit_and_no_deeper(self, serializer: Serializer, wrap: str) -> None:
        self.needs_types(wrap in _IN_JSON)
        deepest = nested(MAX_DEPTH - 1, WRAPS[wrap])

        assert serializer.loads(serializer.dumps({"k": deepest})) == {"k": deepest}
        with pytest.raises(TypeError, match=rf"session\['k'\] cannot be stored: .* nested over {MAX_DEPTH} deep"):
            serializer.dumps({"a": [1], "k": WRAPS[wrap](deepest)})

    @pytest.mark.parametrize("wrap", WRAPS)
    def test_the_limit_does_not_depend_on_the_stack(self, serializer: Serializer, wrap: str) -> None:
        self.needs_types(wrap in _IN_JSON)
        data = {"k": nested(MAX_DEPTH - 1, WRAPS[wrap])}
        payload = serializer.dumps(data)

        written = near_the_stacks_end(lambda: serializer.dumps(data))
        read = near_the_stacks_end(lambda: serializer.loads(payload))

        assert (written, read) == (payload, data)

    @pytest.mark.parametrize("kind", [list, dict])
    def test_a_container_that_holds_itself_is_a_type_error(self, serializer: Serializer, kind: type) -> None:
        circle: Any = kind()
        if kind is list:
            circle.append([circle])
        else:
            circle["again"] = [circle]

        with pytest.raises(TypeError, match=r"session\['k'\] cannot be stored: it holds itself"):
            serializer.dumps({"a": 1, "k": circle})

    @pytest.mark.parametrize("key", ["", " ", "Zoë", "a.b", "$tuple", "$", "\0", "__html__", "x" * 200], ids=ascii)
    def test_any_text_can_be_a_key(self, serializer: Serializer, key: str) -> None:
        for data in ({key: 1}, {key: {key: [1]}}, {"b": 1, key: 2, "a": {key: None, "c": 1}}):
            assert alike(serializer.loads(serializer.dumps(data)), data)

    def test_an_empty_session_comes_back(self, serializer: Serializer) -> None:
        assert serializer.loads(serializer.dumps({})) == {}

    def test_each_read_returns_its_own_objects(self, serializer: Serializer) -> None:
        data = {"cart": [1, {"sku": "a"}]}
        payload = serializer.dumps(data)
        serializer.loads(payload)["cart"][1]["sku"] = "b"

        assert serializer.loads(payload) == data == {"cart": [1, {"sku": "a"}]}

    @pytest.mark.parametrize(
        "payload",
        [
            b"",
            b"\0",
            b"\xff",
            b"[",
            b"{",
            b"[]",
            b"7",
            b"null",
            b'{"a":1}x',
            b"[" * 100_000,
            b'{"a":' * 100_000,
            b"\x80\x04N.",
        ],
        ids=lambda payload: ascii(payload[:12]),
    )
    def test_a_payload_that_it_did_not_write_is_a_value_error(self, serializer: Serializer, payload: bytes) -> None:
        with pytest.raises(ValueError, match=r"."):
            serializer.loads(payload)

    def needs_types(self, given: bool = False) -> None:
        if not (given or self.beyond_json):
            pytest.skip("this serializer supports only JSON's types")

    def needs_check(self, serializer: Serializer) -> Callable[[str, Any], None]:
        check: Callable[[str, Any], None] | None = getattr(serializer, "check", None)
        if check is None:
            pytest.skip("this serializer has no check(key, value)")
        return check


def _again(serializer: Serializer, value: Any) -> Any:
    """Return *value* as it comes back, wherever it was."""
    data = {"value": value, "plain": {"a": ["b"]}, "within": [value, {"a": value}]}
    loaded = serializer.loads(serializer.dumps(data))
    (first, _, (second, inner)) = loaded.values()
    assert list(loaded) == ["value", "plain", "within"]
    assert loaded["plain"] == {"a": ["b"]}
    assert alike(first, second)
    assert alike(first, inner["a"])
    return first


def near_the_stacks_end(call: Callable[[], R], *, left: int = 60) -> R:
    """Return the result of *call*, made where only so many calls are *left* before Python raises ``RecursionError``."""
    depth = 0
    frame = sys._getframe()
    while (outer := frame.f_back) is not None:
        frame, depth = outer, depth + 1
    return _below(call, sys.getrecursionlimit() - depth - left)


def _below(call: Callable[[], R], levels: int) -> R:
    return call() if levels <= 0 else _below(call, levels - 1)
