"""Download the frameworks' source distributions, because the packages that pip installs lack the tests."""

import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

__all__ = ["source_of"]


def source_of(framework: str, folder: Path) -> Path:
    """Return the unpacked source of the installed version of *framework*, downloaded into *folder* once."""
    name = f"{framework}-{version(framework)}"
    archive = folder / f"{name}.tar.gz"
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # Build requirements may still come as wheels.
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        wanted = ["--no-binary", framework, f"{framework}=={version(framework)}", "--dest", str(folder)]
        subprocess.run([*pip, *wanted], check=True)  # noqa: S603  # our own command
    source = folder / name
    if not source.exists():
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
    return source
