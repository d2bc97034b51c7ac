"""Decide what to do after a database error, and name its cause and address without showing a value."""

import os
import random
import re
from typing import Any

__all__ = [
    "CONFLICTS",
    "ELSEWHERE",
    "MOST_CONFLICTS",
    "cause_of",
    "conflict_pause",
    "shown_address",
    "sqlstate_of",
]

#: SQLSTATEs that mean that the server undid the statement, because of a conflict or a deadlock with a concurrent one.
#: Sending it again can succeed.
CONFLICTS = frozenset({"40001", "40P01"})
#: Each conflict means that another statement succeeded, so many of them in a row are unlikely.
MOST_CONFLICTS = 20
_CONFLICT_SECONDS = 0.002
#: SQLSTATEs that mean that the server did nothing, because it is read-only, shutting down, crashed or starting. Another
#: server may have taken over its address, so a new connection may reach the right one.
ELSEWHERE = frozenset({"25006", "57P01", "57P02", "57P03"})

# The same errors in databases whose drivers report no distinct SQLSTATE, by the database's name.
_OF_MYSQL = {1020: "40001", 1213: "40P01", 1290: "25006", 1792: "25006", 1836: "25006", 1053: "57P01"}
_OTHER_CODES: dict[str, dict[Any, str]] = {
    "mysql": _OF_MYSQL,
    "mariadb": _OF_MYSQL,
    "oracle": {60: "40P01", 8177: "40001", 16000: "25006"},
    "mssql": {1205: "40P01", 3960: "40001", 3906: "25006", "40001": "40P01"},
}

# If a URL was misread because its password contains an @ or a slash, part of the password may be here.
_HOST = re.compile(r"[\w.:\[\]-]+|/[\w./-]*")
_NAME = re.compile(r"[\w.-]*")

# Words that describe the error if there is no SQLSTATE, and that do not come from the server's or user's data.
_KNOWN_CAUSES = re.compile(
    r"connection refused|timeout expired|authentication failed|no password supplied|does not exist|no such file"
    r"|too many clients|starting up|shutting down|in recovery|no route to host|network is unreachable"
    r"|could not translate host name|name or service not known|failed to resolve host|certificate verify failed"
    r"|SSL|closed the connection unexpectedly|connection reset|closed",
    re.IGNORECASE,
)

# What Python writes before the operating system's message.
_ERRNO = re.compile(r"\[Errno (\d+)\]")


def conflict_pause(conflicts: int) -> float:
    """Return how long to wait after this many *conflicts*, in seconds."""
    return random.uniform(0, _CONFLICT_SECONDS * conflicts)  # noqa: S311  # not a secret


def shown_address(host: object, port: object, database: object) -> str:
    """Return an address to show in a message; ``""`` unless every part looks like one."""
    texts = ["" if each is None else str(each) for each in (host, port, database)]
    if not (_HOST.fullmatch(texts[0]) and (not texts[1] or texts[1].isdigit()) and _NAME.fullmatch(texts[2])):
        return ""
    address = texts[0] + (f":{texts[1]}" if texts[1] else "")
    return f" at {address}/{texts[2]}" if texts[2] else f" at {address}"


def sqlstate_of(error: BaseException | None, database: str) -> str | None:
    """
    Return the SQLSTATE of a driver's *error*, or an equivalent for a *database* that uses numbers instead.

    Only numbers that correspond to ``CONFLICTS`` or ``ELSEWHERE`` are known.
    """
    if database in _OTHER_CODES:
        number: Any = getattr(error, "errno", None) or next(iter(getattr(error, "args", ())), None)
        # Oracle's driver puts an object there.
        return _OTHER_CODES[database].get(getattr(number, "code", number))
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)


def cause_of(exc: BaseException) -> str:
    """Return a name for the error, without the message of the driver or the server, which may show values."""
    words = [type(exc).__name__]
    code = getattr(exc, "sqlstate", None)
    number = next(iter(exc.args), None)
    known = None if code else _KNOWN_CAUSES.search(str(exc))
    if code:
        words.append(f"SQLSTATE {code}")
    if known:
        words.append(known[0].lower() if known[0] != "SSL" else "SSL")
    elif type(number) is int:
        words.append(f"error {number}")
    elif system := _ERRNO.search(f"{exc.__cause__ or exc.__context__}"):
        # asyncio gives the number, and the address instead of its meaning.
        words.append(os.strerror(int(system[1])).lower())
    return ", ".join(words)
