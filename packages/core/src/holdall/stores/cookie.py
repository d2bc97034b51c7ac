"""Sessions kept in the browser: the cookie holds all there is, sealed by a format."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

from holdall.clock import Clock, time_limit, utc_now
from holdall.cookies import MAX_COOKIE_BYTES
from holdall.errors import ConfigurationError
from holdall.formats.contract import Format, Record
from holdall.stores.contract import ForeignSession, NotFound, StoredSession, Write

__all__ = ["CookieStore"]

_UNREADABLE = NotFound("unreadable")


class CookieStore:
    """
    A store that keeps each session in its cookie, and nothing on the server.

    What it cannot do follows from that: concurrent requests all start from the cookie that the browser sent, and the
    last response wins; a copied cookie stays valid until it expires.

    Args:
        format: Writes every cookie, and reads its own.
        also_read: Formats that are read too: old secrets, other libraries. A session that one of them opened is written
            by *format* with its next write.
        rewrite_on: ``"read"`` writes it as soon as the session is used.
        read_old_until: From then on only *format* is read; a ``datetime`` with its time zone.
    """

    def __init__(
        self,
        format: Format,
        *,
        also_read: Iterable[Format] = (),
        rewrite_on: Literal["write", "read"] = "write",
        read_old_until: datetime | None = None,
        clock: Clock = utc_now,
    ) -> None:
        if rewrite_on not in ("write", "read"):
            msg = f"rewrite_on={rewrite_on!r} is neither 'write' nor 'read'."
            raise ConfigurationError(msg)
        self.format = format
        self.also_read = tuple(also_read)
        self.check = getattr(format, "check", None)
        self._rewrite_on_read = rewrite_on == "read"
        self._read_old_until = time_limit("read_old_until", read_old_until)
        self._clock = clock

    def get(self, cookie: str, *, key: str) -> StoredSession | NotFound:
        # None of ours was ever longer, so an oversized cookie is not worth decrypting.
        if len(cookie) > MAX_COOKIE_BYTES:
            return _UNREADABLE
        record = self.format.open(cookie, key=key)
        if record is not None:
            return _stored(cookie, record)
        if not self.also_read or self._clock() >= self._read_old_until:
            return _UNREADABLE
        for format in self.also_read:
            record = format.open(cookie, key=key)
            if record is not None:
                return ForeignSession(_stored(cookie, record), _name(format), rewrite=self._rewrite_on_read)
        return _UNREADABLE

    def put(self, stored: StoredSession | None, write: Write, *, key: str) -> StoredSession:
        log_id = stored.log_id if stored else os.urandom(8).hex()
        created, expires = datetime.fromtimestamp(write.created, UTC), datetime.fromtimestamp(write.expires, UTC)
        cookie = self.format.seal(Record(write.data, created, expires, log_id), key=key)
        return StoredSession(cookie, write.data, write.created, write.expires, log_id)

    def delete(self, stored: StoredSession, *, key: str, superseded_until: int | None = None) -> StoredSession:
        """Return *stored*: nothing is kept here that could be deleted."""
        return stored


def _stored(cookie: str, record: Record) -> StoredSession:
    return StoredSession(
        cookie, record.data, int(record.created.timestamp()), int(record.expires.timestamp()), record.log_id
    )


def _name(format: Format) -> str:
    name: str = getattr(format, "name", type(format).__name__)
    return name
