"""Imported first by SQLAlchemy's tests, which are skipped if SQLAlchemy or a driver has no binary."""

import pytest

for needed in ("sqlalchemy", "greenlet", "aiosqlite", "asyncmy"):
    pytest.importorskip(needed)
