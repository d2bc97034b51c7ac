"""Test that a release writes its version and addresses into the packages; ``nox -s release`` builds them."""

import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

import release

ROOT = Path(__file__).parents[1]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the files that a release changes."""
    for name in ("CHANGELOG.md", *(f"packages/{each}/{file}" for each in release.PACKAGES for file in FILES)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


FILES = ("pyproject.toml", "README.md")


def project_in(copy: Path, package: str) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((copy / "packages" / package / "pyproject.toml").read_text())["project"]
    return project


def test_the_version_reaches_every_package_and_the_changelog(copy: Path) -> None:
    release.bump(copy, "7.8.9", "2031-02-03")

    projects = [project_in(copy, each) for each in release.PACKAGES]
    assert {each["version"] for each in projects} == {"7.8.9"}
    ours = [
        needed
        for each in projects[1:]
        for needed in (
            *each["dependencies"],
            *(text for texts in each["optional-dependencies"].values() for text in texts),
        )
        if needed.startswith("holdall")
    ]
    assert len(ours) > len(projects)
    assert [needed for needed in ours if not needed.endswith("==7.8.9")] == []
    assert "\n## 7.8.9 (2031-02-03)\n" in (copy / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("version", ["", "1", "v1.0.0", "1.0.0-beta"])
def test_an_invalid_version_is_refused(version: str, copy: Path) -> None:
    with pytest.raises(SystemExit, match="is not a valid version"):
        release.bump(copy, version, "2031-02-03")


def test_a_release_without_an_entry_in_the_changelog_is_refused(copy: Path) -> None:
    release.bump(copy, "7.8.9", "2031-02-03")

    with pytest.raises(SystemExit, match="describe the changes first"):
        release.bump(copy, "7.9.0", "2031-03-04")


@pytest.mark.parametrize("package", release.PACKAGES)
def test_what_an_index_page_shows_links_to_the_project(package: str, copy: Path) -> None:
    release.give_addresses(copy / "packages" / package, "https://somewhere.example/holdall")

    readme = (copy / "packages" / package / "README.md").read_text()
    assert "](.." not in readme
    assert release.PLACEHOLDER not in readme
    addresses = project_in(copy, package)["urls"]
    assert {"Changelog", "Documentation", "Issues", "Source"} == addresses.keys()
    assert all(each.startswith("https://somewhere.example/holdall/") for each in addresses.values())
