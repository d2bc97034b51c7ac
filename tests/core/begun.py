"""What several tests start with: a stored session, and a table that lets something happen between two steps."""

from collections.abc import Callable
from typing import Any

from holdall import MemoryTable, Sessions
from holdall.tables import Replacement, Row

__all__ = ["InterruptedTable", "begin"]


def begin(sessions: Sessions, **data: Any) -> str:
    """Store a session with this *data*, and return its cookie's value."""
    session = sessions.fetch()
    session.update(data)
    cookie = sessions.commit(session).cookie
    assert cookie is not None
    return cookie


class InterruptedTable(MemoryTable):
    """A table in memory that runs a function before it replaces a row."""

    before: Callable[[], object] = bool

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        before, self.before = self.before, bool
        before()
        return super().replace(digest, row, version=version)
