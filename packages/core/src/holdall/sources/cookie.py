"""Migrate sessions from cookies, another library's or our own, into a table."""

from datetime import UTC, datetime

from holdall._cookies import MAX_COOKIE_BYTES
from holdall.formats import Format
from holdall.sources._contract import Entry

__all__ = ["CookieSource"]


class CookieSource:
    """
    A source of sessions in cookies of a *format*.

    Cookies cannot be deleted here. As long as the old one would open, the table remembers that its session has moved.

    Args:
        key: The name that the cookies were made for, because some formats open them under no other.
    """

    def __init__(self, format: Format, *, key: str) -> None:
        self.name: str = getattr(format, "name", "cookie")
        self._format = format
        #: Whether such a cookie may have alternated between several names.
        self.reads_generations = bool(getattr(format, "keeps_generations", False))
        self._key = key

    def matches(self, cookie: str) -> bool:
        return len(cookie) <= MAX_COOKIE_BYTES

    def read(self, cookie: str) -> Entry | None:
        record = self._format.open(cookie, key=self._key)
        if record is None:
            return None
        return Entry(record.data, *(datetime.fromtimestamp(each, UTC) for each in (record.expires, record.created)))

    def delete(self, cookie: str) -> None:
        """Do nothing: the browser gets another cookie instead."""
