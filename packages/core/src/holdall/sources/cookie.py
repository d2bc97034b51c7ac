"""Sessions that cookies hold, another library's or our own, to be kept in a table from now on."""

from datetime import UTC, datetime

from holdall.cookies import MAX_COOKIE_BYTES
from holdall.formats import Format
from holdall.sources.contract import Entry

__all__ = ["CookieSource"]


class CookieSource:
    """
    Sessions that cookies hold in a *format*.

    A cookie can't be deleted here. As long as the old one opens, the table remembers that its session has moved.

    Args:
        key: The name that the cookies were made under, which may not be today's: some formats open under no other.
    """

    def __init__(self, format: Format, *, key: str) -> None:
        self.name: str = getattr(format, "name", "cookie")
        self._format = format
        #: Whether such a cookie took turns among several names.
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
        """Do nothing: the browser gets another cookie in its place."""
