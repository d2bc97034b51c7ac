"""What every format keeps to."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

from holdall._redacted import redacted

__all__ = ["Format", "Record", "record_of"]


@redacted
class Record(NamedTuple):
    """
    The part of a ``StoredSession`` that a format seals into a cookie, in the same order.

    Attributes:
        created: When the session began, in Unix seconds.
        expires: When it ends unless it is used, in Unix seconds.
        log_id: Sixteen hexadecimal digits that name the session in logs and open nothing.
        generation: Grows with each renewal, logout and login; ``None`` from a format that cannot carry it.
        lines: Four bytes that name the session's line, which a login begins anew, and those of the lines before.
        ended: This marks where a session was ended, and holds none.
    """

    data: dict[str, Any]
    created: int
    expires: int
    log_id: str
    generation: int | None = None
    lines: bytes = b""
    ended: bool = False


#: Makes a ``Record`` of a tuple of all its fields. A named tuple's own constructor is a function in Python.
record_of: Callable[[tuple[Any, ...]], Record] = partial(tuple.__new__, Record)


class Format(Protocol):
    """
    Seals sessions into cookies. *key* is the cookie's name: a cookie of one name must not open under another.

    A ``name``, a word, stands in the events that count what is still read in the format. One that seals a record's
    ``generation``, ``lines`` and ``ended`` along with its data says so by ``keeps_generations = True``.
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
        Return what was sealed, or ``None`` if *cookie* is not this format's own or was tampered with.

        It never raises, whatever the browser sent. Whether the session has expired is for the caller to say.
        """
        ...
