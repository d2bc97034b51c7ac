"""Secrets, and the keys derived from them."""

import random
import re
import subprocess
import sys
import warnings
from base64 import b32encode, b64encode, b85encode, urlsafe_b64encode
from collections.abc import Callable
from string import ascii_letters
from uuid import UUID

import pytest

from holdall import ConfigurationError, Sessions
from holdall._keys import WeakSecretWarning, as_bytes, check_secret, derive_key, is_fit

# Repetitions, sequences of characters, keyboard rows, placeholder words, and combinations.
WEAK = [
    "a" * 64,
    "abcabcab" * 8,
    "0123456789" * 7,
    "0123456789" * 3 + "01234",
    "0123456789abcdef" * 4,
    "abcdefghijklmno" * 4,
    "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "zyxwvutsrqponmlkjihgfedcba9876543210",
    "00112233445566778899aabbccddeeff",
    "aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffff",
    "deadbeef" * 8,
    bytes(64),
    bytes(range(64)),
    bytes(range(255, 190, -1)),
    "qwertyuiopasdfghjklzxcvbnm1234567890",
    "1q2w3e4r5t6y7u8i9o0p1q2w3e4r5t6y7u8i9o0p",
    "dev" * 22,
    "passwordpasswordpasswordpassword",
    "hunter2hunter2hunter2hunter2hunter2",
    "SECRET_KEY_SECRET_KEY_SECRET_KEY_",
    "this-is-my-very-long-secret-key-for-my-flask-app",
    "development secret key: not for production",
    "test-secret-key-for-testing-only-1234567890",
    "thisisasecretkeyforthefastapiexample",
    "пароль" * 8,
    "абвгдежзийклмнопрстуфхцчшщъыьэюя",
    "日本" * 20,
    "\N{GRINNING FACE}" * 16,
]

WORDS = [
    "abacus", "banjo", "celery", "dragonfly", "easel", "fjord", "gravel", "harbor", "igloo", "juniper", "kettle",
    "lantern", "mosaic", "nectar", "orchid",
]  # fmt: skip

#: Random secrets, in the forms in which people make them.
RANDOM: dict[str, Callable[[random.Random], str | bytes]] = {
    "bytes": lambda source: source.randbytes(32),
    "16 bytes": lambda source: source.randbytes(16),
    "hex": lambda source: source.randbytes(32).hex(),
    "HEX": lambda source: source.randbytes(32).hex().upper(),
    "base64": lambda source: b64encode(source.randbytes(32)),
    "base64url": lambda source: urlsafe_b64encode(source.randbytes(32)).rstrip(b"="),
    "base32": lambda source: b32encode(source.randbytes(20)),
    "base85": lambda source: b85encode(source.randbytes(32)),
    "letters": lambda source: "".join(source.choices(ascii_letters, k=32)),
    "digits": lambda source: "".join(source.choices("0123456789", k=40)),
    "bits": lambda source: "".join(source.choices("01", k=256)),
    "7 letters": lambda source: "".join(source.choices("abcdefg", k=64)),
    "words": lambda source: " ".join(source.sample(WORDS, k=6)),
    "words with dashes": lambda source: "-".join(source.choices(WORDS, k=8)),
    "Words": lambda source: "".join(source.sample(WORDS, k=6)).title(),
    "UUIDs": lambda source: str(UUID(int=source.getrandbits(128))) + str(UUID(int=source.getrandbits(128))),
    "one UUID, in hex": lambda source: UUID(int=source.getrandbits(128)).hex,
    "Cyrillic": lambda source: "".join(source.choices("абвгдежзийклмнопрстуфхцчшщъыьэюя", k=32)),
    "Greek": lambda source: "".join(source.choices("αβγδεζηθικλμνξοπρστυφχψω", k=24)),
    "umlauts": lambda source: "".join(source.choices("äöüßÄÖÜ", k=48)),
    "Chinese": lambda source: "".join(chr(source.randrange(0x4E00, 0x9FA0)) for _ in range(11)),
    "emoji": lambda source: "".join(chr(source.randrange(0x1F600, 0x1F640)) for _ in range(16)),
    "Latin-1": lambda source: bytes(source.choices(range(0xC0, 0x100), k=32)),
}

GOOD = "6f1d2c93a8e04b57bb0f1e6d7c5a49382f6b0e1d4c7a85930f2e6b1d8c4a7590"


@pytest.mark.parametrize(
    "secret", [GOOD, GOOD.encode(), bytearray(GOOD.encode()), random.Random(7).randbytes(32), "pass phrase " + GOOD]
)
def test_a_good_secret_is_converted_to_bytes(secret: str | bytes) -> None:
    assert check_secret(secret, name="secret", at_least=32) == as_bytes(secret)


