"""Test that the page on tables describes correctly what each verb does in each state of a row."""

import re
from datetime import timedelta
from typing import Any

import pytest

from docs.blocks import ROOT
from holdall import MemoryTable
from holdall.tables import Replacement, Row, Tombstone
from holdall.testing import FakeClock

PAGE = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
DIGEST = b"d" * 32
STATES = ["nothing", "live", "tombstone", "expired"]
SAID = {
    cells[0].strip("`").partition("(")[0]: dict(zip(STATES, cells[1:], strict=True))
    for cells in re.findall(r"^\| (`\w+(?:\(\w+\))?`) \| (.*) \| (.*) \| (.*) \| (.*) \|$", PAGE, re.MULTILINE)
    if len(cells) == 5
}


class Place:
    """A digest in a table, in one of the states."""

    def __init__(self, state: str) -> None:
        self.clock = FakeClock()
        self.table = MemoryTable(clock=self.clock)
        self.row = Row(b"data", 1, self.clock() + timedelta(hours=1), self.clock(), "7")
        if state != "nothing":
            self.table.insert(DIGEST, self.row)
        if state == "tombstone":
            self.table.remove(DIGEST, tombstone=Tombstone(self.row.expires, b"there"))
        if state == "expired":
            self.clock.advance(timedelta(hours=2))

    def does(self, verb: str) -> Any:
        later = self.row._replace(version=2, expires=self.clock() + timedelta(hours=1))
        calls: dict[str, tuple[Any, ...]] = {"insert": (later,), "replace": (later,), "touch": (later.expires,)}
        options: dict[str, dict[str, Any]] = {"replace": {"version": 1}, "touch": {"seen": self.clock()}}
        if verb == "find":
            return self.table.find("7")
        if verb == "clear":
            return self.table.clear(self.clock())
        if verb == "sweep":
            return self.table.sweep()
        return getattr(self.table, verb)(DIGEST, *calls.get(verb, ()), **options.get(verb, {}))


def in_words(verb: str, answer: Any) -> str:
    """Return the beginning of the page's description of *answer*."""
    if verb == "find":
        return "listed" if answer else "not listed"
    if isinstance(answer, Row):
        return "the tombstone" if answer.is_tombstone else "the row"
    if isinstance(answer, Replacement):
        return f"`{answer.name}`"
    return str(answer) if type(answer) is int else f"`{answer}`"


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", ["read", "insert", "replace", "touch", "remove", "find", "clear", "sweep"])
def test_each_verb_does_what_the_page_says(verb: str, state: str) -> None:
    place = Place(state)

    said = in_words(verb, place.does(verb))

    assert SAID[verb][state].startswith(said)
    if SAID[verb][state].endswith("it stays"):
        assert place.does("read") is not None
    if SAID[verb][state].endswith("is gone"):
        assert place.does("read") is None
