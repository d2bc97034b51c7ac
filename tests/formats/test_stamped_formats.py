"""Features that Flask's, Starlette's and Django's formats share: a stamp, a maximum age, old secrets, and our times."""

import math
import zlib
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from formats.records import BEGAN, END, START, record
from formats.secret import OTHER, SECRET
from holdall import ConfigurationError, Sessions
from holdall._base64url import to_text
from holdall._clock import FOREVER, NEVER
from holdall._keys import WeakSecretWarning
from holdall.formats import DjangoFormat, FlaskFormat, StarletteFormat
from holdall.formats._stamped import StampedFormat
from holdall.serializers import MAX_DEPTH
from holdall.testing import FakeClock
from holdall.testing._serializers import near_the_stacks_end

Make = Callable[..., StampedFormat]
LIMITS: dict[Make, timedelta] = {
    FlaskFormat: timedelta(days=31),
    StarletteFormat: timedelta(days=14),
    DjangoFormat: timedelta(days=14),
}

# Deeper than a decoder in C can read, in any Python.
VERY_DEEP = b'{"a":' + b"[" * 100000 + b"]" * 100000 + b"}"

formats = pytest.mark.parametrize("make", LIMITS)


@formats
def test_a_session_comes_back_with_its_times(make: Make) -> None:
    clock = FakeClock(START + timedelta(hours=1))
    given = record({"user_id": 7, "name": "Zoë", "cart": [{"sku": "A1", "price": 1.5}], "none": None})
    format = make(SECRET, clock=clock)

    cookie = format.seal(given, key="session")

    assert format.open(cookie, key="session") == given
    assert format.open(cookie, key="other") is None


@formats
def test_the_librarys_own_session_lasts_from_its_stamp_as_long_as_the_library_reads_it(make: Make) -> None:
    format = make(SECRET, clock=lambda: START)
    cookie = format.seal(record({"a": 1}, expires=NEVER), key="session")

    opened = format.open(cookie, key="session")

    assert opened is not None
    assert (opened.data, opened.created) == ({"a": 1}, BEGAN)
    assert opened.expires == BEGAN + LIMITS[make].total_seconds() + 1
    assert len(bytes.fromhex(opened.log_id)) == 8


@formats
@pytest.mark.parametrize("max_age", [60, timedelta(minutes=1), None])
def test_how_long_the_library_reads_it_can_be_set(make: Make, max_age: Any) -> None:
    format = make(SECRET, clock=lambda: START, max_age=max_age)

    opened = format.open(format.seal(record({}, expires=NEVER), key="session"), key="session")

    assert opened is not None
    assert opened.expires == (FOREVER if max_age is None else BEGAN + 61)


@formats
def test_a_maximum_age_beyond_the_calendar_is_no_limit(make: Make) -> None:
    format = make(SECRET, max_age=timedelta.max)

    opened = format.open(format.seal(record({}, expires=NEVER), key="session"), key="session")

    assert opened is not None
    assert opened.expires == FOREVER


@formats
def test_the_idle_limit_moves_when_the_library_writes_the_session_again(make: Make) -> None:
    clock = FakeClock(START)
    format = make(SECRET, clock=clock)
    body = format._signer.unsign(format.seal(record({"a": 1}), key="session"))
    assert body is not None

    later = START + timedelta(days=5)
    rewritten = format._signer.sign(body[0], int(later.timestamp()))

    assert format.open(rewritten, key="session") == record({"a": 1}, expires=END + timedelta(days=5))


@formats
def test_old_secrets_are_read_and_not_written(make: Make) -> None:
    old, present = make(OTHER), make(SECRET, [OTHER])
    given = record({"a": 1})

    assert present.open(old.seal(given, key="session"), key="session") == given
    assert old.open(present.seal(given, key="session"), key="session") is None


@formats
@pytest.mark.parametrize("secret", [None, "", "short", "changeme-changeme-changeme", b"a" * 64])
def test_an_invalid_secret_is_refused(make: Make, secret: Any) -> None:
    with pytest.raises(ConfigurationError, match="secret"):
        make(secret)
    with pytest.raises(ConfigurationError, match="secret"):
        make(SECRET, [secret])


@formats
def test_a_weak_secret_can_be_accepted_for_debugging(make: Make) -> None:
    with pytest.warns(WeakSecretWarning):
        make("dev", weak_secrets=True)


@formats
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1, 2}, r"session\['a'\] cannot be stored: it is of type set"),
        ([{"b": date} for date in [timedelta(1)]], r"session\['a'\]\[0\]\['b'\] cannot be stored: .* timedelta"),
        ({"b": {(7,): 1}}, r"session\['a'\]\['b'\] cannot be stored: one of its keys is of type tuple"),
        (10**5000, r"session\['a'\] cannot be stored: Exceeds the limit"),
    ],
    ids=["set", "timedelta", "key", "number"],
)
def test_unsupported_values_are_named(make: Make, value: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make(SECRET).check("a", value)
    with pytest.raises(TypeError, match=message):
        make(SECRET).seal(record({"fine": [1], "a": value}), key="session")


@formats
def test_a_circular_value_is_refused(make: Make) -> None:
    circle: list[Any] = []
    circle.append(circle)

    with pytest.raises(TypeError, match=r"session\['a'\] cannot be stored"):
        make(SECRET).check("a", circle)


@formats
@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"a": value}, lambda value: {7: value}])
def test_the_nesting_limit_does_not_depend_on_the_stack(make: Make, wrap: Callable[[Any], Any]) -> None:
    format = make(SECRET)
    deepest: Any = 1
    for _ in range(MAX_DEPTH - 1):
        deepest = wrap(deepest)

    cookie = format.seal(record({"a": deepest}), key="session")

    assert near_the_stacks_end(lambda: format.open(cookie, key="session")) == record({"a": deepest})
    assert near_the_stacks_end(lambda: format.seal(record({"a": deepest}), key="session")) is not None
    with pytest.raises(TypeError, match=r"session\['a'\] cannot be stored: .* nested over 512 deep"):
        format.check("a", wrap(deepest))


