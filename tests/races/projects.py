"""A database of a Django project, used by several processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tables.django_databases import migrated

__all__ = ["in_projects"]


@contextmanager
def in_projects(database: dict[str, Any], folder: Path) -> Iterator[str]:
    """Make *database* the database of a Django project, which each process sets up for itself."""
    databases = {"default": {}, "races": database}
    (folder / "races_settings.py").write_text(
        f"INSTALLED_APPS = ['holdall_django']\nDATABASES = {databases!r}\n", encoding="utf-8"
    )
    with migrated("races", database) as alias, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "races_settings")
        yield f"django://{alias}"
