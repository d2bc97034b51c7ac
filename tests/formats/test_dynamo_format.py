"""Dynamo's cookies: a keyword list, and a number as the signature."""

import hashlib
import hmac
from base64 import b64decode, b64encode
from typing import Any

import pytest

from formats.records import BEGAN, START, record
from formats.secret import SECRET
from formats.vectors import VECTORS, alike, payload_of, term_of
from holdall import ConfigurationError, Sessions
from holdall._clock import FOREVER, NEVER
from holdall.etf import Atom, dumps
from holdall.formats import DynamoFormat

DYNAMOS = [vector for vector in VECTORS if vector["kind"] == "dynamo"]
FORMAT = DynamoFormat(SECRET, clock=lambda: START)


def signed(payload: bytes) -> str:
    text = b64encode(payload)
    mac = hmac.new(SECRET.encode(), text, hashlib.sha1).hexdigest().upper().lstrip("0")
    return f"{text.decode()}--{mac}"


@pytest.mark.parametrize("vector", DYNAMOS, ids=lambda vector: vector["id"])
def test_opens_every_vector_as_it_should(vector: dict[str, Any]) -> None:
    format = DynamoFormat(vector["secret_key_base"])

    opened = format.open(vector["cookie"], key="_key")

    if not vector["valid"]:
        assert opened is None
        return
    assert opened is not None
    assert alike(opened.data, {str(name): value for name, value in term_of(vector["term"])})
    again = format.seal(opened, key="_key")
    assert b64decode(again.partition("--")[0]) == payload_of(vector)
    assert again == vector["cookie"]


def test_a_session_comes_back_with_its_times() -> None:
    given = record({"user_id": 7, "role": Atom("admin"), "cart": [("A1", 2)]})
    cookie = FORMAT.seal(given, key="_key")

    assert FORMAT.open(cookie, key="_key") == given
    assert FORMAT.open(cookie, key="_other") is None


def test_a_session_begun_by_dynamo_counts_as_begun_now_without_an_end() -> None:
    opened = FORMAT.open(FORMAT.seal(record({"a": 1}, expires=NEVER), key="_key"), key="_key")

    assert opened is not None
    assert (opened.data, opened.created, opened.expires) == ({"a": 1}, BEGAN, FOREVER)


def test_a_signatures_leading_zeros_are_left_out() -> None:
    cookies = [FORMAT.seal(record({"a": number}, expires=NEVER), key="_key") for number in range(200)]

    assert any(len(cookie.partition("--")[2]) < 40 for cookie in cookies)
    for number, cookie in enumerate(cookies):
        assert cookie == signed(dumps([(Atom("a"), number)], otp=25))
        assert FORMAT.open(cookie, key="_key") is not None


def test_a_binary_key_stays_binary() -> None:
    cookie = signed(dumps([("text", 1), (Atom("atom"), 2)], otp=25))

    opened = FORMAT.open(cookie, key="_key")

    assert opened is not None
    assert opened.data == {"text": 1, "atom": 2}
    assert FORMAT.seal(opened, key="_key") == cookie


@pytest.mark.parametrize(
    "term",
    [
        {Atom("a"): 1},
        7,
        [1],
        ["ab"],
        [(Atom("a"), 1, 2)],
        [(1, 2)],
        [(Atom("a"), 1), (Atom("a"), 2)],
        [(Atom("a"), 1), ("a", 2)],
        [(True, 1)],
    ],
    ids=repr,
)
def test_an_authentic_term_that_is_not_a_keyword_list_opens_nothing(term: Any) -> None:
    assert FORMAT.open(signed(dumps(term)), key="_key") is None


@pytest.mark.parametrize("payload", [b"", b"hello", b"\x83l\0\0\0\x01h\x02d\0\x01aqd\0\x01ad\0\x01aa\1j"])
def test_an_authentic_cookie_without_a_term_opens_nothing(payload: bytes) -> None:
    assert FORMAT.open(signed(payload), key="_key") is None


@pytest.mark.parametrize("cookie", ["", "--", "é--é", "a--"])
def test_text_that_is_not_a_cookie_opens_nothing(cookie: str) -> None:
    assert FORMAT.open(cookie, key="_key") is None


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("a", [{1}], r"session\['a'\]\[0\] cannot be stored: it is of type set"),
        ("true", 1, r"session\['true'\] cannot be stored: the atom true is True in Python, and keys are atoms"),
        ("a" * 256, 1, "cannot be stored: an atom has at most 255 characters"),
    ],
)
def test_unsupported_values_are_named(key: str, value: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        FORMAT.check(key, value)
    with pytest.raises(TypeError, match=message):
        FORMAT.seal(record({"fine": 1, key: value}), key="_key")


def test_a_secret_under_64_bytes_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="64"):
        DynamoFormat(SECRET[:63])


def test_sessions_accept_it_by_name() -> None:
    sessions = Sessions("cookie", key="_key", format="dynamo", secret_key_base=SECRET)

    session = sessions.resume(FORMAT.seal(record({"a": 1}, expires=NEVER), key="_key"))

    assert dict(session) == {"a": 1}
