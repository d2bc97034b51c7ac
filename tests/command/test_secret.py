"""``holdall secret``."""

import pytest

from command.program import run
from holdall.formats import NativeFormat, PlugFormat


def test_each_call_prints_a_different_secret_that_every_format_accepts() -> None:
    first, second = run("secret"), run("secret")

    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout != second.stdout
    assert first.stdout.count("\n") == 1
    secret = first.stdout.strip()
    assert NativeFormat(secret)
    assert PlugFormat(secret, signing_salt="salt")


@pytest.mark.parametrize(("size", "length"), [("32", 43), ("64", 86), ("1024", 1366)])
def test_the_secrets_size_can_be_chosen(size: str, length: int) -> None:
    assert len(run("secret", "--bytes", size).stdout.strip()) == length


@pytest.mark.parametrize("size", ["31", "1025", "-1", "many", "²"])
def test_a_size_that_is_too_small_is_refused(size: str) -> None:
    refused = run("secret", f"--bytes={size}")

    assert (refused.returncode, refused.stdout) == (2, "")
    assert "is not a whole number from 32 to 1024" in refused.stderr
