"""Parse our options for a table, from its URL or from arguments."""

import math
import re
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from holdall._errors import ConfigurationError
from holdall._option_hints import meant_by

__all__ = ["checked_name", "checked_timeout", "refuse_unknown", "split_options", "timeout_of"]

# PostgreSQL truncates names of 64 bytes and more, and the indexes' names are longer.
_TABLE_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_PARAMETER = re.compile(r"[A-Za-z_]+")


def split_options(url: str, known: Mapping[str, Callable[[str], Any]]) -> tuple[str, dict[str, Any]]:
    """
    Return *url* without the *known* options, and these options.

    Raises:
        ConfigurationError: An option's value is invalid.
    """
    address, _, query = url.partition("?")
    left: list[str] = []
    options: dict[str, Any] = {}
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        if name not in known:
            left.append(part)
            continue
        try:
            options[name] = known[name](unquote(value))
        except ValueError as exc:
            msg = f"the option {name}= in the table's URL cannot be used: {exc}."
            raise ConfigurationError(msg) from None
    return "?".join((address, "&".join(left))) if left else address, options


def refuse_unknown(url: str, ours: Collection[str], others: Collection[str] = (), *, driver: str = "") -> None:
    """
    Refuse a *url* with an unknown parameter.

    Args:
        ours: The parameters that we read.
        others: Those that the driver reads.
        driver: The driver's name, for the message.

    Raises:
        ConfigurationError: A parameter is unknown; the message suggests the closest known one.
    """
    query = url.partition("?")[2]
    names = [unquote(part.partition("=")[0]) for part in query.split("&") if part]
    unknown = next((name for name in names if name not in ours and name not in others), None)
    if unknown is None:
        return
    if "@" in query or not _PARAMETER.fullmatch(unknown):
        # Not shown, because it may be the rest of a password.
        msg = "the part of the URL after the ? must be name=value: write %3F for a ? in a path or a password."
        raise ConfigurationError(msg)
    meant = " or ".join(meant_by(unknown, {*ours, *others}))
    known = ", ".join((*ours, *([f"and the parameters of {driver}"] if driver else [])))
    hint = f": did you mean {meant}?" if meant else f". It takes {known}."
    msg = f"the URL does not take {unknown}{hint}"
    raise ConfigurationError(msg)


def checked_name(table: str) -> str:
    """
    Return *table* if it can be a table's name in SQL.

    Raises:
        ConfigurationError: The name would have to be quoted, or is too long.
    """
    if not _TABLE_NAME.fullmatch(table):
        msg = (
            f"table={table!r} cannot be a table's name: write up to 48 lower-case letters, digits and underscores, "
            "beginning with a letter."
        )
        raise ConfigurationError(msg)
    return table


def checked_timeout(name: str, value: timedelta | int) -> timedelta:
    """
    Return the timeout *value* of the option *name*, which may be in whole seconds.

    Raises:
        ConfigurationError: *value* is not a ``timedelta`` or a whole number of seconds, or is shorter than a second.
    """
    if isinstance(value, timedelta):
        return value
    # Not isinstance, because True is an int too. A timedelta cannot be longer than its maximum.
    if type(value) is not int or not 0 < value < timedelta.max.total_seconds():
        msg = f"{name}={value!r} is neither a timedelta nor a whole number of seconds of at least 1."
        raise ConfigurationError(msg)
    return timedelta(seconds=value)


def timeout_of(text: str) -> timedelta:
    """Return a timeout that a URL gives in seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        msg = "write a number of seconds, such as 5 or 0.5"
        raise ValueError(msg)
    return timedelta(seconds=seconds)
