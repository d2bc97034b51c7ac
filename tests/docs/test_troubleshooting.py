"""Test that the log lines and errors quoted in docs/troubleshooting.md are those of the code."""

import ast
import re
import subprocess
import sys

import pytest

from docs.blocks import ROOT, fenced
from holdall._events import EventName

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")

#: The log lines of the table, by the text in its first column.
ROWS = re.findall(r"^\| `(.+?)` \|", PAGE, re.MULTILINE)
SENTENCES = [row for row in ROWS if not row.startswith("session ")]
EVENTS = [row for row in ROWS if row.startswith("session ")]

#: The other errors and warnings of ours that the page quotes.
QUOTED = [
    "is Secure, but the framework says that its request came over http",
    "was sent without Secure, so anyone on the network can read and use it",
    "the request has no session",
    "the session is unavailable",
    "holdall_django.E001",
    "holdall_django.E005",
    "holdall_django.W001",
]


@pytest.fixture(scope="module")
def said() -> str:
    """Return all text in the packages' code, one constant per line."""
    return "\n".join(
        node.value
        for path in ROOT.glob("packages/*/src/**/*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


@pytest.mark.parametrize("sentence", [*SENTENCES, *QUOTED])
def test_the_code_contains_what_the_page_quotes(sentence: str, said: str) -> None:
    assert sentence in PAGE
    assert all(part in said for part in sentence.split("…"))


@pytest.mark.parametrize("line", EVENTS)
def test_the_log_has_the_event_that_the_page_names(line: str, said: str) -> None:
    named = re.fullmatch(r"session (\w+)(?: \((.+)\))?", line)

    assert named is not None
    assert named[1] in EventName.__args__
    assert named[2] is None or re.search(rf"^{named[2]}$", said, re.MULTILINE)


def test_the_table_has_both() -> None:
    assert len(SENTENCES) >= 2
    assert len(EVENTS) >= 5


def test_the_pages_lines_turn_the_log_on() -> None:
    (lines,) = fenced(PAGE, "python")
    visit = "from holdall import Sessions; Sessions('table', key='sid', table='one').fetch('sid=x').get('a')"

    ran = subprocess.run([sys.executable, "-c", lines + visit], capture_output=True, text=True, check=True)

    assert "WARNING:holdall:session rejected (malformed): sid" in ran.stderr
    assert "they end with it" in ran.stderr
