"""
Cut a release into a folder: packages, checksums, a bill of materials. Nothing is published.

``nox -s release`` builds the version that the checkout has; ``nox -s release -- 0.2.0`` first writes that version into
the packages, and today's date into the changelog. Everything is built twice from a copy of the tracked files and
compared byte by byte, so that anyone can build the same files from the tag.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["PACKAGES", "PLACEHOLDER", "bump", "give_addresses", "main"]

ROOT = Path(__file__).parent
PACKAGES = ("core", "flask_adapter", "fastapi_adapter", "django_adapter")

#: The placeholder in the checkout for the address of the project's pages.
PLACEHOLDER = "https://holdall.example"
_VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")


def main(arguments: Sequence[str] | None = None) -> None:
    """Cut a release as the command line asks."""
    parser = argparse.ArgumentParser("nox -s release --", description=(__doc__ or "").strip().partition("\n")[0])
    parser.add_argument("version", nargs="?", help="the new version, such as 0.2.0; by default that of the checkout")
    parser.add_argument("--home", default=PLACEHOLDER, help="the address of the project's pages, such as https://…")
    parser.add_argument("--into", type=Path, default=ROOT / "dist", help="the folder to write the files to")
    options = parser.parse_args(arguments)
    if options.version is not None:
        bump(ROOT, options.version, datetime.now(UTC).date().isoformat())
    shutil.rmtree(options.into, ignore_errors=True)
    options.into.mkdir(parents=True)
    built = [_build(options.home.rstrip("/")) for _ in range(2)]
    if built[0] != built[1]:
        differing = sorted(name for name in built[0] if built[0][name] != built[1].get(name))
        parser.exit(1, f"two builds of the same files differ: {', '.join(differing)}\n")
    for name, content in built[0].items():
        (options.into / name).write_bytes(content)
    _run("twine", "check", "--strict", *(str(options.into / name) for name in built[0]))
    _describe(options.into)
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(built[0].items()))
    (options.into / "SHA256SUMS").write_text(sums, encoding="utf-8")
    print(sums, end="")


def bump(root: Path, version: str, date: str) -> None:
    """
    Write *version* into the packages below *root*, and with *date* into the changelog.

    Raises:
        SystemExit: *version* is not a valid version, or the changelog has no unreleased section.
    """
    if not _VERSION.fullmatch(version):
        sys.exit(f"{version!r} is not a valid version, such as 0.2.0 or 0.2.0rc1")
    changelog = root / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    released = re.sub(r"^## \S+ \(unreleased\)$", f"## {version} ({date})", text, count=1, flags=re.MULTILINE)
    if released == text:
        sys.exit("the changelog has no heading such as '## 0.2.0 (unreleased)': describe the changes first")
    changelog.write_text(released, encoding="utf-8")
    for package in PACKAGES:
        project = root / "packages" / package / "pyproject.toml"
        text = project.read_text(encoding="utf-8")
        text = re.sub(r'^version = ".*"$', f'version = "{version}"', text, count=1, flags=re.MULTILINE)
        text = re.sub(r'"(holdall(?:\[\w+\])?)==[^"]*"', rf'"\1=={version}"', text)
        project.write_text(text, encoding="utf-8")


def _build(home: str) -> dict[str, bytes]:
    """Build every package from a fresh copy of the tracked files, and return the files by name."""
    with TemporaryDirectory() as folder:
        copy, built = Path(folder, "copy"), Path(folder, "built")
        listed = _run("git", "ls-files", "-z", "--", "packages", "docs", cwd=ROOT)
        for name in filter(None, listed.split("\0")):
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
        for package in PACKAGES:
            source = copy / "packages" / package
            give_addresses(source, home)
            _run(sys.executable, "-m", "build", "--outdir", str(built), str(source))
        return {path.name: path.read_bytes() for path in sorted(built.iterdir())}


def give_addresses(package: Path, home: str) -> None:
    """Replace addresses in a *package*'s metadata and README so that they work from an index page."""
    for name in ("pyproject.toml", "README.md"):
        path = package / name
        text = path.read_text(encoding="utf-8").replace("](../../", f"]({PLACEHOLDER}/source/")
        path.write_text(text.replace(PLACEHOLDER, home), encoding="utf-8")


def _describe(into: Path) -> None:
    """Write a bill of materials (CycloneDX) for an environment with the packages and their dependencies."""
    with TemporaryDirectory() as folder:
        _run(sys.executable, "-m", "venv", folder)
        python = next(
            path for path in (Path(folder, "bin/python"), Path(folder, "Scripts/python.exe")) if path.exists()
        )
        _run(str(python), "-m", "pip", "install", "-q", *(str(wheel) for wheel in into.glob("*.whl")))
        bill = _run("cyclonedx-py", "environment", "--output-format", "JSON", str(python))
    # Leave out the time and place of the build, which differ each time.
    described = json.loads(bill)
    described.pop("serialNumber", None)
    described.get("metadata", {}).pop("timestamp", None)
    for component in described["components"]:
        component["externalReferences"] = [
            each for each in component.get("externalReferences", ()) if not each["url"].startswith("file:")
        ]
    (into / "holdall.cdx.json").write_text(json.dumps(described, indent=1, sort_keys=True), encoding="utf-8")


def _run(*command: str, cwd: Path | None = None) -> str:
    # Archives contain their files' times, so every build uses the time of the last commit.
    epoch = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command[:4])} … failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
