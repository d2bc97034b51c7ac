"""Sessions kept in the browser: the cookie holds all there is, sealed by a format."""

import os
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from holdall.clock import Clock, time_limit, utc_now
from holdall.cookies import MAX_COOKIE_BYTES
from holdall.errors import ConfigurationError
from holdall.formats.contract import Format, Record
from holdall.stores.contract import Draft, Missing, Stored

__all__ = ["CookieStore"]

_UNREADABLE = Missing("unreadable")


class CookieStore:
    """
    A store that keeps each session in its cookie, and nothing on the server.

    What it can't do follows from that: two requests at the same time both start from the cookie that the browser
    sent, and the later answer stands; a cookie that was copied stays good until it expires.

    Args:
        format: Writes every cookie, and reads its own.
        also_read: Formats that are read too: former secrets, other libraries. What one of them opened is written
            by *format* at the next write.
        upgrade: ``"read"`` writes it at once, when the session is used.
        read_old_until: From this time on only *format* is read; aware of its time zone.
    """

    def __init__(
        self,
        format: Format,
        *,
        also_read: Iterable[Format] = (),
        upgrade: Literal["write", "read"] = "write",
        read_old_until: datetime | None = None,
        clock: Clock = utc_now,
    ) -> None:
        if upgrade not in ("write", "read"):
            msg = f"upgrade={upgrade!r} is neither 'write' nor 'read'."
            raise ConfigurationError(msg)
        self.format = format
        self.also_read = tuple(also_read)
        self.check = getattr(format, "check", None)
        self._upgrade_on_read = upgrade == "read"
        self._read_old_until = time_limit("read_old_until", read_old_until)
        self._clock = clock

    def get(self, cookie: str, *, key: str) -> Stored | Missing:
        # None of ours was ever longer, so nobody makes us decrypt it.
        if len(cookie) > MAX_COOKIE_BYTES:
            return _UNREADABLE
        record = self.format.open(cookie, key=key)
        if record is not None:
            return Stored(cookie, *record)
        if not self.also_read or self._clock() >= self._read_old_until:
            return _UNREADABLE
        for format in self.also_read:
            record = format.open(cookie, key=key)
            if record is not None:
                return Stored(cookie, *record, rewrite=self._upgrade_on_read, origin=_name(format))
        return _UNREADABLE

    def put(self, stored: Stored | None, draft: Draft, *, key: str) -> Stored:
        log_id = stored.log_id if stored else os.urandom(8).hex()
        record = Record(draft.data, draft.created, draft.expires, log_id)
        return Stored(self.format.seal(record, key=key), *record)

    def delete(self, stored: Stored, *, key: str, tombstone: datetime | None = None) -> Stored:
        """Return *stored*: there is nothing here to delete, and what the browser does is beyond us."""
        return stored


def _name(format: Format) -> str:
    name: str = getattr(format, "name", type(format).__name__)
    return name
