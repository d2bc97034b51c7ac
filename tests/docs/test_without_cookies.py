"""Test the guide for clients without cookies: its application runs, and curl and the page's client work as shown."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docs.blocks import ROOT, compiled, fenced, python_blocks
from docs.recipes import Stage, started

pytest.importorskip("flask")

PAGE = "docs/guides/without_cookies.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")


@pytest.fixture(params=["sqlite", "cookie"])
def port(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    """Start the page's application, with sessions in a table or encrypted in the header, and yield its port."""
    api = next(source for source in fenced(TEXT, "python") if source.startswith("# api.py"))
    (command,) = "".join(fenced(TEXT, "sh")).splitlines()
    environment = {
        "SHOP_SECRET": "9a4d17c0e8b35f62-d07c41e95ab8263f",
        "SHOP_SESSIONS": f"sqlite:///{tmp_path / 'sessions.db'}" if request.param == "sqlite" else "cookie",
    }
    with started(Stage({"api.py": api}, [command], {}), tmp_path / "files", environment) as ports:
        yield ports["8011"]


def test_curl_does_what_the_page_shows(port: int, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    (shown,) = fenced(TEXT, "console")
    steps = re.findall(r"^\$ (.+)\n((?:[^$].*\n)?)", shown, re.MULTILINE)
    assert len(steps) == shown.count("$ ")

    for command, answer in steps:
        ran = subprocess.run(
            command.replace("8011", str(port)),
            shell=True,
            cwd=tmp_path,
            env={**os.environ, "no_proxy": "127.0.0.1"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert (command, ran.stdout) == (command, answer)


def test_the_client_of_the_page_keeps_its_session(port: int) -> None:
    names: dict[str, Any] = {"__name__": "client"}
    for line, source in python_blocks(PAGE):
        if source.startswith("# client.py"):
            exec(compiled(PAGE, line, source), names)
    client = names["Client"](f"http://127.0.0.1:{port}")

    assert client.send("POST", "/login/ada") == {"user": "ada"}
    held = client.session
    assert client.send("GET", "/me") == {"user": "ada"}
    assert client.session == held
    client.send("POST", "/login/grace")
    assert client.send("GET", "/me") == {"user": "grace"}
    client.send("POST", "/logout")
    assert client.send("GET", "/me") == {"user": None}


def test_the_clients_rule_is_the_same_as_in_the_suite() -> None:
    names: dict[str, Any] = {"__name__": "client"}
    for line, source in python_blocks(PAGE):
        if source.startswith("# client.py"):
            exec(compiled(PAGE, line, source), names)

    values = ["", "Session", "Session 5.mQ8", "Session 12.abc", "Session dcxXz5G8"]
    assert [names["number"](value) for value in values] == [float("inf"), float("inf"), 5, 12, float("inf")]
