"""
Which of several sealed sessions is the browser's latest, so that a late response cannot bring an older one back.

A cookie that holds its session is set by whatever response arrives last. So a session gets another *generation*, and
with it another of a few names for its cookie, whenever it is renewed, ended, or somebody logs in. A response that was
late can only set the name of the generation that its request came with, and what counts is the latest generation.

Renewals, logouts and logins that start from one generation get different names by the different strides below, and of
those a logout outranks a renewal. A name is used again after four changes at the earliest, all within the time that one
slow response takes.

A login also begins a new *line*, and names those that it comes from. It outranks all of their generations, and only
those. An attacker who plants a cookie in a browser can raise its generation, but not name the line that the browser is
in: two lines of which neither comes from the other are duplicates, and neither counts, as with any planted cookie. One
exception is made for a first visit, where several requests bring nothing and begin a line each: for five minutes a
higher generation outranks an anonymous session that came from nothing. An attacker who can plant a cookie in those
minutes could have planted it just before, and it would have been taken for the visitor's all the same.
"""

import os
from collections.abc import Sequence

from holdall.cookies import SUFFIXES
from holdall.stores.contract import StoredSession

__all__ = ["LINE_BYTES", "LOGIN", "LOGOUT", "RENEWAL", "Apart", "latest", "line_after", "lines_of", "suffix_of"]

LINE_BYTES = 4

# How far each goes on. No sum of up to three of them is a multiple of the number of names.
RENEWAL, LOGOUT, LOGIN = 1, 3, 5

# Lines that a session names at most, its own included.
_MOST_LINES = 5

# No slow request of a first visit takes longer, in seconds.
_FIRST_VISIT = 300


def suffix_of(stored: StoredSession) -> str:
    """Return what the name of the session's cookie ends with, after the usual name."""
    return SUFFIXES[(stored.generation or 0) % len(SUFFIXES)]


def lines_of(stored: StoredSession) -> bytes:
    """Return the session's line and those before it, or one made of its log ID where its format has none."""
    return stored.lines or bytes.fromhex(stored.log_id)[:LINE_BYTES]


def line_after(stored: StoredSession, new: bytes) -> bytes:
    """Return the line *new* with those that it comes from."""
    return (new + lines_of(stored))[: _MOST_LINES * LINE_BYTES]


def latest(found: Sequence[StoredSession], now: int) -> list[StoredSession]:
    """Return those of *found* that none of the others outranks: a single one, unless they do not belong together."""
    return [each for each in found if not any(_outranks(other, each, now) for other in found)]


def _outranks(one: StoredSession, other: StoredSession, now: int) -> bool:
    if one.generation is None or other.generation is None:
        return False
    mine, theirs = _split(lines_of(one)), _split(lines_of(other))
    if mine[0] == theirs[0]:
        return one.generation > other.generation
    if len(theirs) == 1 and LOGIN > other.generation < one.generation:
        # Below ``LOGIN`` nobody has logged in, and a single line came from nothing.
        return theirs[0] in mine or min(one.created, other.created) >= now - _FIRST_VISIT
    return theirs[0] in mine


class Apart(StoredSession):
    """
    Where a session begins whose browser sent cookies that did not count: in a line that came from something.

    Args:
        last: The session that the cookies stood for, which has ended.
    """

    __slots__ = ("generation", "lines")
    ended = True

    def __init__(self, last: StoredSession | None = None) -> None:
        super().__init__("", {}, 0, 0)
        # As after a logout: a late response of the one that has ended must not take the new one's name.
        self.generation = 0 if last is None else (last.generation or 0) + LOGOUT
        self.lines = os.urandom(2 * LINE_BYTES) if last is None else lines_of(last)


def _split(lines: bytes) -> list[bytes]:
    return [lines[start : start + LINE_BYTES] for start in range(0, len(lines), LINE_BYTES)]
