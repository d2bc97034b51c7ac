"""``holdall check``."""

import json
from pathlib import Path

import pytest

from command.program import run

SHOP = """
from holdall import ConfigurationError, Sessions

sessions = Sessions("table", table="check", key="sid")
number = 7

class App:
    sessions = sessions

def make():
    return sessions

def refuse():
    raise ConfigurationError("the secret is missing")

def fail():
    raise OSError("a password")
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", ["sessions", "App.sessions", "make"])
def test_it_reports_what_the_sessions_guarantee(shop: Path, name: str) -> None:
    said = run("check", f"shop:{name}", cwd=shop)

    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith("The sessions 'sid' are kept in MemoryTable.")
    assert "lacks ASVS 3.3.3: name the cookie __Host-sid" in said.stdout


def test_a_program_can_read_it_and_it_fails_if_a_required_line_is_not_met(shop: Path) -> None:
    required = ("--require", "ASVS 7.3.1", "--require", "NIST 2.2.3", "--require", "ASVS 99")
    said = run("check", "shop:sessions", "--json", *required, cwd=shop)

    assert said.returncode == 1
    assert json.loads(said.stdout)["key"] == "sid"
    assert said.stderr.splitlines() == [
        "holdall: NIST 2.2.3 is not met: timeouts='aal2', if the application needs this level.",
        "holdall: ASVS 99 is not met: it does not exist, or no configuration can meet it.",
    ]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("shop", "write MODULE:NAME"),
        ("shop:number", "shop:number is a int, not Sessions"),
        ("shop:refuse", "the secret is missing"),
        ("shop:fail", "shop:fail could not be imported: OSError."),
        ("shop:nothing", "shop:nothing could not be imported: AttributeError."),
        ("nowhere:sessions", "nowhere:sessions could not be imported: ModuleNotFoundError."),
    ],
)
def test_an_invalid_place_is_an_error_that_shows_no_secret(shop: Path, place: str, words: str) -> None:
    said = run("check", place, cwd=shop)

    assert (said.returncode, said.stdout) == (1, "")
    assert words in said.stderr
    assert "password" not in said.stderr
