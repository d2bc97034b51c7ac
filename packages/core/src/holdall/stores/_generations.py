"""
Find the latest of several sealed sessions, so that a late response cannot bring an older one back.

Of several responses that set the cookie of a sealed session, the last one to arrive wins. So a session gets a new
*generation*, and with it another of several cookie names, whenever it is renewed, ended, or a user logs in. A late
response can only set the name of the generation that its request came with, and the latest generation counts.

Renewals, logouts and logins that start from the same generation get different names because of the different strides
below, and a logout takes precedence over a renewal. A name is reused after four changes at the earliest, all within
the time of one slow response.

A login also begins a new *line* of descent, and lists the lines that it comes from. It takes precedence over all of
their generations, and only those. An attacker who plants a cookie in a browser can raise its generation, but cannot
list the browser's line. If neither of two lines comes from the other, they are duplicates, and neither counts, as with
any planted cookie. There is one exception for a first visit, where several requests come without a cookie and each
begins a line: for five minutes a higher generation takes precedence over an anonymous session whose line comes from no
other. An attacker who can plant a cookie within those minutes could just as well have planted it before the visit.

A cookie that another library wrote has no generation. A session that was moved here from it takes precedence over it,
and so do its successors: they have the log ID that was derived from that cookie, or come from its line.
"""

import os
from collections.abc import Sequence

from holdall._cookies import SUFFIXES
from holdall.formats._times import log_id_from
from holdall.stores._contract import StoredSession

__all__ = [
    "LINE_BYTES",
    "LOGIN",
    "LOGOUT",
    "RENEWAL",
    "Apart",
    "is_foreign",
    "latest",
    "line_after",
    "lines_of",
    "suffix_of",
]

LINE_BYTES = 4

# The stride of each change. No sum of up to three of them is a multiple of the number of names.
RENEWAL, LOGOUT, LOGIN = 1, 3, 5

# The maximum number of lines that a session lists, including its own.
_MOST_LINES = 5

# No slow request of a first visit takes longer than this, in seconds.
_FIRST_VISIT = 300


def suffix_of(stored: StoredSession) -> str:
    """Return the suffix of the session's cookie name."""
    return SUFFIXES[(stored.generation or 0) % len(SUFFIXES)]


def lines_of(stored: StoredSession) -> bytes:
    """Return the session's line and previous lines, or one derived from its log ID if its format has none."""
    return stored.lines or bytes.fromhex(stored.log_id)[:LINE_BYTES]


def line_after(stored: StoredSession, new: bytes) -> bytes:
    """Return the line *new* followed by the lines it comes from."""
    return (new + lines_of(stored))[: _MOST_LINES * LINE_BYTES]


def is_foreign(stored: StoredSession) -> bool:
    """Return whether another library wrote the session's cookie."""
    return stored.log_id == log_id_from(stored.cookie)


def latest(found: Sequence[StoredSession], now: int) -> list[StoredSession]:
    """Return the sessions in *found* that no other takes precedence over: a single one, unless they are unrelated."""
    return [each for each in found if not any(_outranks(other, each, now) for other in found)]


def _outranks(one: StoredSession, other: StoredSession, now: int) -> bool:
    if is_foreign(other):
        return not is_foreign(one) and (one.log_id == other.log_id or lines_of(other) in _split(one.lines))
    if one.generation is None or other.generation is None:
        return False
    mine, theirs = _split(lines_of(one)), _split(lines_of(other))
    if mine[0] == theirs[0]:
        return one.generation > other.generation
    if len(theirs) == 1 and LOGIN > other.generation < one.generation:
        # A generation below ``LOGIN`` has seen no login, and a single line comes from no other.
        return theirs[0] in mine or min(one.created, other.created) >= now - _FIRST_VISIT
    return theirs[0] in mine


class Apart(StoredSession):
    """
    The place of a new session whose browser sent cookies that do not count.

    Its line comes from another, so the exception for a first visit does not apply to it.

    Args:
        last: The session of these cookies, if it is known; it has ended.

    Attributes:
        stride: How many generations later the new session begins, unless a login begins it.
    """

    __slots__ = ("generation", "lines", "stride")
    ended = True

    def __init__(self, last: StoredSession | None = None) -> None:
        super().__init__("", {}, 0, 0)
        self.generation = 0 if last is None else last.generation or 0
        # As after a logout: a late response for the ended session must not take the new one's name.
        self.stride = 0 if last is None else LOGOUT
        self.lines = os.urandom(2 * LINE_BYTES) if last is None else lines_of(last)


def _split(lines: bytes) -> list[bytes]:
    return [lines[start : start + LINE_BYTES] for start in range(0, len(lines), LINE_BYTES)]
