"""
Every check of the repository by its name: ``nox`` runs those in ``nox.options.sessions``, ``nox -l`` lists all.

Each session makes an environment of its own, installs what it needs in the versions of ``constraints.txt``, and runs
one tool.
"""

import os
import shutil
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import nox
from nox.project import dependency_groups, load_toml, python_versions
from packaging.requirements import Requirement

nox.needs_version = ">=2026.7.11"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "typing", "tests", "lowest", "wheels", "demo_check", "peers_quick"]
# Pythons that are not there are skipped with a line that says so, on a CI machine too; none is downloaded.
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"

# nox works in the folder of this file, so that all paths begin there.
CONSTRAINTS = "constraints.txt"
PACKAGES = ["packages/core", "packages/flask_adapter", "packages/fastapi_adapter", "packages/django_adapter"]
CHECKOUT = [option for package in PACKAGES for option in ("-e", package)]
DEMO = "demo/requirements.txt"
WORKSPACE = load_toml("pyproject.toml")
PROJECTS = {package: load_toml(f"{package}/pyproject.toml") for package in PACKAGES}

PROMISED = python_versions(PROJECTS["packages/core"])
# The Python that runs this file is always there, so that at least one runs the tests.
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
# What is not promised yet shall not surprise us, where it is there.
PYTHONS = list(dict.fromkeys((*PROMISED, "3.14", "3.14t", RUNNING)))

# What this process may use, and of many no more than pays: each worker has servers of its own.
CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
# A file's tests stay together, for they share servers.
PARALLEL = ["-n", str(min(CPUS, 4)), "--dist", "loadfile"]
# What is drawn at random is drawn in full once; elsewhere only what depends on the Python or on a version shall show.
FEWER = {"HOLDALL_EXAMPLES": "100", "HOLDALL_FUZZED": "2000"}
# All orders of requests, many clients at real servers, the pages, the demo and what the suites notice are the same on
# every Python, and take minutes.
SAME_EVERYWHERE = ["bench", "browser", "demo", "docs", "migration", "moving/test_orders.py", "races"]
ELSEWHERE = [*(f"--ignore=tests/{each}" for each in SAME_EVERYWHERE), "-k", "not Interleavings and not is_broken"]


@nox.session(python=PYTHONS)
@nox.parametrize("frameworks", ["newest", "oldest"], ids=["newest", "oldest"])
def tests(session: nox.Session, frameworks: str) -> None:
    """Run all tests with the newest frameworks, and those of the adapters with the oldest ones we promise."""
    if frameworks == "newest":
        # What is to be measured has to run once, and what draws it is much to install.
        install(session, "tests", "ecosystem", *(["bench"] if session.python == RUNNING else []))
        if session.posargs:
            session.run("pytest", *session.posargs)
        elif session.python == RUNNING:
            # Measured on one Python, for it makes the tests slower.
            session.run("coverage", "run", "-m", "pytest", *PARALLEL)
            session.run("coverage", "combine", "--quiet")
            session.run("coverage", "report")
        else:
            session.run("pytest", *ELSEWHERE, *PARALLEL, env=FEWER)
    else:
        if session.python not in (PROMISED[0], PROMISED[-1]):
            session.skip("frameworks of that age meet the oldest and the newest Python that we promise")
        install_oldest(session, PACKAGES[1:])
        session.run("pytest", *(session.posargs or ["tests/adapters", *PARALLEL]))


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the tests of the packages with the oldest version of everything that one asks for."""
    install_oldest(session, PACKAGES)
    session.run("pytest", *(session.posargs or [*ELSEWHERE, *PARALLEL]), env=FEWER)


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types with mypy and with pyright (as basedpyright, which pip installs whole)."""
    install(session, "tests", "typing")
    session.run("mypy")
    session.run("basedpyright", "--pythonpath", f"{session.bin}/python")


