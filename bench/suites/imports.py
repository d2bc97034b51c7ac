"""Measure imports: what they add to a program's start, with modules that were compiled at installation."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from tempfile import TemporaryDirectory

from bench.measuring import Effort, compare, figure, overhead
from bench.reporting import Cell, Table

__all__ = ["tables"]

_COOKIE = "holdall.Sessions('cookie', key='_shop', secret_key_base='b7a1d0c4e9f25368-4f1c9a7be2d80356').prepare('sync')"
_MEMORY = "holdall.Sessions('table', key='sid', table='memory://session').prepare('sync')"

# The modules that every Django site imports.
_DJANGO = "django.core.handlers.wsgi, django.contrib.sessions.middleware, holdall"

#: A statement, what is imported before it, and the target in milliseconds.
_STARTS = {
    "import holdall": ("import holdall", "", 40),
    "the same in Flask": ("import holdall", "flask", 40),
    "Sessions in a cookie": (_COOKIE, "holdall", None),
    "Sessions in memory": (_MEMORY, "holdall", None),
    "import holdall.msgspec_json": ("import holdall.msgspec_json", "holdall", None),
    "import holdall_flask": ("import holdall_flask", "flask, holdall", 15),
    "import holdall_fastapi": ("import holdall_fastapi", "fastapi, holdall", 15),
    "import holdall_django": ("import holdall_django", _DJANGO, 15),
}


def tables(effort: Effort) -> Iterator[Table]:
    """Start Python with and without each import."""
    programs = {}
    for name, (statement, there, _) in _STARTS.items():
        programs[name, "without"] = f"import {there}" if there else "pass"
        programs[name, "with"] = f"{programs[name, 'without']}; {statement}"
    with TemporaryDirectory() as compiled:
        bursts = {key: partial(_started, program, compiled) for key, program in programs.items()}
        for first in bursts.values():
            first()
        taken = compare(bursts, effort)
    cells: dict[str, dict[str, Cell]] = {}
    for name, (_, there, target) in _STARTS.items():
        added = overhead(taken[name, "with"], taken[name, "without"])
        cells[name] = {"adds": figure(added, scale=1e3, at_most=target), "to": there or "Python alone"}
    title = "What it adds to the start"
    yield Table(title, {"adds": "ms", "to": ""}, cells, "CPU time of a whole process.")


def _started(program: str, compiled: str) -> float:
    """Return the CPU seconds of a Python that runs *program*, with its modules compiled in *compiled*."""
    there = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True, env=there | {"PYTHONPYCACHEPREFIX": compiled})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
