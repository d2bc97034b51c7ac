"""Decide what to do after a database's error, and name its cause and address without showing a value."""

import random
import re

__all__ = [
    "CONFLICTS",
    "ELSEWHERE",
    "MOST_CONFLICTS",
    "cause_of",
    "conflict_pause",
    "shown_address",
]

#: SQLSTATEs: the server undid the statement because of a concurrent one, by a conflict or a deadlock. Send it again.
CONFLICTS = frozenset({"40001", "40P01"})
#: Each conflict means that another statement has gone through, so that many of them in a row are unlikely.
MOST_CONFLICTS = 20
_CONFLICT_SECONDS = 0.002
#: SQLSTATEs: the server did nothing, because it may only be read from, is shutting down, has crashed or is starting.
#: Another server may have taken its address, so that a new connection leads to the right one.
ELSEWHERE = frozenset({"25006", "57P01", "57P02", "57P03"})

# A URL that was read wrongly, because its password contains an @ or a slash, may have a piece of the password here.
_HOST = re.compile(r"[\w.:\[\]-]+|/[\w./-]*")
_NAME = re.compile(r"[\w.-]*")

# Words that say what went wrong where there is no SQLSTATE, and that are no server's or user's own.
_KNOWN_CAUSES = re.compile(
    r"connection refused|timeout expired|authentication failed|no password supplied|does not exist|no such file"
    r"|too many clients|starting up|shutting down|in recovery|no route to host|network is unreachable"
    r"|could not translate host name|name or service not known|failed to resolve host|certificate verify failed"
    r"|SSL|closed the connection unexpectedly|connection reset|closed",
    re.IGNORECASE,
)


def conflict_pause(conflicts: int) -> float:
    """Return how long to wait after so many *conflicts*, in seconds."""
    return random.uniform(0, _CONFLICT_SECONDS * conflicts)  # noqa: S311  # it only spreads


def shown_address(host: object, port: object, database: object) -> str:
    """Return an address for a message, or nothing unless all of it looks like one."""
    texts = ["" if each is None else str(each) for each in (host, port, database)]
    if not (_HOST.fullmatch(texts[0]) and (not texts[1] or texts[1].isdigit()) and _NAME.fullmatch(texts[2])):
        return ""
    address = texts[0] + (f":{texts[1]}" if texts[1] else "")
    return f" at {address}/{texts[2]}" if texts[2] else f" at {address}"


def cause_of(exc: BaseException) -> str:
    """Return a name of what went wrong, without the words of the driver or the server: they may show values."""
    name = type(exc).__name__
    code = getattr(exc, "sqlstate", None)
    if code:
        return f"{name}, SQLSTATE {code}"
    known = _KNOWN_CAUSES.search(str(exc))
    return f"{name}, {known[0].lower() if known[0] != 'SSL' else 'SSL'}" if known else name
