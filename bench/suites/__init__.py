"""The suites by name: each is a module with ``tables(effort)``, which yields tables as they are measured."""

from importlib import import_module

from bench.measuring import Effort
from bench.reporting import Table, as_lines
from servers.processes import NoProgramError

__all__ = ["SUITES", "run_suite"]

SUITES = (
    *("codec", "cookies", "imports", "requests", "memory", "engines", "growth", "threads", "http", "writes", "million"),
)


def run_suite(name: str, effort: Effort) -> list[Table]:
    """Run a suite, print its tables as they are measured, and return them."""
    measured = []
    try:
        for table in import_module(f"bench.suites.{name}").tables(effort):
            print(f"\n{name}: {table.title}", *([table.note] if table.note else []), "", *as_lines(table), sep="\n")
            measured.append(table)
    except NoProgramError as missing:
        print(f"\n{name}: the rest is skipped: {missing}.")
    return measured
