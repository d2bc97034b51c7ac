"""Keep sessions in the browser: the cookie contains the whole session, sealed by a format."""

import os
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Literal

from holdall._clock import FOREVER, Clock, time_limit, utc_now
from holdall._cookies import MAX_COOKIE_BYTES
from holdall._errors import ConfigurationError
from holdall.formats._contract import Format, Record, record_of
from holdall.stores._contract import ForeignSession, NotFound, StoredSession, Write
from holdall.stores._generations import LINE_BYTES, LOGIN, LOGOUT, RENEWAL, Apart, line_after, lines_of

__all__ = ["CookieStore"]

_UNREADABLE = NotFound("unreadable")


class CookieStore:
    """
    A store that keeps each session in its cookie, and nothing on the server.

    This has limits. Concurrent requests all start from the cookie that the browser sent, and the last response wins
    among their plain writes; a copied cookie stays valid until it expires. A late response cannot undo a login, logout
    or renewal if *format* supports generations, which alternate between several cookie names.

    Args:
        format: The format that writes every cookie.
        also_read: Additional formats to read: old secrets, other libraries. The next write of a session that was read
            in one of them uses *format*.
        rewrite_on: ``"read"`` writes such a session in *format* as soon as it is used.
        read_old_until: The time from which only *format* is read; a ``datetime`` with its time zone.
        generations: ``False`` keeps the cookie under a single name, if other software must know it; a late response can
            then also undo a login or a logout.
    """

    def __init__(
        self,
        format: Format,
        *,
        also_read: Iterable[Format] = (),
        rewrite_on: Literal["write", "read"] = "write",
        read_old_until: datetime | None = None,
        generations: bool = True,
        clock: Clock = utc_now,
    ) -> None:
        if rewrite_on not in ("write", "read"):
            msg = f"rewrite_on={rewrite_on!r} is neither 'write' nor 'read'."
            raise ConfigurationError(msg)
        self.format = format
        self.also_read = tuple(also_read)
        self.check = getattr(format, "check", None)
        #: Whether a session's cookie alternates between several names.
        self.keeps_generations = generations and bool(getattr(format, "keeps_generations", False))
        #: Whether such cookies may have been written before.
        self.reads_generations = any(getattr(each, "keeps_generations", False) for each in (format, *self.also_read))
        # The generation of a cookie under a single name, if the format stores one.
        self._only_generation = 0 if getattr(format, "keeps_generations", False) else None
        if self.keeps_generations:
            self.renew, self.mark_ended = self._renew, self._mark_ended
        self._rewrite_on_read = rewrite_on == "read"
        self._read_old_until = time_limit("read_old_until", read_old_until)
        self._clock = clock

    def get(self, cookie: str, *, key: str) -> StoredSession | NotFound:
        # Our cookies are never longer, so an oversized one is not worth decrypting.
        if len(cookie) > MAX_COOKIE_BYTES:
            return _UNREADABLE
        record = self.format.open(cookie, key=key)
        if record is not None:
            return SealedSession(cookie, record)
        if not self.also_read or self._clock() >= self._read_old_until:
            return _UNREADABLE
        for format in self.also_read:
            record = format.open(cookie, key=key)
            if record is not None:
                return ForeignSession(SealedSession(cookie, record), _name(format), rewrite=self._rewrite_on_read)
        return _UNREADABLE

    def put(self, stored: StoredSession | None, write: Write, *, key: str) -> StoredSession:
        if stored is None or stored.ended:
            stored = _begun(stored, logs_in=write.principal is not None)
        generation, lines = self._only_generation, b""
        if self.keeps_generations:
            generation, lines = stored.generation or 0, stored.lines or lines_of(stored)
        record = record_of((write.data, write.created, write.expires, stored.log_id, generation, lines, False))
        return SealedSession(self.format.seal(record, key=key), record)

    def delete(self, stored: StoredSession, *, key: str, superseded_until: int | None = None) -> StoredSession:
        """Return *stored*, because the server keeps nothing that could be deleted."""
        return stored

    def _renew(
        self,
        stored: StoredSession,
        make_write: Callable[[StoredSession], Write],
        *,
        key: str,
        until: int,
        followed: bool,
    ) -> StoredSession:
        write = make_write(stored)
        if write.logs_in or (not followed and write.principal is not None):
            return self.put(_after(stored, LOGIN, line=os.urandom(LINE_BYTES)), write, key=key)
        return self.put(_after(stored, RENEWAL if followed else LOGOUT), write, key=key)

    def _mark_ended(self, stored: StoredSession, *, key: str) -> StoredSession:
        # Only the browser's copy of the marker expires, because the marker opens nothing.
        generation, lines = (stored.generation or 0) + LOGOUT, lines_of(stored)
        record = Record({}, stored.created, FOREVER, stored.log_id, generation, lines, ended=True)
        return SealedSession(self.format.seal(record, key=key), record)


class SealedSession(StoredSession):
    """A session in its cookie, which alternates between several names if its format supports generations."""

    __slots__ = ("ended", "generation", "lines")

    def __init__(self, cookie: str, record: Record) -> None:
        self.cookie = cookie
        self.data, self.created, self.expires, self.log_id, self.generation, self.lines, self.ended = record
        self.version = None


def _begun(ended: StoredSession | None, *, logs_in: bool) -> StoredSession:
    """Return the place of a new session, following one that has *ended* if the browser has its marker."""
    line = os.urandom(LINE_BYTES)
    before = ended or SealedSession("", Record({}, 0, 0, "", 0, b"" if logs_in else line))
    if logs_in:
        return _after(before, LOGIN, line=line)
    return _after(before, before.stride if isinstance(before, Apart) else 0)


def _after(stored: StoredSession, stride: int, *, line: bytes = b"") -> StoredSession:
    """Return the place of the session that follows *stored*, in a new *line* if one is given."""
    lines = line_after(stored, line) if line else lines_of(stored)
    generation = (stored.generation or 0) + stride
    return SealedSession("", Record({}, 0, 0, os.urandom(8).hex(), generation, lines))


def _name(format: Format) -> str:
    name: str = getattr(format, "name", type(format).__name__)
    return name
