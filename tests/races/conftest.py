"""Databases of Django projects, used by several processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from servers.postgres import PostgresServer
from tables.django_databases import migrated, of_postgres, of_sqlite


@pytest.fixture
def django_on_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with in_projects(of_sqlite(tmp_path / "db.sqlite3"), tmp_path, monkeypatch) as url:
        yield url


@pytest.fixture
def django_on_postgres(postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with in_projects(of_postgres(postgres.new_url()), tmp_path, monkeypatch) as url:
        yield url


@contextmanager
def in_projects(database: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Make *database* the database of a Django project, which each process sets up for itself."""
    databases = {"default": {}, "races": database}
    (folder / "races_settings.py").write_text(
        f"INSTALLED_APPS = ['holdall_django']\nDATABASES = {databases!r}\n", encoding="utf-8"
    )
    with migrated("races", database) as alias:
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "races_settings")
        yield f"django://{alias}"