@formats
def test_data_that_another_library_nested_too_deeply_opens_nothing(make: Make) -> None:
    format = make(SECRET)
    payload = b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}"
    body = b64encode(payload).decode() if make is StarletteFormat else to_text(payload)

    assert format.open(format._signer.sign(body, 1), key="session") is None


@formats
def test_numbers_that_only_python_writes_come_back(make: Make) -> None:
    format = make(SECRET)

    opened = format.open(format.seal(record({"a": [math.inf, math.nan, "\ud800"]}), key="session"), key="session")

    assert opened is not None
    assert repr(opened.data) == repr({"a": [math.inf, math.nan, "\ud800"]})


@formats
@pytest.mark.parametrize(
    "payload",
    [b"[1]", b"7", b"{", b"", b"\xff", b'{"a":' + b"[" * 100000, VERY_DEEP, VERY_DEEP + b"x"],
    ids=lambda payload: ascii(payload[-8:]),
)
def test_an_authentic_cookie_without_a_session_opens_nothing(make: Make, payload: bytes) -> None:
    format = make(SECRET)
    body = b64encode(payload).decode() if make is StarletteFormat else to_text(payload)

    assert format.open(format._signer.sign(body, 1), key="session") is None


@pytest.mark.parametrize("make", [FlaskFormat, DjangoFormat])
@pytest.mark.parametrize(
    "packed",
    [
        zlib.compress(b'{"a":"' + b"a" * 2**20 + b'"}'),
        zlib.compress(b'{"a":1}')[:-1],
        b'{"a":1}',
    ],
    ids=["too large", "cut off", "not compressed"],
)
def test_data_that_cannot_be_decompressed_opens_nothing(make: Make, packed: bytes) -> None:
    format = make(SECRET)

    assert format.open(format._signer.sign("." + to_text(packed), 1), key="session") is None


@formats
@pytest.mark.parametrize("stamp", [2**32, 2**70])
def test_a_stamp_beyond_the_calendar_opens_nothing(make: Make, stamp: int) -> None:
    format = make(SECRET)
    body, _ = format._signer.unsign(format.seal(record({}), key="session")) or ("", 0)

    assert format.open(format._signer.sign(body, stamp), key="session") is None


@formats
@pytest.mark.parametrize("stamp", ["", "-", "é", "A", "!!"])
def test_an_invalid_stamp_opens_nothing(make: Make, stamp: str) -> None:
    format = make(SECRET)
    signer = format._signer
    body, _ = signer.unsign(format.seal(record({}), key="session")) or ("", 0)
    signed = f"{body}{signer._separator}{stamp}"
    if not stamp.isascii():
        assert format.open(signed, key="session") is None
        return
    signed = f"{signed}{signer._separator}{signer._mac(signer._keys[0], signed)}"

    opened = format.open(signed, key="session")

    # Django decodes an empty or short text of its digits as a time in 1970.
    assert opened is None or (make is DjangoFormat and stamp in ("", "A"))


@formats
def test_a_time_of_zero_is_written_and_read(make: Make) -> None:
    signer = make(SECRET)._signer

    assert signer.unsign(signer.sign("body", 61)) == ("body", 61)
    assert signer.unsign(signer.sign("body", 2**32 - 1)) == ("body", 2**32 - 1)


@pytest.mark.parametrize("name", ["flask", "django", "starlette"])
def test_sessions_accept_it_by_name(name: Any) -> None:
    clock = FakeClock(START)
    sessions = Sessions("cookie", key="session", format=name, secret_key_base=SECRET, fallbacks=[OTHER], clock=clock)
    old = {"flask": FlaskFormat, "django": DjangoFormat, "starlette": StarletteFormat}[name](OTHER, clock=clock)

    session = sessions.fetch("session=" + old.seal(record({"a": 1}), key="session"))
    session["b"] = 2
    cookie = sessions.commit(session).cookie

    again = sessions.resume(cookie)
    assert dict(again) == {"a": 1, "b": 2}
    assert (again.created, again.log_id) == (START, "0123456789abcdef")


@pytest.mark.parametrize("options", [{"digest": "md6"}, {"digest": "shake_128"}, {"key_derivation": "pbkdf2"}])
def test_an_unknown_option_is_refused(options: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(options))}="):
        FlaskFormat(SECRET, **options)


def test_times_in_1970_are_read_as_utc() -> None:
    format = FlaskFormat(SECRET, clock=lambda: datetime.fromtimestamp(5, UTC))
    given = record({}, created=datetime.fromtimestamp(1, UTC), expires=datetime.fromtimestamp(9, UTC))

    assert format.open(format.seal(given, key="session"), key="session") == given
