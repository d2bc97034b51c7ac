"""Run the frameworks' own tests with our sessions: ``python -m peers``, or those of named frameworks only."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from time import monotonic

from peers.report import report
from peers.sources import source_of

__all__ = ["main"]

# Imported on demand, because the same modules put our sessions in place of the frameworks'.
_FRAMEWORKS = ("flask", "starlette", "django")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests, print the results and return the exit code."""
    parser = argparse.ArgumentParser("peers", description="Run the frameworks' own tests with our sessions.")
    parser.add_argument("frameworks", nargs="*", metavar="framework", help=f"some of {', '.join(_FRAMEWORKS)} (all)")
    parser.add_argument("--sources", type=Path, required=True, help="the folder to download the sources into")
    options = parser.parse_args(arguments)
    unknown = set(options.frameworks).difference(_FRAMEWORKS)
    if unknown:
        parser.error(f"no such framework here: {', '.join(sorted(unknown))}")

    failed = False
    for framework in options.frameworks or _FRAMEWORKS:
        source = source_of(framework, options.sources.resolve())
        for suite in import_module(f"peers.{framework}").SUITES:
            began = monotonic()
            runs = (*suite.own, *suite.ours.values())
            outcomes = {run.name: run.outcomes(source / suite.folder) for run in runs}
            print(f"\n{framework} {version(framework)}: {suite.title} ({monotonic() - began:.0f} s)")
            for line in report(suite, outcomes):
                print(line, flush=True)
                failed = failed or line.startswith("!")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
