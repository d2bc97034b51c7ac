"""The source distributions of the frameworks: tests are in these, and not in what pip installs."""

import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

__all__ = ["source_of"]


def source_of(framework: str, folder: Path) -> Path:
    """Return the unpacked source of *framework*, in the version that is installed, downloaded into *folder* once."""
    name = f"{framework}-{version(framework)}"
    archive = folder / f"{name}.tar.gz"
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # Of what builds it pip may take wheels.
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        wanted = ["--no-binary", framework, f"{framework}=={version(framework)}", "--dest", str(folder)]
        subprocess.run([*pip, *wanted], check=True)  # noqa: S603  # our own command
    source = folder / name
    if not source.exists():
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
    return source
