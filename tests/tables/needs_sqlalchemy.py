"""Imported first by tests of SQLAlchemy, which are skipped where it or a driver has no binary."""

import pytest

for needed in ("sqlalchemy", "greenlet", "aiosqlite", "asyncmy"):
    pytest.importorskip(needed)
