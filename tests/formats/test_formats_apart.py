"""All formats with one secret: each opens only its own cookies, and none raises an error at any text."""

import random
import zlib
from base64 import b64encode
from itertools import permutations
from typing import Any

import pytest

from formats.records import record
from formats.secret import SECRET
from formats.vectors import VECTORS, payload_of
from holdall import CookieStore
from holdall._base64url import to_text
from holdall.formats import (
    DjangoFormat,
    DynamoFormat,
    FlaskFormat,
    Format,
    NativeFormat,
    PlugFormat,
    StarletteFormat,
)
from holdall.formats._native import _HEAD_BYTES
from holdall.stores import NotFound
from sizes import FUZZED

V1 = next(vector for vector in VECTORS if vector["kind"] == "encrypted_legacy_v1")

FORMATS: dict[str, Format] = {
    "native": NativeFormat(SECRET),
    "native, signed": NativeFormat(SECRET, encrypt=False),
    "plug": PlugFormat(SECRET, signing_salt="salt", encryption_salt="vault"),
    "plug, signed": PlugFormat(SECRET, signing_salt="salt"),
    "plug, JSON": PlugFormat(SECRET, signing_salt="JSON", serializer="json"),
    "plug 1": PlugFormat(V1["secret_key_base"], signing_salt=V1["signing_salt"], encryption_salt=V1["encryption_salt"]),
    "dynamo": DynamoFormat(SECRET),
    "flask": FlaskFormat(SECRET),
    "starlette": StarletteFormat(SECRET),
    "django": DjangoFormat(SECRET),
}
COOKIES = {
    name: format.seal(record({"user_id": 7, "text": "a" * 100}), key="session") for name, format in FORMATS.items()
} | {"plug 1": V1["cookie"]}

# Characters that occur in one of these cookies or another, and characters that occur in none.
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:+/=~ \0\n\"';,%é€\U0001f98a\ud800"


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_opens_its_own_cookies(name: str) -> None:
    assert FORMATS[name].open(COOKIES[name], key="session") is not None


@pytest.mark.parametrize(("one", "other"), [*permutations(FORMATS, 2)])
def test_no_format_opens_anothers_cookies(one: str, other: str) -> None:
    assert FORMATS[one].open(COOKIES[other], key="session") is None


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"plug 1"}))
def test_no_cookie_opens_under_another_name(name: str) -> None:
    assert FORMATS[name].open(COOKIES[name], key="other") is None


def test_a_store_that_reads_all_of_them_accepts_no_unsigned_cookie() -> None:
    store = CookieStore(FORMATS["native"], also_read=FORMATS.values())
    source = random.Random(1)

    for name, cookie in COOKIES.items():
        assert not isinstance(store.get(cookie, key="session"), NotFound), name
        for end in range(len(cookie)):
            assert isinstance(store.get(cookie[:end], key="session"), NotFound)
        # Each format ends in a signature or a tag longer than this.
        forged = cookie[:-20] + "".join(source.choices(ALPHABET[:64], k=20))
        assert isinstance(store.get(forged, key="session"), NotFound), name


@pytest.mark.parametrize("name", FORMATS)
def test_mutated_cookies_are_refused_without_an_error(name: str) -> None:
    source = random.Random(name)
    format, cookie = FORMATS[name], COOKIES[name]
    for _ in range(FUZZED):
        mutated = cookie
        for _ in range(source.randint(1, 3)):
            at = source.randrange(len(mutated) + 1)
            put = "".join(source.choices(ALPHABET, k=source.randint(0, 2)))
            mutated = mutated[:at] + put + mutated[at + source.randint(0, 2) :]
        if mutated != cookie:
            assert format.open(mutated, key="session") is None, mutated


PAYLOADS: list[bytes] = [
    *(payload_of(vector) for vector in VECTORS if "payload_b64" in vector),
    *(b'{"n":[1,-2.5e3,null,true,"\\u00e9\\ud83e"],"o":{"%s":%s}}' % tagged for tagged in (
        (b" t", b"[1,2]"), (b" u", b'"00000000000000000000000000000007"'), (b" d", b'"Thu, 01 Jan 2026 00:00:00 GMT"'),
        (b"$datetime", b'"2026-01-31T12:30:00+02:00"'), (b"$timedelta", b"[-1,3,7]"), (b"$decimal", b'"19.90"'),
        (b"$dict", b'[["$tuple",[1]]]'), (b"_holdall", b'[1767268800,1767873600,"0123456789abcdef","session"]'),
    )),
    b'{"_holdall":[1767268800,1767873600,"0123456789abcdef","session"]}',
    zlib.compress(b'{"text":"' + b"a" * 100 + b'"}'),
]  # fmt: skip


def sealed(format: Any, payload: bytes) -> str:
    """Return *payload* as *format* would have sealed it if one of its own serializers had written it."""
    match format:
        case NativeFormat():
            return to_text(
                format._header + format._box.seal(bytes(_HEAD_BYTES) + payload, format._associated + b"session")
            )
        case PlugFormat():
            return str(format._box.seal(payload))
        case DynamoFormat():
            text = b64encode(payload).decode()
            return f"{text}--{format._mac(text)}"
        case StarletteFormat():
            return format._signer.sign(b64encode(payload).decode(), 1)
        case _:
            return str(format._signer.sign("." * payload.startswith(b"x") + to_text(payload), 1))


@pytest.mark.parametrize("name", FORMATS)
def test_mutated_payloads_raise_nothing_even_if_they_are_authentic(name: str) -> None:
    source = random.Random(name)
    format = FORMATS[name]
    assert any(format.open(sealed(format, payload), key="session") for payload in PAYLOADS)
    for _ in range(FUZZED // 4):
        mutated = bytearray(source.choice(PAYLOADS))
        for _ in range(source.randint(1, 3)):
            at = source.randrange(len(mutated) + 1)
            mutated[at : at + source.randint(0, 2)] = source.randbytes(source.randint(0, 2))
        found = format.open(sealed(format, bytes(mutated)), key="session")
        assert found is None or all(isinstance(key, str) for key in found.data)


@pytest.mark.parametrize("name", FORMATS)
def test_garbage_is_refused_without_an_error(name: str) -> None:
    source = random.Random(name)
    for length in range(0, 4097, 16):
        assert FORMATS[name].open("".join(source.choices(ALPHABET, k=length)), key="session") is None
