"""Cookies that are compressed if that makes them shorter, on request."""

import zlib
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from holdall import ConfigurationError, CookieOverflowError, Sessions
from holdall._base64url import from_text, to_text
from holdall._command._detect import detect
from holdall.formats import NativeFormat, Record

SECRET = "6f1d2c93a8e04b57bb0f1e6d7c5a49382f6b0e1d4c7a85930f2e6b1d8c4a7590"
BEGAN = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp())
BOTH = pytest.mark.parametrize("encrypt", [True, False], ids=["encrypted", "signed"])

CART = [{"sku": f"A-{number:04}", "title": f"Thing no. {number}", "count": number % 3 + 1} for number in range(100)]


def record(data: dict[str, Any]) -> Record:
    return Record(data, BEGAN, BEGAN + 7 * 24 * 60 * 60, "0123456789abcdef", 5, b"linebefo")


def version(cookie: str) -> int:
    return urlsafe_b64decode(cookie[:4])[0]


def anything(random: Random, depth: int = 0) -> Any:
    """Return a value like applications store: repeated names, numbers, noise and long text."""
    match random.randrange(8 if depth < 3 else 6):
        case 0:
            return random.choice(["", "dark", "Zoë", "日本 🧳", "apples and pears " * random.randrange(20)])
        case 1:
            return random.randrange(-(10**12), 10**12)
        case 2:
            return random.randbytes(random.randrange(40)).hex()
        case 3:
            return random.choice([True, False, None, 0.5])
        case 4:
            return (random.randrange(9), "a tuple")
        case 5:
            return random.randbytes(random.randrange(200))
        case 6:
            return [anything(random, depth + 1) for _ in range(random.randrange(6))]
        case _:
            return session(random, depth + 1)


def session(random: Random, depth: int = 0) -> dict[str, Any]:
    names = ["user_id", "cart", "theme", "_csrf_token", "seen", "note", "$tuple", ""]
    return {name: anything(random, depth) for name in random.sample(names, random.randrange(len(names)))}


def test_ten_thousand_random_sessions_come_back_and_none_gets_longer() -> None:
    random, compressed = Random(7), 0
    formats = [
        (NativeFormat(SECRET, encrypt=encrypt, compress=True), NativeFormat(SECRET, encrypt=encrypt))
        for encrypt in (True, False)
    ]
    for number in range(10_000):
        packing, plain = formats[number % 2]
        sealed = record(session(random))
        cookie, longer = packing.seal(sealed, key="_shop"), plain.seal(sealed, key="_shop")
        is_compressed = version(cookie) > 2
        compressed += is_compressed

        assert packing.open(cookie, key="_shop") == plain.open(cookie, key="_shop") == sealed
        assert packing.open(longer, key="_shop") == sealed
        assert len(cookie) < len(longer) if is_compressed else len(cookie) == len(longer)
    assert 3000 < compressed < 9000


@BOTH
def test_compression_is_marked_in_the_version_and_off_by_default(encrypt: bool) -> None:
    sealed = record({"cart": CART})
    plain = NativeFormat(SECRET, encrypt=encrypt).seal(sealed, key="_shop")
    packed = NativeFormat(SECRET, encrypt=encrypt, compress=True).seal(sealed, key="_shop")

    assert (version(plain), version(packed)) == ((1, 3) if encrypt else (2, 4))
    assert len(packed) * 5 < len(plain)


@pytest.mark.parametrize(
    ("data", "is_compressed"),
    [
        ({"n": "a" * 50}, False),
        ({"n": "a" * 200}, True),
        ({"n": Random(7).randbytes(90).hex().upper()[:120]}, True),
        (
            {"n": "".join(map(chr, Random(7).sample(range(0x5D, 0x7F), 34) + Random(7).sample(range(0x23, 0x5C), 57)))},
            False,
        ),
        ({"n": "a" * (2**16 - 8)}, True),
        ({"n": "a" * (2**16 - 7)}, False),
        ({}, False),
    ],
    ids=["short", "long", "hexadecimal", "noise", "the largest", "larger", "empty"],
)
def test_large_repetitive_data_is_compressed(data: dict[str, Any], is_compressed: bool) -> None:
    format = NativeFormat(SECRET, compress=True)
    cookie = format.seal(record(data), key="_shop")

    assert (version(cookie) == 3) is is_compressed
    assert format.open(cookie, key="_shop") == record(data)


def test_the_mark_of_an_ended_session_is_unchanged() -> None:
    format = NativeFormat(SECRET, compress=True)
    mark = record({})._replace(ended=True)

    assert format.open(format.seal(mark, key="_shop"), key="_shop") == mark


