"""
Run the benchmarks: ``python -m bench [--quick] [SUITE …]``.

Each suite runs in a process of its own, prints its tables as they come, and all of them end up in one folder.
"""

import argparse
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from bench.machine import Machine
from bench.measuring import Effort
from bench.plots import draw
from bench.publishing import publish
from bench.reporting import Report, write
from bench.suites import SUITES, run_suite

FULL = Effort(rounds=15, burst=0.02, rows=1_000_000, seconds=10, sites=5)
QUICK = Effort(rounds=5, burst=0.004, rows=10_000, seconds=0.5, sites=5)
SMALLEST = Effort(rounds=1, burst=0.0001, rows=1000, seconds=0.05, sites=2)
_RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    options = _parser().parse_args(arguments)
    effort = SMALLEST if options.smallest else QUICK if options.quick else FULL
    given = {name: getattr(options, name) for name in ("rounds", "rows") if getattr(options, name) is not None}
    effort = replace(effort, **given)

    report = Report(Machine.this())
    print(*report.machine.lines(), sep="\n")
    # A process for each, so that no suite finds another's settings, rows and garbage.
    spawn = multiprocessing.get_context("spawn")
    for name in options.suites or SUITES:
        with ProcessPoolExecutor(1, mp_context=spawn) as process:
            report.suites[name] = process.submit(run_suite, name, effort).result()
    write(report, options.into)
    page = draw(report, options.into)
    if options.publish:
        publish(report)
    print(f"\nThe page with plots: {page}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nox -s bench --", description="Compare holdall with its peers.")
    parser.add_argument("suites", nargs="*", type=_suite, metavar="SUITE", help=f"one of {', '.join(SUITES)}; or all")
    parser.add_argument("--quick", action="store_true", help="under two minutes, for a first look")
    parser.add_argument("--smallest", action="store_true", help="in seconds, to see that all of it works")
    parser.add_argument("--rounds", type=int, help="how often each competitor gets its turn")
    parser.add_argument("--rows", type=int, help='how many sessions "a million" is')
    parser.add_argument("--into", type=Path, default=_RESULTS, metavar="FOLDER", help="where the results go")
    parser.add_argument("--publish", action="store_true", help="write the tables into docs/performance.md too")
    return parser


def _suite(name: str) -> str:
    if name not in SUITES:
        msg = f"there is no suite {name!r}: take one of {', '.join(SUITES)}"
        raise argparse.ArgumentTypeError(msg)
    return name


if __name__ == "__main__":
    main()
