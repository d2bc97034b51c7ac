"""Secrets, and the keys derived from them."""

import random
import re
import subprocess
import sys
import warnings

import pytest

from holdall import ConfigurationError, Sessions
from holdall.keys import WeakSecretWarning, as_bytes, check_secret, derive_key

GOOD = "6f1d2c93a8e04b57bb0f1e6d7c5a49382f6b0e1d4c7a85930f2e6b1d8c4a7590"


@pytest.mark.parametrize(
    "secret", [GOOD, GOOD.encode(), bytearray(GOOD.encode()), bytes(range(32)), "pass phrase " + GOOD]
)
def test_a_good_secret_is_taken_as_bytes(secret: str | bytes) -> None:
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
        ("a" * 64, "pattern"),
        ("abcabcab" * 8, "pattern"),
        ("0123456789" * 7, "pattern"),
        ("0123456789" * 3 + "01234", "pattern"),
        ("abcdefghijklmno" * 4, "pattern"),
        (bytes(64), "pattern"),
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


@pytest.mark.parametrize(
    ("secret", "taken"),
    [
        ("0123456789abcdef" * 2, True),
        ("0123456789abcde" * 3, False),
        ("".join(random.Random(1).choices("abcdefgh", k=64)), True),
        ("".join(random.Random(1).choices("abcdefg", k=64)), False),
    ],
    ids=["period of 16", "period of 15", "8 distinct bytes", "7 distinct bytes"],
)
def test_what_counts_as_a_pattern(secret: str, taken: bool) -> None:
    if taken:
        assert check_secret(secret, name="secret", at_least=32)
    else:
        with pytest.raises(ConfigurationError, match="pattern"):
            check_secret(secret, name="secret", at_least=32)


def test_the_command_makes_a_secret_that_is_taken() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        check_secret(None, name="secret_key_base", at_least=32)
    (arguments,) = re.findall(r"Make one with: python (.*)", str(refusal.value))

    command = [sys.executable, *arguments.split()]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    # Also for the formats that ask for more than this one.
    assert check_secret(made, name="secret_key_base", at_least=64)


def test_in_debug_mode_a_weak_secret_is_a_warning() -> None:
    with pytest.warns(WeakSecretWarning, match="has 3 bytes and needs at least 32"):
        assert check_secret("dev", name="secret_key_base", at_least=32, weak_secrets=True) == b"dev"


def test_in_debug_mode_a_missing_secret_is_refused_all_the_same() -> None:
    with pytest.raises(ConfigurationError, match="is missing"):
        check_secret(None, name="secret_key_base", at_least=32, weak_secrets=True)


def test_in_debug_mode_a_good_secret_is_silent() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_secret(GOOD, name="secret_key_base", at_least=32, weak_secrets=True)


def test_cve_2014_125112_without_a_secret_nothing_starts() -> None:
    with pytest.raises(ConfigurationError, match="secret_key_base is missing"):
        Sessions("cookie", key="_shop")


def test_a_weak_former_secret_is_refused_too() -> None:
    with pytest.raises(ConfigurationError, match="has 3 bytes"):
        Sessions("cookie", key="_shop", secret_key_base=GOOD, fallbacks=["old"])


def test_a_key_is_for_one_purpose_and_the_same_each_time() -> None:
    # RFC 5869, A.3, cut to 32 bytes.
    assert derive_key(b"\x0b" * 22, "") == bytes.fromhex(
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
    )
    assert derive_key(b"secret", "a") != derive_key(b"secret", "b")
    assert len(derive_key(b"secret", "a", length=4)) == 4
