"""A Django project made by ``django-admin startproject``, with a page's blocks pasted at the ends of its files."""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

__all__ = ["pasted", "startproject"]


@cache
def startproject(name: str = "shop") -> Mapping[str, str]:
    """Return the files of a new project called *name*."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "django", "startproject", name, "."]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        files = {
            path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in Path(folder).rglob("*.py")
        }
    # Django 6.1 begins with a mailer for development, which `check --deploy` refuses; a real project has changed it by
    # then.
    settings = f"{name}/settings.py"
    files[settings] = files[settings].replace("mail.backends.console.", "mail.backends.smtp.")
    return files


def pasted(blocks: Mapping[str, str]) -> dict[str, str]:
    """Return *blocks* as files; a block for one of the project's files is appended to it."""
    if not any(name.startswith("shop/") for name in blocks):
        return dict(blocks)
    files = dict(startproject())
    for name, source in blocks.items():
        files[name] = f"{files.get(name, '')}\n\n{source}" if name in files else source
    return files
