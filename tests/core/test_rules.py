"""Test the table of rules: complete, free of unreachable lines, and the same as its page in the documentation."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from holdall._lifecycle.rules import RULES, Action, Owner, Place, Situation, decide
from holdall._state import Intent

DOCUMENT = Path(__file__).parents[2] / "docs" / "rules.md"

FLAGS = ("used", "failed", "superseded", "stored", "wrote", "has_data", "must_create", "refresh")


def situations() -> Iterator[Situation]:
    for intent, owner in product(Intent, Owner):
        for flags in product((False, True), repeat=len(FLAGS)):
            yield Situation(intent=intent, owner=owner, **dict(zip(FLAGS, flags, strict=True)))


def test_the_document_is_the_table() -> None:
    rows = [line.strip("| ").split(" | ")[:4] for line in DOCUMENT.read_text("utf-8").splitlines() if line[:2] == "| "]
    documented = [tuple(row) for row in rows[2:]]

    assert documented == [(rule.name, rule.headers.value, rule.row.value, rule.no_response.value) for rule in RULES]


def test_every_situation_has_a_rule_and_every_rule_a_situation() -> None:
    first = {next(rule.name for rule in RULES if rule.applies(situation)) for situation in situations()}

    assert first == {rule.name for rule in RULES}


@pytest.mark.parametrize("place", Place)
def test_no_situation_breaks_a_guarantee(place: Place) -> None:
    for situation in situations():
        action = decide(situation, place)
        ends = situation.intent in (Intent.DROP, Intent.LOGOUT) and situation.used
        if ends:
            assert action in (Action.DROP, Action.LOG_OUT_AND_BEGIN), situation
        if situation.failed and not ends and situation.owner is not Owner.LOGOUT:
            assert action not in (Action.WRITE, Action.BEGIN, Action.LOG_OUT_AND_BEGIN), situation
            assert action is not Action.RENEW or not situation.logs_in, situation
        if situation.superseded and not ends and not situation.logs_in and situation.owner is not Owner.LOGOUT:
            assert action in (Action.LEAVE, Action.FORGET, Action.DISCARD, Action.RENEW), situation
        if place is not Place.HEADERS:
            # If no cookie can be sent, there is neither a new session nor a new ID.
            assert action not in (Action.BEGIN, Action.RENEW, Action.LOG_OUT_AND_BEGIN), situation
        if not situation.stored and not situation.has_data and not situation.must_create:
            assert action not in (Action.BEGIN, Action.WRITE), situation
        if action is Action.WRITE:
            assert situation.stored, situation