@BOTH
def test_every_flipped_bit_invalidates_a_compressed_cookie(encrypt: bool) -> None:
    format = NativeFormat(SECRET, encrypt=encrypt, compress=True)
    token = from_text(format.seal(record({"cart": CART[:10]}), key="_shop"))
    assert token is not None
    assert token[0] > 2

    for bit in range(len(token) * 8):
        flipped = bytearray(token)
        flipped[bit // 8] ^= 1 << bit % 8
        assert format.open(to_text(bytes(flipped)), key="_shop") is None


@BOTH
def test_one_version_cannot_be_passed_off_as_the_other(encrypt: bool) -> None:
    format = NativeFormat(SECRET, encrypt=encrypt, compress=True)
    for data in ({"n": 1}, {"cart": CART}):
        token = from_text(format.seal(record(data), key="_shop")) or b""
        for other in range(8):
            if other != token[0]:
                assert format.open(to_text(bytes([other]) + token[1:]), key="_shop") is None


def sealed_by_hand(format: NativeFormat, packed: bytes) -> str:
    """Return an authentic cookie that contains *packed*, as the owner of the secret could make it."""
    body = from_text(NativeFormat(SECRET, encrypt=False).seal(record({}), key="_shop")) or b""
    head = body[5:-34]
    associated = format._compressed_associated + b"_shop"
    return to_text(format._compressed_header + format._box.seal(head + packed, associated))


def deflated(payload: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(payload) + packer.flush()


@BOTH
def test_an_authentic_bomb_is_refused_before_it_expands(encrypt: bool) -> None:
    format = NativeFormat(SECRET, encrypt=encrypt)
    fits, larger, huge = (b'{"n":"' + b"a" * size + b'"}' for size in (2**16 - 8, 2**16 - 7, 3_000_000))

    opened = format.open(sealed_by_hand(format, deflated(fits)), key="_shop")
    assert opened is not None
    assert len(opened.data["n"]) == 2**16 - 8
    for bomb in (larger, huge):
        cookie = sealed_by_hand(format, deflated(bomb))
        assert len(cookie) < 4096
        assert format.open(cookie, key="_shop") is None


@pytest.mark.parametrize(
    "packed",
    [b"", b"\x03", b"{}", deflated(b""), deflated(b"not JSON"), deflated(b'{"n":1}')[:-1], zlib.compress(b'{"n":1}')],
    ids=["nothing", "a block without an end", "plain", "of nothing", "no session", "cut", "with a header"],
)
def test_an_invalid_stream_or_session_is_refused(packed: bytes) -> None:
    format = NativeFormat(SECRET, encrypt=False)

    assert format.open(sealed_by_hand(format, packed), key="_shop") is None


# As an option of Sessions.


def test_a_cart_of_a_hundred_lines_fits() -> None:
    for compress in (False, True):
        sessions = Sessions("cookie", key="sid", secret_key_base=SECRET, compress=compress)
        session = sessions.fetch()
        session["cart"] = CART
        if compress:
            (cookie,) = sessions.commit(session).cookies
            assert dict(sessions.fetch(f"sid={cookie.value}")) == {"cart": CART}
        else:
            with pytest.raises(CookieOverflowError):
                sessions.commit(session)


def test_other_formats_do_not_take_the_option() -> None:
    with pytest.raises(ConfigurationError, match='format="flask" does not take compress'):
        Sessions("cookie", key="sid", secret_key_base=SECRET, format="flask", compress=True)


@BOTH
def test_the_command_recognizes_a_compressed_cookie(encrypt: bool) -> None:
    format = NativeFormat(SECRET, encrypt=encrypt, compress=True)
    cookie = format.seal(record({"cart": CART}), key="sid")

    (kind,) = detect(cookie)

    says = "encrypted, version 3" if encrypt else "signed and readable, version 4"
    assert kind.details(cookie).startswith(f"holdall, {says}, key id ")
    assert kind.make(SECRET, **kind.options).open(cookie, key="sid") == record({"cart": CART})


# What its length reveals (docs/security.md).


def shortest(format: NativeFormat, secret: str, known: str) -> set[str]:
    """Return the guesses of the secret's next character whose cookie is shortest, for an attacker who adds text."""
    lengths = {}
    for guess in "0123456789abcdef":
        # Other stored data moves the length across the next step of base64.
        padded = [
            {"token": secret, "next": f'token":"{known}{guess}' * 3, "name": "Ada Example " * 5, "more": "#" * more}
            for more in range(3)
        ]
        lengths[guess] = sum(len(format.seal(record(data), key="sid")) for data in padded)
    return {guess for guess, length in lengths.items() if length == min(lengths.values())}


def test_a_secret_next_to_chosen_text_can_be_guessed_from_the_length() -> None:
    guessed = dict.fromkeys((True, False), 0)
    for compress in guessed:
        format = NativeFormat(SECRET, compress=compress)
        for number in range(20):
            secret = Random(number).randbytes(16).hex()
            found = shortest(format, secret, secret[:8])
            assert compress or len(found) == 16
            guessed[compress] += found == {secret[8]} or (secret[8] in found and len(found) <= 4)

    assert guessed[True] >= 10
    assert guessed[False] == 0
