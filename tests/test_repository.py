"""The repository as a whole: its packages agree, and no file names the machine that it was made on."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("core", "flask_adapter", "fastapi_adapter", "django_adapter")
PROJECTS: dict[str, dict[str, Any]] = {
    folder: tomllib.loads((ROOT / "packages" / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for folder in FOLDERS
}
ADAPTERS = FOLDERS[1:]

REGISTRY = re.compile(r"pythonhosted\.org|\bpypi\.org|registry\.npmjs\.org")
MACHINE = re.compile(r"(?<![\w.:/-])/(root|work|home|Users)/[A-Za-z.]")

every_package = pytest.mark.parametrize("folder", FOLDERS)
every_adapter = pytest.mark.parametrize("folder", ADAPTERS)


def tracked_files() -> list[Path]:
    git = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if git.returncode != 0:
        pytest.skip("this is not a checkout, so there is no list of its files")
    return [ROOT / name for name in git.stdout.split("\0") if name and (ROOT / name).is_file()]


def modules_after(statement: str) -> set[str]:
    """Return the names of the modules that a fresh interpreter has loaded after *statement*."""
    probe = f"import sys; {statement}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.split())


@every_package
def test_all_packages_have_one_version(folder: str) -> None:
    assert PROJECTS[folder]["version"] == PROJECTS["core"]["version"]


def test_the_changelog_begins_with_that_version() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert headings[0] == PROJECTS["core"]["version"]


@every_adapter
def test_an_adapter_requires_the_core_in_its_own_version(folder: str) -> None:
    assert f"holdall=={PROJECTS['core']['version']}" in PROJECTS[folder]["dependencies"]


@every_package
def test_every_other_requirement_has_an_oldest_version(folder: str) -> None:
    others = [needed for needed in PROJECTS[folder]["dependencies"] if not needed.startswith("holdall")]

    assert others
    assert [needed for needed in others if not re.fullmatch(r"[\w-]+>=[\d.]+(,<[\d.]+)?", needed)] == []


@every_package
def test_a_package_is_typed_licensed_and_described(folder: str) -> None:
    package = ROOT / "packages" / folder
    (imported,) = (path for path in (package / "src").iterdir() if path.name.startswith("holdall"))

    assert (imported / "py.typed").is_file()
    assert (package / "LICENSE").read_text(encoding="utf-8") == (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert (package / "README.md").read_text(encoding="utf-8").startswith(f"# {PROJECTS[folder]['name']}\n")


@every_package
def test_a_packages_metadata_is_complete(folder: str) -> None:
    project = PROJECTS[folder]

    assert project["readme"] == "README.md"
    assert project["license"] == "MIT"
    assert project["license-files"] == ["LICENSE"]
    assert project["requires-python"] == PROJECTS["core"]["requires-python"]
    assert {"authors", "classifiers", "description", "keywords"} <= project.keys()
    assert "Typing :: Typed" in project["classifiers"]


def test_the_constraints_are_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    constraint = re.compile(r'[a-z0-9.-]+==[\w.]+(; python_version [<>=]+ "3\.\d+")?')

    assert [line for line in lines if not constraint.fullmatch(line)] == []


@pytest.mark.parametrize("forbidden", [REGISTRY, MACHINE], ids=["a package registry", "a machine's folders"])
def test_no_file_names(forbidden: re.Pattern[str]) -> None:
    found = []
    for path in tracked_files():
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in forbidden.finditer(text)]

    assert found == []


def test_the_core_imports_no_framework_and_no_driver() -> None:
    loaded = modules_after("import holdall, holdall.formats, holdall.tables")

    assert "holdall._sessions" in loaded
    assert {"flask", "werkzeug", "starlette", "fastapi", "django", "redis", "psycopg", "pytest"}.isdisjoint(loaded)


def test_an_adapter_imports_no_other_framework() -> None:
    frameworks = {"flask", "starlette", "django"}

    assert modules_after("import holdall_flask") & frameworks == {"flask"}
    assert modules_after("import holdall_fastapi") & frameworks == {"starlette"}
    assert modules_after("import holdall_django") & frameworks == {"django"}


@every_adapter
def test_an_adapter_uses_only_the_cores_public_names(folder: str) -> None:
    private = re.compile(r"^\s*from holdall\b.*\b_\w+.*", re.MULTILINE)
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "packages" / folder / "src").rglob("*.py"))

    assert [line for text in sources for line in private.findall(text)] == []
