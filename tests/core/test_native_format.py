"""Our own cookies: which open, which do not, and what can be read in them."""

import base64
import os
import string
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall import ConfigurationError, CookieStore
from holdall._base64url import from_text, to_text
from holdall._clock import FOREVER
from holdall.formats import Format, NativeFormat, Record
from holdall.stores import StoredSession

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "6f1d2c93a8e04b57bb0f1e6d7c5a49382f6b0e1d4c7a85930f2e6b1d8c4a7590"
OTHER = "d47c1f0b93e64a2f8b5d7e1c2a9f306854b1e07d9c3f8a62b5e4d1c0f7a69382"
BEGAN = int(NOON.timestamp())
RECORD = Record({"user": 7}, BEGAN, BEGAN + 7 * 24 * 60 * 60, "0123456789abcdef", 5, b"linebefo")
ALPHABET = string.ascii_letters + string.digits + "-_"
BOTH = pytest.mark.parametrize("encrypt", [True, False], ids=["encrypted", "signed"])


@BOTH
def test_a_sealed_cookie_opens(encrypt: bool) -> None:
    cookie = NativeFormat(SECRET, encrypt=encrypt).seal(RECORD, key="_shop")

    assert NativeFormat(SECRET.encode(), encrypt=encrypt).open(cookie, key="_shop") == RECORD
    assert set(cookie) <= set(ALPHABET)


@pytest.mark.parametrize(
    ("encrypt", "cookie"),
    [
        (
            True,
            "Ad5K_WUAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABZYCvbuY-C4dhGr2ed62OcCl214hOCQp8LK9PIycdRPiUCRLQ9L6T_wVMT58B5IKr0gMF9Qzuy",
        ),
        (
            False,
            "AiND2RZppCpAaa1kwAEjRWeJq83vAAAABQJsaW5lYmVmb3sidXNlciI6N32yGE3IelMkrVLqQgJbcQxm_3crHUSq1CxGdDdeFlXnZQ",
        ),
    ],
    ids=["encrypted", "signed"],
)
def test_a_cookie_of_this_version_opens_forever(encrypt: bool, cookie: str) -> None:
    format = NativeFormat(SECRET, encrypt=encrypt, random=bytes)

    assert format.open(cookie, key="_shop") == RECORD
    assert format.seal(RECORD, key="_shop") == cookie


@BOTH
def test_the_times_and_the_generation_are_sealed_too(encrypt: bool) -> None:
    format = NativeFormat(SECRET, encrypt=encrypt)
    record = Record({}, 0, FOREVER, "f" * 16, 2**32 - 1, b"line", ended=True)

    assert format.open(format.seal(record, key="_shop"), key="_shop") == record


@BOTH
@pytest.mark.parametrize(
    "make",
    [
        lambda encrypt: NativeFormat(OTHER, encrypt=encrypt),
        lambda encrypt: NativeFormat(SECRET, encrypt=encrypt, app_name="blog"),
        lambda encrypt: NativeFormat(SECRET, encrypt=encrypt, signing_salt="salt"),
        lambda encrypt: NativeFormat(SECRET, encrypt=encrypt, encryption_salt="salt"),
        lambda encrypt: NativeFormat(SECRET, encrypt=not encrypt),
    ],
    ids=["secret", "app_name", "signing salt", "encryption salt", "encrypt"],
)
def test_cve_2023_48309_a_cookie_made_for_something_else_does_not_open(
    make: Callable[[bool], Format], encrypt: bool
) -> None:
    ours, theirs = NativeFormat(SECRET, encrypt=encrypt), make(encrypt)

    assert ours.open(theirs.seal(RECORD, key="_shop"), key="_shop") is None
    assert theirs.open(ours.seal(RECORD, key="_shop"), key="_shop") is None


@BOTH
def test_cve_2023_48309_a_cookie_of_another_name_does_not_open(encrypt: bool) -> None:
    format = NativeFormat(SECRET, encrypt=encrypt)

    assert format.open(format.seal(RECORD, key="_shop"), key="_blog") is None


