"""
Threads: how much more several of them do than one, with the interpreter's global lock and without it.

Each interpreter runs ``bench.threads``: the one that runs the benchmarks, and every free-threaded one on the PATH.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.measuring import Effort, Rounds, figure, ratio
from bench.reporting import Cell, Table
from bench.threads import THREADS

__all__ = ["tables"]

_ROOT = Path(__file__).parents[2]
_FREE_THREADED = ("python3.13t", "python3.14t", "python3.15t")


def tables(effort: Effort) -> Iterator[Table]:
    """Measure this interpreter, and each free-threaded one that has the core's dependency with its lock and without."""
    yield _table(f"Python {sys.version.split()[0]}", _measured(sys.executable, effort))
    for name in filter(_can_run, _FREE_THREADED):
        for lock, said in (("1", "with"), ("0", "without")):
            yield _table(f"{name}, {said} its lock", _measured(name, effort, PYTHON_GIL=lock))


def _can_run(python: str) -> bool:
    found = shutil.which(python)
    return found is not None and subprocess.run([found, "-c", "import cryptography"], check=False).returncode == 0


def _table(title: str, taken: dict[str, dict[str, Rounds]]) -> Table:
    rows: dict[str, dict[str, Cell]] = {}
    for use, by_threads in taken.items():
        one = by_threads["1"]
        rows[use] = {"one thread": figure(one, scale=1e6)}
        rows[use] |= {f"{threads} threads": ratio(one, by_threads[str(threads)]) for threads in THREADS[1:]}
    columns = {"one thread": "µs", **{f"{threads} threads": "x" for threads in THREADS[1:]}}
    return Table(
        title, columns, rows, "A request over WSGI; with several threads, how many they process while one does one."
    )


def _measured(python: str, effort: Effort, **environment: str) -> dict[str, dict[str, Rounds]]:
    """Run ``bench.threads`` in an interpreter, and return the seconds per request by use and by number of threads."""
    paths = os.pathsep.join(map(str, (_ROOT, _ROOT / "packages/core/src")))
    command = [python, "-W", "error", "-m", "bench.threads", str(effort.rounds), str(effort.burst)]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": paths, **environment}, cwd=_ROOT, stdout=subprocess.PIPE, check=True
    )
    taken: dict[str, dict[str, Rounds]] = json.loads(done.stdout)
    return taken
