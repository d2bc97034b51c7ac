"""
Run the benchmarks: ``python -m bench [--quick] [SUITE …]``.

Each suite runs in its own process and prints its tables as they are measured; all of them are saved in one folder.
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
    """Run the suites that the command line names."""
    options = _parser().parse_args(arguments)
    effort = SMALLEST if options.smallest else QUICK if options.quick else FULL
    given = {name: getattr(options, name) for name in ("rounds", "rows") if getattr(options, name) is not None}
    effort = replace(effort, **given)

    report = Report(Machine.this())
    print(*report.machine.lines(), sep="\n")
    # One process per suite, so that no suite inherits another's settings, rows and garbage.
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
    parser.add_argument("--quick", action="store_true", help="a short run, under two minutes")
    parser.add_argument("--smallest", action="store_true", help="a run of seconds, to check that everything works")
    parser.add_argument("--rounds", type=int, help="how many turns each competitor gets")
    parser.add_argument("--rows", type=int, help='how many sessions to use for "a million"')
    parser.add_argument("--into", type=Path, default=_RESULTS, metavar="FOLDER", help="where to write the results")
    parser.add_argument("--publish", action="store_true", help="also write the tables into docs/performance.md")
    return parser


def _suite(name: str) -> str:
    if name not in SUITES:
        msg = f"there is no suite {name!r}: choose one of {', '.join(SUITES)}"
        raise argparse.ArgumentTypeError(msg)
    return name


if __name__ == "__main__":
    main()
