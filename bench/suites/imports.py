"""Imports: what they add to the start of a program."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from bench.measuring import Effort, compare, figure, overhead
from bench.reporting import Cell, Table

__all__ = ["tables"]

#: What is imported, beyond what is there already; and at most so many milliseconds.
_IMPORTS = {
    "holdall": ("holdall", "sys", 40),
    "holdall.fast": ("holdall.fast", "sys, holdall", None),
    "holdall_flask": ("holdall_flask", "flask, holdall", 15),
    "holdall_fastapi": ("holdall_fastapi", "fastapi, holdall", 15),
    "holdall_django": ("holdall_django", "django.contrib.sessions.middleware, holdall", 15),
}


def tables(effort: Effort) -> Iterator[Table]:
    """Start Python with and without each of them."""
    statements = {}
    for name, (added, there, _) in _IMPORTS.items():
        statements[name, "with"] = f"import {there}, {added}"
        statements[name, "without"] = f"import {there}"
    taken = compare({key: partial(_started, statement) for key, statement in statements.items()}, effort)
    cells: dict[str, dict[str, Cell]] = {}
    for name, (_, there, target) in _IMPORTS.items():
        added = overhead(taken[name, "with"], taken[name, "without"])
        beside = there.removeprefix("sys, ").replace("sys", "Python alone")
        cells[name] = {"adds": figure(added, scale=1e3, at_most=target), "to": beside}
    yield Table(
        "What an import adds to the start", {"adds": "ms", "to": ""}, cells, "The processor's time of a whole process."
    )


def _started(statement: str) -> float:
    """Return the seconds of the processor that a Python takes which does no more than this."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", statement], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
