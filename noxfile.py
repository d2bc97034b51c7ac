"""
Every check of the repository by its name: ``nox`` runs those in ``nox.options.sessions``, ``nox -l`` lists all.

Each session makes an environment of its own, installs what it needs in the versions of ``constraints.txt``, and runs one tool.
"""

import sys
from pathlib import Path

import nox
from nox.project import dependency_groups, load_toml, python_versions
from packaging.requirements import Requirement

nox.needs_version = ">=2026.7.11"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "typing", "tests", "lowest", "wheels", "demo_check"]
# Pythons that are not there are skipped with a line that says so, on a CI machine too; none is downloaded.
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"

ROOT = Path(__file__).parent
CONSTRAINTS = ROOT / "constraints.txt"
WORKSPACE = load_toml(ROOT / "pyproject.toml")
PACKAGES = [ROOT / "packages" / name for name in ("core", "flask_adapter", "fastapi_adapter", "django_adapter")]
PROJECTS = {folder: load_toml(folder / "pyproject.toml") for folder in PACKAGES}

# The Python that runs this file is always there, so that at least one runs the tests.
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
# 3.14 is not promised yet, but shall not surprise us.
PYTHONS = sorted({*python_versions(PROJECTS[PACKAGES[0]]), "3.14", "3.14t", RUNNING}, key=lambda v: (len(v), v))


@nox.session(python=PYTHONS)
@nox.parametrize("frameworks", ["newest", "oldest"])
def tests(session: nox.Session, frameworks: str) -> None:
    """Run all tests with the newest frameworks, and those of the adapters with the oldest ones we promise."""
    if frameworks == "newest":
        install(session, "tests")
        session.run("coverage", "run", "-m", "pytest", *session.posargs)
        if not session.posargs:
            session.run("coverage", "report")
    else:
        install_oldest(session, PACKAGES[1:])
        session.run("pytest", "tests/adapters", *session.posargs)


@nox.session
def lowest(session: nox.Session) -> None:
    """Run all tests with the oldest version of everything that a package asks for."""
    install_oldest(session, PACKAGES)
    session.run("pytest", *session.posargs)


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types with mypy and with pyright (as basedpyright, which pip installs whole)."""
    install(session, "tests", "typing", "demo")
    session.run("mypy")
    session.run("basedpyright")


@nox.session
def lint(session: nox.Session) -> None:
    """Look for mistakes and for odd formatting with ruff."""
    session.install("-c", CONSTRAINTS, *dependency_groups(WORKSPACE, "lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def wheels(session: nox.Session) -> None:
    """Build every package, install the wheels outside of the checkout and try them there."""
    outside = Path(session.create_tmp()).resolve()
    session.install("-c", CONSTRAINTS, *dependency_groups(WORKSPACE, "build"))
    built = outside / "dist"
    for package in PACKAGES:
        session.run("python", "-m", "build", "--outdir", built, package, silent=True)

    session.run("python", "-m", "venv", "--clear", outside / "venv")
    python = outside / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    needed = dependency_groups(WORKSPACE, "conformance")
    session.run(python, "-m", "pip", "install", "-q", "-c", CONSTRAINTS, *built.glob("*.whl"), *needed, external=True)
    tried = outside / "test_installed.py"
    tried.write_text((ROOT / "tests" / "installed" / tried.name).read_text())
    session.chdir(outside)
    session.run(python, "-I", "-W", "error", "-m", "pytest", "--rootdir", outside, tried, external=True)


@nox.session
def demo(session: nox.Session) -> None:
    """Run three servers, one in each framework, that share a session; ``-- --check`` tries them and exits."""
    run_demo(session, *session.posargs)


@nox.session
def demo_check(session: nox.Session) -> None:
    """Try the demo over HTTP, with a cookie and with a table."""
    run_demo(session, "--check")
    run_demo(session, "--check", "--store", "memory")


def run_demo(session: nox.Session, *options: str) -> None:
    install(session, "demo")
    session.run("python", "-m", "demo", *options)


def install(session: nox.Session, *groups: str) -> None:
    """Install our packages from the checkout, and what *groups* of the workspace name."""
    session.install("-c", CONSTRAINTS, *editable(), *dependency_groups(WORKSPACE, *groups))


def install_oldest(session: nox.Session, packages: list[Path]) -> None:
    """Do the same for the tests, with the oldest versions that *packages* ask for."""
    oldest = {}
    for package in packages:
        for needed in map(Requirement, PROJECTS[package]["project"]["dependencies"]):
            oldest |= {needed.name.lower(): bound.version for bound in needed.specifier if bound.operator == ">="}
    newest = CONSTRAINTS.read_text().splitlines()
    pins = [line for line in newest if line.partition("==")[0] not in oldest]
    pins += [f"{name}=={version}" for name, version in oldest.items()]
    constraints = Path(session.create_tmp()) / "oldest.txt"
    constraints.write_text("\n".join(pins))
    session.install("-c", constraints, *editable(), *dependency_groups(WORKSPACE, "tests"))


def editable() -> list[str]:
    return [option for package in PACKAGES for option in ("-e", str(package))]
