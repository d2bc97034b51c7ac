"""``holdall check``."""

import json
from pathlib import Path

import pytest

from command.program import run

SHOP = """
import os

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

def fail_to_look_up():
    {}["a password"]

def of_environment():
    return os.environ["SHOP_SECRET"]

def needs_module():
    import uninstalled.driver

def without_driver():
    import sys
    sys.modules["redis"] = None
    return Sessions("redis://u:password@localhost/0", key="sid")

def answer(environ, start_response):
    raise AssertionError
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    (tmp_path / "broken.py").write_text("password = = 1", encoding="utf-8")
    refusing = "from holdall import Sessions; Sessions('tabel', key='sid')"
    (tmp_path / "refusing.py").write_text(refusing, encoding="utf-8")
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
        ("shop.py:sessions", "shop.py is a file, but the command takes a module: write shop:sessions."),
        ("./web/shop.py:sessions", "write web.shop:sessions."),
        ("shop:number", "shop:number is an int, not Sessions"),
        ("shop:answer", "shop:answer is a function that needs arguments, not Sessions or a function that returns"),
        ("shop:App", "shop:App is an App, not Sessions"),
        ("shop:refuse", "the secret is missing"),
        ("shop:fail", "shop:fail failed: OSError."),
        ("shop:fail_to_look_up", "shop:fail_to_look_up failed: KeyError."),
        ("shop:of_environment", "failed: it needs the environment variable SHOP_SECRET, which is not set."),
        ("shop:needs_module", "failed: it needs the module uninstalled, which is not installed."),
        ("shop:without_driver", "RedisTable needs redis-py. Install it with: pip install 'holdall[redis]'"),
        ("shop:nothing", "shop has no nothing: did you mean shop:sessions?"),
        ("json:nothing", "json has no nothing."),
        ("nowhere:sessions", "nowhere could not be imported: there is no module nowhere in the current directory or"),
        ("shop.web:sessions", "there is no module shop.web in the current directory"),
        ("broken:sessions", "broken could not be imported: SyntaxError."),
        ("refusing:sessions", "is neither"),
    ],
)
def test_an_invalid_place_is_an_error_that_shows_no_secret(shop: Path, place: str, words: str) -> None:
    said = run("check", place, cwd=shop)

    assert (said.returncode, said.stdout) == (1, "")
    assert words in said.stderr
    assert "password" not in said.stderr