@nox.session
def lint(session: nox.Session) -> None:
    """Look for mistakes and for odd formatting with ruff."""
    session.install("-c", CONSTRAINTS, *dependency_groups(WORKSPACE, "lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def wheels(session: nox.Session) -> None:
    """Build every package, install the wheels outside of the checkout and try them there."""
    session.install("-c", CONSTRAINTS, *dependency_groups(WORKSPACE, "build"))
    outside = Path(session.create_tmp()).resolve()
    built = outside / "dist"
    for package in PACKAGES:
        session.run("python", "-m", "build", "--outdir", built, package, silent=True)
    session.run("python", "-m", "venv", "--clear", outside / "venv")

    python = outside / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    for wanted in (built.glob("*.whl"), ["holdall[testing]"]):
        session.run(python, "-m", "pip", "install", "-q", "-c", CONSTRAINTS, *wanted, external=True)
    tried = shutil.copy("tests/installed/test_installed.py", outside)
    session.chdir(outside)
    session.run(python, "-I", "-m", "pytest", "-W", "error", "--rootdir", outside, tried, external=True)


@nox.session
def browser(session: nox.Session) -> None:
    """Try our cookies in Chromium, where there is one."""
    install(session, "tests", "browser")
    session.run("pytest", *(session.posargs or ["tests/browser"]))


@nox.session
def demo(session: nox.Session) -> None:
    """Run three servers, one in each framework, that share a session; with ``-- --check`` try them and exit."""
    served = any(name in option for option in session.posargs for name in ("redis", "postgres"))
    install(session, *(["servers"] if served else []))
    session.run("python", "-m", "demo", *session.posargs)


@nox.session
def demo_check(session: nox.Session) -> None:
    """Try the demo over HTTP, in each store, and once over HTTPS."""
    install(session, "servers")
    for store in ("cookie", "memory", "sqlite", "redis", "postgres"):
        session.run("python", "-m", "demo", "--check", "--store", store)
    session.run("python", "-m", "demo", "--check", "--store", "sqlite", "--https")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure holdall beside its peers; ``-- --quick`` for a first look, ``-- --help`` for what else there is."""
    install(session, "bench")
    session.run("python", "-m", "bench", *session.posargs)


@nox.session
def peers(session: nox.Session) -> None:
    """Run the frameworks' own tests with our sessions, or those of the frameworks that are named (``-- django``)."""
    run_peers(session, *session.posargs)


@nox.session
def peers_quick(session: nox.Session) -> None:
    """Run Flask's and Starlette's own tests with our sessions. Django's take ten times as long."""
    run_peers(session, "flask", "starlette")


def run_peers(session: nox.Session, *frameworks: str) -> None:
    session.install("-c", CONSTRAINTS, *CHECKOUT)
    # These tests are not ours, and neither are the versions that they go with.
    session.install("-r", "peers/requirements.txt")
    session.run("python", "-m", "peers", "--sources", str(session.cache_dir / "peers"), *frameworks)


def install(session: nox.Session, *groups: str) -> None:
    """Install our packages from the checkout, what the demo needs, and what *groups* of the workspace name."""
    session.install("-c", CONSTRAINTS, *CHECKOUT, "-r", DEMO, *dependency_groups(WORKSPACE, *groups))


def install_oldest(session: nox.Session, packages: list[str]) -> None:
    """Install our packages with the oldest versions that *packages* ask for, and what the tests need."""
    tests = dependency_groups(WORKSPACE, "tests")
    session.install("-c", CONSTRAINTS, *tests)
    needed = [Requirement(text) for package in packages for text in _needed(PROJECTS[package]["project"])]
    pins = [f"{each.name}=={bound.version}" for each in needed for bound in each.specifier if bound.operator == ">="]
    # What the tests ask for of these besides, such as a driver's binary, goes with the version.
    besides = [text for text in tests if Requirement(text).name in {each.name for each in needed}]
    # What these ask for in turn is theirs to say: our constraints are for the newest.
    session.install(*CHECKOUT, *pins, *besides)


def _needed(project: dict[str, Any]) -> Iterable[str]:
    return chain(project["dependencies"], *project.get("optional-dependencies", {}).values())
