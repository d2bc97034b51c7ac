"""MessagePack, compared with the library that Flask-Session uses to write it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdall.sources import _msgpack
from sizes import EXAMPLES
from strategies import recursive

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.text(min_size=30, max_size=40)
    | st.binary()
    | st.datetimes(datetime(1900, 1, 1), datetime(2400, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # with a zone
)
VALUES = recursive(
    SCALARS, lambda values: st.lists(values) | st.dictionaries(st.text(), values) | st.lists(values, min_size=16)
)

encode, decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode


@settings(max_examples=EXAMPLES // 10)
@given(VALUES)
def test_a_value_is_read_as_it_was_written(value: Any) -> None:
    assert _msgpack.loads(encode(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        *(sign * 2**bits + by for bits in (5, 7, 8, 15, 16, 31, 32) for by in (-1, 0) for sign in (1, -1)),
        2**63,
        -(2**63),
        2**64 - 1,
        *("x" * size for size in (31, 32, 255, 256, 65535, 65536)),
        *(b"x" * size for size in (255, 256, 65535, 65536)),
        *([1] * size for size in (15, 16, 65535, 65536)),
        *({str(key): key for key in range(size)} for size in (15, 16, 65535, 65536)),
        *(datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds, microseconds=5) for seconds in (0, 2**34, -1)),
        datetime.fromtimestamp(2**32 - 1, UTC),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_size_has_its_own_layout(value: Any) -> None:
    assert _msgpack.loads(encode(value)) == value


def test_a_four_byte_float_is_read_too() -> None:
    assert _msgpack.loads(b"\xca\x3f\xc0\x00\x00") == 1.5


@settings(max_examples=EXAMPLES // 10)
@given(VALUES.map(encode), st.data())
def test_damaged_data_is_read_the_same_or_refused_with_one_error(payload: bytes, draw: st.DataObject) -> None:
    place, byte = draw.draw(st.integers(0, len(payload) - 1)), draw.draw(st.integers(0, 255))
    damaged = payload[:place] + bytes((byte,)) + payload[place + 1 :]
    try:
        value = _msgpack.loads(damaged)
    except ValueError:
        return
    # A float that has become NaN is not equal to itself.
    assert repr(value) == repr(decode(damaged))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x01\x01",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xffshort",
        b"\x91" * 100_000,
        b"\x81\x90\x01",
        b"\xa1\xff",
        b"\xd4\x01\x00",
        b"\xd4\xff\x00",
        b"\xc7\x0c\xff" + b"\x00\x00\x00\x01" + b"\x00" * 8,
        b"\xc7\x0c\xff" + b"\x00" * 4 + b"\x7f" * 8,
    ],
)
def test_invalid_data_and_application_types_are_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"payload|utf-8"):
        _msgpack.loads(payload)