@pytest.mark.parametrize(
    ("secret", "fault"),
    [
        (None, "is missing"),
        ("", "is missing"),
        (b"", "is missing"),
        (GOOD[:31], "has 31 bytes and needs at least 32"),
        ("\xe9" * 8 + GOOD[:15], "has 31 bytes"),
        ("django-insecure-" + GOOD, "well-known"),
        ("CHANGE-ME" + GOOD, "well-known"),
        ("your-secret-key" + GOOD, "well-known"),
        ("not-a-secret" + GOOD, "well-known"),
        ("replace_this_" + GOOD, "well-known"),
        ("Change.Me! " + GOOD, "well-known"),
        # From the documentation of Flask, FastAPI and Superset.
        ("192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf", "well-known"),
        ("09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7\n", "well-known"),
        ("CHANGE_ME_TO_A_COMPLEX_RANDOM_SECRET", "well-known"),
        *((secret, "pattern") for secret in WEAK),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_cve_2023_27524_a_weak_secret_is_refused_with_the_command_that_makes_a_good_one(
    secret: str | bytes | None, fault: str
) -> None:
    with pytest.raises(ConfigurationError, match=fault) as refusal:
        check_secret(secret, name="secret_key_base", at_least=32)

    message = str(refusal.value)
    assert message.startswith("secret_key_base ")
    assert message.endswith("Make one with: python -m holdall secret")
    assert not secret or str(secret)[:12] not in message


@pytest.mark.parametrize("kind", RANDOM)
def test_a_random_secret_is_accepted_in_any_form(kind: str) -> None:
    for seed in range(300):
        secret = RANDOM[kind](random.Random(seed))
        assert is_fit(secret, at_least=16), f"seed {seed}"
        assert check_secret(secret, name="secret", at_least=16) == as_bytes(secret)


@pytest.mark.parametrize(
    ("secret", "taken"),
    [
        ("kx7qzt2mv" * 4, True),
        ("kx7qzt2m" * 4, False),
        ("kx7qzt2mpassword" * 4, False),
        ("語彙森林海山川風" * 4, True),
        ("語彙森林" * 8, False),
        ("ключ" * 16, False),
        ("z" * 1024 + GOOD, False),
    ],
)
def test_a_secret_must_not_be_repetitive(secret: str, taken: bool) -> None:
    assert is_fit(secret, at_least=32) is taken


@pytest.mark.parametrize(
    ("secret", "fault"),
    [
        (64, "it is of type int: pass text or bytes"),
        ([1, 2], "it is of type list"),
        (0, "it is of type int"),
        ("\ud800" + GOOD, "half of a surrogate pair"),
    ],
)
def test_a_secret_is_text_or_bytes(secret: object, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault) as refusal:
        check_secret(secret, name="secret", at_least=32)  # type: ignore[arg-type]

    # Python's own error would show the secret in a report.
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


def test_bytes_from_the_environment_are_restored() -> None:
    secret = random.Random(5).randbytes(64)

    assert check_secret(secret.decode("utf-8", "surrogateescape"), name="secret", at_least=64) == secret


def test_the_command_makes_a_valid_secret() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        check_secret(None, name="secret_key_base", at_least=32)
    (arguments,) = re.findall(r"Make one with: python (.*)", str(refusal.value))

    command = [sys.executable, *arguments.split()]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    # This also holds for the formats that require more than this one.
    assert check_secret(made, name="secret_key_base", at_least=64)


def test_in_debug_mode_a_weak_secret_is_a_warning() -> None:
    with pytest.warns(WeakSecretWarning, match="has 3 bytes and needs at least 32"):
        assert check_secret("dev", name="secret_key_base", at_least=32, weak_secrets=True) == b"dev"


def test_in_debug_mode_a_missing_secret_is_still_refused() -> None:
    with pytest.raises(ConfigurationError, match="is missing"):
        check_secret(None, name="secret_key_base", at_least=32, weak_secrets=True)


def test_in_debug_mode_a_good_secret_is_silent() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_secret(GOOD, name="secret_key_base", at_least=32, weak_secrets=True)


def test_cve_2014_125112_without_a_secret_nothing_starts() -> None:
    with pytest.raises(ConfigurationError, match="secret_key_base is missing"):
        Sessions("cookie", key="_shop")


def test_a_weak_old_secret_is_refused_too() -> None:
    with pytest.raises(ConfigurationError, match="has 3 bytes"):
        Sessions("cookie", key="_shop", secret_key_base=GOOD, fallbacks=["old"])


def test_a_key_is_for_one_purpose_and_deterministic() -> None:
    # RFC 5869, A.3, truncated to 32 bytes.
    assert derive_key(b"\x0b" * 22, "") == bytes.fromhex(
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
    )
    assert derive_key(b"secret", "a") != derive_key(b"secret", "b")
    assert len(derive_key(b"secret", "a", length=4)) == 4
