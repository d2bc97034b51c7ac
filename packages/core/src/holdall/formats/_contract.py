"""Define the protocol of formats."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

from holdall._redacted import redacted

__all__ = ["Format", "Record", "record_of"]


@redacted
class Record(NamedTuple):
    """
    The part of a ``StoredSession`` that a format seals into a cookie, with its fields in the same order.

    Attributes:
        created: When the session began, in Unix seconds.
        expires: When it ends unless it is used, in Unix seconds.
        log_id: Sixteen hexadecimal digits that identify the session in logs but cannot be used to open it.
        generation: Grows with each renewal, logout and login; ``None`` from a format that cannot store it.
        lines: Four bytes for the session's line, which each login begins anew, followed by those of earlier lines.
        ended: Whether this is the marker of an ended session, without data.
    """

    data: dict[str, Any]
    created: int
    expires: int
    log_id: str
    generation: int | None = None
    lines: bytes = b""
    ended: bool = False


#: Makes a ``Record`` from a tuple of all its fields, faster than its own constructor, which is written in Python.
record_of: Callable[[tuple[Any, ...]], Record] = partial(tuple.__new__, Record)


class Format(Protocol):
    """
    The protocol of formats, which seal sessions into cookies.

    *key* is the cookie's name: a cookie must not open under another name.

    An optional ``name``, one word, appears in the events that count sessions still read in this format. A format that
    seals a record's ``generation``, ``lines`` and ``ended`` along with its data sets ``keeps_generations = True``.
    """

    def seal(self, record: Record, *, key: str) -> str:
        """
        Return *record* as a cookie's value, in characters that a cookie can hold (RFC 6265, section 4.1.1).

        Raises:
            TypeError: A value cannot be stored; the message names its key and path.
        """
        ...

    def open(self, cookie: str, *, key: str) -> Record | None:
        """
        Return the sealed record, or ``None`` if *cookie* is not in this format or was tampered with.

        It never raises an error, whatever the browser sent. The caller checks whether the session has expired.
        """
        ...
