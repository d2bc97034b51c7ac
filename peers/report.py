"""Compare the runs of a suite, apart from the known differences."""

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from peers.runs import Outcome, Outcomes, Suite

__all__ = ["Known", "known_of", "report"]

_KNOWN = Path(__file__).with_name("known.toml")


@dataclass(frozen=True)
class Known:
    """A known difference and its reason: these *tests* fail with our sessions, in these *stores*."""

    reason: str
    stores: frozenset[str]
    tests: frozenset[str]


def known_of(suite: Suite) -> list[Known]:
    """Return the known differences from a suite's framework."""
    return [
        Known(" ".join(each["reason"].split()), frozenset(each.get("stores", suite.ours)), frozenset(each["tests"]))
        for each in tomllib.loads(_KNOWN.read_text())[suite.framework]
    ]


def report(suite: Suite, outcomes: Mapping[str, Outcomes]) -> Iterator[str]:
    """
    Yield the lines to print for a suite's runs; a line that begins with ``!`` is a failure.

    Args:
        outcomes: The results of each run, by its name.
    """
    yield f"{'':34}{'passed':>8}{'failed':>8}{'skipped':>9}{'new failures':>14}"
    for run in suite.own:
        yield _counts(run.name, outcomes[run.name])
    reference = _passed(outcomes[suite.own[0].name])
    differences = known_of(suite)
    for store, run in suite.ours.items():
        passed = _passed(outcomes[run.name])
        new = reference - passed
        listed = {test for each in differences if store in each.stores for test in each.tests}
        yield f"{_counts(run.name, outcomes[run.name])}{len(new - listed):>14} and {len(new & listed)} known"
        for test in sorted(new - listed):
            yield f"! {run.name}: {test} fails, and is not listed in known.toml"
        for test in sorted(listed & passed):
            yield f"! {run.name}: {test} passes, although known.toml lists it"
    for each in differences:
        here = each.tests & reference
        if here:
            yield f"  known ({', '.join(sorted(each.stores))}): {each.reason}"
            yield from (f"    {test}" for test in sorted(here))
    ours = next(iter(suite.ours.values()))
    for other in suite.own[1:]:
        better = sorted((_passed(outcomes[ours.name]) & reference) - _passed(outcomes[other.name]))
        yield f"  {other.name} fails {len(better)} that {ours.name} passes:"
        yield from (f"    {test}" for test in better)


def _passed(outcomes: Outcomes) -> set[str]:
    return {test for test, outcome in outcomes.items() if outcome is Outcome.PASSED}


def _counts(name: str, outcomes: Outcomes) -> str:
    counts = Counter(outcomes.values())
    return f"  {name:32}{counts[Outcome.PASSED]:>8}{counts[Outcome.FAILED]:>8}{counts[Outcome.SKIPPED]:>9}"
