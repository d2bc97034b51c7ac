"""Test that the serializer in C and the default one are interchangeable."""

import subprocess
import sys
from itertools import permutations
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.test_native_format import ALPHABET
from core.test_serializers import JSON, KEYS, TEXT, VALUES, kinds
from holdall._base64url import from_text, to_text
from holdall._clock import FOREVER
from holdall.formats import NativeFormat, Record
from holdall.msgspec_json import FastTaggedJSON
from holdall.serializers import TaggedJSON
from holdall.testing._values import BEYOND_JSON, CONVERTED, HTML, REFUSED, name
from holdall.testing._values import JSON as JSON_VALUES


def read(serializer: TaggedJSON, payload: bytes) -> Any:
    """Return the data as read, with its types and as text, which distinguishes values that are equal."""
    try:
        loaded = serializer.loads(payload)
    except ValueError:
        return ValueError
    return kinds(loaded), repr(loaded)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
@example({"a": -0.0, "b": 1e16, "c": 5e-324, "d": 2**64, "e": -(2**63) - 1, "f": True, "g": "\x7f\u2028\0"})
@example({"a": [1, (2, 3)], "b": {"c": {4}}})
def test_each_reads_what_the_other_writes(data: dict[str, Any]) -> None:
    fast, default = FastTaggedJSON(), TaggedJSON()

    assert read(fast, default.dumps(data)) == read(default, fast.dumps(data))
    assert default.loads(fast.dumps(data)) == data


@given(st.binary() | TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")) | JSON.map(str.encode))
@example(b' {"a":1}')
@example(b'{"a":1} ')
@example(b'{"a":1}\0')
@example(b'{"a":-0,"b":-0.0,"c":1E5,"d":9007199254740993.0,"e":0.1e1}')
@example(b'{"a":1e400}')
@example(b'{"a":NaN}')
@example(b'{"a":01}')
@example(b'{"a":"\x01"}')
@example(b'{"a":"\\ud800"}')
@example(b'{"a":"\xed\xa0\x80"}')
@example(b'{"a":"\xff"}')
@example(b'{"a":1,"a":2}')
@example(b'{"a":' + b"1" * 5000 + b"}")
@example(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
@example(b'{"a":1,}')
@example(b"{}")
def test_both_serializers_read_everything_alike(payload: bytes) -> None:
    assert read(FastTaggedJSON(), payload) == read(TaggedJSON(), payload)


@given(st.text(ALPHABET) | st.text(ALPHABET + '+/=\\"nu0041 \n\0\xe9\u20ac\ud800'))
@example("\\u0041AA")
@example("AA\\n")
@example('AAAA","')
@example('AAAA"')
@example("AA\ud800A")
def test_base64url_is_parsed_as_strictly(text: str) -> None:
    assert FastTaggedJSON.from_base64url(text) == from_text(text)


@given(st.binary(min_size=1))
def test_base64url_is_decoded_as_it_was_encoded(token: bytes) -> None:
    assert FastTaggedJSON.from_base64url(to_text(token)) == token


def test_cookies_are_readable_with_it_and_without_it() -> None:
    secret = "6f1d2c93a8e04b57bb0f1e6d7c5a49382f6b0e1d4c7a85930f2e6b1d8c4a7590"
    formats = [NativeFormat(secret, serializer=serializer) for serializer in (FastTaggedJSON(), TaggedJSON())]
    record = Record({"user": 7}, FOREVER, FOREVER, "0123456789abcdef", generation=0)

    for writer, reader in permutations(formats):
        assert reader.open(writer.seal(record, key="_shop"), key="_shop") == record
        assert reader.open(writer.seal(record, key="_shop") + "=", key="_shop") is None


@pytest.mark.parametrize(
    "value", [*JSON_VALUES, *BEYOND_JSON, *(value for value, _ in CONVERTED + HTML + REFUSED)], ids=name
)
def test_both_serializers_accept_and_refuse_the_same_values(value: Any) -> None:
    fast, default = FastTaggedJSON(), TaggedJSON()

    for data in ({"k": value}, {"k": [{"a": value}], "other": {"b": 1}}):
        outcomes = []
        for writer, reader in permutations((fast, default)):
            try:
                outcomes.append(read(reader, writer.dumps(data)))
            except TypeError as exc:
                outcomes.append(str(exc))

        assert outcomes[0] == outcomes[1]


def test_plain_data_is_written_as_the_same_bytes() -> None:
    data = {"user": 7, "name": "Zo\u00eb \U0001f600", "cart": [1, 2.5, None, True, {"a": 'b/"\n'}], "empty": {}}

    assert FastTaggedJSON().dumps(data) == TaggedJSON().dumps(data)


def test_without_msgspec_it_says_what_to_install() -> None:
    probe = "import sys; sys.modules['msgspec'] = None; import holdall.msgspec_json"
    failed = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)

    assert "pip install 'holdall[fast]'" in failed.stderr