@BOTH
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"signing_salt": "a"}, {"encryption_salt": "a"}),
        ({"signing_salt": "ab", "encryption_salt": "c"}, {"signing_salt": "a", "encryption_salt": "bc"}),
    ],
)
def test_salts_are_delimited(one: dict[str, str], other: dict[str, str], encrypt: bool) -> None:
    cookie = NativeFormat(SECRET, encrypt=encrypt, **one).seal(RECORD, key="_shop")

    assert NativeFormat(SECRET, encrypt=encrypt, **other).open(cookie, key="_shop") is None


@BOTH
def test_the_app_name_and_the_cookies_name_are_delimited(encrypt: bool) -> None:
    cookie = NativeFormat(SECRET, encrypt=encrypt, app_name="a").seal(RECORD, key="bc")

    assert NativeFormat(SECRET, encrypt=encrypt, app_name="ab").open(cookie, key="c") is None


@pytest.mark.parametrize("option", ["app_name", "signing_salt", "encryption_salt"])
def test_a_salt_must_not_contain_nul(option: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot contain a NUL"):
        NativeFormat(SECRET, **{option: "a\0b"})


def test_the_readable_version_and_key_id_select_the_key() -> None:
    tokens = [
        from_text(format.seal(RECORD, key="_shop")) or b""
        for format in (NativeFormat(SECRET), NativeFormat(OTHER), NativeFormat(SECRET, encrypt=False))
    ]

    assert [token[0] for token in tokens] == [1, 1, 2]
    assert len({token[1:5] for token in tokens}) == 3


def test_a_key_that_is_not_named_is_not_tried() -> None:
    asked = []
    format = NativeFormat(SECRET)
    format._box.open = lambda *args: asked.append(args)  # type: ignore[method-assign]  # watched, and must never be called

    assert format.open(NativeFormat(OTHER).seal(RECORD, key="_shop"), key="_shop") is None
    assert asked == []


def test_a_key_id_is_compared_to_its_last_bit() -> None:
    format = NativeFormat(SECRET, encrypt=False)
    cookie = format.seal(RECORD, key="_shop")
    others = [bytes((*format._header[:4], format._header[4] ^ 1 << bit)) for bit in range(8)]

    for other in others:
        # The MAC is valid, and made for exactly that header.
        associated = other + format._associated[5:] + b"_shop"
        sealed = format._box.seal((from_text(cookie) or b"")[5:-32], associated)

        assert format.open(to_text(other + sealed), key="_shop") is None


@BOTH
def test_of_ten_keys_only_the_one_that_made_a_cookie_is_tried(encrypt: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    formats = [NativeFormat(f"{SECRET}{number}", encrypt=encrypt) for number in range(10)]
    store = CookieStore(formats[0], also_read=formats[1:])
    tried: list[int] = []

    def watch(number: int, open_box: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *sealed: tried.append(number) or open_box(*sealed)

    for number, format in enumerate(formats):
        monkeypatch.setattr(format._box, "open", watch(number, format._box.open))

    for format in formats:
        assert isinstance(store.get(format.seal(RECORD, key="_shop"), key="_shop"), StoredSession)

    assert tried == [*range(10)]


def test_an_encrypted_cookie_reveals_nothing_and_differs_each_time() -> None:
    format = NativeFormat(SECRET)

    cookies = [format.seal(RECORD, key="_shop") for _ in range(2)]

    assert cookies[0] != cookies[1]
    assert b"user" not in base64.urlsafe_b64decode(cookies[0] + "==")


def test_a_signed_cookie_is_readable_and_the_same_each_time() -> None:
    format = NativeFormat(SECRET, encrypt=False)

    cookies = [format.seal(RECORD, key="_shop") for _ in range(2)]

    assert cookies[0] == cookies[1]
    assert b'{"user":7}' in base64.urlsafe_b64decode(cookies[0] + "==")


@BOTH
def test_each_changed_character_invalidates_a_cookie(encrypt: bool) -> None:
    format = NativeFormat(SECRET, encrypt=encrypt)
    cookie = format.seal(RECORD, key="_shop")

    changed = [
        cookie[:place] + other + cookie[place + 1 :]
        for place in range(len(cookie))
        for other in ALPHABET + "+/=.~ \n\0\xe9\u20ac"
        if other != cookie[place]
    ]

    assert [each for each in changed if format.open(each, key="_shop") is not None] == []


@BOTH
def test_a_truncated_or_extended_cookie_does_not_open(encrypt: bool) -> None:
    format = NativeFormat(SECRET, encrypt=encrypt)
    cookie = format.seal(RECORD, key="_shop")
    longer = [cookie + more for more in ("A", "AA", "AAA", "AAAA", "=", "==", " ", "\n", "\0")]
    longer += [more + cookie for more in ("A", "AAAA", "=", " ", "\n", '"')]

    tried = [cookie[:length] for length in range(len(cookie))] + longer + [f'"{cookie}"', cookie * 2]

    assert [each for each in tried if format.open(each, key="_shop") is not None] == []


def test_a_payload_that_the_serializer_cannot_read_is_not_a_session() -> None:
    class Broken:
        def dumps(self, data: Mapping[str, Any], /) -> bytes:
            return b"not JSON"

        def loads(self, payload: bytes, /) -> dict[str, Any]:
            return {}

    cookie = NativeFormat(SECRET, serializer=Broken()).seal(RECORD, key="_shop")

    assert NativeFormat(SECRET).open(cookie, key="_shop") is None


def test_an_authentic_body_too_short_for_the_times_is_not_a_session() -> None:
    format = NativeFormat(SECRET, encrypt=False)
    empty = to_text(format._header + format._box.seal(b"short", format._associated + b"_shop"))

    assert format.open(empty, key="_shop") is None


def test_a_custom_serializer_can_be_given() -> None:
    class Shouting:
        def dumps(self, data: Mapping[str, Any], /) -> bytes:
            return data["text"].upper().encode()  # type: ignore[no-any-return]  # the value is text

        def loads(self, payload: bytes, /) -> dict[str, Any]:
            return {"text": payload.decode()}

    format = NativeFormat(SECRET, serializer=Shouting())
    opened = format.open(format.seal(RECORD._replace(data={"text": "hello"}), key="_shop"), key="_shop")

    assert opened is not None
    assert opened.data == {"text": "HELLO"}


def test_the_source_of_randomness_can_be_given() -> None:
    cookies = {NativeFormat(SECRET, random=bytes).seal(RECORD, key="_shop") for _ in range(2)}

    assert len(cookies) == 1


def test_a_formats_repr_hides_its_secret() -> None:
    format = NativeFormat(SECRET)

    assert SECRET not in repr(format) + repr(vars(format))
    assert repr(RECORD) == "<Record>"


# base64url.


@given(st.binary(min_size=1))
def test_text_decodes_to_the_bytes_it_was_made_from(token: bytes) -> None:
    text = to_text(token)

    assert from_text(text) == token
    assert set(text) <= set(ALPHABET)


@given(st.text(ALPHABET, min_size=1, max_size=12))
def test_there_is_one_text_for_each_value(text: str) -> None:
    token = from_text(text)

    assert token is None or to_text(token) == text


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_unused_bits_of_the_last_character_are_zero(length: int) -> None:
    token = os.urandom(length)
    text = to_text(token)

    same = [text[:-1] + last for last in ALPHABET if from_text(text[:-1] + last) == token]

    assert same == [text]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "AAAAA",
        "AA==",
        "AA=",
        "AAA=",
        "A+AA",
        "A/AA",
        "AA A",
        "AAAA\n",
        "AAAA    ",
        "AAAA++++",
        "AA==AA==",
        "\xc0\xc0AA",
    ],
)
def test_text_that_the_encoder_does_not_write_is_refused(text: str) -> None:
    assert from_text(text) is None
