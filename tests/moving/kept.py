"""Another library's sessions, kept in a dict."""

from datetime import timedelta
from typing import Any

from holdall._clock import Clock
from holdall.sources import Entry, Refused

__all__ = ["OLD_COOKIE", "AsyncKept", "Kept"]

OLD_COOKIE = "old-0123456789abcdef"


class Kept:
    """A source of sessions."""

    name = "kept"
    blocking_reads = blocking_writes = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.entries: dict[str, Entry | Refused] = {}
        self.asked: list[str] = []

    def put(self, data: dict[str, Any], *, cookie: str = OLD_COOKIE, lives: timedelta = timedelta(days=3)) -> str:
        """Store *data*, and return its cookie."""
        self.entries[cookie] = Entry(data, self._clock() + lives)
        return cookie

    def matches(self, cookie: str) -> bool:
        return cookie.startswith("old-")

    def read(self, cookie: str) -> Entry | Refused | None:
        self.asked.append(cookie)
        return self.entries.get(cookie)

    def delete(self, cookie: str) -> None:
        self.entries.pop(cookie, None)


class AsyncKept:
    """The same as an async source."""

    def __init__(self, kept: Kept) -> None:
        self.name, self.matches = kept.name, kept.matches
        self._kept = kept

    async def read(self, cookie: str) -> Entry | Refused | None:
        return self._kept.read(cookie)

    async def delete(self, cookie: str) -> None:
        self._kept.delete(cookie)
