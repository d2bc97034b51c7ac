"""Test that a secret on our pages, or in anything else that we publish, is refused wherever it is used."""

import re
from pathlib import Path

import pytest

from docs.blocks import ROOT
from holdall import ConfigurationError, Sessions
from holdall._keys import check_secret

#: Published files besides the pages next to the code: all except those that only our tests and measurements run.
FOLDERS = ("docs", "demo", "examples", "packages")

#: A possible secret in a line that mentions one: long enough for a format, in quotes or as code, and with a digit,
#: which names rarely have.
LITERAL = re.compile(r"[\"'`](?=[^0-9\"'`]*[0-9])([A-Za-z0-9+/=_-]{16,})[\"'`]")
SPEAKS_OF_ONE = re.compile(r"secret|Format\(", re.IGNORECASE)


def published() -> list[str]:
    found = [*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    kinds = {".md", ".py", ".toml", ".txt", ".html"}
    return [path.relative_to(ROOT).as_posix() for path in found if path.suffix in kinds and "build" not in path.parts]


def literals(text: str) -> set[str]:
    return {found for line in text.splitlines() if SPEAKS_OF_ONE.search(line) for found in LITERAL.findall(line)}


LITERALS = sorted(
    (path, literal) for path in published() for literal in literals((ROOT / path).read_text(encoding="utf-8"))
)


def test_the_pages_are_searched() -> None:
    assert ("docs/formats.md", "c7f0e3a94b1d5826-0e9b7d42f6a8c135") in LITERALS
    assert {Path(path).parts[0] for path in published()} >= {"docs", "demo", "packages", "examples", "README.md"}
    assert literals('secret_key_base="e3b0c44298fc1c149afb"\nvisits = "e3b0c44298fc1c149afb-4"') == {
        "e3b0c44298fc1c149afb"
    }


@pytest.mark.parametrize(("path", "literal"), LITERALS)
def test_a_literal_next_to_the_word_is_not_an_accepted_secret(path: str, literal: str) -> None:
    with pytest.raises(ConfigurationError):
        check_secret(literal, name="secret_key_base", at_least=16)


def test_the_vectors_secret_makes_no_sessions() -> None:
    with pytest.raises(ConfigurationError, match="well-known"):
        Sessions("cookie", key="sid", secret_key_base="c7f0e3a94b1d5826-0e9b7d42f6a8c135")
